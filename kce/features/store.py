"""The HDF5 feature file: append, resume, verify, refuse.

A file holds tables: groups with the datasets `key`, `label`, `group` (n,) text and `x` (n, dim) float32, and the
attributes `made` (JSON: everything that made the rows) and `mark` (its hash). A table appears in its file all at once;
until then its rows lie in shards beside it, each complete, checked and synced. So a killed writer that is started
again ends with the very rows it would have written undisturbed.
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
    COLUMNS,
    MAX_DIM,
    MAX_TEXT_LENGTH,
    NewFeatureFile,
    first_not_finite,
    open_feature_file,
    replace_feature_file,
    table_names,
    write_error,
)
from kce.features.shards import read_shard, shard_name, write_shard
from kce.features.table import (
    find_table,
    first_duplicate,
    provenance_attributes,
    provenance_hash,
)
from kce.system.lock import file_lock
from kce.types import Features

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_SHARD_BYTES = 1 << 24
_SHARD_ROWS = 4096
_SHARD_SECONDS = 20.0  # a slow backbone must not lose more work than this to a kill
_NAME = re.compile(r"\w[\w.+-]*")


def write_table(path: str | Path, table: str, provenance: Mapping[str, str]) -> TableWriter:
    """A context in which to write a table; see Writer. `made` names everything that decides what the rows are.

    On entering, raises Refused where rows, finished or not, were made another way or another process writes the file,
    BadData where the file is damaged.
    """
    name = table.strip("/")
    if not _NAME.fullmatch(name):
        raise KCEError(f"{table!r} is no name for a table", "use letters, digits, and . _ + -")
    return TableWriter(Path(path), name, provenance)


class TableWriter:
    """Writes a table, in one fixed order of rows.

    finished  the table is there already, made the same way: nothing is to be done
    done      how many rows are safe already: go on with the row of this number
    Leaving the context keeps what was appended, however it is left; `publish` makes the table appear.
    """

    def __init__(self, path: Path, table: str, provenance: Mapping[str, str]) -> None:
        self.path, self.table, self.provenance = path, table, dict(provenance)
        self.done = 0
        self.finished = False
        self._mark = provenance_hash(provenance)
        self._parts = path.with_name(f"{path.name}.parts")
        self._shards = self._parts / table
        self._count = 0  # shards that are safe
        self._safe = 0  # rows in them
        self._dim: int | None = None
        self._keys: set[str] = set()
        self._buffer: list[Features] = []
        self._since = 0.0
        self._lock = ExitStack()  # holds the right to change the file

    def __enter__(self) -> TableWriter:
        if self._look() and not self._parts.exists():
            return self
        try:
            self._shards.parent.mkdir(parents=True, exist_ok=True)
            self._lock.enter_context(_file_lock(self.path))
        except Refused:
            if self.finished:  # the one who finished it is tidying up
                return self
            raise
        except OSError as error:
            raise write_error(self.path, error) from error
        try:
            if self._look():  # another process may have finished it meanwhile; or was killed before it tidied up
                self._tidy()
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
            if error is None:  # what ended the work is the better message
                raise
        finally:
            self._lock.close()

    def append(self, key: Iterable[str], label: Iterable[str], group: Iterable[str], x: ArrayLike) -> None:
        """Add rows: texts (n,), x (n, dim), any n.

        Raises BadData, naming the first bad key, for a NaN or an infinity, another width or length, a key that was
        there before, and a text that is empty (but for `group`), too long or not valid Unicode.
        """
        if self.finished:
            raise Refused(f"{self.path}:/{self.table} is finished", "delete the table to write it again")
        rows = self._checked(key, label, group, x)
        if not self._buffer:
            self._since = time.monotonic()
        for start in range(0, len(rows), self._shard_rows):
            self._buffer.append(rows.take(np.arange(start, min(start + self._shard_rows, len(rows)))))
            self.done += len(self._buffer[-1])
            if self.done - self._safe >= self._shard_rows or time.monotonic() - self._since > _SHARD_SECONDS:
                self._flush()

    def publish(self) -> None:
        """Make the table appear in its file, beside the tables that are there. Raises BadData if there are no rows."""
        if self.finished:
            return
        self._flush()
        if not self.done or self._dim is None:
            raise BadData(f"no rows were written to {self.path}:/{self.table}", "see that there are faces to read")
        with replace_feature_file(self.path, self._parts / f".{self.table}.new") as new:
            _keep_others(self.path, self.table, new)
            new.add_table(self.table, self._dim, provenance_attributes(self.provenance))
            for number in range(self._count):
                shard = read_shard(self._shards / shard_name(number))
                if shard is None:
                    raise BadData(f"{self._shards / shard_name(number)} was damaged", "start the command again")
                new.append(self.table, shard.rows)
        self.finished = True
        self._tidy()

    @property
    def _shard_rows(self) -> int:
        return min(max(_SHARD_BYTES // (4 * (self._dim or 1)), 1), _SHARD_ROWS)

    def _look(self) -> bool:
        there = find_table(self.path, self.table)
        if there is not None:
            _refuse_other(there.address, there.path, there.provenance, there.hash, self.provenance, self._mark)
            self.finished, self.done = True, len(there)
        return self.finished

    def _resume(self) -> None:
        """Count the good shards, from the first; what comes after a bad one is dropped."""
        self._shards.mkdir(exist_ok=True)
        while (shard := read_shard(self._shards / shard_name(self._count))) is not None:
            if self._count == 0:
                where = f"{self.path}:/{self.table} (unfinished)"
                _refuse_other(
                    where,
                    self._shards,
                    shard.provenance,
                    provenance_hash(shard.provenance),
                    self.provenance,
                    self._mark,
                )
            fits = provenance_hash(shard.provenance) == self._mark and shard.start == self._safe
            if not fits or shard.rows.x.shape[1] != (self._dim or shard.rows.x.shape[1]):
                break
            if first_duplicate(shard.rows.key.tolist(), self._keys) is not None:
                break
            self._dim = shard.rows.x.shape[1]
            self._safe += len(shard.rows)
            self._count += 1
        self.done = self._safe
        good = {shard_name(number) for number in range(self._count)}
        for path in self._shards.iterdir():
            if path.name not in good:
                path.unlink()

    def _checked(self, key: Iterable[str], label: Iterable[str], group: Iterable[str], x: Any) -> Features:
        where = f"{self.path}:/{self.table}"
        keys, labels, groups = ([str(text) for text in column] for column in (key, label, group))
        with np.errstate(over="ignore"):
            values = np.asarray(x, dtype=np.float32)
        first = keys[0] if keys else "?"
        lengths = {"key": len(keys), "label": len(labels), "group": len(groups), "x": len(values) if values.ndim else 0}
        if len(set(lengths.values())) > 1:
            raise BadData(f"{where}: columns of different lengths from {first} on: {lengths}", "one x for each key")
        width = self._dim or (values.shape[1] if values.ndim == 2 else 0)
        if values.ndim != 2 or values.shape[1] != width or not 0 < width <= MAX_DIM:
            wanted = f"(n, {self._dim})" if self._dim else f"(n, 1 to {MAX_DIM})"
            raise BadData(
                f"{where}: x is {values.shape} and not {wanted} from {first} on", "one backbone for each table"
            )
        for texts, empty in ((keys, False), (labels, False), (groups, True)):
            for number, text in enumerate(texts):
                if not _good_text(text, empty):
                    raise BadData(
                        f"{where}: {keys[number]!r} has a text that cannot be kept: {text[:80]!r}", "rename it"
                    )
        bad = first_not_finite(values)
        if bad is not None:
            raise BadData(f"{where}: the features of {keys[bad]} are not finite (NaN or infinite)", "look at that face")
        twice = first_duplicate(keys, self._keys)
        if twice is not None:
            raise BadData(f"{where}: the key {twice} came twice", "every face needs a key of its own")
        self._dim = width
        return Features(_text_array(keys), _text_array(labels), _text_array(groups), values)

    def _flush(self) -> None:
        """Turn what is buffered into one more shard."""
        if not self._buffer:
            return
        key, label, group, x = (np.concatenate([getattr(part, c) for part in self._buffer]) for c in COLUMNS)
        rows = Features(key, label, group, x)
        write_shard(self._shards / shard_name(self._count), self.provenance, self._safe, rows)
        self._buffer = []
        self._safe += len(rows)
        self._count += 1

    def _tidy(self) -> None:
        shutil.rmtree(self._shards, ignore_errors=True)
        if self._parts.is_dir() and not any(self._parts.iterdir()):
            self._parts.rmdir()


def _text_array(texts: list[str]) -> NDArray[np.str_]:
    return np.array(texts, dtype=np.str_)


def _good_text(text: str, empty: bool) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a character: a file name that was no UTF-8
        return False
    return bool(text or empty) and len(text) <= MAX_TEXT_LENGTH and "\0" not in text


def _keep_others(path: Path, table: str, new: NewFeatureFile) -> None:
    if path.exists():
        with open_feature_file(path) as file:
            for other in table_names(file):
                if other != table:
                    new.copy_group(file[other], other)


def _file_lock(path: Path) -> AbstractContextManager[None]:
    """Lock a feature file: one lock for all its tables, since publishing a table copies the others."""

    def busy() -> Refused:
        return Refused(f"another process is writing {path}", "wait until it is done, or stop it")

    return file_lock(path.with_name(f".{path.name}.lock"), busy)


def _refuse_other(
    where: str, path: Path, there: Mapping[str, str], its_mark: str, here: Mapping[str, str], our_mark: str
) -> None:
    """Raise Refused, with what differs side by side, unless the marks agree."""
    if its_mark == our_mark:
        return
    differ = [cause for cause in sorted({*there, *here}) if there.get(cause) != here.get(cause)]
    rows = [("", "there", "now"), *((cause, there.get(cause, "-"), here.get(cause, "-")) for cause in differ)]
    wide, middle = (max(len(row[column]) for row in rows) for column in (0, 1))
    lines = [f"  {cause:<{wide}}  {old:<{middle}}  {new}".rstrip() for cause, old, new in rows]
    if not differ:
        lines = [f"  mark  there {its_mark or '-'}  now {our_mark}"]
    raise Refused(
        f"{where} holds rows made another way:\n" + "\n".join(lines),
        f"name another folder, or delete {path}",
    )
