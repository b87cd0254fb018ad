"""Clusterers from scikit-learn."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from kce import KCEError, hookimpl, recoverable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


_log = logging.getLogger("kce.clusterers")

_FEWER_CLUSTERS = ("Number of distinct clusters", "Number of subclusters found")
"""Beginnings of scikit-learn's warnings of fewer clusters than asked for; whoever asked counts them and says so."""


class _Clusterer:
    """Wraps a clusterer from scikit-learn, whose errors it turns into KCEError.

    Attributes:
        name: Its name.
        n_clusters: Number of clusters it is asked for; None if it finds their number.
        dtype: Type of the numbers it computes with. float32 takes half the memory, and suits what only compares
            distances; covariances of few rows in many dimensions and the radii of BIRCH, which are small differences
            of large numbers, need float64.
    """

    def __init__(
        self,
        name: str,
        fit_predict: Callable[[Any], Any],
        n_clusters: int | None = None,
        dtype: Literal["float32", "float64"] = "float64",
    ) -> None:
        if n_clusters is not None and n_clusters < 1:
            raise ValueError("n_clusters must be at least 1")
        self.name, self._fit_predict, self.n_clusters, self.dtype = name, fit_predict, n_clusters, dtype

    def fit_predict(self, x: NDArray[np.float32]) -> NDArray[np.int_]:
        """Cluster x (n, dim) into numbers (n,), -1 for noise. Raises KCEError if scikit-learn refuses the rows."""
        import numpy as np

        least = self.n_clusters or 1
        if len(x) < least:
            raise KCEError(
                f"{self.name} cannot make {least} clusters of {len(x)} rows",
                f"use at most n_clusters={len(x)}, or more categories",
            )
        if len(x) == 1:
            return np.zeros(1, dtype=np.int64)
        with recoverable(self.name), warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            labels = self._fit_predict(np.asarray(x, dtype=self.dtype))
        for message in dict.fromkeys(str(warning.message) for warning in warned):
            if not message.startswith(_FEWER_CLUSTERS):
                _log.warning("%s: %s", self.name, " ".join(message.split()))
        return np.asarray(labels, dtype=np.int64)


def kmeans(n_clusters: int = 8, n_init: int = 10, seed: int = 0) -> _Clusterer:
    """K-means (Lloyd 1982) with k-means++ initialisation.

    Args:
        n_clusters: Clusters to make.
        n_init: Initialisations, the best of which is used.
        seed: Random seed of the initialisations.
    """
    from sklearn.cluster import KMeans

    inner = KMeans(n_clusters, n_init=n_init, random_state=seed)
    return _Clusterer("kmeans", inner.fit_predict, n_clusters, "float32")


def gaussian_mixture(
    n_clusters: int = 8, covariance_type: str = "full", reg_covar: float = 1e-6, n_init: int = 5, seed: int = 0
) -> _Clusterer:
    """Gaussian mixture, in which each row goes to its most probable component.

    Args:
        n_clusters: Components.
        covariance_type: "full", "tied", "diag" or "spherical"; the fewer the rows, the simpler it should be.
        reg_covar: Added to the variances, to keep them above 0.
        n_init: Initialisations, the best of which is used.
        seed: Random seed of the initialisations.
    """
    from sklearn.mixture import GaussianMixture

    inner = GaussianMixture(
        n_clusters, covariance_type=covariance_type, reg_covar=reg_covar, n_init=n_init, random_state=seed
    )
    return _Clusterer("gaussian-mixture", inner.fit_predict, n_clusters)


def agglomerative(n_clusters: int = 8, linkage: str = "ward", metric: str = "euclidean") -> _Clusterer:
    """Agglomerative clustering: merges the two nearest clusters until `n_clusters` are left.

    Args:
        n_clusters: Clusters to make.
        linkage: "ward" (for the euclidean metric only), "complete", "average" or "single".
        metric: "euclidean", "cosine" or "manhattan".
    """
    from sklearn.cluster import AgglomerativeClustering

    inner = AgglomerativeClustering(n_clusters, linkage=linkage, metric=metric)
    return _Clusterer("agglomerative", inner.fit_predict, n_clusters)


agglomerative.growth = {"time": 2, "memory": 2}  # type: ignore[attr-defined] # of all distances


