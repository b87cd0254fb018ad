"""Finished tables of a feature file: finding, checking and lazy reading."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from kce.errors import BadData
from kce.features.hdf5 import (
    TEXT_COLUMNS,
    attribute,
    checked_table,
    open_feature_file,
    read_texts,
    read_x,
    table_names,
)
from kce.labels import text_array
from kce.types import BATCH_ROWS, Features, batch_bounds

if TYPE_CHECKING:
    from numpy.typing import NDArray


def provenance_hash(provenance: Mapping[str, str]) -> str:
    """Hash everything that decides what rows are: 32 hexadecimal digits."""
    return xxhash.xxh128_hexdigest(provenance_to_json(provenance).encode())


def split_table_address(address: str | Path) -> tuple[Path, str]:
    """Split ``FILE.h5:/table`` into its file and its table; the table is "" if none is named.

    >>> split_table_address("runs/x/features.h5:/known")
    (PosixPath('runs/x/features.h5'), 'known')
    """
    match = re.fullmatch(r"(?s)(.{2,}):/([^/\\:]+)/?", str(address))  # one letter before ":/" is a Windows drive
    return (Path(match[1]), match[2]) if match else (Path(address), "")


@dataclass(frozen=True)
class FeatureTable:
    """A finished table, read lazily: the file is open only while rows are being read.

    Attributes:
        path: The feature file.
        name: Name of the table.
        length: Rows.
        dim: Features of a row.
        hash: Hash of `provenance`, the file's attribute ``mark``; empty in files that have none.
        provenance: Everything that decides what the rows are, as it was given to the writer.
    """

    path: Path
    name: str
    length: int
    dim: int
    hash: str
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.length

    @property
    def address(self) -> str:
        """``FILE.h5:/table``."""
        return f"{self.path}:/{self.name}"

    @property
    def label_counts(self) -> dict[str, int]:
        """Rows of each label, by label; read from the file, some rows at a time."""
        counts: Counter[str] = Counter()
        with open_feature_file(self.path) as file:
            column = checked_table(file, self.name, self.path)["label"]
            names: dict[bytes, str] = {}
            for start in range(0, self.length, BATCH_ROWS):
                counts.update(read_texts(column, start, start + BATCH_ROWS, self.address, names))
        return dict(sorted(counts.items()))

    def read_texts(self) -> tuple[NDArray[np.str_], NDArray[np.str_], NDArray[np.str_]]:
        """Read the keys, labels and groups of all rows, each (n,) str.

        Raises:
            BadData: For damaged texts, and for a duplicate key.
        """
        columns: dict[str, list[str]] = {column: [] for column in TEXT_COLUMNS}
        names: dict[bytes, str] = {}
        with open_feature_file(self.path) as file:
            group = checked_table(file, self.name, self.path)
            for column, texts in columns.items():
                for start, stop in batch_bounds(self.length, BATCH_ROWS):
                    known = {} if column == "key" else names
                    texts.extend(read_texts(group[column], start, stop, self.address, known))
        self._check_keys(columns["key"])
        key, label, recording = (text_array(columns.pop(column)) for column in TEXT_COLUMNS)
        return key, label, recording

    def _check_keys(self, keys: list[str]) -> None:
        duplicate = first_duplicate(keys, set())
        if duplicate is not None:
            raise BadData(f"{self.address}: the key {duplicate} occurs twice", "extract the features again")

    def read_x(self, pieces: Iterable[NDArray[np.int64]]) -> Iterator[NDArray[np.float32]]:
        """Read x of the rows at these indices, one piece (m, dim) after the other, and little more than them.

        Raises:
            BadData: For damaged or non-finite rows.
            IndexError: For rows that the table does not have.
        """
        with open_feature_file(self.path) as file:
            group = checked_table(file, self.name, self.path)
            for piece in pieces:
                if len(piece) and (piece.min() < 0 or piece.max() >= self.length):
                    raise IndexError(f"{self.address} has rows 0 to {self.length - 1}")
                if len(piece) and (np.diff(piece) == 1).all():
                    yield read_x(group, int(piece[0]), int(piece[-1]) + 1, self.address)
                else:
                    yield self._gather(group, piece)

    def _gather(self, group: Any, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read rows in any order, chunk by chunk."""
        wanted, order = np.unique(rows, return_inverse=True)
        x = self._allocate(len(wanted))
        step = (group["x"].chunks or (1024,))[0]
        done = 0
        for chunk in np.split(wanted, np.flatnonzero(np.diff(wanted // step)) + 1) if len(wanted) else ():
            first = int(chunk[0])
            x[done : done + len(chunk)] = read_x(group, first, int(chunk[-1]) + 1, self.address)[chunk - first]
            done += len(chunk)
        return x if (np.diff(order) == 1).all() else x[order]

    def read_all(self) -> Features:
        """Read all rows. Raises BadData as ``read_texts`` and ``read_x``, and if memory cannot hold the rows."""
        return Features(*self.read_texts(), next(self.read_x([np.arange(self.length)])))

    def _allocate(self, rows: int) -> NDArray[np.float32]:
        try:
            return np.empty((rows, self.dim), np.float32)
        except (MemoryError, ValueError) as error:
            size = rows * self.dim * 4 / 2**30
            raise BadData(
                f"{self.address}: {rows} rows need {size:.1f} GiB of memory", "read the table in batches"
            ) from error


def open_table(address: str | Path, table: str = "") -> FeatureTable:
    """Open a finished table.

    Args:
        address: ``FILE.h5:/table``; or the file alone, if `table` is given.
        table: Its name.

    Raises:
        BadData: If there is no such file or table, the file is not HDF5 or is damaged, or columns are missing or of the
            wrong type.
    """
    path, name = (Path(address), table.strip("/")) if table else split_table_address(address)
    with open_feature_file(path) as file:
        group = checked_table(file, name, path)
        mark = attribute(group, "mark")
        length, dim = group["x"].shape
        return FeatureTable(
            path,
            name,
            length,
            dim,
            mark if isinstance(mark, str) else "",
            provenance_from_json(attribute(group, "provenance")),
        )


def has_table(path: Path, table: str, provenance: Mapping[str, str]) -> bool:
    """Whether `path` has this table, finished and made in exactly this way. Raises BadData if the file is damaged."""
    existing = find_table(path, table)
    return existing is not None and existing.hash == provenance_hash(provenance)


def find_table(path: Path, table: str) -> FeatureTable | None:
    """Open a table; None if the file or the table does not exist. Raises BadData if either is damaged."""
    if not path.exists():
        return None
    with open_feature_file(path) as file:
        if table not in table_names(file):
            return None
    return open_table(path, table)


def provenance_to_json(provenance: Mapping[str, str]) -> str:
    """Write a provenance as the text that is stored and hashed."""
    return json.dumps(dict(provenance), sort_keys=True)


def provenance_from_json(text: Any) -> dict[str, str]:
    """Read a stored provenance; {} for anything that is not one."""
    try:
        provenance = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return {}
    return {str(key): str(value) for key, value in provenance.items()} if isinstance(provenance, dict) else {}


def provenance_attributes(provenance: Mapping[str, str]) -> dict[str, str]:
    """Return the attributes of a table that record how it was made."""
    return {"mark": provenance_hash(provenance), "provenance": provenance_to_json(provenance)}


def first_duplicate(keys: list[str], seen: set[str]) -> str | None:
    """Return the first key that is in `seen` or repeats an earlier one; if there is none, add all keys to `seen`."""
    new = set(keys)
    if len(new) == len(keys) and new.isdisjoint(seen):
        seen |= new
        return None
    before = set(seen)
    return next(key for key in keys if key in before or before.add(key))  # type: ignore[func-returns-value]
