"""Face folders as they would be, had each dataset been stored in a way of its own: artefacts whose cause is known."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.data.pictures import encode_png, read_image, rejpeg, shrink
from kce.errors import KCEError, UnknownName
from kce.faces import folder as folders
from kce.system.atomic import write_atomic
from kce.system.rng import generator

if TYPE_CHECKING:
    from kce.types import Image, Progress


@dataclass(frozen=True)
class Artefact:
    """How a dataset's faces are altered: one kind, and how much of it, from 0 (not at all) to 1."""

    kind: str
    amount: float


def artefacts(datasets: list[str], kind: str, amount: float, seed: int) -> dict[str, Artefact]:
    """Dataset -> its artefact, at the dial `amount` from 0 to 1.

    Of one kind the datasets have rising shares, the first none and the last all of `amount`; which is the first is
    drawn by lot. "mixed" gives each dataset a kind of its own at the whole amount. Raises UnknownName for another kind.
    """
    if kind != "mixed" and kind not in KINDS:
        raise UnknownName.among("kind of artefact", kind, (*KINDS, "mixed"))
    if not 0 <= amount <= 1:
        raise KCEError(f"artefact = {amount!r} is out of its range", "it goes from 0 to 1")
    order = generator(seed, "artefact", kind).permutation(len(datasets)).tolist()
    told = {}
    for place, number in enumerate(order):
        if kind == "mixed":
            told[datasets[number]] = Artefact(list(KINDS)[place % len(KINDS)], amount)
        else:
            told[datasets[number]] = Artefact(kind, amount * place / max(len(datasets) - 1, 1))
    return told


def degrade(
    source: Path, to: Path, told: Mapping[str, Artefact], seed: int, progress: Progress = lambda *_: None
) -> None:
    """Write the face folder `source` once more to `to`, each dataset with its artefact; labels and keys stay.

    Frames of one video are altered together, so that H.264 sees a moving picture. A folder that is there is left alone.
    """
    if (to / folders.FACES).is_file():
        return
    rows = list(folders.read_rows(source))
    clips: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        clips.setdefault(f"{row.category}\0{row.source}", []).append(number)

    def one(numbers: list[int]) -> list[tuple[int, str]]:
        images = [read_image(source / rows[number].file) for number in numbers]
        artefact = told[rows[numbers[0]].dataset]
        random = generator(seed, "degrade", rows[numbers[0]].key)
        if artefact.amount:
            images = KINDS[artefact.kind](images, artefact.amount, random)
        done = []
        for number, image in zip(numbers, images, strict=True):
            png = encode_png(image)
            write_atomic(to / rows[number].file, png)
            done.append((number, folders.digest(png)))
        return done

    for category in {row.file.partition("/")[0] for row in rows}:
        (to / category).mkdir(parents=True, exist_ok=True)
    changed = dict.fromkeys(range(len(rows)), "")
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for count, done in enumerate(pool.map(one, clips.values()), 1):
            changed.update(done)
            progress(f"faces {to.name}", count, len(clips))
    folders.write_table(
        to / folders.FACES,
        folders.Row._fields,
        (row._replace(hash=changed[number]) for number, row in enumerate(rows)),
    )


Change = Callable[[list[Any], float, np.random.Generator], list[Any]]


def _jpeg(images: list[Image], amount: float, random: np.random.Generator) -> list[Image]:  # noqa: ARG001
    """Made smaller, to 40 % at most, and saved as JPEG, of quality 35 at least."""
    return [rejpeg(shrink(image, 1 - 0.6 * amount), round(95 - 60 * amount)) for image in images]


def _h264(images: list[Image], amount: float, random: np.random.Generator) -> list[Image]:  # noqa: ARG001
    """Encoded by x264 at a constant rate factor of up to 40, and decoded again."""
    import io

    import av
    import cv2

    side = images[0].shape[0] // 2 * 2  # 4:2:0 wants even sides
    even = [np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), np.uint8) for image in images]
    stored = io.BytesIO()
    options = {"crf": str(round(8 + 32 * amount)), "preset": "medium", "x264-params": "mbtree=0"}
    with av.open(stored, "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=25, options=options)
        stream.width = stream.height = side
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for image in even:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(stream.encode(None))
    stored.seek(0)
    with av.open(stored, "r") as read:
        return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in read.decode(video=0)]


def _blur(images: list[Image], amount: float, random: np.random.Generator) -> list[Image]:  # noqa: ARG001
    """Blurred by a Gaussian, of a hundredth of the side at most."""
    import cv2

    return [np.asarray(cv2.GaussianBlur(image, (0, 0), amount * image.shape[0] / 100), np.uint8) for image in images]


def _noise(images: list[Image], amount: float, random: np.random.Generator) -> list[Image]:
    """Grain of up to 20 grey levels, 2 pixels wide, as a camera's denoiser leaves it."""
    import cv2

    def one(image: Image) -> Image:
        grain = cv2.GaussianBlur(random.normal(0, 1, image.shape).astype(np.float32), (0, 0), 1)
        return np.asarray(np.clip(image + 20 * amount * grain / grain.std(), 0, 255), np.uint8)

    return [one(image) for image in images]


def _margin(images: list[Image], amount: float, random: np.random.Generator) -> list[Image]:  # noqa: ARG001
    """Cut closer to the face: up to 30 % of the side is missing."""

    def one(image: Image) -> Image:
        edge = round(image.shape[0] * 0.15 * amount)
        return np.ascontiguousarray(image[edge : image.shape[0] - edge, edge : image.shape[1] - edge])

    return [one(image) for image in images]


def _sharpen(images: list[Image], amount: float, random: np.random.Generator) -> list[Image]:  # noqa: ARG001
    """Edges overdrawn by unsharp masking, by up to twice what a blur of a sixtieth of the side takes away."""
    import cv2

    def one(image: Image) -> Image:
        soft = cv2.GaussianBlur(image, (0, 0), image.shape[0] / 60).astype(np.float32)
        return np.asarray(np.clip(image + 2 * amount * (image - soft), 0, 255), np.uint8)

    return [one(image) for image in images]


KINDS: dict[str, Change] = {
    "jpeg": _jpeg, "h264": _h264, "blur": _blur, "noise": _noise, "margin": _margin, "sharpen": _sharpen,
}  # fmt: skip
"""Kind of artefact -> what it does to the faces of one clip, each (side, side, 3) uint8, at an amount from 0 to 1."""