class CannotLink(_Clusterer):
    """Agglomerative clustering that does not merge categories of one dataset.

    Two categories of one dataset are taken for two forgeries, as far as `n_clusters` allows: if a dataset has more
    categories than that, some must be merged. It does not suit datasets that distinguish variants of one forgery, such
    as ForgeryNet's stacks. Without constraints, as in a bench, it is ``agglomerative``.

    Args:
        n_clusters: Clusters to make.
        linkage: "complete" (clusters are as far apart as their farthest members) or "average".
    """

    growth: ClassVar = {"time": 2, "memory": 2}  # of all distances

    def __init__(self, n_clusters: int = 8, linkage: str = "complete") -> None:
        from sklearn.cluster import AgglomerativeClustering

        if linkage not in ("complete", "average"):
            raise ValueError(f'linkage is "complete" or "average", not {linkage!r}')
        inner = AgglomerativeClustering(n_clusters, metric="precomputed", linkage=linkage)
        super().__init__("cannot-link", inner.fit_predict, n_clusters)

    def fit_predict(self, x: NDArray[np.float32], *, cannot_link: NDArray[np.bool_] | None = None) -> NDArray[np.int_]:
        """Cluster rows under constraints.

        Args:
            x: (n, dim).
            cannot_link: (n, n), True for pairs of rows that must not be in one cluster.

        Returns:
            Cluster numbers (n,).
        """
        import numpy as np
        from sklearn.metrics import pairwise_distances

        distances = pairwise_distances(np.asarray(x, dtype=np.float64))
        if cannot_link is not None:
            # Larger than any mean distance between clusters can be.
            distances[cannot_link] = max(float(distances.max(initial=0.0)), 1.0) * (len(x) ** 2 + 1)
        return super().fit_predict(distances)


def dbscan(eps: float = 0.5, min_samples: int = 2) -> _Clusterer:
    """DBSCAN: clusters of rows in dense neighbourhoods (Ester et al. 1996); the rest is noise, -1.

    Args:
        eps: Radius of a neighbourhood. It depends on the scale of the features: see the distances in the votes of
            another plan first.
        min_samples: Rows, itself among them, that make a row's neighbourhood dense.
    """
    from sklearn.cluster import DBSCAN

    return _Clusterer("dbscan", DBSCAN(eps=eps, min_samples=min_samples).fit_predict)


def minibatch_kmeans(n_clusters: int = 8, batch_size: int = 1024, n_init: int = 10, seed: int = 0) -> _Clusterer:
    """K-means on random batches (Sculley 2010), for tables that take K-means too long.

    Args:
        n_clusters: Clusters to make.
        batch_size: Rows of a batch.
        n_init: Initialisations, the best of which is used.
        seed: Random seed of the initialisations and the batches.
    """
    from sklearn.cluster import MiniBatchKMeans

    inner = MiniBatchKMeans(n_clusters, batch_size=batch_size, n_init=n_init, random_state=seed)
    return _Clusterer("minibatch-kmeans", inner.fit_predict, n_clusters, "float32")


def bisecting_kmeans(
    n_clusters: int = 8, n_init: int = 10, bisecting_strategy: str = "biggest_inertia", seed: int = 0
) -> _Clusterer:
    """Bisecting K-means: splits a cluster in two until there are `n_clusters` (Steinbach, Karypis and Kumar 2000).

    Args:
        n_clusters: Clusters to make.
        n_init: Initialisations of each split, the best of which is used.
        bisecting_strategy: Which to split: "biggest_inertia" (the widest) or "largest_cluster" (the most rows).
        seed: Random seed of the initialisations.
    """
    from sklearn.cluster import BisectingKMeans

    inner = BisectingKMeans(n_clusters, n_init=n_init, bisecting_strategy=bisecting_strategy, random_state=seed)
    return _Clusterer("bisecting-kmeans", inner.fit_predict, n_clusters, "float32")


def birch(n_clusters: int = 8, threshold: float = 0.5, branching_factor: int = 50) -> _Clusterer:
    """BIRCH: reads rows once into a tree of small clusters, and merges those (Zhang, Ramakrishnan and Livny 1996).

    Args:
        n_clusters: Clusters to make.
        threshold: Radius that a small cluster may reach by taking in a row; depends on the scale of the features.
        branching_factor: Small clusters in a node of the tree.
    """
    import numpy as np
    from sklearn.cluster import Birch

    inner = Birch(n_clusters=n_clusters, threshold=threshold, branching_factor=branching_factor)

    def fit_predict(x: NDArray[np.float64]) -> Any:
        if n_clusters == 1 and np.isfinite(x).all():  # it would fail where the tree has a single small cluster
            return np.zeros(len(x), np.int64)
        return inner.fit_predict(x)

    return _Clusterer("birch", fit_predict, n_clusters)


