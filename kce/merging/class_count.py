"""How many classes categories fall into, when nobody tells: by how far apart those of one dataset lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kce.errors import BadData

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAR = 0.5


def same_dataset_pairs(datasets: NDArray[np.str_]) -> NDArray[np.bool_]:
    """(n, n): which of n categories can never be one, being of one dataset, whose makers told them apart."""
    return np.asarray((datasets[:, None] == datasets[None]) & ~np.eye(len(datasets), dtype=bool))


def count_classes(means: NDArray[np.floating], datasets: NDArray[np.str_]) -> int:
    """The number of classes of categories with these mean features (n, dim).

    What a dataset tells apart is told to be different, and sets the scale: categories are joined, by complete linkage
    and never two of one dataset, as long as they are nearer than NEAR times the median distance of a category from the
    nearest other one of its dataset. Raises BadData where no dataset has two categories: nothing sets the scale then.
    """
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.metrics import pairwise_distances

    distances = pairwise_distances(np.asarray(means, np.float64))
    never = same_dataset_pairs(datasets)
    told = never.any(axis=1)
    if not told.any():
        raise BadData(
            "no dataset has two categories: nothing says how far different forgeries lie apart",
            "give the number of classes with --k",
        )
    near = NEAR * float(np.median(np.where(never, distances, np.inf)[told].min(axis=1)))
    distances[never] = max(float(distances.max()), 1.0) * 4  # beyond any height that is asked about
    tree = AgglomerativeClustering(None, metric="precomputed", linkage="complete", distance_threshold=near)
    return int(tree.fit(distances).n_clusters_)
