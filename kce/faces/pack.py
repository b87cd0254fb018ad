"""Packs a face folder: the same PNG files and the same ``faces.csv`` in another folder, in a few large files.

The source is only read. Shards are written one after the other, each atomically, in the order of ``faces.csv``; its
copy comes last, so a folder that has one is complete. What is packed depends on the source alone: started again after
it was killed, the command keeps the shards that are exactly as they should be, writes the others, and ends with the
same files. So it also repairs a packed folder as long as its source exists.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import xxhash

from kce.data.finished_tables import FACES, PROBLEMS, SETTINGS, SETTINGS_COPY, hash_file
from kce.data.packed import INDEX, as_table
from kce.data.shards import (
    FACES_PER_SHARD,
    PackedFace,
    ShardFile,
    encode_row,
    face_id,
    scan_shard,
    shard_name,
    shard_sizes,
)
from kce.errors import BadData, KCEError, Refused
from kce.faces.face_store import face_reader
from kce.faces.file_names import LEFT_OUT, content_hash
from kce.faces.folder import read_faces
from kce.faces.shard_store import write_index, write_shard
from kce.faces.tables import FaceRow, read_csv_table
from kce.system.atomic import atomic_replace, write_json
from kce.system.documents import Document
from kce.system.lock import folder_lock
from kce.system.os_errors import system_failure
from kce.system.regular import is_within, open_regular, read_regular_text, require_inside

if TYPE_CHECKING:
    from kce.types import Progress

PACKING = "pack.journal"
"""The hash of the source's ``faces.csv``; in a folder that is being packed."""

_THREADS, _AHEAD = 16, 64  # that read single files, mostly waiting for the disk; and faces that are read at once
_TABLES = (PROBLEMS, LEFT_OUT, FACES, SETTINGS, SETTINGS_COPY)  # in the order in which they are copied


@dataclass(frozen=True, kw_only=True)
class PackReport(Document):
    """What was packed.

    Attributes:
        faces: Number of faces.
        shards: Number of tar files.
        size: Bytes of these files.
        kept: Number of tar files that were there already.
    """

    NOUN: ClassVar[str] = "the report of packing"

    faces: int
    shards: int
    size: int
    kept: int


def pack_faces(
    source: str | os.PathLike[str], to: str | os.PathLike[str], *, progress: Progress = lambda *_: None
) -> PackReport:
    """Pack a finished face folder into another folder.

    Args:
        source: The face folder; it is only read.
        to: The folder of the packed faces: a new one, or one that this source was packed into before.
        progress: Called while it works.

    Returns:
        What was packed.

    Raises:
        KCEError: There is no face folder, a cut into it was interrupted, another process is writing in `to`, or the
            disk is full.
        BadData: ``faces.csv`` is damaged, or a PNG file is not as it was cut.
        MachineFault: A file is missing or cannot be read.
        Refused: In `to` is something else, or one of the folders is inside the other.
    """
    source, to = Path(source), Path(to)
    _refuse_nested(source, to)
    table = read_faces(source)  # which checks it
    if len({face_id(file) for file in table.file.tolist()}) < len(table):
        raise BadData(f"{source / FACES}: two faces have the same file", "give each face a file of its own")
    count, source_hash = len(table), hash_file(source / FACES)
    del table
    try:
        with folder_lock(to, "pack"):
            _refuse_other_content(to, source_hash)
            if not (to / FACES).is_file():
                write_json(to / PACKING, {"schema": 1, "faces": source_hash})
            faces, kept = _pack_all(source, to, count, progress)
            if hash_file(source / FACES) != source_hash:
                raise KCEError(
                    f"{source / FACES} was changed while its faces were packed", "pack again, into a new folder"
                )
            write_index(to, as_table(faces))
            for name in _TABLES:
                _copy(source, to, name)
            (to / PACKING).unlink(missing_ok=True)
            sizes = shard_sizes(to)
    except OSError as error:
        raise system_failure(f"{to} cannot be written", error) from error
    return PackReport(faces=count, shards=len(sizes), size=sum(sizes.values()), kept=kept)


