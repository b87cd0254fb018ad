"""Writes the pictures of a world in the layouts of real datasets, clip by clip.

A clip is `FRAMES` frames of one person; it is stored as a real, and once more for every forgery of its dataset. Clips
are independent of each other, so several threads make them (OpenCV and x264 release Python's lock). Every file depends
on the parameters alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xxhash

from .forge import forge
from .people import Person, person, rng, scene
from .render import Face, draw
from .storage import codec, write_file, write_picture, write_video
from .table import CELEB, DFD, FF, FURTHER, NET, WITH_REALS, Forgery, forgeries

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[Any]  # uint8
    Clip = list[tuple[Image, Face]]

FRAMES = 4
"""Frames per clip: enough for motion in a video, few enough that there are many people."""

SCENES = (
    "exit_phone_room", "hugging_happy", "kitchen_pan", "kitchen_still", "meeting_serious",
    "outside_talking_pan_laughing", "outside_talking_still_laughing", "podium_speech_happy", "secret_conversation",
    "talking_against_wall", "talking_angry_couch", "walk_down_hall_angry", "walking_and_outside_surprised",
    "walking_down_indoor_hall_disgust", "walking_down_street_outside_angry", "walking_outside_cafe_disgusted",
)  # fmt: skip


@dataclass(frozen=True)
class WorldParameters:
    """What a world is made from; the attributes are the parameters of ``World``."""

    seed: int
    identities: int
    categories: int
    images: int
    artefact: float
    placement: int = 0

    @property
    def clips(self) -> int:
        """Number of clips per category."""
        return -(-self.images // FRAMES)

    def forgeries(self, dataset: str) -> list[Forgery]:
        """The categories of fakes of a dataset."""
        return [forgery for forgery in forgeries(self.categories, self.placement) if forgery.dataset == dataset]


def jobs(root: Path, parameters: WorldParameters) -> Iterator[Callable[[], None]]:
    """Functions that write all files of a world below `root`; they may run at the same time."""
    for job in (_faceforensics, _deepfakedetection, _celeb, _forgerynet, _further):
        yield from job(root, parameters)


def _faceforensics(root: Path, parameters: WorldParameters) -> Iterator[Callable[[], None]]:
    root = root / "FaceForensics++"
    # Two clips swap faces with each other, so reals come in pairs, and so do people, who stay in one part of the split.
    couples = parameters.identities // 2
    pairs = [(f"{i:03d}", f"{i + 1:03d}") for i in range(0, parameters.clips, 2)]
    splits: dict[str, list[tuple[str, str]]] = {"train": [], "val": [], "test": []}
    for number, pair in enumerate(pairs):
        splits[("train", "train", "test", "train", "val")[number % couples % 5]].append(pair)
    for split, listed in splits.items():
        write_file(root / "splits" / f"{split}.json", json.dumps(listed).encode())

    def person_of(i: int) -> Person:
        return person(parameters.seed, i // 2 % couples * 2 + i % 2)

    def clip(i: int) -> None:
        frames, other = _clip(parameters, FF, i, person_of(i)), i ^ 1
        donor = _clip(parameters, FF, other, person_of(other), 1)[0]
        stored = {Path("original_sequences/youtube"): [image for image, _ in frames]}
        for forgery in parameters.forgeries(FF) if i < parameters.clips else ():
            stored[Path("manipulated_sequences", forgery.folder)] = _forged(parameters, forgery, i, frames, donor)
        for folder, images in stored.items():
            name = f"{i:03d}.mp4" if folder.name == "youtube" else f"{i:03d}_{other:03d}.mp4"
            for copy in ("c23", "c40"):
                write_video(root / folder / copy / "videos" / name, images, codec(FF, parameters.artefact, copy))

    for i in range(2 * len(pairs)):
        yield partial(clip, i)


def _deepfakedetection(root: Path, parameters: WorldParameters) -> Iterator[Callable[[], None]]:
    root = root / "FaceForensics++"

    def clip(i: int) -> None:
        target, scene_number = i % parameters.identities, i // parameters.identities
        source = (target + 1 + scene_number % (parameters.identities - 1)) % parameters.identities
        frames = _clip(parameters, DFD, i, person(parameters.seed, target))
        donor = _clip(parameters, DFD, source, person(parameters.seed, source), 1)[0]
        stored_as, images = codec(DFD, parameters.artefact, "c23"), [image for image, _ in frames]
        name = f"{target + 1:02d}__{SCENES[scene_number]}.mp4"
        write_video(root / "original_sequences/actors/c23/videos" / name, images, stored_as)
        for forgery in parameters.forgeries(DFD):
            code = "".join(
                "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"[k] for k in rng(parameters.seed, "code", i).integers(0, 36, 8)
            )
            name = f"{target + 1:02d}_{source + 1:02d}__{SCENES[scene_number]}__{code}.mp4"
            path = root / "manipulated_sequences" / forgery.folder / "c23/videos" / name
            write_video(path, _forged(parameters, forgery, i, frames, donor), stored_as)

    for i in range(parameters.clips):
        yield partial(clip, i)


def _celeb(root: Path, parameters: WorldParameters) -> Iterator[Callable[[], None]]:
    root = root / "Celeb-DF-v2"
    strangers = -(-parameters.clips // 5)  # YouTube-real: people without an identity, of whom there are no fakes
    stored_as = codec(CELEB, parameters.artefact)

    def names(i: int) -> tuple[int, int, str, str]:
        """Target, donor, path of the real and path of the fake of clip i."""
        target, recording = i % parameters.identities, i // parameters.identities
        source = (target + 1 + recording % (parameters.identities - 1)) % parameters.identities
        real = f"Celeb-real/id{target}_{recording:04d}.mp4"
        return target, source, real, f"Celeb-synthesis/id{target}_id{source}_{recording:04d}.mp4"

    def clip(i: int) -> None:
        target, source, real, fake = names(i)
        frames = _clip(parameters, CELEB, i, person(parameters.seed, target))
        donor = _clip(parameters, CELEB, source, person(parameters.seed, source), 1)[0]
        write_video(root / real, [image for image, _ in frames], stored_as)
        for forgery in parameters.forgeries(CELEB):
            write_video(root / fake, _forged(parameters, forgery, i, frames, donor), stored_as)

    def stranger(i: int) -> None:
        frames = _clip(parameters, CELEB, parameters.clips + i, person(parameters.seed, "stranger", i))
        write_video(root / f"YouTube-real/{i:05d}.mp4", [image for image, _ in frames], stored_as)

    tested = [names(i) for i in range(parameters.clips) if i % parameters.identities % 5 == 1]
    lines = [f"1 {real}" for _, _, real, _ in tested] + [f"1 YouTube-real/{i:05d}.mp4" for i in range(0, strangers, 5)]
    lines += [f"0 {fake}" for _, _, _, fake in tested]
    write_file(root / "List_of_testing_videos.txt", "".join(f"{line}\n" for line in lines).encode())
    for i in range(parameters.clips):
        yield partial(clip, i)
    for i in range(strangers):
        yield partial(stranger, i)


def _forgerynet(root: Path, parameters: WorldParameters) -> Iterator[Callable[[], None]]:
    root = root / "ForgeryNet" / "Training"
    stored_as = codec(NET, parameters.artefact)

    def code(*what: object) -> str:
        return str(xxhash.xxh128_hexdigest("/".join(map(str, (parameters.seed, *what))).encode()))

    def path_of(i: int, folder: str, t: int) -> str:
        return f"train_release/{folder}/{code(i)}/{code(i, folder)}/frame{19 + 10 * t:05d}.jpg"

    def real(i: int) -> str:
        return str(16 + i % 4)

    def clip(i: int) -> None:
        target = i % parameters.identities
        source = (target + 1 + i // parameters.identities % (parameters.identities - 1)) % parameters.identities
        frames = _clip(parameters, NET, i, person(parameters.seed, target))
        donor = _clip(parameters, NET, source, person(parameters.seed, source), 1)[0]
        stored = {real(i): [image for image, _ in frames]}
        stored |= {f.folder: _forged(parameters, f, i, frames, donor) for f in parameters.forgeries(NET)}
        for folder, images in stored.items():
            for t, image in enumerate(images):
                write_picture(root / "image" / path_of(i, folder, t), image, stored_as)

    lines = []
    for i in range(parameters.clips):
        for folder in (real(i), *(f.folder for f in parameters.forgeries(NET))):
            number = int(folder)
            kind = 0 if number >= 16 else 2 if number <= 6 or number == 9 else 1
            label = f"{min(kind, 1)} {kind} {number if kind else 0}"
            lines += [f"{path_of(i, folder, t)} {label}\n" for t in range(FRAMES)]
    write_file(root / "image_list.txt", "".join(lines).encode())
    for i in range(parameters.clips):
        yield partial(clip, i)


def _further(root: Path, parameters: WorldParameters) -> Iterator[Callable[[], None]]:
    """One folder of pictures per category, with a CSV file: further datasets do not have their own layouts."""
    root = root / "Further"
    by_dataset = {dataset: parameters.forgeries(dataset) for dataset in FURTHER if parameters.forgeries(dataset)}
    if not by_dataset:
        return

    def path_of(folder: str, i: int, t: int) -> str:
        return f"{folder}/{i:04d}_{t}.jpg"

    def clip(dataset: str, i: int) -> None:
        target, stored_as = i % parameters.identities, codec(dataset, parameters.artefact)
        source = (target + 1 + i // parameters.identities % (parameters.identities - 1)) % parameters.identities
        frames = _clip(parameters, dataset, i, person(parameters.seed, target))
        donor = _clip(parameters, dataset, source, person(parameters.seed, source), 1)[0]
        stored = {forgery.folder: _forged(parameters, forgery, i, frames, donor) for forgery in by_dataset[dataset]}
        if dataset in WITH_REALS:
            stored[f"{dataset}_real"] = [image for image, _ in frames]
        for folder, images in stored.items():
            for t, image in enumerate(images):
                write_picture(root / path_of(folder, i, t), image, stored_as)

    lines = ["path,label,dataset,method,group"]
    for dataset, fakes in by_dataset.items():
        rows = [(forgery.folder, "fake", forgery.name) for forgery in fakes]
        rows += [(f"{dataset}_real", "real", "real")] if dataset in WITH_REALS else []
        for folder, label, method in rows:
            for i in range(parameters.clips):
                lines += [
                    f"{path_of(folder, i, t)},{label},{dataset},{method},{dataset}:{i:04d}" for t in range(FRAMES)
                ]
    write_file(root / "faces.csv", "".join(f"{line}\n" for line in lines).encode())
    for dataset in by_dataset:
        for i in range(parameters.clips):
            yield partial(clip, dataset, i)


def _clip(parameters: WorldParameters, dataset: str, number: int, shown: Person, frames: int = FRAMES) -> Clip:
    """The first frames of a clip of a person. Drawing those of donors again is cheaper than keeping all."""
    # People and scenes are the same in every dataset, so that only storage distinguishes datasets.
    shown_in = scene(parameters.seed, number)
    return [draw(shown, shown_in, t, parameters.seed, dataset, number) for t in range(frames)]


def _forged(
    parameters: WorldParameters, forgery: Forgery, number: int, clip: Clip, donor: tuple[Image, Face]
) -> list[Image]:
    seed = (parameters.seed, forgery.category, number)
    return [forge(forgery.method, image, face, donor, rng(*seed)) for image, face in clip]
