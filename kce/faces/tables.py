"""The tables of a face folder, ``faces.csv`` and ``problems.csv``, as text."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import xxhash

from kce.data.finished_tables import FACES, PROBLEMS, TableRecord
from kce.errors import BadData, KCEError
from kce.faces.file_names import face_path
from kce.system.atomic import write_atomic
from kce.system.os_errors import system_failure
from kce.system.regular import open_regular

CUT_AGAIN = "cut the faces again, into a new folder"


class FaceRow(NamedTuple):
    """One line of faces.csv, as text.

    Attributes:
        key: <dataset>/<sample's key>, and for the frame of a video #<frame>; unique in the folder.
        category: The sample's category.
        dataset: The sample's dataset.
        method: The sample's forgery method; "real" for a real.
        real: "1" or "0".
        group: The sample's group; empty = unknown.
        identities: Joined with ";".
        split: The official split; empty = none.
        frame: Number of the frame; empty for a picture.
        box: The detector's box, "left top right bottom" in pixels of the source.
        score: The detector's score, in [0, 1].
        source: The media file.
        file: The PNG file, relative to the folder.
        hash: xxh64 of the PNG file.
        faces: Number of faces that the detector found in the picture or frame, of which the largest was cut; empty =
            unknown, since the whole picture was taken.
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
    faces: str


class Problem(NamedTuple):
    """One line of problems.csv.

    Attributes:
        key: <dataset>/<sample's key>.
        path: The media file.
        reason: What is wrong with it; starts with "no face", "unreadable" or "too short".
        category: The sample's category.
    """

    key: str
    path: str
    reason: str
    category: str


def read_csv_table(path: Path, columns: Sequence[str]) -> Iterator[list[str]]:
    """The rows of a CSV file with exactly these columns.

    Raises:
        KCEError: The file does not exist.
        MachineFault: The system does not let it be read.
        BadData: It is not a file or not such a table, or has other columns; the message names the line.
    """
    try:
        with io.TextIOWrapper(open_regular(path), encoding="utf-8", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            if header != list(columns):
                raise BadData(f"{path} has the columns {','.join(header)}; expected {','.join(columns)}", CUT_AGAIN)
            for row in reader:
                if len(row) != len(columns):
                    message = f"{path}, line {reader.line_num}: {len(row)} fields, expected {len(columns)}"
                    raise BadData(message, CUT_AGAIN)
                yield row
    except FileNotFoundError as error:
        raise KCEError(f"there is no {path}", "`kce cut` makes a face folder") from error
    except OSError as error:
        raise system_failure(f"{path} cannot be read", error) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadData(f"{path} cannot be read: {error}", CUT_AGAIN) from error


def write_csv_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a CSV file atomically; a file that already has this content is not touched."""
    write_atomic(path, _as_csv([columns, *rows]))


def _as_csv(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def read_face_rows(root: Path) -> Iterator[FaceRow]:
    """The rows of a folder that ``cut`` wrote; none if it has no table yet. Raises BadData for any other folder."""
    if not (root / FACES).is_file():
        return
    for fields in read_csv_table(root / FACES, FaceRow._fields):
        row = FaceRow(*(sys.intern(field) for field in fields))
        if row.file != face_path(row.category, row.key):
            raise BadData(f"{root / FACES}: {row.file!r} is not the file of the face {row.key}", CUT_AGAIN)
        yield row


@dataclass
class CategoryRows:
    """The lines of one category in both tables, in their order."""

    rows: list[FaceRow] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def record(self) -> TableRecord:
        """The number of faces, and the hash of all lines."""
        total = xxhash.xxh3_128(_as_csv(self.rows))
        total.update(b"\0")
        total.update(_as_csv(self.problems))
        return TableRecord(len(self.rows), total.hexdigest())


def read_tables(root: Path) -> dict[str, CategoryRows]:
    """Category -> its lines in the tables of a folder, as far as there are tables. Raises BadData."""
    content: dict[str, CategoryRows] = {}
    for row in read_face_rows(root):
        content.setdefault(row.category, CategoryRows()).rows.append(row)
    if (root / PROBLEMS).is_file():
        for fields in read_csv_table(root / PROBLEMS, Problem._fields):
            content.setdefault(fields[3], CategoryRows()).problems.append(Problem(*fields))
    return content


def salvage_tables(root: Path) -> dict[str, CategoryRows]:
    """Category -> what can be read of its lines in damaged tables; whether that is all, only their hash can tell."""
    content: dict[str, CategoryRows] = {}
    for fields in _readable_rows(root / FACES, len(FaceRow._fields)):
        row = FaceRow(*fields)
        if row.file == face_path(row.category, row.key):
            content.setdefault(row.category, CategoryRows()).rows.append(row)
    for fields in _readable_rows(root / PROBLEMS, len(Problem._fields)):
        content.setdefault(fields[3], CategoryRows()).problems.append(Problem(*fields))
    return content


def _readable_rows(path: Path, count: int) -> Iterator[list[str]]:
    """The rows below the first that have this many fields."""
    if not path.is_file():
        return
    with io.TextIOWrapper(open_regular(path), encoding="utf-8", errors="replace", newline="") as file:
        rows = csv.reader(file)
        while True:
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error:  # a field without end, for example; the lines after it may be good
                continue
            if len(row) == count:
                yield row


def write_tables(
    root: Path, content: Mapping[str, CategoryRows], announce: Callable[[Mapping[str, TableRecord]], None]
) -> dict[str, TableRecord]:
    """Write both tables.

    Args:
        root: The folder.
        content: Category -> its lines.
        announce: Called with what is returned, before anything is written.

    Returns:
        File -> its rows and hash.
    """
    rows = [row for _, lines in sorted(content.items()) for row in lines.rows]
    problems = [problem for _, lines in sorted(content.items()) for problem in lines.problems]
    texts = {
        PROBLEMS: (len(problems), _as_csv([Problem._fields, *sorted(problems, key=lambda problem: problem.key)])),
        FACES: (len(rows), _as_csv([FaceRow._fields, *rows])),
    }
    tables = {name: TableRecord(count, xxhash.xxh3_128_hexdigest(text)) for name, (count, text) in texts.items()}
    announce(tables)
    for name, (_, text) in texts.items():
        write_atomic(root / name, text)
    return tables
