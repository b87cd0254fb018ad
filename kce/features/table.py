"""Finished tables of a feature file: finding, checking and lazy reading."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from kce.errors import BadData
from kce.features.hdf5 import (
    TEXT_COLUMNS,
    TextRows,
    attribute,
    checked_table,
    open_feature_file,
    read_rows,
    read_texts,
    table_names,
)
from kce.labels import text_array

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from kce.types import Features

_ROWS = 4096  # read at a time


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
            for start in range(0, self.length, _ROWS):
                counts.update(read_texts(column, start, start + _ROWS, self.address, names))
        return dict(sorted(counts.items()))

    def batches(self, rows: int = _ROWS) -> Iterator[Features]:
        """Read all rows in order, at most `rows` at a time. Raises BadData for damaged or non-finite rows."""
        for batch in self._text_batches(rows):
            yield batch.features()

    def _text_batches(self, rows: int = _ROWS) -> Iterator[TextRows]:
        names: dict[bytes, str] = {}
        with open_feature_file(self.path) as file:
            group = checked_table(file, self.name, self.path)
            for start in range(0, self.length, rows):
                yield read_rows(group, start, min(start + rows, self.length), self.address, names)

    def read_texts(self) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
        """Read the keys and labels of all rows, each (n,) str. Raises BadData as ``batches``."""
        key: list[str] = []
        label: list[str] = []
        for batch in self._text_batches():
            key += batch.key
            label += batch.label
        return text_array(key), text_array(label)

    def read_all(self) -> Features:
        """Read all rows. Raises BadData as ``batches``, for a duplicate key, and if memory cannot hold the rows."""
        rows = TextRows([], [], [], self._allocate(self.length))
        for batch in self._text_batches():
            rows.x[len(rows.key) : len(rows.key) + len(batch.key)] = batch.x
            for column in TEXT_COLUMNS:
                getattr(rows, column).extend(getattr(batch, column))
        duplicate = first_duplicate(rows.key, set())
        if duplicate is not None:
            raise BadData(f"{self.address}: the key {duplicate} occurs twice", "extract the features again")
        return rows.features()

    def read_rows(self, indices: ArrayLike) -> Features:
        """Read the rows at these indices (m,), in that order, and little more than them. Raises IndexError, BadData."""
        requested = np.asarray(indices, dtype=np.int64)
        if requested.size and (requested.min() < 0 or requested.max() >= self.length):
            raise IndexError(f"{self.address} has rows 0 to {self.length - 1}")
        wanted, order = np.unique(requested, return_inverse=True)
        rows = TextRows([], [], [], self._allocate(len(wanted)))
        names: dict[bytes, str] = {}
        with open_feature_file(self.path) as file:
            group = checked_table(file, self.name, self.path)
            step = (group["x"].chunks or (1024,))[0]
            for chunk in np.split(wanted, np.flatnonzero(np.diff(wanted // step)) + 1) if len(wanted) else ():
                first = int(chunk[0])
                part = read_rows(group, first, int(chunk[-1]) + 1, self.address, names)
                own = chunk - first
                rows.x[len(rows.key) : len(rows.key) + len(own)] = part.x[own]
                for column in TEXT_COLUMNS:
                    texts = getattr(part, column)
                    getattr(rows, column).extend(texts[number] for number in own.tolist())
        return rows.features().take(order)

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
