"""Stores pictures and videos of a world as its datasets do: codec, quality and resolution."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np

from .people import SIZE
from .table import AV, CELEB, CELEB1, DEEPER, DFD, FF, MNIST, NET, PATCH, TIMIT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Image = NDArray[Any]  # uint8


@dataclass(frozen=True)
class Codec:
    """How a dataset stores pictures.

    Attributes:
        crf: The constant rate factor of x264; lower is better.
        quality: The quality of JPEG, 0 to 100.
        scale: Side of a stored picture, in units of the original one.
    """

    crf: int
    quality: int
    scale: float


# (crf, quality, scale) at artefact 1; at artefact 0 all datasets have _CLEAN.
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
    """The codec of a dataset.

    Args:
        dataset: Name of the dataset.
        artefact: Artefact strength from 0, where all datasets have the same codec, to 1, where each has its own.
        copy: "c23" or "c40" for FaceForensics++, "c23" for DeepFakeDetection, else empty.
    """
    crf, quality, scale = (a + artefact * (b - a) for a, b in zip(_CLEAN, _WORST[dataset, copy], strict=True))
    return Codec(round(crf), round(quality), scale)


def _scaled(image: Image, scale: float) -> Image:
    side = round(SIZE * scale / 2) * 2  # 4:2:0 needs even sides
    if side == SIZE:
        return image
    interpolation = cv2.INTER_AREA if side < SIZE else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (side, side), interpolation=interpolation), np.uint8)


def write_picture(path: Path, image: Image, stored_as: Codec) -> None:
    """Write a picture, RGB uint8 (height, width, 3), as JPEG."""
    image = cv2.cvtColor(_scaled(image, stored_as.scale), cv2.COLOR_RGB2BGR)
    write_file(path, cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, stored_as.quality])[1].tobytes())


def write_video(path: Path, images: list[Image], stored_as: Codec) -> None:
    """Write frames, RGB uint8 (height, width, 3) each, as an H.264 video; equal frames give equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # With several threads, or a macroblock tree (on AVX-512), the result would differ from run to run.
    options = {"crf": str(stored_as.crf), "preset": "medium", "x264-params": "mbtree=0"}
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25, options=options)
        stream.width = stream.height = _scaled(images[0], stored_as.scale).shape[0]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for image in images:
            frame = av.VideoFrame.from_ndarray(_scaled(image, stored_as.scale), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def write_file(path: Path, content: bytes) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