def mean_shift(quantile: float = 0.2) -> _Clusterer:
    """Mean shift: moves every row to a peak of density (Comaniciu and Meer 2002); finds the number of clusters.

    Args:
        quantile: Sets the bandwidth, in (0, 1]: the share of all rows that are within it of a row, on average.
    """
    from sklearn.cluster import MeanShift, estimate_bandwidth

    if not 0 < quantile <= 1:
        raise ValueError("quantile must be above 0 and at most 1")

    def fit_predict(x: NDArray[np.float64]) -> Any:
        bandwidth = estimate_bandwidth(x, quantile=quantile)
        return MeanShift(bandwidth=bandwidth or 1e-9).fit_predict(x)  # 0 if all rows of a neighbourhood are equal

    return _Clusterer("mean-shift", fit_predict)


# Every row moves among all; the bandwidth is estimated from distances of 500 rows at a time.
mean_shift.growth = {"time": 2, "memory": 2, "up_to": 500}  # type: ignore[attr-defined]


def optics(min_samples: int = 5, xi: float = 0.05) -> _Clusterer:
    """OPTICS: orders rows by reachability and cuts where it changes steeply (Ankerst et al. 1999); noise is -1.

    Args:
        min_samples: Rows that make a neighbourhood dense.
        xi: Steepness of a change that bounds a cluster, in (0, 1).
    """
    from sklearn.cluster import OPTICS

    return _Clusterer("optics", OPTICS(min_samples=min_samples, xi=xi).fit_predict)


optics.growth = {"time": 2}  # type: ignore[attr-defined] # one row after another, each against all
optics.known_faults = {  # type: ignore[attr-defined]
    "duplicate-rows": "a cluster may begin or end between two equal rows"
}


def affinity_propagation(damping: float = 0.9, max_iter: int = 1000, seed: int = 0) -> _Clusterer:
    """Affinity propagation: rows choose exemplars among them (Frey and Dueck 2007); finds the number of clusters.

    Args:
        damping: Share of the previous iteration that is kept, in [0.5, 1).
        max_iter: Iterations after which it gives up; all rows are noise then.
        seed: Random seed.
    """
    from sklearn.cluster import AffinityPropagation

    inner = AffinityPropagation(damping=damping, max_iter=max_iter, random_state=seed)
    return _Clusterer("affinity-propagation", inner.fit_predict)


affinity_propagation.growth = {"time": 2, "memory": 2}  # type: ignore[attr-defined] # messages between all rows


def spectral(n_clusters: int = 8, n_neighbors: int = 10, seed: int = 0) -> _Clusterer:
    """Spectral clustering: K-means on eigenvectors of the nearest-neighbour graph (Ng, Jordan and Weiss 2001).

    Args:
        n_clusters: Clusters to make.
        n_neighbors: Neighbours of each row, at most as many as there are rows.
        seed: Random seed of the eigenvectors and of K-means.
    """
    import numpy as np
    from sklearn.cluster import SpectralClustering

    if n_clusters < 1 or n_neighbors < 1:
        raise ValueError("n_clusters and n_neighbors must be at least 1")

    def fit_predict(x: NDArray[np.float64]) -> Any:
        if n_clusters == len(x) and np.isfinite(x).all():  # nothing to merge
            return np.arange(len(x))
        inner = SpectralClustering(
            n_clusters, affinity="nearest_neighbors", n_neighbors=min(n_neighbors, len(x)), random_state=seed
        )
        return inner.fit_predict(x)

    return _Clusterer("spectral", fit_predict, n_clusters)


spectral.growth = {"time": 2, "memory": 1.9}  # type: ignore[attr-defined] # of the factors of a sparse matrix


@hookimpl
def kce_clusterers() -> dict[str, Callable[..., Any]]:
    return {
        "kmeans": kmeans,
        "minibatch-kmeans": minibatch_kmeans,
        "bisecting-kmeans": bisecting_kmeans,
        "gaussian-mixture": gaussian_mixture,
        "agglomerative": agglomerative,
        "cannot-link": CannotLink,
        "birch": birch,
        "spectral": spectral,
        "dbscan": dbscan,
        "optics": optics,
        "mean-shift": mean_shift,
        "affinity-propagation": affinity_propagation,
    }
