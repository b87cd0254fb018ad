"""Small pictures of many faces in a few large ones, so that a page can show any of them at once."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.data.media import encode_webp
from kce.errors import BadData
from kce.faces import folder as folders

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.faces.folder import Faces

SIDE = 32  # pixels of a thumbnail
ACROSS = 64  # thumbnails in a row of a sheet
SHEET = ACROSS * 64  # thumbnails of a whole sheet
_QUALITY = 45
_AT_ONCE = 512


def sheets(faces: Faces | None, keys: Sequence[str]) -> list[str]:
    """Sheets of thumbnails as data addresses; face `i` of `keys` is number i % SHEET of sheet i // SHEET, row by row.

    A face that is not there any more, or that cannot be read, is left grey.
    """
    return [_address(sheet) for sheet in _sheets(faces, keys)]


def _sheets(faces: Faces | None, keys: Sequence[str]) -> Iterator[NDArray[np.uint8]]:
    rows = {key: row for row, key in enumerate(faces.key.tolist())} if faces is not None else {}
    for start in range(0, len(keys), SHEET):
        part = keys[start : start + SHEET]
        sheet = np.full((-(-len(part) // ACROSS) * SIDE, ACROSS * SIDE, 3), 128, np.uint8)
        there = [(place, rows[key]) for place, key in enumerate(part) if key in rows]
        for first in range(0, len(there), _AT_ONCE):
            places, wanted = zip(*there[first : first + _AT_ONCE], strict=True)
            for place, image in zip(places, _read(faces, wanted), strict=True):
                if image is not None:
                    y, x = place // ACROSS * SIDE, place % ACROSS * SIDE
                    sheet[y : y + SIDE, x : x + SIDE] = image
        yield sheet


def _read(faces: Any, rows: Sequence[int]) -> list[NDArray[np.uint8] | None]:
    try:
        return list(folders.load(faces, np.array(rows), SIDE))
    except BadData:  # one of them: find out which
        return [_one(faces, row) for row in rows]


def _one(faces: Faces, row: int) -> NDArray[np.uint8] | None:
    try:
        image: NDArray[np.uint8] = folders.load(faces, np.array([row]), SIDE)[0]
        return image
    except BadData:
        return None


def _address(sheet: NDArray[np.uint8]) -> str:
    return "data:image/webp;base64," + base64.b64encode(encode_webp(sheet, _QUALITY)).decode()
