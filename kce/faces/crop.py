"""The faces of one file: what a worker does."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kce.data.media import is_video
from kce.data.pictures import encode_png, read_image
from kce.data.videos import video_frames
from kce.errors import BadData, KCEError
from kce.registry.registry import Registry

if TYPE_CHECKING:
    from kce.types import Box, Detector, Image


class Found(NamedTuple):
    """A face, cut out."""

    frame: int | None
    box: Box
    png: bytes


def cutter(detector: str, home: str, frames: int, margin: float) -> Callable[[str], tuple[list[Found], list[str]]]:
    """What a worker does with each file; it builds its own detector."""
    finder: Detector = Registry.load(home).build("detector", detector)
    return lambda path: find(finder, path, frames, margin)


def find(detector: Detector, path: str, frames: int, margin: float) -> tuple[list[Found], list[str]]:
    """The largest face of a picture, or of each of `frames` frames of a video; and what is wrong with the file.

    Complaints begin with "no face", "unreadable" or "too short". One frame that fails costs no other.
    """
    found: list[Found] = []
    reasons: list[str] = []
    seen = 0
    video = is_video(path)
    try:
        for frame, image in video_frames(path, frames) if video else [(None, read_image(path))]:
            seen += 1
            where = "" if frame is None else f" in frame {frame}"
            try:
                box = largest(detector.detect(image), image)
            except KCEError:
                raise
            except Exception as error:  # one picture that a detector cannot bear is one bad file among many
                reasons.append(f"unreadable: the detector failed{where} ({type(error).__name__}: {error})")
                continue
            if box is None:
                reasons.append(f"no face{where}")
            else:
                found.append(Found(frame, box, encode_png(crop(image, box, margin))))
    except BadData as error:
        reasons.append(f"unreadable: {error.message.removeprefix(f'{path}: ')}")
    else:
        if video and seen < frames:
            reasons.append(f"too short: {seen} of {frames} frames")
    return found, reasons


def largest(boxes: Iterable[Box], image: Image) -> Box | None:
    """The largest box that is one and touches the picture."""
    height, width = image.shape[:2]
    sound = [
        box
        for box in boxes
        if all(map(math.isfinite, (box.left, box.top, box.right, box.bottom)))
        and 0 < box.width <= 2 * width
        and 0 < box.height <= 2 * height
        and min(box.right, width) > max(box.left, 0)
        and min(box.bottom, height) > max(box.top, 0)
    ]
    return max(sound, key=lambda box: (box.area, box.score, -box.left, -box.top), default=None)


def crop(image: Image, box: Box, margin: float) -> Image:
    """A square about the box's centre, its side `margin` times the box's longer side, at the picture's own resolution.

    Beyond the border the edge is repeated: nothing is squeezed. A box that is the whole picture leaves nothing to add
    around it, and gets no margin.
    """
    height, width = image.shape[:2]
    whole = box.left <= 0 and box.top <= 0 and box.right >= width and box.bottom >= height
    side = max(1, round(max(box.width, box.height) * (1 if whole else margin)))
    left = math.floor((box.left + box.right - side) / 2 + 0.5)
    top = math.floor((box.top + box.bottom - side) / 2 + 0.5)
    rows = np.clip(np.arange(top, top + side), 0, height - 1)
    columns = np.clip(np.arange(left, left + side), 0, width - 1)
    return np.ascontiguousarray(image[rows][:, columns])
