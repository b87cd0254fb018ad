"""Writes the pictures and videos of a world: codec, quality and resolution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kce.data.h264 import encode_h264

if TYPE_CHECKING:
    from kce.types import Image


@dataclass(frozen=True)
class WorldCodec:
    """How a dataset of a world stores pictures; the defaults are visually lossless.

    Attributes:
        crf: The constant rate factor of x264; lower is better.
        quality: The quality of JPEG, 0 to 100.
        scale: Side of a stored picture, in units of the original one.

    Example:
        >>> WorldCodec(crf=40, quality=75, scale=0.75)
        WorldCodec(crf=40, quality=75, scale=0.75)
    """

    crf: int = 8
    quality: int = 98
    scale: float = 1.0


def _scaled(image: Image, scale: float) -> Image:
    """A square picture with this share of its side, rounded to an even number, as 4:2:0 needs it."""
    import cv2
    import numpy as np

    own = image.shape[0]
    side = round(own * scale / 2) * 2
    if side == own:
        return image
    interpolation = cv2.INTER_AREA if side < own else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (side, side), interpolation=interpolation), np.uint8)


def write_picture(path: Path, image: Image, stored_as: WorldCodec) -> None:
    """Write a square picture, RGB uint8 (side, side, 3), as JPEG."""
    import cv2

    bgr = cv2.cvtColor(_scaled(image, stored_as.scale), cv2.COLOR_RGB2BGR)
    write_file(path, cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, stored_as.quality])[1].tobytes())


def write_video(path: Path, images: Sequence[Image], stored_as: WorldCodec) -> None:
    """Write square frames, RGB uint8 (side, side, 3) each, as an H.264 video; equal frames give equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    encode_h264(str(path), [_scaled(image, stored_as.scale) for image in images], stored_as.crf)


def write_file(path: Path, content: bytes) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
