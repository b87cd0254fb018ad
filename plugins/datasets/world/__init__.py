"""A corpus with known truth: drawn faces, forged by real image methods, lying on disk as real datasets do."""

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
"""Dataset -> the folder below the world's root that its adapter reads."""

_VERSION = 4  # raised when equal parameters give other files than before


def _quiet(what: str, done: int, total: int | None) -> None:
    """No progress bar."""


class World:
    """Forged faces whose forgery method is known, in the layouts of FaceForensics++, DeepFakeDetection, Celeb-DF v2
    and ForgeryNet, and further datasets as plain folders of pictures; needs no download.

    It is made below `root` the first time it is read, and then read by the adapters of those datasets. `truth.toml`
    beside them says which method hides behind which category; some equal names hide different methods, and some
    equal methods bear different names. Four of the default categories are meant to be kept unknown:
    FaceForensics++_NeuralTextures, ForgeryNet_SC-FEGAN, ForgeryNet_StarGAN2, ForgeryNet_DiscoFaceGAN.

    root        folder to make it in, or that holds it; 18 categories of 100 pictures take about 20 MB
    seed        of everything that is drawn, and of the strength of each forgery
    identities  people in the world, 4 to 99; the same in every dataset, so that only its storage tells one from another
    categories  categories of fakes, 4 to 31; the datasets have their reals besides. Beyond 22 come those of six further
                datasets (``Further/``); with 31 the world bears the names of all categories of Sun et al. 2023
    images      pictures of each category, at most 64 for each identity. Clips have 4 frames, so a category of a video
                dataset has images / 4 videos (rounded up): cut 4 frames of each. FaceForensics++ has its reals in
                pairs, and Celeb-DF a fifth more of them, of people whom nobody forged
    artefact    0 to 1: how much the datasets differ in codec, quality and resolution; at 0 they are all alike and
                visually lossless
    placement   which methods hide behind which names: 0 is the order the demo knows, any other number deals them anew

    Raises KCEError for a dial out of its range, for a root that holds something else, or a world of other dials.
    """

    name = "world"
    known_faults: ClassVar = {
        "labels": "its samples are of the datasets it holds",
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
        self._dials: dict[str, Any] = {
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
            for found in reader:
                if isinstance(found, Sample):
                    yield replace(found, key=f"{dataset}/{found.key}")
                else:
                    yield replace(found, path=f"{dataset}/{found.path}")

    def make(self, progress: Callable[[str, int, int | None], None] = _quiet) -> None:
        """Draw, forge and store the world, unless it is there. It appears at `root` when it is whole, not before."""
        if self._is_there():
            return
        from .layout import WorldParameters

        root = self.root.absolute()
        part = root.with_name(f"{root.name}.part")
        try:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            _fill(part, WorldParameters(**self._dials), progress)
            lines = [f"{key} = {value}\n" for key, value in {"version": _VERSION, **self._dials}.items()]
            (part / "world.toml").write_text("".join(lines), encoding="utf-8")
            if root.is_dir():
                root.rmdir()  # it is empty, or it would have been refused
            part.rename(root)
        except OSError as error:
            raise KCEError(
                f"the world cannot be written to {self.root}: {error}",
                "is the disk full, or the folder not yours to write to? Name another with root=...",
            ) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _is_there(self) -> bool:
        """Whether a finished world of these dials is at the root. Raises KCEError if anything else is."""
        if self.root.is_dir() and any(self.root.iterdir()):
            try:
                found = tomllib.loads((self.root / "world.toml").read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise KCEError(
                    f"{self.root} holds something that is no finished world",
                    "name a folder that is empty or not there yet, with root=...",
                ) from error
            wanted = {"version": _VERSION, **self._dials}
            if found.get("version") != _VERSION:
                raise KCEError(
                    f"{self.root} holds a world that another version of KCE made",
                    "name another folder with root=..., or remove this one to have it made again",
                )
            if found != wanted:
                keys = [key for key in sorted({*wanted, *found}) if wanted.get(key) != found.get(key)]
                there = ", ".join(f"{key}={found.get(key)}" for key in keys)
                asked = ", ".join(f"{key}={wanted.get(key)}" for key in keys)
                raise KCEError(
                    f"{self.root} holds a world with {there}; asked for is one with {asked}",
                    f"ask for the one that is there ({there}), or name another folder with root=... for {asked}",
                )
            return True
        if self.root.exists() and not self.root.is_dir():
            raise KCEError(f"{self.root} is a file", "name a folder with root=...")
        return False


def _fill(part: Path, dials: WorldParameters, progress: Callable[[str, int, int | None], None]) -> None:
    import os
    from concurrent.futures import ThreadPoolExecutor, as_completed

    from .layout import jobs

    lines = [f'"{category}" = "{method}"\n' for category, method in truth(dials.categories, dials.placement).items()]
    (part / "truth.toml").write_text("[method]\n" + "".join(lines), encoding="utf-8")
    pool = ThreadPoolExecutor(os.cpu_count() or 1)
    try:
        running = [pool.submit(job) for job in jobs(part, dials)]
        progress("world", 0, len(running))
        for done, job in enumerate(as_completed(running), 1):
            job.result()
            progress("world", done, len(running))
    finally:
        pool.shutdown(cancel_futures=True)


def _within(name: str, value: int, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise KCEError(f"{name} is {value!r}", f"{name} is a whole number from {low} to {high}")
    return value


def _share(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1 or math.isnan(value):
        raise KCEError(f"{name} is {value!r}", f"{name} is a number from 0 to 1")
    return float(value)


@hookimpl
def kce_datasets() -> dict[str, Callable[..., Any]]:
    return {"world": World}
