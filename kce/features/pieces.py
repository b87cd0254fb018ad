"""A table in pieces: processes, on whatever machines, write the shards of different rows of it at the same time.

The shards are those that ``TableWriter`` looks for. So whoever opens the table for writing after that finds the rows,
does those that are missing, and publishes it; nobody must know that there were pieces.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from kce.features.shards import read_shard, shard_name
from kce.features.store import TableWriter
from kce.features.table import provenance_hash
from kce.system.regular import make_folder_inside

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike

_SHARD_ROWS = 1024  # about; some seconds on a GPU, some minutes on a slow processor: what a kill may cost


def rows_of_shard(batch_size: int) -> int:
    """Return how many rows each shard of a piece has, but the last of the table.

    They are whole batches, so that the rows are those of an extraction in one go, to the last bit.

    >>> rows_of_shard(32), rows_of_shard(48)
    (1024, 1056)
    """
    return -(-_SHARD_ROWS // batch_size) * batch_size


def split_rows(count: int, pieces: int, batch_size: int) -> list[range]:
    """Split the rows of a table into pieces of whole shards, as equal as they can be.

    >>> split_rows(5000, 2, 32)
    [range(0, 2048), range(2048, 5000)]
    """
    size = rows_of_shard(batch_size)
    shards = -(-count // size)
    edges = [min(shards * piece // pieces * size, count) for piece in range(pieces + 1)]
    return [range(first, end) for first, end in pairwise(edges) if first < end]


class PieceWriter(TableWriter):
    """Writes some rows of a table as shards, beside other processes that write other rows of it.

    Nobody may have the table open with ``write_table`` meanwhile: that removes shards which do not follow those before
    them. It would cost work, and no row would be wrong.

    Args:
        path: The feature file.
        table: The table.
        provenance: Everything that decides what the rows of the table are.
        rows: The rows to write, a range of ``split_rows``.
        batch_size: That of ``split_rows``.

    Attributes:
        finished: Whether all these rows exist.
        done: The row of the table to continue with.
    """

    def __init__(self, path: Path, table: str, provenance: Mapping[str, str], rows: range, batch_size: int) -> None:
        super().__init__(path, table, provenance)
        self._rows, self._size = rows, rows_of_shard(batch_size)

    def __enter__(self) -> PieceWriter:
        """Count the shards that exist; raises as ``write_table`` does, but takes no lock."""
        if self._is_finished():
            return self
        self.path.parent.mkdir(parents=True, exist_ok=True)
        make_folder_inside(self.path.parent, self._parts.name)
        make_folder_inside(self._parts, self.table)
        self._count, self._safe = self._rows.start // self._size, self._rows.start
        while self._safe < self._rows.stop and self._exists():
            self._safe = self._end_of_shard
            self._count += 1
        self.done = self._safe
        self.finished = self.done == self._rows.stop
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Keep whole shards only: those of the next rows have fixed numbers."""

    def append(self, key: Iterable[str], label: Iterable[str], group: Iterable[str], x: ArrayLike) -> None:
        """Append a batch of rows; raises as ``TableWriter.append`` does."""
        rows = self._checked(key, label, group, x)
        taken = 0
        while taken < len(rows):
            end = min(taken + self._end_of_shard - self.done, len(rows))
            self._buffer.append(rows.take(np.arange(taken, end)))
            self.done += end - taken
            taken = end
            if self.done == self._end_of_shard:
                self._flush()

    def publish(self) -> None:
        """Do nothing: whoever opens the table with ``write_table`` publishes it."""

    @property
    def _end_of_shard(self) -> int:
        return min((self._count + 1) * self._size, self._rows.stop)

    def _exists(self) -> bool:
        """Whether the next shard holds its rows already; Refused if it holds rows made in another way."""
        shard = read_shard(self._shards / shard_name(self._count))
        if shard is None:
            return False
        where = f"{self.path}:/{self.table} (unfinished)"
        self._refuse_other(where, self._shards, shard.provenance, provenance_hash(shard.provenance))
        return shard.start == self._safe and len(shard.rows) == self._end_of_shard - self._safe
