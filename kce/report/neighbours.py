"""The nearest faces of each face, by its features: what a reader compares a face on a map with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.types import batch_bounds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.types import Features

NEIGHBOURS = 5
_ROWS_AT_ONCE = 512  # of the distances to all rows, which are never all held


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest rows of other recordings of each row of a map.

    Attributes:
        row: Numbers of the rows, nearest first, (n, k) int; -1 where there are fewer than k.
        distance: Euclidean distance to each, (n, k) float32; infinite where there is none.
        dim: Dimensions of the space in which distances were measured.
    """

    row: NDArray[np.int32]
    distance: NDArray[np.float32]
    dim: int


def nearest_of_other_recordings(rows: Features, count: int = NEIGHBOURS) -> Neighbours:
    """Find the nearest rows of each row, by Euclidean distance, among rows of other recordings.

    Frames of one recording, and the forgeries made from it, lie close to each other whatever made them; they would hide
    what a face shares with others. Where the recording is unknown, only rows of the same file are left out.

    Args:
        rows: Rows of a map, in the space in which distances are measured.
        count: Neighbours of a row, at most.

    Example:
        >>> from kce.types import Features
        >>> x = np.array([[0], [1], [3], [7]], np.float32)
        >>> rows = Features(np.array(["a", "b", "c", "d"]), np.array(["X"] * 4), np.array(["1", "1", "2", "3"]), x)
        >>> nearest_of_other_recordings(rows, 2).row.tolist()
        [[2, 3], [2, 3], [1, 0], [2, 1]]
    """
    x = rows.x.astype(np.float64)
    x -= x.mean(axis=0)
    recording = np.unique(rows.recording, return_inverse=True)[1]
    square = np.einsum("ij,ij->i", x, x)
    found = min(count, len(rows))
    row = np.full((len(rows), count), -1, np.int32)
    distance = np.full((len(rows), count), np.inf, np.float32)
    for start, stop in batch_bounds(len(rows), _ROWS_AT_ONCE):
        squared: NDArray[Any] = square[start:stop, None] + square - 2 * (x[start:stop] @ x.T)
        squared[recording[start:stop, None] == recording] = np.inf
        nearest = np.argpartition(squared, found - 1, axis=1)[:, :found]
        # Differences are taken again: those of large squares are not exact.
        exact = np.linalg.norm(x[start:stop, None] - x[nearest], axis=2)
        exact[np.isinf(np.take_along_axis(squared, nearest, axis=1))] = np.inf
        order = np.lexsort((nearest, exact), axis=1)
        exact, nearest = (np.take_along_axis(part, order, axis=1) for part in (exact, nearest))
        row[start:stop, :found] = np.where(np.isinf(exact), -1, nearest)
        distance[start:stop, :found] = exact
    return Neighbours(row, distance, rows.dim)
