"""Finds and crops the faces of one media file: the task of each worker."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from kce.data.pictures import encode_png, read_image
from kce.data.suffixes import is_video
from kce.data.videos import video_frames
from kce.errors import BadData, KCEError, MachineFault
from kce.registry.registry import Registry
from kce.system.machine_faults import done_or_fault, fault_of

if TYPE_CHECKING:
    from kce.types import Box, Detector, Image


class CroppedFace(NamedTuple):
    """A cropped face.

    Attributes:
        frame: Number of the frame in its video; None for a picture.
        box: The detector's box.
        png: The crop, as PNG.
        faces: Number of faces in the picture; None if unknown, since the box is the whole picture.
    """

    frame: int | None
    box: Box
    png: bytes
    faces: int | None


def make_cropper(
    detector: str, registry_folder: str, frames: int, margin: float
) -> Callable[[str], tuple[list[CroppedFace], list[str]] | MachineFault]:
    """The function that a worker calls for each path; each worker builds its own detector.

    It returns what ``crop_faces`` does, or the fault of the machine that prevented it: other files may still succeed.
    """
    built: Detector = Registry.load(registry_folder).build("detector", detector)

    def work(path: str) -> tuple[list[CroppedFace], list[str]] | MachineFault:
        return done_or_fault(lambda: crop_faces(built, path, frames, margin), path)

    return work


def crop_faces(detector: Detector, path: str, frames: int, margin: float) -> tuple[list[CroppedFace], list[str]]:
    """Crop the largest face of a picture, or of each of several frames of a video.

    A frame that fails does not affect the others.

    Args:
        detector: Finds the faces.
        path: The media file.
        frames: Number of frames of a video, spread evenly.
        margin: Side of the crop, in units of the longer side of the box.

    Returns:
        The faces, and what is wrong with the file: messages that start with "no face", "unreadable" or "too short".

    Raises:
        MachineFault: The file is missing or cannot be read, or memory, threads or open files are lacking.
    """
    faces: list[CroppedFace] = []
    problems: list[str] = []
    told: list[str] = []
    decoded = 0
    video = is_video(path)
    try:
        for frame, image in video_frames(path, frames, told.append) if video else [(None, read_image(path))]:
            decoded += 1
            where = "" if frame is None else f" in frame {frame}"
            try:
                boxes = valid_boxes(detector.detect(image), image)
            except KCEError:
                raise
            except Exception as error:  # a picture on which a detector fails is one bad file among many
                if fault := fault_of(error, path):
                    raise fault from error
                problems.append(f"unreadable: the detector failed{where} ({type(error).__name__}: {error})")
                continue
            if not boxes:
                problems.append(f"no face{where}")
                continue
            box = largest_box(boxes)
            count = None if len(boxes) == 1 and is_whole(box, image) else len(boxes)
            faces.append(CroppedFace(frame, box, encode_png(crop(image, box, margin)), count))
    except BadData as error:
        problems.append(f"unreadable: {error.message.removeprefix(f'{path}: ')}")
    else:
        if video and decoded < frames:
            problems.append(f"too short: {decoded} of {frames} frames")
    return faces, problems + [f"unreadable: {reason}" for reason in told]


def valid_boxes(boxes: Iterable[Box], image: Image) -> list[Box]:
    """The boxes of a sensible size that overlap the picture."""
    height, width = image.shape[:2]
    return [
        box
        for box in boxes
        if all(map(math.isfinite, (box.left, box.top, box.right, box.bottom)))
        and 0 < box.width <= 2 * width
        and 0 < box.height <= 2 * height
        and min(box.right, width) > max(box.left, 0)
        and min(box.bottom, height) > max(box.top, 0)
    ]


def largest_box(boxes: Iterable[Box]) -> Box:
    """The largest of one or more boxes; of equal ones the surest, then the leftmost."""
    return max(boxes, key=lambda box: (box.area, box.score, -box.left, -box.top))


def is_whole(box: Box, image: Image) -> bool:
    """Whether a box is the whole picture, as of faces that were cropped before; nobody looked for others then."""
    height, width = image.shape[:2]
    return box.left <= 0 and box.top <= 0 and box.right >= width and box.bottom >= height


def crop(image: Image, box: Box, margin: float) -> Image:
    """Crop a square around the centre of a box, at the resolution of the picture.

    Beyond the border the edge is repeated, so that nothing is distorted. A box that is the whole picture gets no
    margin, since there is nothing around it.

    Args:
        image: The picture, uint8 (height, width, 3).
        box: The face.
        margin: Side of the square, in units of the longer side of the box.

    Returns:
        The crop, uint8 (side, side, 3).
    """
    height, width = image.shape[:2]
    side = max(1, round(max(box.width, box.height) * (1 if is_whole(box, image) else margin)))
    left = math.floor((box.left + box.right - side) / 2 + 0.5)
    top = math.floor((box.top + box.bottom - side) / 2 + 0.5)
    rows = np.clip(np.arange(top, top + side), 0, height - 1)
    columns = np.clip(np.arange(left, left + side), 0, width - 1)
    return np.ascontiguousarray(image[rows][:, columns])
