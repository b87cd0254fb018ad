"""A dataset that makes its own pictures: a corpus with known truth, in the layouts of real datasets."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import xxhash

from kce.data.world_layouts import CELEB_FOLDER, FURTHER_FOLDER, world_jobs
from kce.data.world_storage import WorldCodec
from kce.data.world_table import world_datasets, world_truth
from kce.errors import KCEError
from kce.registry import defaults
from kce.system.lock import file_lock, make_folder
from kce.types import Remark, Sample

if TYPE_CHECKING:
    from kce.data.world_layouts import Recording
    from kce.data.world_table import Forgery
    from kce.types import Image, Progress

_FOLDERS = {
    defaults.FF: defaults.FF,
    defaults.DFD: defaults.FF,
    defaults.CELEB: CELEB_FOLDER,
    defaults.NET: defaults.NET,
}
WORLD_FILE, TRUTH_FILE = "world.toml", "truth.toml"
_Value = bool | int | float | str | list[str]


class WorldDataset:
    """A base class for synthetic datasets whose truth is known: a subclass says what is in the pictures.

    The pictures are stored in the layouts of FaceForensics++, DeepFakeDetection, Celeb-DF v2 and ForgeryNet; further
    datasets are plain folders of pictures. They are written below `root` when the dataset is first read, and then read
    by the adapters of these datasets. ``truth.toml`` beside them has the method behind each category, and
    ``world.toml`` what the world was made from. The names of categories are those of Sun et al. 2023: the first 18, or
    all 31.

    A subclass sets the attributes below before anything is made, and defines `recordings` and `pictures`.

    Args:
        root: The folder in which the world is made, or that contains it.
        forgeries: The categories of fakes with their methods; see ``kce.place_methods``.
        parameters: What decides about the files: a world of other parameters in the same folder is refused.
        seed: Seed of the codes in file names.

    Attributes:
        version: Raised when equal parameters give other files than before.
        frames: Frames of each recording.
        plain: The datasets that get no layout of their own.

    Example:
        A world whose only method paints the face grey::

            class Grey(kce.WorldDataset):
                name = "grey"

                def __init__(self, root: str, placement: int = 0) -> None:
                    forgeries = kce.place_methods(4, ["grey"], placement)
                    super().__init__(root, forgeries, {"placement": placement})

                def recordings(self, dataset):
                    return [kce.Recording(i, target=i, donor=i ^ 1, partner=i ^ 1) for i in range(8)]

                def pictures(self, dataset, recording, forgeries):
                    real = my_picture(recording.target)
                    yield None, [real]
                    for forgery in forgeries:
                        yield forgery, [grey(real)]

        >>> from kce.data.world_table import place_methods
        >>> WorldDataset("nowhere", place_methods(4, ["grey"], 1), {}).truth()["ForgeryNet_real"]
        'real'
    """

    known_faults: ClassVar = {
        "labels": "its samples belong to the datasets that it contains",
        "missing-root": "it is made there",
        "empty-root": "it is made there",
    }
    version: ClassVar[int] = 1
    frames: int = 1
    plain: Sequence[str] = defaults.FURTHER

    def __init__(
        self, root: str | Path, forgeries: Sequence[Forgery], parameters: Mapping[str, _Value], seed: int = 0
    ) -> None:
        self.root, self.seed = Path(root), seed
        self.forgeries = tuple(forgeries)
        self._parameters = dict(parameters)

    @property
    def images(self) -> int | None:
        """Pictures of each category, from which benches estimate how long trainings take; None = not known."""
        return None

    @property
    def made_from(self) -> str:
        """A hash of what the world is made from, and of its truth: ``kce.cut`` mixes no faces of different worlds."""
        kind = [getattr(self, "name", ""), type(self).__qualname__, self.version, self.seed]
        made = {"of": kind, "parameters": self._parameters, "truth": self.truth()}
        return xxhash.xxh3_64_hexdigest(json.dumps(made, sort_keys=True).encode())

    def recordings(self, dataset: str) -> Sequence[Recording]:
        """List the recordings of a dataset; those of FaceForensics++ are at most 1,000, and in pairs."""
        raise NotImplementedError

    def pictures(
        self, dataset: str, recording: Recording, forgeries: Sequence[Forgery]
    ) -> Iterable[tuple[Forgery | None, Sequence[Image]]]:
        """Make the frames of a recording, square uint8 (side, side, 3), as a real (None), and by each forgery."""
        raise NotImplementedError

    def stored_as(self, dataset: str, copy: str) -> WorldCodec:  # noqa: ARG002 - a subclass may distinguish them
        """Say how a dataset stores pictures: visually lossless, if a subclass says nothing else.

        Args:
            dataset: The dataset.
            copy: "c23" or "c40" for FaceForensics++, "c23" for DeepFakeDetection, else empty.
        """
        return WorldCodec()

    def truth(self) -> dict[str, str]:
        """Category -> method; the method of reals is "real"."""
        return world_truth(self.forgeries)

    def make(self, progress: Progress = lambda *_: None) -> None:
        """Make the world, unless it exists. It appears at `root` only when it is complete.

        Raises:
            KCEError: The root contains something else, or cannot be written.
        """
        if self._exists():
            return
        with self.alone(self.root):
            if not self._exists():  # nor has another process made it meanwhile
                self._make(progress)

    @contextmanager
    def alone(self, folder: Path) -> Iterator[None]:
        """Hold a lock beside a folder inside the block: what two processes need is made by one, and the other waits.

        Raises:
            MachineFault: The folder above it cannot be made, or the lock not be taken.
        """
        at = folder.absolute()
        make_folder(at.parent)
        with file_lock(at.with_name(f".{at.name}.lock"), None):
            yield

    def _make(self, progress: Progress) -> None:
        root = self.root.absolute()
        part = root.with_name(f"{root.name}.part")
        try:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            self._fill(part, progress)
            lines = [
                f"{key} = {_toml(value)}\n" for key, value in {"version": self.version, **self._parameters}.items()
            ]
            (part / WORLD_FILE).write_text("".join(lines), encoding="utf-8")
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

    def __iter__(self) -> Iterator[Sample | Remark]:
        self.make()
        # A user's registry may have other components of these names.
        folders = {dataset: at for dataset, at in _FOLDERS.items() if dataset not in self.plain}
        readers = {name: defaults.build_default("dataset", name, root=self.root / at) for name, at in folders.items()}
        if (self.root / FURTHER_FOLDER).is_dir():
            further = self.root / FURTHER_FOLDER
            readers[FURTHER_FOLDER] = defaults.build_default("dataset", defaults.FOLDER, root=further)
        for dataset, reader in readers.items():
            for item in reader:
                if isinstance(item, Sample):
                    yield replace(item, key=f"{dataset}/{item.key}")
                else:
                    yield replace(item, path=f"{dataset}/{item.path}")

    def _exists(self) -> bool:
        """Whether the root contains this world, complete. Raises KCEError if it contains anything else."""
        if self.root.is_dir() and any(self.root.iterdir()):
            try:
                if not (self.root / WORLD_FILE).is_file():
                    raise FileNotFoundError
                existing = tomllib.loads((self.root / WORLD_FILE).read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise KCEError(
                    f"{self.root} contains something other than a complete world",
                    "choose an empty or new folder with root=...",
                ) from error
            requested = {"version": self.version, **self._parameters}
            if existing.get("version") != self.version:
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

    def _fill(self, part: Path, progress: Progress) -> None:
        import os
        from concurrent.futures import ThreadPoolExecutor, as_completed

        lines = [f'"{category}" = "{method}"\n' for category, method in self.truth().items()]
        (part / TRUTH_FILE).write_text("[method]\n" + "".join(lines), encoding="utf-8")
        datasets = world_datasets(len(self.forgeries))
        pool = ThreadPoolExecutor(os.cpu_count() or 1)
        try:
            running = [pool.submit(job) for job in world_jobs(part, self, self.forgeries, datasets)]
            progress("world", 0, len(running))
            for done, job in enumerate(as_completed(running), 1):
                job.result()
                progress("world", done, len(running))
        finally:
            pool.shutdown(cancel_futures=True)


def make_world(dataset: object, progress: Progress) -> None:
    """Make the world that a dataset is, if it is one and was not made: reading it would make it, and show no progress.

    Args:
        dataset: Any dataset.
        progress: Called while it is made.
    """
    if isinstance(dataset, WorldDataset):
        dataset.make(progress)


def _toml(value: _Value) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, bool | str | list) else str(value)
