"""Face folders whose faces are traced: which of them can be read, and which have fewer pixels than a network sees."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kce.data.finished_tables import FACES, SETTINGS
from kce.data.pictures import decode_image
from kce.errors import BadData, KCEError, MachineFault
from kce.faces.cut_settings import CutSettings
from kce.faces.face_store import face_reader
from kce.faces.file_names import content_hash
from kce.faces.folder import THREADS, Faces
from kce.faces.tables import FaceRow, read_csv_table
from kce.system.documents import read_document
from kce.system.os_errors import is_missing

if TYPE_CHECKING:
    from kce.types import Progress

_BATCH = 1000


def is_face_folder(path: Path) -> bool:
    """Whether a folder holds faces that were cut, rather than pictures."""
    return (path / FACES).is_file()


def readable_faces(faces: Faces, progress: Progress) -> tuple[Faces, list[str]]:
    """Leave out faces whose files are damaged or missing: one of them stops no other.

    Args:
        faces: The faces of a folder that nobody has checked.
        progress: Called while it works.

    Returns:
        The others, and "path: reason" of those that are left out.

    Raises:
        BadData: Not one can be read.
        MachineFault: Not one is there, or the system does not let a file be read.
    """
    read, bad = face_reader(faces.root), dict[int, KCEError]()

    def check(row: int, file: str, digest: str) -> None:
        try:
            data = read(file)
            if content_hash(data) != digest:
                decode_image(data, faces.root / file)
        except BadData as error:
            bad[row] = error
        except MachineFault as error:
            if not is_missing(error):
                raise
            bad[row] = error

    with ThreadPoolExecutor(THREADS) as threads:
        for start in range(0, len(faces), _BATCH):
            rows = np.arange(start, min(start + _BATCH, len(faces)))
            list(threads.map(check, rows.tolist(), faces.file[rows].tolist(), faces.hash[rows].tolist()))
            progress("checking faces", int(rows[-1]) + 1, len(faces))
    if len(bad) == len(faces) and bad:
        raise bad[0]
    kept = np.delete(np.arange(len(faces)), sorted(bad))
    return faces.take(kept), [bad[row].message for row in sorted(bad)]


def count_small_faces(folder: Path, size: int) -> int:
    """Count the faces of a folder that have fewer pixels on a side than a network sees, from its table.

    Args:
        folder: The face folder.
        size: Side of the network's faces, in pixels.

    Returns:
        Their number; 0 where the folder does not say how they were cut.
    """
    if not (folder / SETTINGS).is_file():
        return 0
    margin = read_document(folder / SETTINGS, CutSettings).margin
    box, found = FaceRow._fields.index("box"), FaceRow._fields.index("faces")
    small = 0
    for row in read_csv_table(folder / FACES, FaceRow._fields):
        left, top, right, bottom = map(float, row[box].split())
        side = max(right - left, bottom - top) * (margin if row[found] else 1)  # a whole picture gets no margin
        small += round(side) < size
    return small
