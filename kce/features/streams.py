"""Streams of rows: stored tables, parts of them and changed rows, read in batches as often as needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from kce.errors import BadData
from kce.types import BATCH_ROWS, Features, FeatureTexts, batch_bounds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.features.table import FeatureTable
    from kce.types import FeatureStream


@dataclass(frozen=True, eq=False)
class StoredRows(FeatureTexts):
    """Rows of a stored table, as ``kce.FeatureStream``.

    Attributes:
        table: The table.
        key: (n,) str, unique.
        label: (n,) str.
        group: (n,) str.
        rows: (n,) their row numbers in the table; None = all of them.
        reals: As those of ``kce.Features``.
        views: As those of ``kce.Features``.
    """

    table: FeatureTable
    key: NDArray[np.str_]
    label: NDArray[np.str_]
    group: NDArray[np.str_]
    rows: NDArray[np.int64] | None = None
    reals: FeatureStream | None = None
    views: Mapping[str, FeatureStream] = field(default_factory=dict)

    @classmethod
    def all_of(cls, table: FeatureTable) -> StoredRows:
        """All rows of a table; their texts are read now. Raises BadData for a duplicate key and damaged texts."""
        return cls(table, *table.read_texts())

    @property
    def dim(self) -> int:
        """Features of a row."""
        return self.table.dim

    def batches(self, rows: int = BATCH_ROWS) -> Iterator[Features]:
        """Yield all rows in order; see ``kce.FeatureStream``. Raises BadData for damaged or non-finite rows."""
        bounds = list(batch_bounds(len(self), rows))
        wanted: Iterator[Any]
        if self.rows is None:
            wanted = (np.arange(start, stop) for start, stop in bounds)
        else:
            wanted = (self.rows[start:stop] for start, stop in bounds)
        for (start, stop), x in zip(bounds, self.table.read_x(wanted), strict=True):
            yield Features(self.key[start:stop], self.label[start:stop], self.group[start:stop], x)

    def take(self, rows: NDArray[Any]) -> Features:
        """Read the rows at these indices, or under this mask, in that order."""
        indices = np.arange(len(self))[rows]
        stored = indices if self.rows is None else self.rows[indices]
        return Features(self.key[rows], self.label[rows], self.group[rows], next(self.table.read_x([stored])))

    def select(
        self, rows: NDArray[np.int64], key: NDArray[np.str_] | None = None, label: NDArray[np.str_] | None = None
    ) -> StoredRows:
        """Return a stream of the rows at these indices, perhaps under other keys and labels; see ``kce.Features``."""
        key, label = (self.key[rows] if key is None else key), (self.label[rows] if label is None else label)
        return StoredRows(self.table, key, label, self.group[rows], rows if self.rows is None else self.rows[rows])


@dataclass(frozen=True, eq=False)
class ChangedRows(FeatureTexts):
    """The rows of another stream, changed batch by batch whenever they are read.

    Attributes:
        source: The other stream.
        change: Takes some of its rows and returns their new x (n, any dim).
        reals: As those of ``kce.Features``; the source's own are left out, since it takes more to change them alike.
        views: As those of ``kce.Features``; left out like the reals.
    """

    source: FeatureStream
    change: Callable[[Features], NDArray[np.float32]]
    reals: FeatureStream | None = None
    views: Mapping[str, FeatureStream] = field(default_factory=dict)

    @property
    def key(self) -> NDArray[np.str_]:  # type: ignore[override]
        """(n,) str."""
        return self.source.key

    @property
    def label(self) -> NDArray[np.str_]:  # type: ignore[override]
        """(n,) str."""
        return self.source.label

    @property
    def group(self) -> NDArray[np.str_]:  # type: ignore[override]
        """(n,) str."""
        return self.source.group

    @cached_property
    def dim(self) -> int:
        """Features of a row."""
        return self.take(np.arange(min(len(self), 1))).dim

    def batches(self, rows: int = BATCH_ROWS) -> Iterator[Features]:
        """Yield all rows in order; see ``kce.FeatureStream``."""
        for batch in self.source.batches(rows):
            yield batch.with_x(self.change(batch))

    def take(self, rows: NDArray[Any]) -> Features:
        """Read the rows at these indices, or under this mask, in that order."""
        taken = self.source.take(rows)
        return taken.with_x(self.change(taken))


def coded_batches(
    tables: Iterable[FeatureStream], codes: NDArray[np.intp]
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.intp]]]:
    """Yield x of all rows of some tables, in order, with the code of each; `codes` are those of all of them (n,)."""
    start = 0
    for table in tables:
        for batch in table.batches():
            yield batch.x, codes[start : start + len(batch)]
            start += len(batch)


def content_hash(rows: FeatureStream) -> str:
    """Hash of keys, labels, groups and features, in order, without reals and views (32 hex digits)."""
    total = xxhash.xxh3_128()
    for column in (rows.key, rows.label, rows.group):
        total.update("\0".join(column.tolist()).encode() + b"\1")
    for batch in rows.batches():
        total.update(np.ascontiguousarray(batch.x, "<f4").tobytes())
    return total.hexdigest()


def in_memory(rows: FeatureStream) -> Features:
    """Read all rows, with their reals and views. Raises BadData if memory cannot hold them."""
    if isinstance(rows, Features):
        return rows
    reals = None if rows.reals is None else in_memory(rows.reals)
    views = {name: in_memory(view) for name, view in rows.views.items()}
    return Features(rows.key, rows.label, rows.group, collect(rows), reals, views)


def collect(rows: FeatureStream) -> NDArray[np.float32]:
    """Read x of all rows: (n, dim) float32. Raises BadData if memory cannot hold them."""
    x = None
    done = 0
    for batch in rows.batches():
        if x is None:
            x = _empty(len(rows), batch.dim)
        x[done : done + len(batch)] = batch.x
        done += len(batch)
    return np.empty((0, rows.dim), np.float32) if x is None else x


def _empty(count: int, dim: int) -> NDArray[np.float32]:
    try:
        return np.empty((count, dim), np.float32)
    except MemoryError as error:
        size = count * dim * 4 / 2**30
        raise BadData(f"{count:,} rows of {dim:,} features need {size:.1f} GiB of memory", "take fewer rows") from error
