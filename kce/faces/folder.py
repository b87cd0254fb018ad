"""The face folder: cut faces as png, one folder for each category, and ``faces.csv`` with one row for each."""

from __future__ import annotations

import csv
import io
import os
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xxhash

from kce.data.pictures import read_image, resize
from kce.errors import BadData, KCEError
from kce.system.atomic import write_atomic

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.types import Image

FACES, PROBLEMS, SETTINGS, JOURNAL, LOCK = "faces.csv", "problems.csv", "cut.toml", "cut.journal", ".lock"
HANDS = min(8, os.cpu_count() or 1)  # threads that decode and change pictures


class Row(NamedTuple):
    """One line of faces.csv, as text.

    key         <dataset>/<sample's key>, for a video's frame with #<frame>; unique in the folder
    real        1 or 0
    group       the sample's, or where that is unknown its own: <dataset>/<sample's key>, of a frame its folder there
    identities  joined with ";"
    frame       number of the frame, empty for a picture
    box         the detector's, "left top right bottom" in pixels of the source
    score       the detector's, in [0, 1]
    source      the media file
    file        the png, relative to the folder
    hash        xxh64 of the png's bytes
    """

    key: str
    category: str
    dataset: str
    method: str
    real: str
    group: str
    identities: str
    split: str
    frame: str
    box: str
    score: str
    source: str
    file: str
    hash: str


@dataclass(frozen=True, eq=False)
class Faces:
    """The rows of a face folder as columns; all (n,)."""

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
        """Bytes that the rows take in memory."""
        return sum(column.nbytes for column in self._columns)

    @property
    def _columns(self) -> tuple[NDArray[Any], ...]:
        return (self.key, self.category, self.dataset, self.method, self.group, self.file, self.hash, self.real)

    def take(self, rows: NDArray[Any]) -> Faces:
        """The rows at these indices (or under this mask), in that order."""
        return Faces(self.root, *(column[rows] for column in self._columns))

    def mark(self) -> str:
        """Hash of what the rows are: keys, labels, groups and the pictures' own hashes, in order."""
        total = xxhash.xxh3_128()
        for column in (self.key, self.category, self.group, self.hash):
            total.update("\0".join(column.tolist()).encode())
            total.update(b"\1")
        return total.hexdigest()


def read(folder: str | os.PathLike[str]) -> Faces:
    """The faces of a folder. Raises BadData for a faces.csv that does not hold what it should."""
    root = Path(folder)
    table = root / FACES
    lines = read_table(table, Row._fields)
    parts: dict[str, list[NDArray[Any]]] = {name: [np.empty(0, np.str_)] for name in (*_KEPT, "real")}
    count = 0
    while rows := list(islice(lines, _AT_ONCE)):  # as Python's strings a million of them would take gigabytes
        columns = dict(zip(Row._fields, zip(*rows, strict=True), strict=True))
        for number, file in enumerate(columns["file"], count + 1):
            if not _INSIDE.fullmatch(file):
                raise BadData(f"{table}, row {number}: {file!r} does not lie in the folder", _AGAIN)
        for place in {file.partition("/")[0] for file in columns["file"]}:
            if not (root / place).resolve().is_relative_to(root.resolve()):
                raise BadData(f"{root / place} leads out of the folder", _AGAIN)
        if strange := set(columns["real"]) - {"0", "1"}:
            raise BadData(f"{table}: real is {min(strange)!r}, not 0 or 1", _AGAIN)
        for name, part in parts.items():
            part.append(np.array(columns[name], np.str_))
        count += len(rows)
    arrays = {name: np.concatenate(parts.pop(name)) for name in _KEPT}
    keys = arrays["key"].tolist()
    if len(set(keys)) < count:
        raise BadData(f"{table}: {Counter(keys).most_common(1)[0][0]} is there twice", _AGAIN)
    return Faces(root, real=np.concatenate(parts["real"]) == "1", **arrays)


def detector(folder: str | os.PathLike[str]) -> str | None:
    """The name of the detector the folder was cut with; None where the folder does not tell."""
    try:
        told = tomllib.loads((Path(folder) / SETTINGS).read_text(encoding="utf-8")).get("detector")
    except (OSError, ValueError):
        return None
    return str(told).partition(":")[0] if told else None


