"""Packs faces while they are cut: appended to the last shard, and put in order at the end.

A face is on the disk before the journal names it. What a killed cut leaves behind the last complete face is cut off
when it is started again. Faces that were cut again, or whose labels have changed, are in a shard twice or with an old
line; such shards are written again at the end, each one atomically, so that other readers of the format find every
face once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from kce.data.packed import INDEX, PackedFaces, as_table, encode_index, find_packed, is_last, read_index
from kce.data.shards import (
    END,
    FACES_PER_SHARD,
    PackedFace,
    ShardFile,
    encode_face,
    encode_row,
    end_of_face,
    face_id,
    png_offset,
    scan_shard,
    shard_name,
    shard_sizes,
    start_of_face,
)
from kce.errors import BadData
from kce.system.append import GrowingFile
from kce.system.atomic import atomic_replace, write_atomic
from kce.system.os_errors import system_failure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.faces.tables import FaceRow

_log = logging.getLogger("kce.faces.shard_store")


class ShardStore:
    """The shards of a face folder, open for cutting; see ``FaceStore``.

    Args:
        root: The face folder, whose lock is held.
        rows: The faces that were cut so far.

    Raises:
        NotRegular: A shard is a link that leads out of the folder, or not a file.
        OSError: The shards cannot be read.
    """

    def __init__(self, root: Path, rows: Callable[[], Iterable[FaceRow]]) -> None:
        self._root = root
        self._rows = rows
        self._index = read_index(root)[1]
        faces, sizes = find_packed(root), shard_sizes(root)
        self._packed = PackedFaces(root, faces)
        ends = np.array([sizes[number] for number in faces["shard"].tolist()], np.uint64)
        self._before = faces[faces["offset"] + faces["size"] <= ends]  # the others are lost
        self._new: list[PackedFace] = []
        self._file: GrowingFile | None = None
        self._number, self._count = -1, 0  # of the shard that is being filled, and of faces in it

    def is_intact(self, row: FaceRow) -> bool:
        """See ``FaceStore``."""
        face = self._packed.find(row.file)
        if face is None or f"{face.hash:016x}" != row.hash:
            return False
        try:
            self._packed.read_face(row.file, face)
        except (FileNotFoundError, BadData):
            return False
        except OSError as error:
            raise system_failure(f"{self._root / shard_name(face.shard)} cannot be read", error) from error
        return True

    def write(self, row: FaceRow, png: bytes) -> None:
        """See ``FaceStore``."""
        file = self._shard_to_fill()
        line = encode_row(row._asdict())
        face = pack_face(row, line, png, file.length, self._number)
        file.append(encode_face(row.file, png, line))
        self._new.append(face)
        self._count += 1

    def _shard_to_fill(self) -> GrowingFile:
        if self._file is not None and self._count < FACES_PER_SHARD:
            return self._file
        self._finish_shard()
        number, start, self._count = self._first_room() if self._number < 0 else (self._number + 1, 0, 0)
        self._file = GrowingFile(self._root / shard_name(number), start)
        self._number = number
        return self._file

    def _first_room(self) -> tuple[int, int, int]:
        """The shard to go on with, where its last face ends, and how many it has.

        Faces at the end that neither the index nor the journal knows are of a sample whose cut was killed. They go, so
        that it ends with the same bytes as one that was not. What the index knows is never cut off, even if a header
        before it is damaged.
        """
        index = self._index
        known = {face_id(row.file) for row in self._rows()} | set(index["id"].tolist())
        numbers = list(shard_sizes(self._root))
        for number in reversed(numbers):
            found = scan_shard(self._root / shard_name(number), number)
            count, end = len(found.faces), found.end
            while count and found.faces[count - 1].id not in known:
                count -= 1
                end = start_of_face(found.faces[count])
            mine = index[index["shard"] == number]
            if end < max((mine["offset"] + mine["size"]).tolist(), default=0):
                return numbers[-1] + 1, 0, 0
            if count or len(mine) or not number:
                return (number, end, count) if count < FACES_PER_SHARD else (number + 1, 0, 0)
            (self._root / shard_name(number)).unlink()
        return 0, 0, 0

    def _finish_shard(self) -> None:
        if self._file is not None:
            self._file.append(END)
            self._file.flush_and_close()
            self._file = None

    def close(self) -> None:
        """See ``FaceStore``."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def finish(self, rows: Iterable[FaceRow], *, complete: bool) -> None:
        """See ``FaceStore``."""
        self._finish_shard()
        faces = np.concatenate([self._before, as_table(self._new)])  # the newest last
        if complete:
            faces = self._tidy(faces, {face_id(row.file): row for row in rows})
        write_index(self._root, faces)

    def _tidy(self, faces: NDArray[Any], rows: Mapping[int, FaceRow]) -> NDArray[Any]:
        """Write each shard again that has a face twice, one too many, or an old line; returns the faces that are left.

        Args:
            faces: All that is in the shards, the newest last.
            rows: Id -> row, of all faces of the folder.
        """
        newest = is_last(faces)
        if lacking := len(rows.keys() - set(faces["id"].tolist())):
            _log.warning(
                "%d faces of %s are in no shard; the `kce cut` of their datasets cuts them again", lacking, self._root
            )
        kept = [faces[:0]]
        for number, size in shard_sizes(self._root).items():
            mine = faces["shard"] == number
            there = packed_list(faces[mine])
            wanted = [face for face in packed_list(faces[mine & newest]) if face.id in rows]
            if wanted == there and self._is_as_it_should_be(number, size, wanted, rows):
                kept.append(faces[mine])
            else:
                kept.append(self._write_again(number, wanted, rows))
        return np.concatenate(kept)

    def _is_as_it_should_be(
        self, number: int, size: int, faces: Sequence[PackedFace], rows: Mapping[int, FaceRow]
    ) -> bool:
        if any(face.row != xxhash.xxh64_intdigest(encode_row(rows[face.id]._asdict())) for face in faces):
            return False
        shard = ShardFile(self._root / shard_name(number))
        end = end_of_face(shard, max(faces, key=lambda face: face.offset)) if faces else 0
        return size == end + len(END) and shard.read_at(end, len(END)) == END

    def _write_again(self, number: int, faces: Sequence[PackedFace], rows: Mapping[int, FaceRow]) -> NDArray[Any]:
        path = self._root / shard_name(number)
        shard = ShardFile(path)

        def contents() -> Iterator[tuple[FaceRow, bytes]]:
            for face in sorted(faces, key=lambda face: face.offset):
                yield rows[face.id], shard.read_at(face.offset, face.size)  # as it is, even if it is damaged

        written = write_shard(path, number, contents())
        hashes = {face.id: face.hash for face in faces}  # of what they should be
        return as_table(face._replace(hash=hashes[face.id]) for face in written)


