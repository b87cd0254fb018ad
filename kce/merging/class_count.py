"""Estimating the number of classes from the categories of one dataset, and the number of clusters of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kce.errors import BadData
from kce.system.rng import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEAR = 0.5
"""Categories are merged while they are nearer than this share of the typical distance within a dataset."""
MOST_CLUSTERS = 40
"""Clusters of rows that are tried, at most, if their number is estimated."""
_SILHOUETTE_ROWS = 2000  # on which the number of clusters is estimated


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


def estimate_cluster_count(x: NDArray[np.float32]) -> int:
    """Estimate the number of clusters as that with the highest mean silhouette of K-means (Rousseeuw 1987).

    The estimate is the same for all clusterers that need a number.

    Args:
        x: Features, (n, dim); of more than 2,000 rows a random sample is used.

    Returns:
        From 2 to 40.

    Raises:
        BadData: If there are too few different rows.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    if len(x) > _SILHOUETTE_ROWS:
        x = x[np.sort(generator(0, "estimate").permutation(len(x))[:_SILHOUETTE_ROWS])]
    ks = range(2, min(MOST_CLUSTERS, len(np.unique(x, axis=0)) - 1) + 1)
    if not ks:
        raise BadData("there are too few different rows to estimate a number of clusters", "give it, or add rows")

    def silhouette(k: int) -> float:
        labels = KMeans(k, n_init=3, random_state=0).fit_predict(x)
        return float(silhouette_score(x, labels)) if len(np.unique(labels)) > 1 else -1.0

    return max(ks, key=silhouette)
