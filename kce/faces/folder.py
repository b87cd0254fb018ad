"""The face folder: cropped faces as PNG files, a folder per category, and ``faces.csv`` with a row per face."""

from __future__ import annotations

import os
import tomllib
from array import array
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from kce.data.finished_tables import FACES, SETTINGS, check_finished_table
from kce.data.pictures import decode_image, resize
from kce.errors import BadData
from kce.faces.columns import CodedColumn, CodedTexts, PackedTexts, TextColumn
from kce.faces.face_store import face_reader
from kce.faces.file_names import INSIDE, content_hash
from kce.faces.tables import CUT_AGAIN, FaceRow, read_csv_table
from kce.labels import Meaning, clashes
from kce.system.regular import read_regular_text, require_inside

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.types import Image

THREADS = min(8, os.cpu_count() or 1)  # that decode and change pictures

_ROWS_AT_ONCE = 2**10  # rows of the table that are converted at once; more leave the processor's cache
_PACKED, _CODED = ("key", "file", "hash"), ("category", "dataset", "method", "group")


@dataclass(frozen=True, eq=False)
class _Table:
    """The columns of a face folder's whole table; ``Faces`` of some of its rows share them."""

    packed: dict[str, PackedTexts]
    coded: dict[str, CodedTexts]
    real: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Faces:
    """Faces of a folder; each column has shape (n,) and the meaning that it has in ``FaceRow``.

    Columns are as numpy's arrays to their users, but hold a table of 800,000 rows in 150 MB where arrays of texts take
    900: see ``kce.faces.columns`` for what they can do without making texts.

    Args:
        root: The folder.
        table: Its table, which all faces of the folder share.
        rows: (n,) row numbers in the table.
    """

    root: Path
    table: _Table
    rows: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def key(self) -> TextColumn:
        """Unique keys."""
        return TextColumn(self.table.packed["key"], self.rows)

    @property
    def file(self) -> TextColumn:
        """PNG files, relative to the folder."""
        return TextColumn(self.table.packed["file"], self.rows)

    @property
    def hash(self) -> TextColumn:
        """Hashes of the PNG files."""
        return TextColumn(self.table.packed["hash"], self.rows)

    @property
    def category(self) -> CodedColumn:
        """Categories."""
        return CodedColumn(self.table.coded["category"], self.rows)

    @property
    def dataset(self) -> CodedColumn:
        """Datasets."""
        return CodedColumn(self.table.coded["dataset"], self.rows)

    @property
    def method(self) -> CodedColumn:
        """Forgery methods."""
        return CodedColumn(self.table.coded["method"], self.rows)

    @property
    def group(self) -> CodedColumn:
        """Groups."""
        return CodedColumn(self.table.coded["group"], self.rows)

    @property
    def real(self) -> NDArray[np.bool_]:
        """Whether each is a real."""
        return self.table.real[self.rows]

    @property
    def nbytes(self) -> int:
        """Bytes in memory, those of the shared table included."""
        table = self.table
        packed = sum(column.nbytes for column in table.packed.values())
        coded = sum(column.nbytes for column in table.coded.values())
        return packed + coded + table.real.nbytes + self.rows.nbytes

    def take(self, rows: NDArray[Any]) -> Faces:
        """The faces at these indices (or under this mask), in that order; no text is copied."""
        return Faces(self.root, self.table, self.rows[rows])

    def first_of_categories(self) -> Faces:
        """One face of each category; its dataset, its method and whether it is a real are those of all the others."""
        return self.take(np.unique(self.category.codes, return_index=True)[1])

    def content_hash(self) -> str:
        """Hash of the keys, categories, groups and pictures, in order (32 hex digits)."""
        return self._content_hash

    @cached_property
    def _content_hash(self) -> str:
        """Computed once: a run asks for it whenever it looks for features, and half a million rows take seconds."""
        total = xxhash.xxh3_128()
        for column in (self.key, self.category, self.group, self.hash):
            for number, texts in enumerate(column.batches()):
                total.update((("\0" if number else "") + "\0".join(texts)).encode())
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
    path = root / FACES
    require_inside(root, FACES)
    check_finished_table(path)
    lines = read_csv_table(path, FaceRow._fields)
    packed, coded = {name: PackedTexts() for name in _PACKED}, {name: CodedTexts() for name in _CODED}
    real, hashes = bytearray(), array("Q")
    meanings: set[tuple[str, ...]] = set()
    inside: set[str] = set()
    while rows := list(islice(lines, _ROWS_AT_ONCE)):  # a million rows as Python's strings would take gigabytes
        columns = dict(zip(FaceRow._fields, zip(*rows, strict=True), strict=True))
        if not all(map(INSIDE.fullmatch, columns["file"])):
            place, file = next(item for item in enumerate(columns["file"]) if not INSIDE.fullmatch(item[1]))
            raise BadData(f"{path}, row {len(real) + place + 1}: {file!r} is not a file in the folder", CUT_AGAIN)
        new = {file.partition("/")[0] for file in columns["file"]} - inside
        require_inside(root, *new)
        inside |= new
        if invalid := set(columns["real"]) - {"0", "1"}:
            raise BadData(f"{path}: real is {min(invalid)!r}, not 0 or 1", CUT_AGAIN)
        meanings.update(zip(columns["category"], columns["dataset"], columns["method"], columns["real"], strict=True))
        for name, texts in (packed | coded).items():
            texts.extend(columns[name])
        hashes.extend(map(xxhash.xxh3_64_intdigest, map(str.encode, columns["key"])))
        real += bytes(map("1".__eq__, columns["real"]))
    faces = Faces(
        root, _Table(packed, coded, np.frombuffer(bytes(real), np.bool_)), np.arange(len(real), dtype=np.int32)
    )
    if repeated := _repeated(faces.key, np.array(hashes)):
        raise BadData(f"{path}: the key {repeated} occurs twice", CUT_AGAIN)
    _check_categories(meanings, path)
    return faces


def _repeated(column: TextColumn, hashes: NDArray[np.uint64]) -> str | None:
    """A text that occurs most often, if any occurs twice; a set of a million texts would take 150 MB."""
    in_order = np.sort(hashes)
    equal = in_order[1:][in_order[1:] == in_order[:-1]]
    if not len(equal):
        return None
    text, count = Counter(column[np.isin(hashes, equal)].tolist()).most_common(1)[0]  # equal hashes may be a chance
    return text if count > 1 else None


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
    files = faces.file[rows].tolist()
    hashes = faces.hash[rows].tolist() if unchanged is not None else []
    pixels = np.empty((len(files), size, size, 3), np.uint8)
    read = face_reader(faces.root)

    def load_one(i: int) -> None:
        data = read(files[i])
        pixels[i] = resize(change(decode_image(data, faces.root / files[i])), size)
        if unchanged is not None:
            unchanged[i] = content_hash(data) == hashes[i]

    with ThreadPoolExecutor(THREADS) as threads:  # decoding releases Python's lock
        for _ in threads.map(load_one, range(len(files))):
            pass
    return pixels
