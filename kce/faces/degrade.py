"""Degrades face folders as if each dataset had been stored in another way: artefacts whose cause is known."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.data.finished_tables import FACES
from kce.data.pictures import encode_png, read_image, rejpeg, shrink
from kce.errors import KCEError, UnknownName
from kce.faces.file_names import content_hash
from kce.faces.tables import FaceRow, read_face_rows, write_csv_table
from kce.system.atomic import write_atomic
from kce.system.rng import generator

if TYPE_CHECKING:
    from kce.types import Image, Progress


@dataclass(frozen=True)
class Artefact:
    """How the faces of a dataset are altered.

    Attributes:
        kind: A key of ``ARTEFACT_KINDS``.
        amount: Strength, from 0 (not at all) to 1.
    """

    kind: str
    amount: float


def assign_artefacts(datasets: list[str], kind: str, amount: float, seed: int) -> dict[str, Artefact]:
    """Choose an artefact for each dataset.

    Args:
        datasets: Names of the datasets.
        kind: A key of ``ARTEFACT_KINDS``: the datasets, in random order, have shares of `amount` that rise from none to
            all of it. Or "mixed": each dataset has another kind, at the whole amount.
        amount: Artefact strength, from 0 (none) to 1.
        seed: Seed of the random order.

    Raises:
        UnknownName: For a kind that does not exist.
        KCEError: For an amount out of range.
    """
    if kind != "mixed" and kind not in ARTEFACT_KINDS:
        raise UnknownName.among("kind of artefact", kind, (*ARTEFACT_KINDS, "mixed"))
    if not 0 <= amount <= 1:
        raise KCEError(f"artefact = {amount!r} is out of range", "it goes from 0 to 1")
    order = generator(seed, "artefact", kind).permutation(len(datasets)).tolist()
    artefacts = {}
    for position, number in enumerate(order):
        if kind == "mixed":
            artefacts[datasets[number]] = Artefact(list(ARTEFACT_KINDS)[position % len(ARTEFACT_KINDS)], amount)
        else:
            artefacts[datasets[number]] = Artefact(kind, amount * position / max(len(datasets) - 1, 1))
    return artefacts


def degrade_faces(
    source: Path, to: Path, artefacts: Mapping[str, Artefact], seed: int, progress: Progress = lambda *_: None
) -> None:
    """Copy a face folder and alter the faces of each dataset; labels and keys are kept.

    Frames of one video are altered together, so that H.264 encodes a moving picture. An existing copy is left as it is.

    Args:
        source: The face folder.
        to: The folder of the copy.
        artefacts: Dataset -> its artefact.
        seed: Seed of random artefacts.
        progress: Called while it works.
    """
    if (to / FACES).is_file():
        return
    rows = list(read_face_rows(source))
    clips: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        clips.setdefault(f"{row.category}\0{row.source}", []).append(number)

    def alter_clip(numbers: list[int]) -> list[tuple[int, str]]:
        images = [read_image(source / rows[number].file) for number in numbers]
        artefact = artefacts[rows[numbers[0]].dataset]
        random = generator(seed, "degrade", rows[numbers[0]].key)
        if artefact.amount:
            images = ARTEFACT_KINDS[artefact.kind](images, artefact.amount, random)
        done = []
        for number, image in zip(numbers, images, strict=True):
            png = encode_png(image)
            write_atomic(to / rows[number].file, png)
            done.append((number, content_hash(png)))
        return done

    for category in {row.file.partition("/")[0] for row in rows}:
        (to / category).mkdir(parents=True, exist_ok=True)
    changed = dict.fromkeys(range(len(rows)), "")
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for count, done in enumerate(pool.map(alter_clip, clips.values()), 1):
            changed.update(done)
            progress(f"faces {to.name}", count, len(clips))
    write_csv_table(
        to / FACES,
        FaceRow._fields,
        (row._replace(hash=changed[number]) for number, row in enumerate(rows)),
    )


Change = Callable[[list[Any], float, np.random.Generator], list[Any]]


def _jpeg(images: list[Image], amount: float, random: np.random.Generator) -> list[Image]:  # noqa: ARG001
    """Shrunk, to 40 % at most, and stored as JPEG of quality 35 or more."""
    return [rejpeg(shrink(image, 1 - 0.6 * amount), round(95 - 60 * amount)) for image in images]


def _h264(images: list[Image], amount: float, random: np.random.Generator) -> list[Image]:  # noqa: ARG001
    """Encoded by x264 with a constant rate factor of up to 40, and decoded again."""
    import io

    import av
    import cv2

    side = images[0].shape[0] // 2 * 2  # 4:2:0 needs even sides
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
    """Blurred by a Gaussian of up to a hundredth of the side."""
    import cv2

    return [np.asarray(cv2.GaussianBlur(image, (0, 0), amount * image.shape[0] / 100), np.uint8) for image in images]


def _noise(images: list[Image], amount: float, random: np.random.Generator) -> list[Image]:
    """Grain of up to 20 grey levels, 2 pixels wide, like that after a camera's denoiser."""
    import cv2

    def alter(image: Image) -> Image:
        grain = cv2.GaussianBlur(random.normal(0, 1, image.shape).astype(np.float32), (0, 0), 1)
        return np.asarray(np.clip(image + 20 * amount * grain / grain.std(), 0, 255), np.uint8)

    return [alter(image) for image in images]


def _margin(images: list[Image], amount: float, random: np.random.Generator) -> list[Image]:  # noqa: ARG001
    """Cropped more tightly: without up to 30 % of the side."""

    def alter(image: Image) -> Image:
        edge = round(image.shape[0] * 0.15 * amount)
        return np.ascontiguousarray(image[edge : image.shape[0] - edge, edge : image.shape[1] - edge])

    return [alter(image) for image in images]


def _sharpen(images: list[Image], amount: float, random: np.random.Generator) -> list[Image]:  # noqa: ARG001
    """Sharpened by unsharp masking: plus up to twice what a blur of a sixtieth of the side removes."""
    import cv2

    def alter(image: Image) -> Image:
        soft = cv2.GaussianBlur(image, (0, 0), image.shape[0] / 60).astype(np.float32)
        return np.asarray(np.clip(image + 2 * amount * (image - soft), 0, 255), np.uint8)

    return [alter(image) for image in images]


ARTEFACT_KINDS: dict[str, Change] = {
    "jpeg": _jpeg, "h264": _h264, "blur": _blur, "noise": _noise, "margin": _margin, "sharpen": _sharpen,
}  # fmt: skip
"""Kind -> function of the faces of a clip, each uint8 (side, side, 3), an amount from 0 to 1, and a generator."""
