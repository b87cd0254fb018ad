"""The tables of a face folder, ``faces.csv`` and ``problems.csv``, as text."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from kce.errors import BadData, KCEError
from kce.faces.file_names import FACES, JOURNAL, face_path
from kce.system.atomic import write_atomic

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
    """

    key: str
    path: str
    reason: str


def read_csv_table(path: Path, columns: Sequence[str]) -> Iterator[list[str]]:
    """The rows of a CSV file with exactly these columns.

    Raises:
        KCEError: The file does not exist.
        BadData: The file cannot be read, or has other columns; the message names the line.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
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
        unfinished = (path.parent / JOURNAL).is_file()
        hint = "start the same `kce cut` again: it continues" if unfinished else "`kce cut` makes a face folder"
        raise KCEError(f"there is no {path}", hint) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadData(f"{path} cannot be read: {error}", CUT_AGAIN) from error


def write_csv_table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a CSV file atomically; a file that already has this content is not touched."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_atomic(path, text.getvalue().encode())


def read_face_rows(root: Path) -> Iterator[FaceRow]:
    """The rows of a folder that ``cut`` wrote; none if it has no table yet. Raises BadData for any other folder."""
    if not (root / FACES).is_file():
        return
    for fields in read_csv_table(root / FACES, FaceRow._fields):
        row = FaceRow(*(sys.intern(field) for field in fields))
        if row.file != face_path(row.category, row.key):
            raise BadData(f"{root / FACES}: {row.file!r} is not the file of the face {row.key}", CUT_AGAIN)
        yield row
