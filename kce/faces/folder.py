"""The face folder: cropped faces as PNG files, a folder per category, and ``faces.csv`` with a row per face."""

from __future__ import annotations

import os
import tomllib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from kce.data.finished_tables import FACES, SETTINGS, check_finished_table
from kce.data.pictures import decode_image, read_picture_file, resize
from kce.errors import BadData
from kce.faces.file_names import INSIDE, content_hash
from kce.faces.tables import CUT_AGAIN, FaceRow, read_csv_table
from kce.labels import Meaning, clashes
from kce.system.regular import read_regular_text, require_file_inside, require_inside

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.types import Image

THREADS = min(8, os.cpu_count() or 1)  # that decode and change pictures

_COLUMNS = ("key", "category", "dataset", "method", "group", "file", "hash")
_ROWS_AT_ONCE = 2**14  # rows of the table that are converted at once


@dataclass(frozen=True, eq=False)
class Faces:
    """The faces of a folder; each column has shape (n,) and the meaning that it has in ``FaceRow``.

    Attributes:
        root: The folder.
        key: Unique keys.
        category: Categories.
        dataset: Datasets.
        method: Forgery methods.
        group: Groups.
        file: PNG files, relative to the folder.
        hash: Hashes of the PNG files.
        real: bool, whether it is a real.
    """

    root: Path
    key: NDArray[np.str_]
    category: NDArray[np.str_]
    dataset: NDArray[np.str_]
    method: NDArray[np.str_]
    group: NDArray[np.str_]
    file: NDArray[np.str_]
    hash: NDArray[np.str_]
    real: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.key)

    @property
    def nbytes(self) -> int:
        """Bytes that the columns take in memory."""
        return sum(column.nbytes for column in self._arrays)

    @property
    def _arrays(self) -> tuple[NDArray[Any], ...]:
        return (self.key, self.category, self.dataset, self.method, self.group, self.file, self.hash, self.real)

    def take(self, rows: NDArray[Any]) -> Faces:
        """The faces at these indices (or under this mask), in that order."""
        return Faces(self.root, *(array[rows] for array in self._arrays))

    def content_hash(self) -> str:
        """Hash of the keys, categories, groups and pictures, in order (32 hex digits)."""
        total = xxhash.xxh3_128()
        for column in (self.key, self.category, self.group, self.hash):
            total.update("\0".join(column.tolist()).encode())
            total.update(b"\1")
        return total.hexdigest()


def read_faces(folder: str | os.PathLike[str]) -> Faces:
    """Read the table of a face folder.

    Raises:
        KCEError: There is no faces.csv, or a cut into the folder was interrupted.
        BadData: faces.csv is damaged, is not as ``kce cut`` finished it, has a key twice, names a file outside the
            folder, or has a category that is not that of its dataset and method, or that stands for two.
    """
    root = Path(folder)
    table = root / FACES
    require_inside(root, FACES)
    check_finished_table(table)
    lines = read_csv_table(table, FaceRow._fields)
    parts: dict[str, list[NDArray[Any]]] = {name: [np.empty(0, np.str_)] for name in (*_COLUMNS, "real")}
    count = 0
    meanings: set[tuple[str, ...]] = set()
    while rows := list(islice(lines, _ROWS_AT_ONCE)):  # a million rows as Python's strings would take gigabytes
        columns = dict(zip(FaceRow._fields, zip(*rows, strict=True), strict=True))
        for number, file in enumerate(columns["file"], count + 1):
            if not INSIDE.fullmatch(file):
                raise BadData(f"{table}, row {number}: {file!r} is not a file in the folder", CUT_AGAIN)
        require_inside(root, *{file.partition("/")[0] for file in columns["file"]})
        if invalid := set(columns["real"]) - {"0", "1"}:
            raise BadData(f"{table}: real is {min(invalid)!r}, not 0 or 1", CUT_AGAIN)
        meanings.update(zip(columns["category"], columns["dataset"], columns["method"], columns["real"], strict=True))
        for name, part in parts.items():
            part.append(np.array(columns[name], np.str_))
        count += len(rows)
    arrays = {name: np.concatenate(parts.pop(name)) for name in _COLUMNS}
    keys = arrays["key"].tolist()
    if len(set(keys)) < count:
        raise BadData(f"{table}: the key {Counter(keys).most_common(1)[0][0]} occurs twice", CUT_AGAIN)
    _check_categories(meanings, table)
    return Faces(root, real=np.concatenate(parts["real"]) == "1", **arrays)


def _check_categories(meanings: set[tuple[str, ...]], table: Path) -> None:
    known = [
        (category, Meaning.of(dataset, method, real == "1")) for category, dataset, method, real in sorted(meanings)
    ]
    for category, meaning in known:
        if category != meaning.category:
            raise BadData(
                f"{table}: a row of the category {category} has the dataset {meaning.dataset}, the method "
                f"{meaning.method} and real {int(meaning.real)}",
                CUT_AGAIN,
            )
    for name, both in clashes(meaning for _, meaning in known).items():
        raise BadData(f"{table}: the name {name} is ambiguous: {both}", CUT_AGAIN)


def read_detector(folder: str | os.PathLike[str]) -> str | None:
    """The name of the detector that a folder was cut with; None if it is unknown."""
    try:
        detector = tomllib.loads(read_regular_text(Path(folder) / SETTINGS)).get("detector")
    except (OSError, ValueError, BadData):
        return None
    return str(detector).partition(":")[0] if detector else None


def load_pixels(
    faces: Faces,
    rows: NDArray[Any],
    size: int,
    change: Callable[[Image], Image] = lambda image: image,
    unchanged: NDArray[np.bool_] | None = None,
) -> NDArray[np.uint8]:
    """Load and resize faces.

    Args:
        faces: The faces of a folder.
        rows: Indices of the faces to load.
        size: Side of the result, in pixels.
        change: Applied to each face as it was cut, before it is resized.
        unchanged: If given, shape (len(rows),): becomes whether each PNG file still has the hash of its row.

    Returns:
        The faces, uint8 (len(rows), size, size, 3), RGB.

    Raises:
        BadData: A PNG file cannot be read; the message names it.
    """
    files, hashes = faces.file[rows].tolist(), faces.hash[rows].tolist()
    pixels = np.empty((len(files), size, size, 3), np.uint8)

    def load_one(i: int) -> None:
        require_file_inside(faces.root, files[i])
        data = read_picture_file(faces.root / files[i])
        pixels[i] = resize(change(decode_image(data, faces.root / files[i])), size)
        if unchanged is not None:
            unchanged[i] = content_hash(data) == hashes[i]

    with ThreadPoolExecutor(THREADS) as threads:  # decoding releases Python's lock
        for _ in threads.map(load_one, range(len(files))):
            pass
    return pixels
