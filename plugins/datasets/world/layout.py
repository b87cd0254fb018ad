"""Writes a world's pictures the way real datasets lie on disk, clip by clip.

A clip is `FRAMES` frames of one person; it is stored as a real, and again once for every forgery of its dataset. The
clips of a dataset do not depend on each other, so they are made by several threads (OpenCV and x264 let go of the
interpreter). Every file depends on the dials alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np
import xxhash

from .forge import forge
from .people import SIZE, Person, person, rng, scene
from .render import Face, draw
from .table import (
    AV,
    CELEB,
    CELEB1,
    DEEPER,
    DFD,
    FF,
    FURTHER,
    MNIST,
    NET,
    PATCH,
    TIMIT,
    WITH_REALS,
    Forgery,
    forgeries,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[Any]  # uint8
    Clip = list[tuple[Image, Face]]

FRAMES = 4
"""Frames of a clip: enough that a video moves, few enough that pictures are of many people."""

SCENES = (
    "exit_phone_room", "hugging_happy", "kitchen_pan", "kitchen_still", "meeting_serious",
    "outside_talking_pan_laughing", "outside_talking_still_laughing", "podium_speech_happy", "secret_conversation",
    "talking_against_wall", "talking_angry_couch", "walk_down_hall_angry", "walking_and_outside_surprised",
    "walking_down_indoor_hall_disgust", "walking_down_street_outside_angry", "walking_outside_cafe_disgusted",
)  # fmt: skip


@dataclass(frozen=True)
class WorldParameters:
    """What a world is made from; see `World`."""

    seed: int
    identities: int
    categories: int
    images: int
    artefact: float
    placement: int = 0

    @property
    def clips(self) -> int:
        """Clips of each category."""
        return -(-self.images // FRAMES)

    def forgeries(self, dataset: str) -> list[Forgery]:
        return [forgery for forgery in forgeries(self.categories, self.placement) if forgery.dataset == dataset]


@dataclass(frozen=True)
class Codec:
    """How a dataset stores pictures: x264's `crf` (smaller is better), JPEG's `quality`, `scale` of the sides."""

    crf: int
    quality: int
    scale: float


# (crf, quality, scale) at artefact 1. At 0 all are _CLEAN.
_WORST = {
    (FF, "c23"): (23, 75, 1.0),
    (FF, "c40"): (40, 75, 1.0),
    (DFD, "c23"): (36, 75, 1.5),
    (CELEB, ""): (30, 75, 1.25),
    (NET, ""): (40, 70, 0.75),
    (CELEB1, ""): (30, 60, 1.25),
    (DEEPER, ""): (23, 95, 1.5),
    (MNIST, ""): (40, 50, 0.75),
    (TIMIT, ""): (40, 45, 0.75),
    (AV, ""): (36, 60, 0.85),
    (PATCH, ""): (23, 90, 1.0),
}
_CLEAN = (8, 98, 1.0)


def codec(dataset: str, artefact: float, copy: str = "") -> Codec:
    """The codec of a dataset (of its copy "c23" or "c40"), between alike for all at 0 and its own at 1."""
    crf, quality, scale = (a + artefact * (b - a) for a, b in zip(_CLEAN, _WORST[dataset, copy], strict=True))
    return Codec(round(crf), round(quality), scale)


def jobs(root: Path, dials: WorldParameters) -> Iterator[Callable[[], None]]:
    """Everything there is to write below `root`, in parts that may run at the same time."""
    for job in (_faceforensics, _deepfakedetection, _celeb, _forgerynet, _further):
        yield from job(root, dials)


def _faceforensics(root: Path, dials: WorldParameters) -> Iterator[Callable[[], None]]:
    root = root / "FaceForensics++"
    # Two clips swap faces with each other, so reals come in pairs; so do the people, who stay on one side of the split.
    couples = dials.identities // 2
    pairs = [(f"{i:03d}", f"{i + 1:03d}") for i in range(0, dials.clips, 2)]
    sides: dict[str, list[tuple[str, str]]] = {"train": [], "val": [], "test": []}
    for number, pair in enumerate(pairs):
        sides[("train", "train", "test", "train", "val")[number % couples % 5]].append(pair)
    for side, listed in sides.items():
        _write(root / "splits" / f"{side}.json", json.dumps(listed).encode())

    def who(i: int) -> Person:
        return person(dials.seed, i // 2 % couples * 2 + i % 2)

    def clip(i: int) -> None:
        frames, other = _clip(dials, FF, i, who(i)), i ^ 1
        donor = _clip(dials, FF, other, who(other), 1)[0]
        stored = {Path("original_sequences/youtube"): [image for image, _ in frames]}
        for forgery in dials.forgeries(FF) if i < dials.clips else ():
            stored[Path("manipulated_sequences", forgery.folder)] = _forged(dials, forgery, i, frames, donor)
        for folder, images in stored.items():
            name = f"{i:03d}.mp4" if folder.name == "youtube" else f"{i:03d}_{other:03d}.mp4"
            for copy in ("c23", "c40"):
                _video(root / folder / copy / "videos" / name, images, codec(FF, dials.artefact, copy))

    for i in range(2 * len(pairs)):
        yield partial(clip, i)


def _deepfakedetection(root: Path, dials: WorldParameters) -> Iterator[Callable[[], None]]:
    root = root / "FaceForensics++"

    def clip(i: int) -> None:
        target, place = i % dials.identities, i // dials.identities
        source = (target + 1 + place % (dials.identities - 1)) % dials.identities
        frames = _clip(dials, DFD, i, person(dials.seed, target))
        donor = _clip(dials, DFD, source, person(dials.seed, source), 1)[0]
        how, images = codec(DFD, dials.artefact, "c23"), [image for image, _ in frames]
        name = f"{target + 1:02d}__{SCENES[place]}.mp4"
        _video(root / "original_sequences/actors/c23/videos" / name, images, how)
        for forgery in dials.forgeries(DFD):
            code = "".join(
                "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"[k] for k in rng(dials.seed, "code", i).integers(0, 36, 8)
            )
            name = f"{target + 1:02d}_{source + 1:02d}__{SCENES[place]}__{code}.mp4"
            path = root / "manipulated_sequences" / forgery.folder / "c23/videos" / name
            _video(path, _forged(dials, forgery, i, frames, donor), how)

    for i in range(dials.clips):
        yield partial(clip, i)


def _celeb(root: Path, dials: WorldParameters) -> Iterator[Callable[[], None]]:
    root = root / "Celeb-DF-v2"
    strangers = -(-dials.clips // 5)  # YouTube-real: people without a name, whom nobody forges
    how = codec(CELEB, dials.artefact)

    def names(i: int) -> tuple[int, int, str, str]:
        """Of clip i: the person, the donor, the real's path, the fake's path."""
        target, recording = i % dials.identities, i // dials.identities
        source = (target + 1 + recording % (dials.identities - 1)) % dials.identities
        real = f"Celeb-real/id{target}_{recording:04d}.mp4"
        return target, source, real, f"Celeb-synthesis/id{target}_id{source}_{recording:04d}.mp4"

    def clip(i: int) -> None:
        target, source, real, fake = names(i)
        frames = _clip(dials, CELEB, i, person(dials.seed, target))
        donor = _clip(dials, CELEB, source, person(dials.seed, source), 1)[0]
        _video(root / real, [image for image, _ in frames], how)
        for forgery in dials.forgeries(CELEB):
            _video(root / fake, _forged(dials, forgery, i, frames, donor), how)

    def stranger(i: int) -> None:
        who = person(dials.seed, "stranger", i)
        frames = _clip(dials, CELEB, dials.clips + i, who)
        _video(root / f"YouTube-real/{i:05d}.mp4", [image for image, _ in frames], how)

    tested = [names(i) for i in range(dials.clips) if i % dials.identities % 5 == 1]
    lines = [f"1 {real}" for _, _, real, _ in tested] + [f"1 YouTube-real/{i:05d}.mp4" for i in range(0, strangers, 5)]
    lines += [f"0 {fake}" for _, _, _, fake in tested]
    _write(root / "List_of_testing_videos.txt", "".join(f"{line}\n" for line in lines).encode())
    for i in range(dials.clips):
        yield partial(clip, i)
    for i in range(strangers):
        yield partial(stranger, i)


def _forgerynet(root: Path, dials: WorldParameters) -> Iterator[Callable[[], None]]:
    root = root / "ForgeryNet" / "Training"
    how = codec(NET, dials.artefact)

    def code(*what: object) -> str:
        return str(xxhash.xxh128_hexdigest("/".join(map(str, (dials.seed, *what))).encode()))

    def place(i: int, folder: str, t: int) -> str:
        return f"train_release/{folder}/{code(i)}/{code(i, folder)}/frame{19 + 10 * t:05d}.jpg"

    def real(i: int) -> str:
        return str(16 + i % 4)

    def clip(i: int) -> None:
        target = i % dials.identities
        source = (target + 1 + i // dials.identities % (dials.identities - 1)) % dials.identities
        frames = _clip(dials, NET, i, person(dials.seed, target))
        donor = _clip(dials, NET, source, person(dials.seed, source), 1)[0]
        stored = {real(i): [image for image, _ in frames]}
        stored |= {f.folder: _forged(dials, f, i, frames, donor) for f in dials.forgeries(NET)}
        for folder, images in stored.items():
            for t, image in enumerate(images):
                _picture(root / "image" / place(i, folder, t), image, how)

    lines = []
    for i in range(dials.clips):
        for folder in (real(i), *(f.folder for f in dials.forgeries(NET))):
            number = int(folder)
            kind = 0 if number >= 16 else 2 if number <= 6 or number == 9 else 1
            label = f"{min(kind, 1)} {kind} {number if kind else 0}"
            lines += [f"{place(i, folder, t)} {label}\n" for t in range(FRAMES)]
    _write(root / "image_list.txt", "".join(lines).encode())
    for i in range(dials.clips):
        yield partial(clip, i)


def _further(root: Path, dials: WorldParameters) -> Iterator[Callable[[], None]]:
    """Pictures in one folder per category, with a csv: these datasets' own layouts are not drawn."""
    root = root / "Further"
    wanted = {dataset: dials.forgeries(dataset) for dataset in FURTHER if dials.forgeries(dataset)}
    if not wanted:
        return

    def place(folder: str, i: int, t: int) -> str:
        return f"{folder}/{i:04d}_{t}.jpg"

    def clip(dataset: str, i: int) -> None:
        target, how = i % dials.identities, codec(dataset, dials.artefact)
        source = (target + 1 + i // dials.identities % (dials.identities - 1)) % dials.identities
        frames = _clip(dials, dataset, i, person(dials.seed, target))
        donor = _clip(dials, dataset, source, person(dials.seed, source), 1)[0]
        stored = {forgery.folder: _forged(dials, forgery, i, frames, donor) for forgery in wanted[dataset]}
        if dataset in WITH_REALS:
            stored[f"{dataset}_real"] = [image for image, _ in frames]
        for folder, images in stored.items():
            for t, image in enumerate(images):
                _picture(root / place(folder, i, t), image, how)

    lines = ["path,label,dataset,method,group"]
    for dataset, its in wanted.items():
        rows = [(forgery.folder, "fake", forgery.name) for forgery in its]
        rows += [(f"{dataset}_real", "real", "real")] if dataset in WITH_REALS else []
        for folder, label, method in rows:
            for i in range(dials.clips):
                lines += [f"{place(folder, i, t)},{label},{dataset},{method},{dataset}:{i:04d}" for t in range(FRAMES)]
    _write(root / "faces.csv", "".join(f"{line}\n" for line in lines).encode())
    for dataset in wanted:
        for i in range(dials.clips):
            yield partial(clip, dataset, i)


def _clip(dials: WorldParameters, dataset: str, number: int, who: Person, frames: int = FRAMES) -> Clip:
    """The (first) frames of a clip of someone. Drawing a donor's again is cheaper than keeping everybody's."""
    # People and places are the same in every dataset: what tells datasets apart is their storage, by the dial.
    where = scene(dials.seed, number)
    return [draw(who, where, t, dials.seed, dataset, number) for t in range(frames)]


def _forged(
    dials: WorldParameters, forgery: Forgery, number: int, clip: Clip, donor: tuple[Image, Face]
) -> list[Image]:
    seed = (dials.seed, forgery.category, number)
    return [forge(forgery.method, image, face, donor, rng(*seed)) for image, face in clip]


def _scaled(image: Image, scale: float) -> Image:
    side = round(SIZE * scale / 2) * 2  # 4:2:0 wants even sides
    if side == SIZE:
        return image
    how = cv2.INTER_AREA if side < SIZE else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (side, side), interpolation=how), np.uint8)


def _picture(path: Path, image: Image, how: Codec) -> None:
    image = cv2.cvtColor(_scaled(image, how.scale), cv2.COLOR_RGB2BGR)
    _write(path, cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, how.quality])[1].tobytes())


def _video(path: Path, images: list[Image], how: Codec) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # One thread, and no macroblock tree (with AVX-512 its result varies from run to run): equal pictures, equal bytes.
    options = {"crf": str(how.crf), "preset": "medium", "x264-params": "mbtree=0"}
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25, options=options)
        stream.width = stream.height = _scaled(images[0], how.scale).shape[0]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for image in images:
            frame = av.VideoFrame.from_ndarray(_scaled(image, how.scale), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
