"""Writing tables of a feature file: append, resume, publish.

A file holds tables: HDF5 groups with the datasets ``key``, ``label``, ``group`` (n,) text and ``x`` (n, dim) float32,
and the attributes ``provenance`` (JSON: everything that decides what the rows are) and ``mark`` (its hash). A table
appears in its file all at once; until then its rows are in shards beside it, each complete, synced and with a checksum.
So a writer that was killed and is started again ends with the same rows as one that was not.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.errors import BadData, KCEError, Refused
from kce.features.hdf5 import (
    MAX_DIM,
    MAX_TEXT_LENGTH,
    TEXT_COLUMNS,
    NewFeatureFile,
    first_not_finite,
    open_feature_file,
    replace_feature_file,
    table_names,
    text_widths,
    write_error,
)
from kce.features.shards import read_shard, shard_name, write_shard
from kce.features.table import (
    find_table,
    first_duplicate,
    provenance_attributes,
    provenance_hash,
)
from kce.labels import text_array
from kce.system.atomic import remove_leftovers
from kce.system.lock import file_lock
from kce.system.regular import make_folder_inside, require_inside
from kce.training.weights import format_differences
from kce.types import Features

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_SHARD_BYTES = 1 << 24
_SHARD_ROWS = 4096
_SHARD_SECONDS = 20.0  # the work that a kill may cost, however slow the backbone is
_NAME = re.compile(r"\w[\w.+-]*")


def write_table(path: str | Path, table: str, provenance: Mapping[str, str]) -> TableWriter:
    """Open a table for writing, as a context manager.

    Args:
        path: The feature file; it may hold other tables, which stay.
        table: Its name.
        provenance: Everything that decides what the rows are.

    Raises:
        KCEError: If the name cannot be that of a table.
        Refused: On entering the context, if there are rows, finished or not, that were made with different
            settings, or if another process is writing the file.
        BadData: On entering the context, if the file is damaged.

    Example:
        Rows that an earlier, killed process wrote are skipped::

            with write_table("features.h5", "known", {"backbone": "tiny"}) as writer:
                writer.append(key[writer.done :], label[writer.done :], group[writer.done :], x[writer.done :])
                writer.publish()
    """
    name = table.strip("/")
    if not _NAME.fullmatch(name):
        raise KCEError(f"{table!r} is not a name for a table", "use letters, digits, and . _ + -")
    return TableWriter(Path(path), name, provenance)


class TableWriter:
    """Writes a table whose rows come in a fixed order.

    Leaving the context keeps what was appended, even after an error; ``publish`` makes the table appear in its file.

    Attributes:
        finished: Whether the table exists already, made with the same settings; then there is nothing to do.
        done: Number of rows accepted so far; on entry, of those recovered from an earlier writer, so continue with the
            row of this index. Rows are on disk once the context is left.
    """

    def __init__(self, path: Path, table: str, provenance: Mapping[str, str]) -> None:
        self.path, self.table, self.provenance = path, table, dict(provenance)
        self.done = 0
        self.finished = False
        self._hash = provenance_hash(provenance)
        self._parts = path.with_name(f"{path.name}.parts")
        self._shards = self._parts / table
        self._count = 0  # shards on disk
        self._safe = 0  # rows in them
        self._dim: int | None = None
        self._widths = dict.fromkeys(TEXT_COLUMNS, 1)  # bytes of the longest text
        self._keys: set[str] = set()
        self._buffer: list[Features] = []
        self._since = 0.0
        self._lock = ExitStack()  # holds the right to change the file

    def __enter__(self) -> TableWriter:
        if self._is_finished() and not self._parts.exists():
            return self
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            make_folder_inside(self.path.parent, self._parts.name)
            require_inside(self._parts, self.table)
            self._lock.enter_context(_file_lock(self.path))
        except Refused:
            if self.finished:  # the process that finished it is cleaning up
                return self
            raise
        except OSError as error:
            raise write_error(self.path, error) from error
        remove_leftovers(self._parts)
        try:
            if self._is_finished():  # another process has finished it since, or was killed before it cleaned up
                self._remove_shards()
            else:
                self._resume()
        except BaseException:
            self._lock.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._flush()
        except KCEError:
            if error is None:  # otherwise the error that ended the work is the better message
                raise
        finally:
            self._lock.close()

    def append(self, key: Iterable[str], label: Iterable[str], group: Iterable[str], x: ArrayLike) -> None:
        """Append rows.

        Args:
            key: (n,), unique in the table.
            label: (n,), the category.
            group: (n,), the recording; may be empty.
            x: (n, dim), finite; the same dim in every call.

        Raises:
            BadData: If any of this does not hold, or a string is empty (except `group`), too long or not valid Unicode;
                the message names the first bad key.
        """
        if self.finished:
            raise Refused(
                f"{self.path}:/{self.table} is finished",
                f"name another feature file, or move {self.path}, with all its tables, away to write it again",
            )
        rows = self._checked(key, label, group, x)
        if not self._buffer:
            self._since = time.monotonic()
        for start in range(0, len(rows), self._shard_rows):
            self._buffer.append(rows.take(np.arange(start, min(start + self._shard_rows, len(rows)))))
            self.done += len(self._buffer[-1])
            if self.done - self._safe >= self._shard_rows or time.monotonic() - self._since > _SHARD_SECONDS:
                self._flush()

    def publish(self) -> None:
        """Make the table appear in its file, beside the other tables. Raises BadData if there are no rows."""
        if self.finished:
            return
        self._flush()
        if not self.done or self._dim is None:
            raise BadData(f"no rows were written to {self.path}:/{self.table}", "check that there are faces to read")
        with replace_feature_file(self.path, self._parts) as new:
            _keep_others(self.path, self.table, new)
            new.add_table(self.table, self._dim, self._widths, provenance_attributes(self.provenance))
            for number in range(self._count):
                shard = read_shard(self._shards / shard_name(number))
                if shard is None:
                    raise BadData(f"{self._shards / shard_name(number)} was damaged", "start the command again")
                new.append(self.table, shard.rows)
        self.finished = True
        self._remove_shards()

    @property
    def _shard_rows(self) -> int:
        return min(max(_SHARD_BYTES // (4 * (self._dim or 1)), 1), _SHARD_ROWS)

    def _is_finished(self) -> bool:
        existing = find_table(self.path, self.table)
        if existing is not None:
            self._refuse_other(existing.address, existing.path, existing.provenance, existing.hash)
            self.finished, self.done = True, len(existing)
        return self.finished

    def _refuse_other(self, where: str, path: Path, provenance: Mapping[str, str], hash_: str) -> None:
        """Raise Refused, with the differences, unless existing rows were made in the same way."""
        if hash_ != self._hash:
            differences = format_differences(provenance, self.provenance) or format_differences(
                {"mark": hash_}, {"mark": self._hash}
            )
            raise Refused(
                f"{where} holds rows that were made with different settings:\n{differences}",
                f"name another folder, or move {path} away",
            )

    def _resume(self) -> None:
        """Count the good shards from the first on; delete those after a bad one."""
        self._shards.mkdir(exist_ok=True)
        while (shard := read_shard(self._shards / shard_name(self._count))) is not None:
            if self._count == 0:
                where = f"{self.path}:/{self.table} (unfinished)"
                self._refuse_other(where, self._shards, shard.provenance, provenance_hash(shard.provenance))
            fits = provenance_hash(shard.provenance) == self._hash and shard.start == self._safe
            if not fits or shard.rows.x.shape[1] != (self._dim or shard.rows.x.shape[1]):
                break
            if first_duplicate(shard.rows.key.tolist(), self._keys) is not None:
                break
            self._dim = shard.rows.x.shape[1]
            self._widen(shard.rows)
            self._safe += len(shard.rows)
            self._count += 1
        self.done = self._safe
        good = {shard_name(number) for number in range(self._count)}
        for path in self._shards.iterdir():
            if path.name not in good:
                path.unlink()

    def _checked(self, key: Iterable[str], label: Iterable[str], group: Iterable[str], x: Any) -> Features:
        where = f"{self.path}:/{self.table}"
        keys, labels, groups = ([str(value) for value in column] for column in (key, label, group))
        with np.errstate(over="ignore"):
            values = np.asarray(x, dtype=np.float32)
        first = keys[0] if keys else "?"
        lengths = {"key": len(keys), "label": len(labels), "group": len(groups), "x": len(values) if values.ndim else 0}
        if len(set(lengths.values())) > 1:
            raise BadData(
                f"{where}: columns of different lengths from {first} on: {lengths}", "give one x for each key"
            )
        width = self._dim or (values.shape[1] if values.ndim == 2 else 0)
        if values.ndim != 2 or values.shape[1] != width or not 0 < width <= MAX_DIM:
            expected = f"(n, {self._dim})" if self._dim else f"(n, 1 to {MAX_DIM})"
            raise BadData(
                f"{where}: starting at row {first}, x has shape {values.shape}, expected {expected}",
                "use one backbone for each table",
            )
        for values_of_column, may_be_empty in ((keys, False), (labels, False), (groups, True)):
            for number, text in enumerate(values_of_column):
                if not _is_storable(text, may_be_empty):
                    raise BadData(
                        f"{where}: row {keys[number]!r}: cannot store {text[:80]!r}: "
                        "it is empty, too long or not valid Unicode",
                        "change that name",
                    )
        bad = first_not_finite(values)
        if bad is not None:
            raise BadData(f"{where}: the features of {keys[bad]} are not finite (NaN or infinite)", "check that face")
        duplicate = first_duplicate(keys, self._keys)
        if duplicate is not None:
            raise BadData(f"{where}: the key {duplicate} occurs twice", "every face needs its own key")
        self._dim = width
        return Features(text_array(keys), text_array(labels), text_array(groups), values)

    def _flush(self) -> None:
        """Write the buffered rows as one more shard."""
        if not self._buffer:
            return
        key, label, group = (
            text_array([text for part in self._buffer for text in getattr(part, column).tolist()])
            for column in TEXT_COLUMNS
        )
        rows = Features(key, label, group, np.concatenate([part.x for part in self._buffer]))
        write_shard(self._shards / shard_name(self._count), self.provenance, self._safe, rows)
        self._widen(rows)
        self._buffer = []
        self._safe += len(rows)
        self._count += 1

    def _widen(self, rows: Features) -> None:
        widths = text_widths(rows)
        self._widths = {column: max(width, widths[column]) for column, width in self._widths.items()}

    def _remove_shards(self) -> None:
        shutil.rmtree(self._shards, ignore_errors=True)
        if self._parts.is_dir() and not any(self._parts.iterdir()):
            self._parts.rmdir()


def _is_storable(text: str, may_be_empty: bool) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate: a file name that was not UTF-8
        return False
    return bool(text or may_be_empty) and len(text) <= MAX_TEXT_LENGTH and "\0" not in text


def _keep_others(path: Path, table: str, new: NewFeatureFile) -> None:
    if path.exists():
        with open_feature_file(path) as file:
            for other in table_names(file):
                if other != table:
                    new.copy_group(file[other], other)


def _file_lock(path: Path) -> AbstractContextManager[None]:
    """Lock a feature file: one lock for all its tables, since publishing a table copies the others."""

    def busy() -> Refused:
        return Refused(f"another process is writing {path}", "wait until it has finished, or stop it")

    return file_lock(path.with_name(f".{path.name}.lock"), busy)
