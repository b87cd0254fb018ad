"""Thumbnails of many faces, packed into a few sprite sheets, so that a page can show any of them without loading."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.data.pictures import encode_webp
from kce.errors import BadData, MachineFault
from kce.faces.folder import load_pixels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.faces.folder import Faces

SIDE = 64  # pixels of a thumbnail
ACROSS = 32  # thumbnails in a row of a sprite sheet
PER_SHEET = ACROSS * 32
_QUALITY = 45
_BATCH = 512  # faces decoded together


def sprite_sheets(faces: Faces, keys: Sequence[str]) -> tuple[list[str], NDArray[np.bool_]]:
    """Pack thumbnails into sprite sheets; nothing else of the folder is decoded.

    Args:
        faces: The face folder.
        keys: The faces to show.

    Returns:
        The sheets as data URLs, and whether each face could be read, (n,). Face `i` is number i % PER_SHEET of sheet
        i // PER_SHEET, row by row; one that is gone or unreadable is grey.
    """
    rows = _find_rows(faces, set(keys))
    readable = np.zeros(len(keys), np.bool_)
    sheets = []
    for start in range(0, len(keys), PER_SHEET):
        part = keys[start : start + PER_SHEET]
        sheet = np.full((-(-len(part) // ACROSS) * SIDE, ACROSS * SIDE, 3), 128, np.uint8)
        present = [(cell, rows[key]) for cell, key in enumerate(part) if key in rows]
        for first in range(0, len(present), _BATCH):
            cells, batch = zip(*present[first : first + _BATCH], strict=True)
            for cell, image in zip(cells, _load_faces(faces, batch), strict=True):
                if image is not None:
                    y, x = cell // ACROSS * SIDE, cell % ACROSS * SIDE
                    sheet[y : y + SIDE, x : x + SIDE] = image
                    readable[start + cell] = True
        sheets.append(_data_url(sheet))
    return sheets, readable


def _find_rows(faces: Faces, keys: set[str]) -> dict[str, int]:
    """Key -> row, of those of these keys that a folder has."""
    in_order = (key for batch in faces.key.batches() for key in batch)
    return {key: row for row, key in enumerate(in_order) if key in keys}


def _load_faces(faces: Any, rows: Sequence[int]) -> list[NDArray[np.uint8] | None]:
    try:
        return list(load_pixels(faces, np.array(rows), SIDE))
    except (BadData, MachineFault):  # one of them is unreadable: load them one by one
        return [_load_face(faces, row) for row in rows]


def _load_face(faces: Faces, row: int) -> NDArray[np.uint8] | None:
    try:
        image: NDArray[np.uint8] = load_pixels(faces, np.array([row]), SIDE)[0]
        return image
    except (BadData, MachineFault):
        return None


def _data_url(sheet: NDArray[np.uint8]) -> str:
    return "data:image/webp;base64," + base64.b64encode(encode_webp(sheet, _QUALITY)).decode()