def _pack_all(source: Path, to: Path, count: int, progress: Progress) -> tuple[list[PackedFace], int]:
    """Write the shards that are not there yet; returns all faces, and the number of shards that were there."""
    all_rows = (FaceRow(*fields) for fields in read_csv_table(source / FACES, FaceRow._fields))
    faces: list[PackedFace] = []
    kept = number = 0
    for number, rows in enumerate(_in_parts(all_rows, FACES_PER_SHARD), 1):
        path = to / shard_name(number - 1)
        there = _as_it_should_be(path, number - 1, rows)
        kept += there is not None
        faces += write_shard(path, number - 1, _read_all(source, rows)) if there is None else there
        progress("packing faces", len(faces), count)
    for other in shard_sizes(to):
        if other >= number:  # of a source that had more faces, which the table that is copied now lacks
            (to / shard_name(other)).unlink()
    return faces, kept


def _in_parts(rows: Iterable[FaceRow], size: int) -> Iterator[tuple[FaceRow, ...]]:
    left = iter(rows)
    while part := tuple(islice(left, size)):
        yield part


def _read_all(source: Path, rows: Iterable[FaceRow]) -> Iterator[tuple[FaceRow, bytes]]:
    read_face = face_reader(source)

    def read(row: FaceRow) -> bytes:
        png = read_face(row.file)
        if content_hash(png) != row.hash:
            raise BadData(
                f"{source / row.file} is not as it was cut: its hash is not the one in {FACES}",
                "start its `kce cut` again, which cuts it again, and then pack",
            )
        return png

    with ThreadPoolExecutor(_THREADS) as threads:
        for some in _in_parts(rows, _AHEAD):
            yield from zip(some, threads.map(read, some), strict=True)


def _as_it_should_be(path: Path, number: int, rows: tuple[FaceRow, ...]) -> list[PackedFace] | None:
    """The faces of a shard that is exactly what would be written for these rows; None if it is not, or not there."""
    try:
        found = scan_shard(path, number)
    except FileNotFoundError:
        return None
    wanted = [(face_id(row.file), xxhash.xxh64_intdigest(encode_row(row._asdict()))) for row in rows]
    if not found.whole or [(face.id, face.row) for face in found.faces] != wanted:
        return None
    shard = ShardFile(path)
    intact = (xxhash.xxh64_intdigest(shard.read_at(face.offset, face.size)) == face.hash for face in found.faces)
    return found.faces if all(intact) else None


def _refuse_nested(source: Path, to: Path) -> None:
    """The source may be deleted later, and the packed faces with it."""
    here, there = os.path.realpath(source), os.path.realpath(to)
    if is_within(there, here) or is_within(here, there):
        raise Refused(f"{to} and {source} are one folder, or one is inside the other", "pack into a folder beside it")


def _refuse_other_content(to: Path, source_hash: str) -> None:
    require_inside(to, *(path.name for path in to.iterdir() if path.is_symlink()))
    hint = "pack into a new folder"
    if (to / FACES).is_file():
        if not (to / INDEX).exists() and not shard_sizes(to):
            raise Refused(f"{to} has faces as single files", hint)
        if hash_file(to / FACES) != source_hash:
            raise Refused(f"{to} has other faces: its {FACES} is not that of the folder to pack", hint)
    elif (to / PACKING).is_file():
        if _hash_in(to / PACKING) != source_hash:
            raise Refused(f"packing another {FACES} into {to} was interrupted", f"{hint}, or empty this one")
    elif any(not path.name.startswith(".") for path in to.iterdir()):
        raise Refused(f"{to} is not empty and not a packed face folder", hint)


def _hash_in(path: Path) -> str:
    try:
        return str(json.loads(read_regular_text(path))["faces"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadData(f"{path} is damaged", "pack into a new folder, or empty this one") from error


def _copy(source: Path, to: Path, name: str) -> None:
    """Copy a table or the settings; a file that has this content already is not touched."""
    require_inside(source, name)
    if not (source / name).is_file():
        return
    if (to / name).is_file() and hash_file(to / name) == hash_file(source / name):
        return
    with open_regular(source / name) as file, atomic_replace(to / name) as part, part.open("wb") as copy:
        while block := file.read(2**20):
            copy.write(block)
