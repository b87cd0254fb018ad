"""A corpus with known truth: synthetic faces, forged by image operations, in the layouts of real datasets."""

from __future__ import annotations

import math
import shutil
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from kce import KCEError, Registry, Remark, Sample, hookimpl

from .table import CELEB, DFD, FF, FORGERIES, NET, UNKNOWN, truth

if TYPE_CHECKING:
    from .layout import WorldParameters

__all__ = ["FOLDERS", "UNKNOWN", "World", "kce_datasets", "truth"]

FOLDERS = {FF: "FaceForensics++", DFD: "FaceForensics++", CELEB: "Celeb-DF-v2", NET: "ForgeryNet"}
"""Dataset -> the folder below the root that its adapter reads."""

_VERSION = 4  # raised when equal parameters give other files than before


def _quiet(what: str, done: int, total: int | None) -> None:
    """No progress bar."""


class World:
    """Synthetic faces, forged by known methods, in the layouts of real datasets; needs no download.

    The layouts are those of FaceForensics++, DeepFakeDetection, Celeb-DF v2 and ForgeryNet; further datasets are plain
    folders of pictures. The world is made below `root` when it is first read, and then read by the adapters of these
    datasets. ``truth.toml`` beside them gives the method behind each category: some equal names have different methods,
    and some equal methods have different names. Four of the default categories are meant to be held out:
    FaceForensics++_NeuralTextures, ForgeryNet_SC-FEGAN, ForgeryNet_StarGAN2 and ForgeryNet_DiscoFaceGAN.

    Args:
        root: Folder to make the world in, or that contains it; 18 categories of 100 pictures take about 20 MB.
        seed: Seed of all random choices, and of the strength of each forgery.
        identities: Number of people, 4 to 99; they are the same in every dataset, so that only storage distinguishes
            datasets.
        categories: Number of categories of fakes, 4 to 31; the datasets have reals besides. Those beyond 22 are of six
            further datasets (``Further/``); with 31, a world has the names of all categories of Sun et al. 2023.
        images: Pictures per category, at most 64 per identity. Clips have 4 frames, so a category of a video dataset
            has images / 4 videos (rounded up): cut 4 frames of each. FaceForensics++ has reals in pairs, and Celeb-DF
            a fifth more reals, of people of whom there are no fakes.
        artefact: How much the datasets differ in codec, quality and resolution, from 0 (all alike and visually
            lossless) to 1.
        placement: Which methods are behind which names: 0 is the placement of the demo; any other number is the seed of
            a random one.

    Raises:
        KCEError: A parameter is out of range, or the root contains something else, or a world of other parameters.
    """

    name = "world"
    known_faults: ClassVar = {
        "labels": "its samples belong to the datasets that it contains",
        "missing-root": "it is made there",
        "empty-root": "it is made there",
    }

    def __init__(
        self,
        root: str | Path,
        seed: int = 0,
        identities: int = 24,
        categories: int = 18,
        images: int = 100,
        artefact: float = 0.5,
        placement: int = 0,
    ) -> None:
        self.root = Path(root)
        self._parameters: dict[str, Any] = {
            "seed": _within("seed", seed, 0, 2**63 - 1),
            "identities": _within("identities", identities, 4, 99),
            "categories": _within("categories", categories, 4, len(FORGERIES)),
            "images": _within("images", images, 1, 64 * identities if identities < 62 else 3968),
            "artefact": _share("artefact", artefact),
            "placement": _within("placement", placement, 0, 2**31 - 1),
        }

    def __iter__(self) -> Iterator[Sample | Remark]:
        self.make()
        registry = Registry.load()
        readers = {dataset: registry.build("dataset", dataset, root=self.root / at) for dataset, at in FOLDERS.items()}
        if (self.root / "Further").is_dir():
            readers["Further"] = registry.build("dataset", "folder", root=self.root / "Further")
        for dataset, reader in readers.items():
            for item in reader:
                if isinstance(item, Sample):
                    yield replace(item, key=f"{dataset}/{item.key}")
                else:
                    yield replace(item, path=f"{dataset}/{item.path}")

    def truth(self) -> dict[str, str]:
        """Category -> the method behind it, "real" for reals; nothing is made for this."""
        return truth(self._parameters["categories"], self._parameters["placement"])

    def make(self, progress: Callable[[str, int, int | None], None] = _quiet) -> None:
        """Make the world, unless it exists. It appears at `root` only when it is complete.

        Raises:
            KCEError: The root contains something else, or cannot be written.
        """
        if self._exists():
            return
        from .layout import WorldParameters

        root = self.root.absolute()
        part = root.with_name(f"{root.name}.part")
        try:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            _fill(part, WorldParameters(**self._parameters), progress)
            lines = [f"{key} = {value}\n" for key, value in {"version": _VERSION, **self._parameters}.items()]
            (part / "world.toml").write_text("".join(lines), encoding="utf-8")
            if root.is_dir():
                root.rmdir()  # it is empty, or it would have been refused
            part.rename(root)
        except OSError as error:
            raise KCEError(
                f"the world cannot be written to {self.root}: {error}",
                "is the disk full, or the folder not yours to write to? Choose another one with root=...",
            ) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _exists(self) -> bool:
        """Whether the root contains this world, complete. Raises KCEError if it contains anything else."""
        if self.root.is_dir() and any(self.root.iterdir()):
            try:
                if not (self.root / "world.toml").is_file():
                    raise FileNotFoundError
                existing = tomllib.loads((self.root / "world.toml").read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise KCEError(
                    f"{self.root} contains something other than a complete world",
                    "choose an empty or new folder with root=...",
                ) from error
            requested = {"version": _VERSION, **self._parameters}
            if existing.get("version") != _VERSION:
                raise KCEError(
                    f"{self.root} contains a world made by another version of KCE",
                    "choose another folder with root=..., or remove this one to have it made again",
                )
            if existing != requested:
                keys = [key for key in sorted({*requested, *existing}) if requested.get(key) != existing.get(key)]
                old = ", ".join(f"{key}={existing.get(key)}" for key in keys)
                new = ", ".join(f"{key}={requested.get(key)}" for key in keys)
                raise KCEError(
                    f"{self.root} contains a world with {old}; requested: {new}",
                    f"use the existing one with {old}, or choose another folder with root=... for {new}",
                )
            return True
        if self.root.exists() and not self.root.is_dir():
            raise KCEError(f"{self.root} is a file", "choose a folder with root=...")
        return False


def _fill(part: Path, parameters: WorldParameters, progress: Callable[[str, int, int | None], None]) -> None:
    import os
    from concurrent.futures import ThreadPoolExecutor, as_completed

    from .layout import jobs

    lines = [
        f'"{category}" = "{method}"\n'
        for category, method in truth(parameters.categories, parameters.placement).items()
    ]
    (part / "truth.toml").write_text("[method]\n" + "".join(lines), encoding="utf-8")
    pool = ThreadPoolExecutor(os.cpu_count() or 1)
    try:
        running = [pool.submit(job) for job in jobs(part, parameters)]
        progress("world", 0, len(running))
        for done, job in enumerate(as_completed(running), 1):
            job.result()
            progress("world", done, len(running))
    finally:
        pool.shutdown(cancel_futures=True)


def _within(name: str, value: int, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise KCEError(f"{name} = {value!r} is out of range", f"{name} is a whole number from {low} to {high}")
    return value


def _share(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1 or math.isnan(value):
        raise KCEError(f"{name} = {value!r} is out of range", f"{name} is a number from 0 to 1")
    return float(value)


@hookimpl
def kce_datasets() -> dict[str, Callable[..., Any]]:
    """The synthetic corpus."""
    return {"world": World}
