"""Finds the faces in a folder of photographs, and who they are."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kce
from kce import Box, KCEError

from .face import Face
from .files import hash_of, unreadable

if TYPE_CHECKING:
    from kce import Image

    from .landmarks import Landmarks

ROOM = 1.2
"""Side of the picture of a face, in units of the longer side of its box."""
LEAST = 0.5
"""A face whose picture is smaller than this share of the side that is asked for is left out: it would be enlarged."""


@dataclass(frozen=True)
class FoundFace:
    """A face of a photograph.

    Attributes:
        file: The photograph, below the root, with "/".
        box: Left, top and side of the square around the face, in pixels of the photograph.
        camera: The first folder below the root; empty if there is none.
        person: Camera, and who it is: the folder below that of the camera; where there is none, the name of the file up
            to its first "_". Of a photograph of several people: its name, and the number of the face in it.
        content: A hash of the photograph.
    """

    file: str
    box: tuple[float, float, float]
    camera: str
    person: str
    content: str

    @property
    def key(self) -> str:
        """A name for files about it: another photograph of the same name has another one."""
        return hashlib.blake2b(f"{self.file}\0{self.box}\0{self.content}".encode(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class LeftOut:
    """A photograph, or a face of one, that is not used."""

    file: str
    reason: str


def list_pictures(root: Path) -> list[str]:
    """List the pictures below a folder, in order; links are not followed.

    Raises:
        KCEError: The folder does not exist, has no pictures, or a folder in it cannot be read.
    """
    if not root.is_dir():
        raise KCEError(f"there is no folder {root}", "root= is a folder of photographs")

    def fail(error: OSError) -> None:
        raise unreadable(error) from error

    found = []
    for folder, names, files in os.walk(root, onerror=fail):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            path = Path(folder, name)
            if path.suffix.lower() in kce.Tree.pictures and not name.startswith(".") and not path.is_symlink():
                found.append(path.relative_to(root).as_posix())
    if not found:
        raise KCEError(f"there are no pictures in {root}", "root= is a folder of photographs, in folders or not")
    return found


def faces_of(root: Path, file: str, detector: Any, landmarks: Landmarks, side: int) -> Iterator[FoundFace | LeftOut]:
    """Find the faces of a photograph: yield each with landmarks, and what is left out."""
    try:
        image = kce.read_image(root / file)
        content = hash_of(root / file)
    except KCEError as error:
        yield LeftOut(file, error.message)
        return
    boxes = sorted(detector.detect(image), key=lambda box: (box.left, box.top))
    if not boxes:
        yield LeftOut(file, "no face was found")
    squares = []
    for box in boxes:
        square = _square(box)
        if square[2] < LEAST * side:
            yield LeftOut(file, f"a face of {round(square[2] / ROOM)} px; {round(LEAST * side / ROOM)} are needed")
        elif landmarks.find(cut_square(image, square, side)) is None:
            yield LeftOut(file, "a face without landmarks")
        else:  # somebody in the background does not make a picture one of several people
            squares.append(square)
    camera, who = _names(file)
    for number, square in enumerate(squares):
        # Nobody says who is who in a picture of several people: each is a person of their own.
        place = Path(file).with_suffix("").as_posix().removeprefix(f"{camera}/")
        name = who if len(squares) == 1 else f"{place}#{number}"
        yield FoundFace(file, square, camera, f"{camera}/{name}", content)


def _names(file: str) -> tuple[str, str]:
    """The camera and the person, by where a photograph is.

    >>> _names("london/ann_1.jpg"), _names("london/ann/2020/1.jpg"), _names("ann_1.jpg")
    (('london', 'ann'), ('london', 'ann'), ('', 'ann'))
    """
    *folders, name = file.split("/")
    return folders[0] if folders else "", folders[1] if folders[1:] else Path(name).stem.partition("_")[0]


def _square(box: Box) -> tuple[float, float, float]:
    wide = ROOM * max(box.width, box.height)
    return (
        round((box.left + box.right - wide) / 2, 1),
        round((box.top + box.bottom - wide) / 2, 1),
        round(wide, 1),
    )


def cut_square(image: Image, box: tuple[float, float, float], side: int) -> Image:
    """Cut a square out of a photograph and scale it; beyond its border, the photograph is mirrored."""
    import cv2
    import numpy as np

    left, top, wide = box
    edge = max(0, *(int(np.ceil(v)) for v in (-left, -top, left + wide - image.shape[1], top + wide - image.shape[0])))
    edge = min(edge, min(image.shape[:2]) - 1)
    around = cv2.copyMakeBorder(image, edge, edge, edge, edge, cv2.BORDER_REFLECT_101)
    x, y, w = round(left + edge), round(top + edge), round(wide)
    cut = around[max(y, 0) : y + w, max(x, 0) : x + w]
    way = cv2.INTER_AREA if cut.shape[0] > side else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(cut, (side, side), interpolation=way), np.uint8)


def load_face(root: Path, found: FoundFace, landmarks: Landmarks, side: int) -> Face:
    """Read a face again that was found.

    Raises:
        KCEError: The photograph has changed since.
    """
    image = cut_square(kce.read_image(root / found.file), found.box, side)
    points = landmarks.find(image)
    if points is None:
        raise KCEError(f"{root / found.file} is another picture than before", "choose another folder with made=...")
    return Face(image, points)


Couple = tuple[FoundFace, FoundFace]


def couples(faces: list[FoundFace]) -> tuple[list[list[Couple]], list[LeftOut]]:
    """Put people together in twos, each the donor of the other, so that what is forged of them is paired.

    Two people are of one camera, and have about as many pictures; pictures beyond those of the one who has fewer, and
    the person who remains, are left out.

    Returns:
        For each two people the pairs of faces, and what is left out.
    """
    people: dict[str, list[FoundFace]] = {}
    for face in sorted(faces, key=lambda one: (one.person, one.file, one.box)):
        people.setdefault(face.person, []).append(face)
    by_camera: dict[str, list[str]] = {}
    for person, own in people.items():
        by_camera.setdefault(own[0].camera, []).append(person)
    made: list[list[Couple]] = []
    left_out: list[LeftOut] = []
    for own_people in by_camera.values():
        ordered = sorted(own_people, key=lambda person: (-len(people[person]), person))
        for one, other in zip(ordered[::2], ordered[1::2], strict=False):
            made.append(list(zip(people[one], people[other], strict=False)))
            left_out += [LeftOut(face.file, "its donor has fewer pictures") for face in people[one][len(made[-1]) :]]
        if len(ordered) % 2:
            left_out += [LeftOut(face.file, "a person without a donor") for face in people[ordered[-1]]]
    return made, left_out


def apart(made: Sequence[Sequence[Couple]]) -> list[list[Sequence[Couple]]]:
    """Group couples so that no photograph is in two groups: those of one picture of several people are together.

    Args:
        made: For each two people their pairs of faces.

    Returns:
        Groups of couples, in their order.
    """
    groups: list[tuple[set[str], list[int]]] = []
    for number, pairs in enumerate(made):
        files = {face.file for pair in pairs for face in pair}
        joined = [group for group in groups if group[0] & files]
        numbers = sorted(one for _, own in joined for one in own)
        groups = [group for group in groups if not group[0] & files]
        groups.append((files.union(*(own for own, _ in joined)), [*numbers, number]))
    return [[made[number] for number in numbers] for _, numbers in sorted(groups, key=lambda group: group[1][0])]
