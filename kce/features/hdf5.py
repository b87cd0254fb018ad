"""HDF5 files of features: everything read is checked, and a kill or a full disk never leaves half a file."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import h5py
import numpy as np

from kce.errors import BadData, KCEError
from kce.features.probe import check_texts
from kce.labels import text_array
from kce.system.atomic import atomic_replace
from kce.system.os_errors import NO_LOCKS, error_number, is_system_error, system_failure
from kce.system.regular import open_regular
from kce.types import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

TEXT_COLUMNS = ("key", "label", "group")
COLUMNS = (*TEXT_COLUMNS, "x")
MAX_TEXT_LENGTH = 4096
"""Characters of a key, label or group."""
MAX_DIM = 1 << 16
"""Features of a row."""
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_CHUNK = 1 << 18  # bytes of x compressed together
_MAX_CHUNK = 1 << 28  # bytes; a file from elsewhere may claim any size
_MAX_LISTED = 20  # tables that a message names
_MAX_RATIO = 1100  # deflate packs at most 1032 bytes into one
_READ_ERRORS = (OSError, RuntimeError, KeyError, TypeError, ValueError)  # what h5py raises for damaged bytes


@contextmanager
def open_feature_file(path: Path) -> Iterator[h5py.File]:
    """Open a feature file for reading.

    Args:
        path: The file.

    Raises:
        BadData: If it does not exist, is not HDF5, or is damaged.
        MachineFault: If it cannot be read, for example because another program is writing it.
    """
    hint = "if it was damaged, restore a copy, or move it away to extract the features again"
    try:
        with open_regular(path) as raw:
            is_hdf5 = _has_signature(raw)
    except FileNotFoundError as error:
        raise BadData(f"there is no feature file {path}", "check the path") from error
    except OSError as error:
        raise system_failure(f"{path} cannot be read", error) from error
    if not is_hdf5:
        raise BadData(f"{path} is not an HDF5 file ({path.stat().st_size} bytes)", hint)
    try:
        with _open_hdf5(path) as file:
            yield file
    except _READ_ERRORS as error:
        if is_system_error(error):
            raise system_failure(f"{path} cannot be read", error) from error
        raise BadData(f"{path} is damaged or cut short: {error}", hint) from error
    except MemoryError as error:
        raise BadData(
            f"{path} needs more memory than there is", "split the table, or use a machine with more memory"
        ) from error


def _has_signature(raw: BinaryIO) -> bool:
    """Whether an HDF5 file begins at byte 0, 512, 1024, 2048 ...; h5py.is_hdf5 also says no to a file in use."""
    size, offset = raw.seek(0, io.SEEK_END), 0
    while offset < size:
        raw.seek(offset)
        if raw.read(len(_SIGNATURE)) == _SIGNATURE:
            return True
        offset = 2 * offset or 512
    return False


def _open_hdf5(path: Path) -> h5py.File:
    try:
        return h5py.File(path, "r")
    except OSError as error:
        if error_number(error) not in NO_LOCKS:
            raise
    return h5py.File(path, "r", locking=False)


def table_names(file: h5py.File) -> list[str]:
    """List the tables of a file, sorted by name."""
    # Only hard links count, here and below: soft and external links can point anywhere, even to other files.
    return sorted(name for name in file if _hard(file, name) and isinstance(file[name], h5py.Group))


def checked_table(file: h5py.File, name: str, path: Path) -> h5py.Group:
    """Return the group of a table whose columns have the right type and shape; otherwise raise BadData."""
    names = table_names(file)
    if name not in names:
        more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
        listed = ", ".join(f"/{other}" for other in names[:_MAX_LISTED]) + more or "none"
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
        raise BadData(f"{where} has columns of different lengths: {lengths}", "extract the features again")
    if any(h5py.check_string_dtype(group[column].dtype).length is None for column in TEXT_COLUMNS):
        check_texts(path, name, lengths["key"])
    return group


def _hard(group: h5py.Group, name: str) -> bool:
    return isinstance(group.get(name, getlink=True), h5py.HardLink)


def _check_column(data: h5py.Dataset, column: str, where: str) -> None:
    try:
        dtype = data.dtype
    except TypeError:  # a type that numpy does not have, such as HDF5's times
        dtype = None
    text = None if dtype is None else h5py.check_string_dtype(dtype)
    if column == "x":
        ok = data.ndim == 2 and dtype is not None and dtype.kind in "fiu" and 0 < data.shape[1] <= MAX_DIM
        expected = f"(n, 1 to {MAX_DIM}) numbers"
    else:
        ok = data.ndim == 1 and text is not None and (text.length or 0) <= 4 * MAX_TEXT_LENGTH
        expected = "(n,) strings"
    if not ok:
        found = dtype or "of a type that numpy does not have"
        hint = f"a table has the columns {', '.join(COLUMNS)}"
        raise BadData(f"{where}: {column} is {data.shape} {found}, not {expected}", hint)
    chunk = math.prod(data.chunks or (1,)) * data.dtype.itemsize
    if data.is_virtual or data.external or chunk > _MAX_CHUNK:
        raise BadData(
            f"{where}: {column} is stored in another file, or in chunks too large to read",
            "copy the rows into a new file",
        )
    if not _is_stored(data):
        raise BadData(
            f"{where}: {column} claims {data.shape[0]} rows, and the file does not hold that many",
            "restore a copy, or extract the features again",
        )


def _is_stored(data: h5py.Dataset) -> bool:
    """Whether the file can hold all that a column claims; 3 kB may claim a billion rows, which HDF5 would make up."""
    claimed = math.prod(data.shape) * data.id.get_type().get_size()
    stored = data.id.get_storage_size()
    if data.chunks:
        chunks = math.prod(-(-length // chunk) for length, chunk in zip(data.shape, data.chunks, strict=True))
        if data.id.get_num_chunks() < chunks:
            return False
    ratio = _MAX_RATIO if data.id.get_create_plist().get_nfilters() else 1
    return bool(claimed <= stored * ratio and stored <= data.file.id.get_filesize())


def attribute(group: h5py.Group, name: str) -> Any:
    """Read an attribute of a table; None if there is none, or it cannot be read."""
    try:
        return group.attrs.get(name)
    except _READ_ERRORS:
        return None


def read_rows(group: h5py.Group, where: str) -> Features:
    """Read all rows of a checked table, which are few.

    Args:
        group: The table.
        where: What errors call the table.

    Raises:
        BadData: A value is not finite, or not text.
    """
    key, label, recording = (
        text_array(read_texts(group[column], 0, len(group[column]), where, {})) for column in TEXT_COLUMNS
    )
    return Features(key, label, recording, read_x(group, 0, len(group["x"]), where))


def read_x(group: h5py.Group, start: int, stop: int, where: str) -> NDArray[np.float32]:
    """Read x of the rows start to stop-1 of a checked table: (rows, dim) float32. Raises BadData as ``read_rows``."""
    with np.errstate(over="ignore"):
        x = np.asarray(group["x"][start:stop]).astype(np.float32, copy=False)
    bad = first_not_finite(x)
    if bad is not None:
        key = read_texts(group["key"], start + bad, start + bad + 1, where, {})[0]
        raise BadData(f"{where}: the features of {key} are not finite (NaN or infinite)", "extract the features again")
    return x


def read_texts(column: h5py.Dataset, start: int, stop: int, where: str, names: dict[bytes, str]) -> list[str]:
    """Read the rows start to stop-1 of a column of texts.

    Args:
        column: The column.
        start: First row.
        stop: The row after the last one.
        where: What errors call the table.
        names: The texts met so far, as they are stored, so that equal ones are one object; new ones are added.

    Raises:
        BadData: A value is not text.
    """
    stored = column[start:stop].tolist()
    for text in set(stored) - names.keys():
        if len(text) > 4 * MAX_TEXT_LENGTH or len(name := _decoded(text, where)) > MAX_TEXT_LENGTH:
            raise BadData(f"{where}: a string is longer than {MAX_TEXT_LENGTH} characters", "shorten the keys")
        names[text] = name
    return [names[text] for text in stored]


def _decoded(text: bytes, where: str) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        raise BadData(f"{where}: {text[:80]!r} is not UTF-8", "write the table again, its texts in UTF-8") from error


def first_not_finite(x: NDArray[np.float32]) -> int | None:
    """Return the number of the first row that holds a NaN or an infinity; None if there is none."""
    finite = np.isfinite(x).all(axis=1)
    return None if finite.all() else int(np.argmin(finite))


class _Output(io.FileIO):
    """A file that remembers its first error, and from then on accepts every byte and writes none.

    HDF5 ends the process with a segmentation fault when it cannot flush. So it is allowed to finish, and the error is
    raised afterwards.
    """

    error: OSError | None = None

    def write(self, data: Any, /) -> int:
        view = memoryview(data).cast("B")
        done = 0
        try:
            while self.error is None and done < len(view):
                done += super().write(view[done:])
        except OSError as error:
            self.error = error
        return len(view)

    def truncate(self, size: int | None = None, /) -> int:
        try:
            return super().truncate(size) if self.error is None else size or 0
        except OSError as error:
            self.error = error
            return size or 0

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        done = super().readinto(view) or 0
        if self.error is not None:
            view[done:] = bytes(len(view) - done)
            return len(view)
        return done


def text_widths(rows: Features) -> dict[str, int]:
    """Column of texts -> bytes of its longest one."""
    return {column: _encoded(getattr(rows, column)).dtype.itemsize for column in TEXT_COLUMNS}


def _encoded(texts: NDArray[np.str_]) -> NDArray[np.bytes_]:
    return np.array([text.encode() for text in texts.tolist()], dtype=np.bytes_)


class NewFeatureFile:
    """A feature file that is being written; see ``replace_feature_file``."""

    def __init__(self, file: h5py.File, output: _Output, path: Path) -> None:
        self.file, self._output, self._path = file, output, path

    @contextmanager
    def raising_disk_errors(self) -> Iterator[None]:
        """Raise a KCEError for an error of the disk, in place of HDF5's own, which reads like a damaged source."""
        try:
            yield
        finally:
            if self._output.error is not None:
                raise write_error(self._path, self._output.error) from self._output.error

    def add_table(
        self, name: str, dim: int, widths: Mapping[str, int], attributes: dict[str, str], *, checked: bool = True
    ) -> None:
        """Add an empty table.

        Args:
            name: Name of the table.
            dim: Features of a row.
            widths: Column of texts -> bytes of its longest one. Texts have a fixed length: HDF5 stores those of any
                length one by one and uncompressed, reads them slowly, and may never return from damaged ones.
            attributes: Stored with the table.
            checked: Whether chunks have checksums. Texts are compressed too, but x is not: features hardly compress
                (to about 0.8 of their size), and reading them would take six times as long.
        """
        group = self.file.create_group(name)
        rows = min(max(_CHUNK // (4 * dim), 1), 4096)
        filters = {"compression": "gzip", "compression_opts": 1, "fletcher32": True} if checked else {}
        for column in TEXT_COLUMNS:
            text = h5py.string_dtype("utf-8", max(widths[column], 1))
            group.create_dataset(column, (0,), text, maxshape=(None,), chunks=(1024,), **filters)
        group.create_dataset("x", (0, dim), np.float32, maxshape=(None, dim), chunks=(rows, dim), fletcher32=checked)
        group.attrs.update(attributes)

    def append(self, name: str, rows: Features) -> None:
        """Append rows to a table."""
        group = self.file[name]
        start, stop = len(group["key"]), len(group["key"]) + len(rows)
        with self.raising_disk_errors():
            for column in COLUMNS:
                values = getattr(rows, column)
                group[column].resize(stop, axis=0)
                group[column][start:stop] = (
                    _encoded(values).astype(group[column].dtype) if column in TEXT_COLUMNS else values
                )

    def copy_group(self, source: h5py.Group, name: str) -> None:
        """Copy a group of another file, byte for byte."""
        with self.raising_disk_errors():
            self.file.copy(source, name)


@contextmanager
def replace_feature_file(path: Path, folder: Path) -> Iterator[NewFeatureFile]:
    """Write a feature file atomically: a reader finds the old file or the new one, complete and synced to the disk.

    Args:
        path: The file to replace.
        folder: Where the new file is written first; on the same file system.

    Yields:
        The new file, to be filled.

    Raises:
        KCEError: If the disk is full, or the folder cannot be written.
    """
    try:
        with atomic_replace(path, folder) as part, _Output(part, "w+b") as output:
            with h5py.File(output, "w") as file:
                new = NewFeatureFile(file, output, path)
                yield new
            with new.raising_disk_errors():  # closing wrote the rest
                pass
    except OSError as error:
        raise write_error(path, error) from error


def write_error(path: Path, error: OSError) -> KCEError:
    """Build the error for a feature file that cannot be written."""
    return system_failure(f"{path} cannot be written", error)
