"""The layout of packed faces: tar files ("shards") as webdataset lays them out, with two members for each face.

A face is ``<id>.png`` followed by ``<id>.json``, its line of ``faces.csv``; its id is a hash of the path that the PNG
file has in a face folder. These names have no dot but the one before the suffix, since webdataset takes all members
with the same name up to the first dot for one sample, and names of faces may have dots. All of it is plain ustar with
constant times and owners, so the same faces always give the same bytes.
"""

from __future__ import annotations

import json
import os
import re
import tarfile
import threading
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import xxhash

from kce.errors import BadData
from kce.system.regular import open_regular, require_file_inside

FACES_PER_SHARD = 4000
"""So that a million faces of any size are 250 files."""

END = bytes(2 * tarfile.BLOCKSIZE)
"""What a tar file ends with."""

MAX_FACE, MAX_ROW = 2**28, 2**20  # bytes of a PNG file, and of its line as JSON

_NUMBERED = re.compile(r"faces-(\d{6})\.tar")
_MEMBER = re.compile(r"([0-9a-f]{16})\.(png|json)")
_HASH = re.compile(r"[0-9a-f]{16}")


class PackedFace(NamedTuple):
    """Where a face is; all fields are unsigned integers.

    Attributes:
        id: The xxh64 of the path of its PNG file, relative to the face folder.
        hash: The xxh64 of the PNG file.
        row: The xxh64 of its line as JSON.
        offset: Where the PNG file starts in the shard, in bytes.
        size: Bytes of the PNG file.
        shard: The number of the shard.
    """

    id: int
    hash: int
    row: int
    offset: int
    size: int
    shard: int


class Scan(NamedTuple):
    """What a shard holds.

    Attributes:
        faces: The complete faces, up to the first that is not.
        end: Where the last of them ends, in bytes.
        whole: Whether the end of a tar file follows them, and nothing else.
    """

    faces: list[PackedFace]
    end: int
    whole: bool


def shard_name(number: int) -> str:
    """The name of a shard.

    >>> shard_name(12)
    'faces-000012.tar'
    """
    return f"faces-{number:06}.tar"


def shard_sizes(folder: Path) -> dict[int, int]:
    """Number -> size in bytes, of the shards in a folder, sorted; raises NotRegular for a link that leads out of it."""
    sizes = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if match := _NUMBERED.fullmatch(entry.name):
                require_file_inside(folder, entry.name)
                if entry.is_file():
                    sizes[int(match[1])] = entry.stat().st_size
    return dict(sorted(sizes.items()))


def face_id(file: str) -> int:
    """The id of a face, from the path of its PNG file in the folder."""
    return xxhash.xxh64_intdigest(file.encode())


def encode_row(row: Mapping[str, str]) -> bytes:
    """A line of ``faces.csv`` as JSON."""
    return json.dumps(row, ensure_ascii=False).encode()


def encode_face(file: str, png: bytes, row: bytes) -> bytes:
    """Both members of a face, as they stand in a shard.

    Args:
        file: The path of the PNG file in the folder.
        png: Its content.
        row: Its line, from ``encode_row``.

    Raises:
        BadData: One of them is empty or too large.
    """
    if not 0 < len(png) <= MAX_FACE or len(row) > MAX_ROW:
        raise BadData(f"{file} cannot be packed: it has {len(png)} bytes", f"a face may have {MAX_FACE} bytes")
    name = f"{face_id(file):016x}"
    return _member(f"{name}.png", png) + _member(f"{name}.json", row)


def _member(name: str, data: bytes) -> bytes:
    header = tarfile.TarInfo(name)  # made at time 0 by user 0
    header.size = len(data)
    return header.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % tarfile.BLOCKSIZE)


class ShardFile:
    """A shard that is open for reading, from several threads at once; it is closed when nothing refers to it.

    Args:
        path: The shard.

    Raises:
        NotRegular, OSError: As ``open_regular`` does.
    """

    def __init__(self, path: Path) -> None:
        self._file = open_regular(path)
        self._lock = None if hasattr(os, "pread") else threading.Lock()  # Windows has no pread
        weakref.finalize(self, self._file.close)

    def read_at(self, offset: int, size: int) -> bytes:
        """Read bytes from an offset; fewer than `size` at the end of the file."""
        if self._lock is None:
            return os.pread(self._file.fileno(), size, offset)
        with self._lock:
            self._file.seek(offset)
            return self._file.read(size)


def scan_shard(path: Path, number: int) -> Scan:
    """Find the faces of a shard from the headers of its members, without reading the PNG files.

    Nothing in a header is trusted: what is not exactly as ``encode_face`` writes it ends the search.

    Args:
        path: The shard.
        number: Its number.

    Raises:
        NotRegular, OSError: As ``open_regular`` does.
    """
    file, size = ShardFile(path), path.stat().st_size
    faces: list[PackedFace] = []
    end = 0
    while face := _face_at(file, end, size, number):
        faces.append(face[0])
        end = face[1]
    return Scan(faces, end, size == end + len(END) and file.read_at(end, len(END)) == END)


def _face_at(file: ShardFile, start: int, size: int, number: int) -> tuple[PackedFace, int] | None:
    """The face whose members start here, and where it ends; None if there is no complete one."""
    png = _header_at(file, start, "png", MAX_FACE)
    if png is None:
        return None
    row = _header_at(file, start + _space(png[1]), "json", MAX_ROW)
    if row is None or row[0] != png[0]:
        return None
    end = start + _space(png[1]) + _space(row[1])
    text = file.read_at(end - _space(row[1]) + tarfile.BLOCKSIZE, row[1])
    recorded = _recorded_hash(text)
    if end > size or recorded is None:
        return None
    return PackedFace(png[0], recorded, xxhash.xxh64_intdigest(text), png_offset(start), png[1], number), end


def png_offset(start: int) -> int:
    """Where the PNG file of a face starts whose first member starts here."""
    return start + tarfile.BLOCKSIZE


def start_of_face(face: PackedFace) -> int:
    """Where the first member of a face starts."""
    return face.offset - tarfile.BLOCKSIZE


def end_of_face(file: ShardFile, face: PackedFace) -> int:
    """Where the last member of a face ends; -1 if it is not the one that belongs to it."""
    start = start_of_face(face) + _space(face.size)
    row = _header_at(file, start, "json", MAX_ROW)
    return start + _space(row[1]) if row and row[0] == face.id else -1


def _header_at(file: ShardFile, start: int, suffix: str, limit: int) -> tuple[int, int] | None:
    """The id and the size of the member whose header is here; None if it is not one of ours."""
    try:
        header = tarfile.TarInfo.frombuf(file.read_at(start, tarfile.BLOCKSIZE), "utf-8", "strict")
    except (tarfile.HeaderError, UnicodeDecodeError):
        return None
    match = _MEMBER.fullmatch(header.name)
    if not match or match[2] != suffix or header.type != tarfile.REGTYPE or not 0 < header.size <= limit:
        return None
    return int(match[1], 16), header.size


def _space(size: int) -> int:
    """Bytes that a member of this size takes, with its header."""
    return tarfile.BLOCKSIZE + size + -size % tarfile.BLOCKSIZE


def _recorded_hash(text: bytes) -> int | None:
    """The hash of the PNG file, from its line as JSON; None if it is not such a line."""
    try:
        recorded = json.loads(text)["hash"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return int(recorded, 16) if isinstance(recorded, str) and _HASH.fullmatch(recorded) else None
