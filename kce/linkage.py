"""How many classes categories fall into, when nobody tells: from the heights at which they join."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def apart(datasets: NDArray[np.str_]) -> NDArray[np.bool_]:
    """(n, n): which of n categories can never be one, being of one dataset, whose makers told them apart."""
    return np.asarray((datasets[:, None] == datasets[None]) & ~np.eye(len(datasets), dtype=bool))


def classes(means: NDArray[np.floating], datasets: NDArray[np.str_]) -> int:
    """The number of classes of categories with these mean features (n, dim).

    Categories are joined by average linkage, nearest first, as long as no two of one dataset come together; the
    classes are those before the largest step, by ratio, from one height to the next. Where the very first join would be
    of one dataset, every category is a class.
    """
    from sklearn.cluster import AgglomerativeClustering

    n = len(means)
    if n < 2:
        return n
    tree = AgglomerativeClustering(None, distance_threshold=0, linkage="average").fit(np.asarray(means, np.float64))
    never = apart(datasets)
    members = [[number] for number in range(n)]
    heights: list[float] = []
    for (a, b), height in zip(tree.children_.tolist(), tree.distances_.tolist(), strict=True):
        heights.append(height)
        if never[np.ix_(members[a], members[b])].any():
            break
        members.append(members[a] + members[b])
    else:
        heights.append(heights[-1])  # all are of different datasets: nothing ever forbids a join
    if len(heights) < 2:
        return n
    # Twins have no distance at all: they are never the end.
    steps = np.array(heights[1:]) / np.maximum(heights[:-1], max(heights) * 1e-9)
    return n - 1 - int(np.argmax(steps))
