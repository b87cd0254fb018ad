"""What no family explains, grouped: `--discover`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class NewGroup:
    """Faces that look alike and that no known family explains.

    Attributes:
        name: "new-1" is the largest.
        faces: How many there are.
        nearest: Keys of those nearest to its centre, nearest first.
        joined: How many more a family explains that look more like this group; see ``kce.tracing.joining``.
    """

    name: str
    faces: int
    nearest: tuple[str, ...]
    joined: int = 0


_SHOWN = 5  # faces near the centre


def group_unexplained(
    key: Sequence[str], x: NDArray[np.float32], cluster: Callable[[NDArray[np.float32]], NDArray[np.int_]]
) -> tuple[list[str], list[NewGroup]]:
    """Cluster faces and name the clusters.

    >>> x = np.array([[0.0], [0.1], [5.0]], np.float32)
    >>> names, groups = group_unexplained(["a", "b", "c"], x, lambda x: (x[:, 0] > 1).astype(int))
    >>> names, [(group.name, group.faces) for group in groups]
    (['new-1', 'new-1', 'new-2'], [('new-1', 2), ('new-2', 1)])

    Args:
        key: (n,) their keys.
        x: (n, dim) what is clustered.
        cluster: Returns cluster numbers (n,); -1 = in none.

    Returns:
        The group's name of each face, empty for one that is in none; and the groups, the largest first, those of equal
        size in the order of their first face.
    """
    if not len(key):
        return [], []
    numbers = np.asarray(cluster(x))
    found, first, counts = np.unique(numbers[numbers >= 0], return_index=True, return_counts=True)
    order = np.lexsort((first, -counts))
    names = {-1: "", **{int(found[place]): f"new-{rank + 1}" for rank, place in enumerate(order)}}
    groups = []
    for number in found[order].tolist():
        rows = np.flatnonzero(numbers == number)
        away = np.linalg.norm(x[rows] - x[rows].mean(axis=0), axis=1)
        nearest = rows[np.argsort(away, kind="stable")[:_SHOWN]]
        groups.append(NewGroup(names[number], len(rows), tuple(key[row] for row in nearest.tolist())))
    return [names[int(number)] if number >= 0 else "" for number in numbers.tolist()], groups
