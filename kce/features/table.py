"""A finished table of a feature file: found, checked, and read lazily."""

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
from kce.features.hdf5 import TEXT_COLUMNS, checked_table, open_feature_file, read_rows, table_names
from kce.types import Features

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_STRETCH = 4096  # rows


def provenance_hash(provenance: Mapping[str, str]) -> str:
    """The hash of everything that made the rows: 32 hexadecimal digits."""
    return xxhash.xxh128_hexdigest(provenance_to_json(provenance).encode())


def split_table_address(address: str | Path) -> tuple[Path, str]:
    """``FILE.h5:/table`` -> its file and its table; the table is empty where none is named."""
    found = re.fullmatch(r"(?s)(.{2,}):/([^/\\:]+)/?", str(address))  # one letter before ":/" is a Windows drive
    return (Path(found[1]), found[2]) if found else (Path(address), "")


@dataclass(frozen=True)
class FeatureTable:
    """A finished table, read lazily: the file is open only while rows are being read.

    dim   how many features a row has
    mark  hash of `made`; empty in files from elsewhere that bear none
    made  everything that made the rows, as the writer was told
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
        return f"{self.path}:/{self.name}"

    @property
    def label_counts(self) -> dict[str, int]:
        """How many rows each label has, by label; read from the file, a stretch at a time."""
        counts: Counter[str] = Counter()
        with open_feature_file(self.path) as file:
            column = checked_table(file, self.name, self.path)["label"].asstr("utf-8")
            for start in range(0, self.length, _STRETCH):
                counts.update(column[start : start + _STRETCH].tolist())
        return dict(sorted(counts.items()))

    def batches(self, rows: int = 4096) -> Iterator[Features]:
        """All rows, in order, at most `rows` at a time. Raises BadData for damaged rows and NaN."""
        with open_feature_file(self.path) as file:
            group = checked_table(file, self.name, self.path)
            for start in range(0, self.length, rows):
                yield read_rows(group, start, min(start + rows, self.length), self.address)

    def read_all(self) -> Features:
        """All rows at once. Raises BadData also for a key that stands twice, and for more rows than memory holds."""
        x = self._room(self.length)
        texts: list[list[Any]] = [[], [], []]
        done = 0
        for batch in self.batches():
            x[done : done + len(batch)] = batch.x
            done += len(batch)
            for column, name in zip(texts, TEXT_COLUMNS, strict=True):
                column.append(getattr(batch, name))
        key, label, kin = (np.concatenate(column) if column else np.array([], np.str_) for column in texts)
        twice = first_duplicate(key.tolist(), set())
        if twice is not None:
            raise BadData(f"{self.address}: the key {twice} stands twice", "make the features again")
        return Features(key, label, kin, x)

    def read_rows(self, indices: ArrayLike) -> Features:
        """The rows at these indices, in that order; reads only the stretches they lie in. Raises IndexError."""
        asked = np.asarray(indices, dtype=np.int64)
        if asked.size and (asked.min() < 0 or asked.max() >= self.length):
            raise IndexError(f"{self.address} has rows 0 to {self.length - 1}")
        wanted, place = np.unique(asked, return_inverse=True)
        x = self._room(len(wanted))
        texts: list[list[str]] = [[], [], []]
        with open_feature_file(self.path) as file:
            group = checked_table(file, self.name, self.path)
            step = (group["x"].chunks or (1024,))[0]
            done = 0
            for stretch in np.split(wanted, np.flatnonzero(np.diff(wanted // step)) + 1) if len(wanted) else ():
                first = int(stretch[0])
                part = read_rows(group, first, int(stretch[-1]) + 1, self.address).take(stretch - first)
                x[done : done + len(part)] = part.x
                done += len(part)
                for column, name in zip(texts, TEXT_COLUMNS, strict=True):
                    column.extend(getattr(part, name).tolist())
        key, label, kin = (np.array(column, dtype=np.str_) for column in texts)
        return Features(key, label, kin, x).take(place)

    def _room(self, rows: int) -> NDArray[np.float32]:
        try:
            return np.empty((rows, self.dim), np.float32)
        except (MemoryError, ValueError) as error:
            size = rows * self.dim * 4 / 2**30
            raise BadData(f"{self.address}: {rows} rows take {size:.1f} GiB of memory", "read it in batches") from error


def open_table(address: str | Path, table: str = "") -> FeatureTable:
    """A finished table, by ``FILE.h5:/table`` or by file and table.

    Raises BadData: no such file or table, not HDF5, cut short, columns missing or of the wrong kind.
    """
    path, name = (Path(address), table.strip("/")) if table else split_table_address(address)
    with open_feature_file(path) as file:
        group = checked_table(file, name, path)
        its_mark = group.attrs.get("mark", "")
        its_mark = its_mark if isinstance(its_mark, str) else ""
        length, dim = group["x"].shape
        return FeatureTable(path, name, length, dim, its_mark, provenance_from_json(group.attrs.get("provenance")))


def has_table(path: Path, table: str, provenance: Mapping[str, str]) -> bool:
    """Whether `path` has this table, finished and made exactly so. Raises BadData if the file is damaged."""
    there = find_table(path, table)
    return there is not None and there.hash == provenance_hash(provenance)


def find_table(path: Path, table: str) -> FeatureTable | None:
    """The table, or None where the file or the table is not there. Raises BadData if either is damaged."""
    if not path.exists():
        return None
    with open_feature_file(path) as file:
        if table not in table_names(file):
            return None
    return open_table(path, table)


def provenance_to_json(provenance: Mapping[str, str]) -> str:
    """`made` as the one text that is stored and hashed."""
    return json.dumps(dict(provenance), sort_keys=True)


def provenance_from_json(text: Any) -> dict[str, str]:
    """The way back; what is no such text says nothing."""
    try:
        provenance = json.loads(text)
    except (TypeError, ValueError):
        return {}
    return {str(cause): str(value) for cause, value in provenance.items()} if isinstance(provenance, dict) else {}


def provenance_attributes(provenance: Mapping[str, str]) -> dict[str, str]:
    """What a table says of its making."""
    return {"mark": provenance_hash(provenance), "provenance": provenance_to_json(provenance)}


def first_duplicate(keys: list[str], seen: set[str]) -> str | None:
    """The first key that `seen` or an earlier place holds already; adds all to `seen` only if there is none."""
    new = set(keys)
    if len(new) == len(keys) and new.isdisjoint(seen):
        seen |= new
        return None
    before = set(seen)
    return next(key for key in keys if key in before or before.add(key))  # type: ignore[func-returns-value]