def load(
    faces: Faces, rows: NDArray[Any], size: int, change: Callable[[Image], Image] = lambda image: image
) -> NDArray[np.uint8]:
    """The faces at these rows as uint8 (n, size, size, 3), RGB. Raises BadData naming a png that cannot be read.

    change  what is done to each picture as it was cut, before it is brought to its size
    """
    files = faces.file[rows].tolist()
    pixels = np.empty((len(files), size, size, 3), np.uint8)

    def one(place: int) -> None:
        pixels[place] = resize(change(read_image(faces.root / files[place])), size)

    with ThreadPoolExecutor(HANDS) as threads:  # decoding leaves Python's lock
        for _ in threads.map(one, range(len(files))):
            pass
    return pixels


_KEPT = ("key", "category", "dataset", "method", "group", "file", "hash")
_INSIDE = re.compile(r"(?!\.{1,2}/)[^/\\:\0]+/(?!\.)[^/\\:\0]+\.png")
_AT_ONCE = 2**14  # rows of a table that are read at once
_AGAIN = "cut the faces again, into a new folder"


# ------------------------------------------------------------------------------------------------- names on the disk


def place(category: str, key: str) -> str:
    """Where a face's png lies in the folder: "<category>/<end of the key>~<hash of the key>.png".

    Harmless on every file system, and different for different keys, wherever case or accents are not told apart.
    Scripts, spaces and brackets stay. A category whose name had to be changed gets a hash too.
    """
    folder = _harmless(category)
    if folder != category or folder.casefold() in _OURS or _HASHED.search(folder):
        folder = f"{folder}~{digest(category.encode())[:8]}"
    return f"{folder}/{_harmless(key.rpartition('/')[2])}~{digest(key.encode())}.png"


def digest(data: bytes) -> str:
    """xxh64, 16 hexadecimal digits."""
    return xxhash.xxh64_hexdigest(data)


_OURS = {FACES, PROBLEMS, SETTINGS, JOURNAL, LOCK}
_HASHED = re.compile("~[0-9a-f]{8}$")
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # Windows keeps these for itself
_LONGEST = 100  # bytes


def _harmless(name: str) -> str:
    kept = "".join("_" if c in '<>:"/\\|?*#%' or not c.isprintable() else c for c in name)
    kept = kept.encode("utf-8", "replace")[:_LONGEST].decode("utf-8", "ignore")
    kept = re.sub(r"^[. ~-]|[. ]$", "_", kept) or "_"
    return f"_{kept}" if _DEVICES.fullmatch(kept) else kept


# ------------------------------------------------------------------------------------------------------------ tables


def read_table(path: Path, columns: Sequence[str]) -> Iterator[list[str]]:
    """The rows of a csv file with exactly these columns. Raises BadData, with the line."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            if header != list(columns):
                raise BadData(f"{path} has the columns {','.join(header)}; expected {','.join(columns)}", _AGAIN)
            for row in reader:
                if len(row) != len(columns):
                    raise BadData(f"{path}, line {reader.line_num}: {len(row)} fields, expected {len(columns)}", _AGAIN)
                yield row
    except FileNotFoundError as error:
        unfinished = (path.parent / JOURNAL).is_file()
        hint = "start the same `kce cut` again: it goes on" if unfinished else "`kce cut` makes a face folder"
        raise KCEError(f"there is no {path}", hint) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadData(f"{path} cannot be read: {error}", _AGAIN) from error


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a csv file whole or not at all; one that holds the same already is left alone."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_atomic(path, text.getvalue().encode())


def read_rows(root: Path) -> Iterator[Row]:
    """The rows of a folder that ``cut`` wrote, as text; none if there is no table yet."""
    if not (root / FACES).is_file():
        return
    for fields in read_table(root / FACES, Row._fields):
        row = Row(*(sys.intern(field) for field in fields))
        if row.file != place(row.category, row.key):
            raise BadData(f"{root / FACES}: {row.file!r} is not where the face {row.key} lies", _AGAIN)
        yield row
