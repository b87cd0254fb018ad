"""Estimating the number of classes, from how far apart the categories of one dataset are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kce.errors import BadData

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAR = 0.5
"""Categories are merged while they are nearer than this share of the typical distance within a dataset."""


def same_dataset_pairs(datasets: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Mark the pairs of categories that are of one dataset, and so are different by its makers' judgement.

    Args:
        datasets: (n,) the dataset of each category.

    Returns:
        (n, n), symmetric, False on the diagonal.
    """
    return np.asarray((datasets[:, None] == datasets[None]) & ~np.eye(len(datasets), dtype=bool))


def count_classes(means: NDArray[np.floating], datasets: NDArray[np.str_]) -> int:
    """Count the classes that categories fall into.

    Categories of one dataset are different, which sets the scale: the median distance of a category from the nearest
    other one of its dataset. Categories are merged by complete linkage, never two of one dataset, while they are
    nearer than NEAR times that distance.

    Args:
        means: (n, dim) mean features of the categories.
        datasets: (n,) their datasets.

    Raises:
        BadData: If no dataset has two categories, so that nothing sets the scale.
    """
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.metrics import pairwise_distances

    distances = pairwise_distances(np.asarray(means, np.float64))
    cannot_link = same_dataset_pairs(datasets)
    has_sibling = cannot_link.any(axis=1)
    if not has_sibling.any():
        raise BadData(
            "no dataset has two categories, so nothing says how far apart different forgeries are",
            "give the number of classes with --k",
        )
    nearest_sibling = np.where(cannot_link, distances, np.inf)[has_sibling].min(axis=1)
    threshold = NEAR * float(np.median(nearest_sibling))
    distances[cannot_link] = max(float(distances.max()), 1.0) * 4  # above any threshold
    tree = AgglomerativeClustering(None, metric="precomputed", linkage="complete", distance_threshold=threshold)
    return int(tree.fit(distances).n_clusters_)
