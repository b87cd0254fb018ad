"""HDF5 as the store needs it: read with suspicion; written so that a kill or a full disk leaves no half file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from kce.errors import BadData, KCEError
from kce.system.atomic import atomic_replace
from kce.types import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

TEXT_COLUMNS = ("key", "label", "group")
COLUMNS = (*TEXT_COLUMNS, "x")
MAX_TEXT_LENGTH = 4096  # characters of a key; a row of a numpy text array is as wide as its longest text
MAX_DIM = 1 << 16  # numbers in a row
_CHUNK = 1 << 18  # bytes of x compressed together
_LARGEST_CHUNK = 1 << 28  # bytes; a file from elsewhere may claim any size
_FAULTS = (OSError, RuntimeError, UnicodeDecodeError)  # what h5py raises over damaged bytes


@contextmanager
def open_feature_file(path: Path) -> Iterator[h5py.File]:
    """The open file. Raises BadData for a file that is not there, is not HDF5, or is damaged."""
    again = "delete it and make the features again, or take it from a copy"
    if not path.exists():
        raise BadData(f"there is no feature file {path}", "see that the path is right")
    if not path.is_file():
        raise BadData(f"{path} is not a file", "name the .h5 file itself")
    try:
        known = h5py.is_hdf5(path)
        if known:
            with h5py.File(path, "r") as file:
                yield file
    except _FAULTS as error:
        raise BadData(f"{path} is damaged or cut short: {error}", again) from error
    if not known:
        raise BadData(f"{path} is not an HDF5 file ({path.stat().st_size} bytes)", again)


def table_names(file: h5py.File) -> list[str]:
    """The names of the tables of a file, sorted."""
    # Only hard links count, here and below: soft and external ones can point anywhere, also out of the file.
    return sorted(name for name in file if _hard(file, name) and isinstance(file[name], h5py.Group))


def checked_table(file: h5py.File, name: str, path: Path) -> h5py.Group:
    """The group of a table, its columns checked for kind and shape. Raises BadData."""
    there = table_names(file)
    if name not in there:
        listed = ", ".join(f"/{other}" for other in there) or "none"
        raise BadData(f"{path} has no table /{name}; it has: {listed}", "write the table as FILE.h5:/TABLE")
    group = file[name]
    where = f"{path}:/{name}"
    missing = [column for column in COLUMNS if not (_hard(group, column) and isinstance(group[column], h5py.Dataset))]
    if missing:
        raise BadData(
            f"{where} lacks the columns: {', '.join(missing)}", f"a table has the columns {', '.join(COLUMNS)}"
        )
    for column in COLUMNS:
        _check_column(group[column], column, where)
    lengths = {column: group[column].shape[0] for column in COLUMNS}
    if len(set(lengths.values())) > 1:
        raise BadData(f"{where} has columns of different lengths: {lengths}", "make the features again")
    return group


def _hard(group: h5py.Group, name: str) -> bool:
    return isinstance(group.get(name, getlink=True), h5py.HardLink)


def _check_column(data: h5py.Dataset, column: str, where: str) -> None:
    text = h5py.check_string_dtype(data.dtype)
    if column == "x":
        right = data.ndim == 2 and data.dtype.kind in "fiu" and 0 < data.shape[1] <= MAX_DIM
        wanted = f"(n, 1 to {MAX_DIM}) numbers"
    else:
        right = data.ndim == 1 and text is not None and (text.length or 0) <= 4 * MAX_TEXT_LENGTH
        wanted = "(n,) texts"
    if not right:
        raise BadData(f"{where}: {column} is {data.shape} {data.dtype}, not {wanted}", "see `key, label, group, x`")
    chunk = int(np.prod(data.chunks or (1,), dtype=np.float64)) * data.dtype.itemsize
    if data.is_virtual or data.external or chunk > _LARGEST_CHUNK:
        raise BadData(f"{where}: {column} is stored in another file, or in chunks too large to read", "copy the rows")


def read_rows(group: h5py.Group, start: int, stop: int, where: str) -> Features:
    """Rows start to stop of a checked table. Raises BadData for a NaN, and a text that cannot be one."""
    key, label, kin = (_texts(group[column].asstr("utf-8")[start:stop].tolist(), where) for column in TEXT_COLUMNS)
    with np.errstate(over="ignore"):
        x = np.asarray(group["x"][start:stop]).astype(np.float32, copy=False)
    rows = Features(key, label, kin, x)
    bad = first_not_finite(rows.x)
    if bad is not None:
        raise BadData(
            f"{where}: the features of {key[bad]} are not finite (NaN or infinite)", "make the features again"
        )
    return rows


def _texts(values: list[str], where: str) -> NDArray[np.str_]:
    if max(map(len, values), default=0) > MAX_TEXT_LENGTH:
        raise BadData(f"{where}: a text is longer than {MAX_TEXT_LENGTH} characters", "shorten the keys")
    return np.array(values, dtype=np.str_)


def first_not_finite(x: NDArray[np.float32]) -> int | None:
    """The first row that holds a NaN or an infinity."""
    fine = np.isfinite(x).all(axis=1)
    return None if fine.all() else int(np.argmin(fine))


class _Output(io.FileIO):
    """A file that remembers its first fault and from then on takes every byte and keeps none.

    HDF5 ends the process with a segmentation fault when it cannot flush; so it is let finish, and told afterwards.
    """

    fault: OSError | None = None

    def write(self, data: Any, /) -> int:
        view = memoryview(data).cast("B")
        done = 0
        try:
            while self.fault is None and done < len(view):
                done += super().write(view[done:])
        except OSError as error:
            self.fault = error
        return len(view)

    def truncate(self, size: int | None = None, /) -> int:
        try:
            return super().truncate(size) if self.fault is None else size or 0
        except OSError as error:
            self.fault = error
            return size or 0

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        done = super().readinto(view) or 0
        if self.fault is not None:
            view[done:] = bytes(len(view) - done)
            return len(view)
        return done


class NewFeatureFile:
    """An HDF5 file in the making, with what the store adds to it."""

    def __init__(self, file: h5py.File, output: _Output, path: Path) -> None:
        self.file, self._output, self._path = file, output, path

    @contextmanager
    def settled(self) -> Iterator[None]:
        """Raise KCEError if the disk had a fault, and not what HDF5 makes of it: that reads like a damaged source."""
        try:
            yield
        finally:
            if self._output.fault is not None:
                raise write_error(self._path, self._output.fault) from self._output.fault

    def add_table(self, name: str, dim: int, attributes: dict[str, str], *, packed: bool = True) -> None:
        """An empty table. `packed`: compress x and guard it by checksums."""
        group = self.file.create_group(name)
        text = h5py.string_dtype()
        for column in TEXT_COLUMNS:
            group.create_dataset(column, (0,), text, maxshape=(None,), chunks=(1024,))
        rows = min(max(_CHUNK // (4 * dim), 1), 4096)
        # Level 1: on float32 features higher ones take twice the time for one or two per cent of space.
        filters = {"compression": "gzip", "compression_opts": 1, "shuffle": True, "fletcher32": True} if packed else {}
        group.create_dataset("x", (0, dim), np.float32, maxshape=(None, dim), chunks=(rows, dim), **filters)
        group.attrs.update(attributes)

    def append(self, name: str, rows: Features) -> None:
        group = self.file[name]
        start, stop = len(group["key"]), len(group["key"]) + len(rows)
        with self.settled():
            for column in COLUMNS:
                values = getattr(rows, column)
                group[column].resize(stop, axis=0)
                group[column][start:stop] = values.astype(object) if column in TEXT_COLUMNS else values

    def copy_group(self, source: h5py.Group, name: str) -> None:
        """A group of another file as it is, byte for byte."""
        with self.settled():
            self.file.copy(source, name)


@contextmanager
def replace_feature_file(path: Path, temporary: Path) -> Iterator[NewFeatureFile]:
    """Write a new file to take the place of `path`: all of it, safely on disk, or nothing.

    Raises KCEError when the disk is full or the place cannot be written.
    """
    try:
        with atomic_replace(path, temporary) as part, _Output(part, "w+b") as output:
            with h5py.File(output, "w") as file:
                new = NewFeatureFile(file, output, path)
                yield new
            with new.settled():  # closing has written the rest
                pass
    except OSError as error:
        raise write_error(path, error) from error


def write_error(path: Path, error: OSError) -> KCEError:
    return KCEError(
        f"cannot write {path}: {error.strerror or error}",
        "make room on the disk (or the right to write there) and start the command again: it goes on where it stopped",
    )