def pack_face(row: FaceRow, line: bytes, png: bytes, start: int, shard: int) -> PackedFace:
    """What is recorded of a face whose first member starts at this offset of a shard."""
    hashes = xxhash.xxh64_intdigest(png), xxhash.xxh64_intdigest(line)
    return PackedFace(face_id(row.file), *hashes, png_offset(start), len(png), shard)


def packed_list(table: NDArray[Any]) -> list[PackedFace]:
    """The rows of a structured array of packed faces."""
    return [PackedFace(*face) for face in table.tolist()]


def write_shard(path: Path, number: int, faces: Iterable[tuple[FaceRow, bytes]]) -> list[PackedFace]:
    """Write a shard atomically.

    Args:
        path: The shard.
        number: Its number.
        faces: The row and the PNG file of each face.

    Returns:
        Where each face is.

    Raises:
        OSError: The shard cannot be written; what was there before is still there.
    """
    written = []
    with atomic_replace(path) as part, part.open("wb") as file:
        for row, png in faces:
            line = encode_row(row._asdict())
            written.append(pack_face(row, line, png, file.tell(), number))
            file.write(encode_face(row.file, png, line))
        file.write(END)
    return written


def write_index(root: Path, faces: NDArray[Any]) -> None:
    """Write the index of a face folder, whose shards hold these faces."""
    write_atomic(root / INDEX, encode_index(faces, shard_sizes(root)))
