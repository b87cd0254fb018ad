"""Reads packed faces: each by the path that its PNG file would have in the folder.

``faces.index`` says where each face is, in one sorted table. It is only a short cut: what it says of a shard is used
where the shard has the size that it had then, every face is compared with its hash when it is read, and without an
index the shards themselves say what they hold.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from kce.data.shards import MAX_FACE, PackedFace, ShardFile, face_id, scan_shard, shard_name, shard_sizes
from kce.errors import BadData, MachineFault
from kce.system.machine_faults import AGAIN, read_fault
from kce.system.os_errors import system_failure
from kce.system.regular import read_regular, require_file_inside

if TYPE_CHECKING:
    from numpy.typing import NDArray

INDEX = "faces.index"

TABLE = np.dtype([(name, "<u4" if name in ("size", "shard") else "<u8") for name in PackedFace._fields])
"""A row for each face, as in ``PackedFace``."""

WRITE_AGAIN = "the same `kce cut --pack` or `kce pack` writes again what is missing or damaged"

_MAX_INDEX = 2**31  # bytes: 50 million faces
_OPEN = 256  # shards that are kept open, enough for a million faces
_KNOWN = 8  # folders whose tables are kept
_SCHEMA = 1

_log = logging.getLogger("kce.data.packed")
_loading = threading.Lock()
_known: dict[Path, tuple[tuple[int, ...], PackedFaces]] = {}  # the folders read last, with the state of each


class PackedFaces:
    """The packed faces of a folder, which several threads may read at once.

    Args:
        folder: The folder.
        table: What is in its shards, from ``find_packed``; of faces that are there twice, the last one counts.
    """

    def __init__(self, folder: Path, table: NDArray[Any]) -> None:
        self._folder = folder
        if not (table["id"][1:] > table["id"][:-1]).all():  # an index that is current is sorted already
            table = table[is_last(table)]
            table = table[np.argsort(table["id"])]
        self._table = table
        self._ids = self._table["id"].copy()  # searched in one piece
        where = folder.absolute()  # the working folder may change
        self._open = lru_cache(maxsize=_OPEN)(lambda number: ShardFile(where / shard_name(number)))

        self._changed = folder.stat().st_mtime_ns

    def is_current(self) -> bool:
        """Whether no file was added or replaced in the folder since this was made."""
        return self._folder.stat().st_mtime_ns == self._changed

    def find(self, file: str) -> PackedFace | None:
        """Where a face is, from the path of its PNG file in the folder; None if no shard has it."""
        wanted = face_id(file)
        row = int(self._ids.searchsorted(np.uint64(wanted)))
        if row == len(self._ids) or int(self._ids[row]) != wanted:
            return None
        return PackedFace(*self._table[row].item())

    def read(self, file: str) -> bytes:
        """The PNG file of a face.

        Raises:
            MachineFault: No shard has it, or the shard is gone or cannot be read.
            BadData: The shard is cut short or damaged there.
        """
        face = self.find(file)
        if face is None:
            fault = MachineFault(f"{self._folder / file}: is missing, no shard has it", f"{WRITE_AGAIN}; {AGAIN}")
            raise fault from FileNotFoundError(file)
        try:
            return self.read_face(file, face)
        except OSError as error:
            raise read_fault(error, self._folder / shard_name(face.shard)) from error

    def read_face(self, file: str, face: PackedFace) -> bytes:
        """The same for a face whose place is known; what the system refuses is an OSError."""
        png = self._open(face.shard).read_at(face.offset, face.size)
        if xxhash.xxh64_intdigest(png) == face.hash:
            return png
        where = f"{self._folder / file}: {shard_name(face.shard)}"
        what = "is cut short before its end" if len(png) < face.size else f"is damaged at byte {face.offset}, or after"
        raise BadData(f"{where} {what}", WRITE_AGAIN)


def packed_faces(folder: Path, *, read_again: bool = False) -> PackedFaces | None:
    """The packed faces of a folder; None if it has none. Asked again, it looks whether the index is the same.

    Args:
        folder: The folder.
        read_again: Whether to read the index and the sizes of the shards even so.

    Raises:
        NotRegular: As ``find_packed`` does.
        MachineFault: A shard cannot be read.
    """
    state = _state(folder)
    if state is None:
        return None
    with _loading:  # so that threads that start together load it once
        known = _known.pop(folder, None)
        if known is None or known[0] != state or read_again:
            known = state, _load(folder)
        if len(_known) == _KNOWN:
            del _known[next(iter(_known))]
        _known[folder] = known
        return known[1]


def packed_reader(folder: Path) -> Callable[[str], bytes] | None:
    """A function that reads the PNG file of a face by its path in the folder; None if nothing is packed there.

    It may be called by several threads at once, and raises as ``PackedFaces.read`` does. It is meant for a number of
    faces: it looks whether the shards have changed only where a face is not as it should be.
    """
    packed = packed_faces(folder)
    if packed is None:
        return None

    def read(file: str) -> bytes:
        try:
            return packed.read(file)
        except (BadData, MachineFault):
            if packed.is_current():
                raise
            again = packed_faces(folder, read_again=True)
            if again is None:
                raise
            return again.read(file)

    return read


def read_packed(path: Path) -> bytes | None:
    """The PNG file of a face by its path in a face folder; None if nothing is packed in that folder.

    Raises:
        MachineFault, BadData: As ``PackedFaces.read`` does.
    """
    read = packed_reader(path.parent.parent)
    return read(f"{path.parent.name}/{path.name}") if read else None


def is_packed(path: str) -> bool:
    """Whether a path is that of a face which a shard has."""
    parent, name = os.path.split(path)
    folder, category = os.path.split(parent)
    packed = packed_faces(Path(folder))
    return packed is not None and packed.find(f"{category}/{name}") is not None


def find_packed(folder: Path) -> NDArray[Any]:
    """All packed faces of a folder; of a face that is there twice, the last one counts.

    Returns:
        A structured array with a row for each, of the type ``TABLE``.

    Raises:
        NotRegular: A shard or the index is a link that leads out of the folder, or not a file.
        OSError: A shard cannot be read.
    """
    sizes = shard_sizes(folder)
    recorded, index = read_index(folder)
    if recorded == sizes:
        return index
    same = [number for number, size in sizes.items() if recorded.get(number) == size]
    parts = [index[np.isin(index["shard"], same)]]
    parts += [as_table(scan_shard(folder / shard_name(number), number).faces) for number in sizes.keys() - set(same)]
    table = np.concatenate(parts)
    # Faces that a shard has lost stay, so that the error for them names the shard.
    lost = index[np.isin(index["shard"], list(sizes)) & ~np.isin(index["id"], table["id"])]
    table = np.concatenate([table, lost])
    return table[np.lexsort((table["offset"], table["shard"]))]


def as_table(faces: Iterable[PackedFace]) -> NDArray[Any]:
    """Packed faces as a structured array of the type ``TABLE``."""
    return np.array(list(faces), TABLE)


def encode_index(table: NDArray[Any], sizes: dict[int, int]) -> bytes:
    """The content of ``faces.index``: a line of JSON with sizes and a hash, and the table as it is.

    Args:
        table: The faces, of the type ``TABLE``.
        sizes: Number -> size in bytes, of the shards.
    """
    rows = table[np.argsort(table["id"], kind="stable")].tobytes()
    shards = [list(pair) for pair in sorted(sizes.items())]
    head = {"schema": _SCHEMA, "faces": len(table), "shards": shards, "hash": _hash_of(shards, rows)}
    return json.dumps(head).encode() + b"\n" + rows


def _hash_of(shards: Any, rows: bytes | memoryview) -> str:
    total = xxhash.xxh3_128(json.dumps(shards).encode())
    total.update(rows)
    return total.hexdigest()


def read_index(folder: Path) -> tuple[dict[int, int], NDArray[Any]]:
    """Number -> size of the shards, and the faces, as the index has them; nothing if there is none that is whole."""
    require_file_inside(folder, INDEX)
    nothing: tuple[dict[int, int], NDArray[Any]] = {}, np.empty(0, TABLE)
    try:
        data = read_regular(folder / INDEX, _MAX_INDEX)
    except FileNotFoundError:
        return nothing
    start = data.find(b"\n") + 1
    rows = memoryview(data)[start:]
    try:
        head = json.loads(data[:start])
        shards = {int(number): int(size) for number, size in head["shards"]}
        table = np.frombuffer(rows, TABLE)
        good = head["schema"] == _SCHEMA and head["hash"] == _hash_of(head["shards"], rows)
        good = good and len(table) == head["faces"] and _is_possible(table, shards)
    except (ValueError, KeyError, TypeError, RecursionError):
        good = False
    if not good:
        _log.warning("%s is damaged: the shards are searched instead. %s", folder / INDEX, WRITE_AGAIN.capitalize())
        return nothing
    return shards, table


def _is_possible(table: NDArray[Any], shards: dict[int, int]) -> bool:
    """Whether all faces lie inside shards. Whoever wrote the index could have written its hash, too."""
    if any(not 0 <= number < 2**20 or not 0 <= size < 2**62 for number, size in shards.items()):
        return False
    numbers = np.array(sorted(shards), np.uint32)
    sizes = np.array([shards[number] for number in numbers.tolist()], np.uint64)
    if not np.isin(table["shard"], numbers).all():
        return False
    own = sizes[np.searchsorted(numbers, table["shard"])]
    inside = (table["offset"] <= own) & (table["size"] <= own - np.minimum(table["offset"], own))
    inside &= table["size"] <= MAX_FACE
    return bool(inside.all() and (table["id"][1:] >= table["id"][:-1]).all())


def is_last(table: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether a row is the last of its id; an earlier one was written again, since it was damaged or thinned out."""
    order = np.argsort(table["id"], kind="stable")
    ids = table["id"][order]
    last = np.ones(len(table), bool)
    last[order[:-1]] = ids[1:] != ids[:-1]
    return last


def _state(folder: Path) -> tuple[int, ...] | None:
    """What changes when the packed faces of a folder do; None if it has none."""
    try:
        index = os.stat(folder / INDEX)  # noqa: PTH116 - asked for each picture
    except OSError:
        if not (folder / shard_name(0)).is_file():
            return None
        index = folder.stat()
    return index.st_ino, index.st_mtime_ns, index.st_size


def _load(folder: Path) -> PackedFaces:
    if not (folder / INDEX).is_file():
        _log.warning("%s has no %s: the shards are searched instead. %s", folder, INDEX, WRITE_AGAIN.capitalize())
    try:
        return PackedFaces(folder, find_packed(folder))
    except OSError as error:
        raise system_failure(f"the packed faces in {folder} cannot be read", error) from error
