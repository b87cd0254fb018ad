"""Writes the pictures of a world in the layouts of real datasets, recording by recording.

A recording is some frames of one person; it is stored as a real, and once more for every forgery of its dataset.
Recordings are independent of each other, so several threads may write them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import xxhash

from kce.data.world_storage import write_file, write_picture, write_video
from kce.data.world_table import WITH_REALS, Forgery
from kce.labels import REAL
from kce.registry.defaults import CELEB, DFD, FF, NET

if TYPE_CHECKING:
    from kce.data.world_storage import WorldCodec
    from kce.types import Image

CELEB_FOLDER = "Celeb-DF-v2"
FURTHER_FOLDER = "Further"
"""The folder of the datasets that do not have their own layouts: pictures, and a CSV file that names them."""
SCENES = (
    "exit_phone_room", "hugging_happy", "kitchen_pan", "kitchen_still", "meeting_serious",
    "outside_talking_pan_laughing", "outside_talking_still_laughing", "podium_speech_happy", "secret_conversation",
    "talking_against_wall", "talking_angry_couch", "walk_down_hall_angry", "walking_and_outside_surprised",
    "walking_down_indoor_hall_disgust", "walking_down_street_outside_angry", "walking_outside_cafe_disgusted",
)  # fmt: skip
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


@dataclass(frozen=True)
class Recording:
    """A recording of a person in a dataset of a world.

    Attributes:
        number: Number of the recording in its dataset, from 0.
        target: Number of the person who is in it; None = a stranger, of whom there are no fakes.
        donor: Number of the person who is the donor of its fakes.
        take: Which of the recordings of this person it is, from 0.
        partner: Number of the recording that has the donor.
        forged: Whether there are fakes of it.

    Example:
        >>> Recording(number=0, target=0, donor=1, partner=1).take
        0
    """

    number: int
    target: int | None
    donor: int = 0
    take: int = 0
    partner: int = 0
    forged: bool = True


class WorldPictures(Protocol):
    """What a world has to say, so that its files can be written. Functions are called by several threads.

    Attributes:
        seed: Seed of the codes in file names.
        frames: Frames of each recording.
        plain: The datasets that get no layout of their own.
    """

    seed: int
    frames: int
    plain: Sequence[str]

    def recordings(self, dataset: str) -> Sequence[Recording]:
        """List the recordings of a dataset; those of FaceForensics++ are at most 1,000, and in pairs."""
        ...

    def pictures(
        self, dataset: str, recording: Recording, forgeries: Sequence[Forgery]
    ) -> Iterable[tuple[Forgery | None, Sequence[Image]]]:
        """Make the frames of a recording, square uint8 (side, side, 3), as a real (None), and by each forgery."""
        ...

    def stored_as(self, dataset: str, copy: str) -> WorldCodec:
        """Say how a dataset stores pictures; `copy` is "c23" or "c40" for FaceForensics++, "c23" for its sibling."""
        ...


Job = Callable[[], None]


def world_jobs(
    root: Path, world: WorldPictures, forgeries: Sequence[Forgery], datasets: Sequence[str]
) -> Iterator[Job]:
    """Yield functions that write all files of a world below `root`; they may run at the same time."""
    own = {dataset: [forgery for forgery in forgeries if forgery.dataset == dataset] for dataset in datasets}
    layouts = {FF: _faceforensics, DFD: _deepfakedetection, CELEB: _celeb, NET: _forgerynet}
    for dataset, write in layouts.items():
        if dataset in own and dataset not in world.plain:
            yield from write(root, world, own.pop(dataset))
    if own:
        yield from _further(root / FURTHER_FOLDER, world, own)


def _of(recording: Recording, forgeries: Sequence[Forgery]) -> Sequence[Forgery]:
    return forgeries if recording.forged else ()


def _faceforensics(root: Path, world: WorldPictures, forgeries: Sequence[Forgery]) -> Iterator[Job]:
    root, recordings = root / FF, world.recordings(FF)
    # Two people swap faces with each other, and stay in one part of the split.
    splits: dict[str, list[tuple[str, str]]] = {"train": [], "val": [], "test": []}
    for one in recordings:
        if one.number < one.partner:
            part = ("train", "train", "test", "train", "val")[(one.target or 0) // 2 % 5]
            splits[part].append((f"{one.number:03d}", f"{one.partner:03d}"))
    for split, listed in splits.items():
        write_file(root / "splits" / f"{split}.json", json.dumps(listed).encode())

    def write(one: Recording) -> None:
        for forgery, images in world.pictures(FF, one, _of(one, forgeries)):
            if forgery is None:
                folder, name = "original_sequences/youtube", f"{one.number:03d}.mp4"
            else:
                folder, name = f"manipulated_sequences/{forgery.folder}", f"{one.number:03d}_{one.partner:03d}.mp4"
            for copy in ("c23", "c40"):
                write_video(root / folder / copy / "videos" / name, images, world.stored_as(FF, copy))

    for one in recordings:
        yield partial(write, one)


def _deepfakedetection(root: Path, world: WorldPictures, forgeries: Sequence[Forgery]) -> Iterator[Job]:
    root, stored_as = root / FF, world.stored_as(DFD, "c23")

    def write(one: Recording) -> None:
        target, donor, scene = (one.target or 0) + 1, one.donor + 1, SCENES[one.take]
        for forgery, images in world.pictures(DFD, one, _of(one, forgeries)):
            if forgery is None:
                folder, name = "original_sequences/actors", f"{target:02d}__{scene}.mp4"
            else:
                folder = f"manipulated_sequences/{forgery.folder}"
                name = f"{target:02d}_{donor:02d}__{scene}__{_code(world.seed, one.number)}.mp4"
            write_video(root / folder / "c23/videos" / name, images, stored_as)

    for one in world.recordings(DFD):
        yield partial(write, one)


def _code(seed: int, number: int) -> str:
    import numpy as np

    draw = np.random.default_rng(xxhash.xxh64_intdigest(f"{seed}/code/{number}".encode()))
    return "".join(_LETTERS[k] for k in draw.integers(0, len(_LETTERS), 8))


def _celeb(root: Path, world: WorldPictures, forgeries: Sequence[Forgery]) -> Iterator[Job]:
    root, stored_as, recordings = root / CELEB_FOLDER, world.stored_as(CELEB, ""), world.recordings(CELEB)

    def real(one: Recording) -> str:
        if one.target is None:
            return f"YouTube-real/{one.take:05d}.mp4"
        return f"Celeb-real/id{one.target}_{one.take:04d}.mp4"

    def fake(one: Recording) -> str:
        return f"Celeb-synthesis/id{one.target}_id{one.donor}_{one.take:04d}.mp4"

    def write(one: Recording) -> None:
        for forgery, images in world.pictures(CELEB, one, _of(one, forgeries)):
            write_video(root / (real(one) if forgery is None else fake(one)), images, stored_as)

    tested = [one for one in recordings if one.target is not None and one.target % 5 == 1]
    strangers = [one for one in recordings if one.target is None and one.take % 5 == 0]
    lines = [f"1 {real(one)}" for one in (*tested, *strangers)] + [f"0 {fake(one)}" for one in tested if one.forged]
    write_file(root / "List_of_testing_videos.txt", "".join(f"{line}\n" for line in lines).encode())
    for one in recordings:
        yield partial(write, one)


def _forgerynet(root: Path, world: WorldPictures, forgeries: Sequence[Forgery]) -> Iterator[Job]:
    root, stored_as, recordings = root / NET / "Training", world.stored_as(NET, ""), world.recordings(NET)

    def code(*what: object) -> str:
        return str(xxhash.xxh128_hexdigest("/".join(map(str, (world.seed, *what))).encode()))

    def path_of(i: int, folder: str, t: int) -> str:
        return f"train_release/{folder}/{code(i)}/{code(i, folder)}/frame{19 + 10 * t:05d}.jpg"

    def real(i: int) -> str:
        return str(16 + i % 4)

    def write(one: Recording) -> None:
        for forgery, images in world.pictures(NET, one, _of(one, forgeries)):
            folder = real(one.number) if forgery is None else forgery.folder
            for t, image in enumerate(images):
                write_picture(root / "image" / path_of(one.number, folder, t), image, stored_as)

    lines = []
    for one in recordings:
        for folder in (real(one.number), *(forgery.folder for forgery in _of(one, forgeries))):
            number = int(folder)
            kind = 0 if number >= 16 else 2 if number <= 6 or number == 9 else 1
            label = f"{min(kind, 1)} {kind} {number if kind else 0}"
            lines += [f"{path_of(one.number, folder, t)} {label}\n" for t in range(world.frames)]
    write_file(root / "image_list.txt", "".join(lines).encode())
    for one in recordings:
        yield partial(write, one)


def _further(root: Path, world: WorldPictures, forgeries: dict[str, list[Forgery]]) -> Iterator[Job]:
    """One folder of pictures per category, with a CSV file."""

    def path_of(folder: str, i: int, t: int) -> str:
        return f"{folder}/{i:04d}_{t}.jpg"

    def write(dataset: str, one: Recording) -> None:
        stored_as = world.stored_as(dataset, "")
        for forgery, images in world.pictures(dataset, one, _of(one, forgeries[dataset])):
            if forgery is None and dataset not in WITH_REALS:
                continue
            folder = f"{dataset}_{REAL}" if forgery is None else forgery.folder
            for t, image in enumerate(images):
                write_picture(root / path_of(folder, one.number, t), image, stored_as)

    recordings = {dataset: world.recordings(dataset) for dataset in forgeries}
    lines = ["path,label,dataset,method,group"]
    for dataset, fakes in forgeries.items():
        rows = [(forgery.folder, "fake", forgery.name) for forgery in fakes]
        rows += [(f"{dataset}_{REAL}", "real", "real")] if dataset in WITH_REALS else []
        for folder, label, method in rows:
            for one in (one for one in recordings[dataset] if one.forged or label == "real"):
                lines += [
                    f"{path_of(folder, one.number, t)},{label},{dataset},{method},{dataset}:{one.number:04d}"
                    for t in range(world.frames)
                ]
    write_file(root / "faces.csv", "".join(f"{line}\n" for line in lines).encode())
    for dataset, listed in recordings.items():
        for one in listed:
            yield partial(write, dataset, one)
