"""Clusterers of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from kce import KCEError, hookimpl, recoverable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class _Clusterer:
    """A clusterer of scikit-learn's that says what is wrong in our words, not in a traceback."""

    def __init__(self, name: str, call: Callable[[Any], Any], clusters: int = 1) -> None:
        if clusters < 1:
            raise ValueError("n_clusters must be at least 1")
        self.name, self._call, self._clusters = name, call, clusters

    def fit_predict(self, x: NDArray[np.float32]) -> NDArray[np.int_]:
        """x (n, dim) -> cluster numbers (n,). Raises KCEError for more clusters than rows."""
        import numpy as np

        if len(x) < max(self._clusters, 1):
            raise KCEError(
                f"{self.name} cannot make {self._clusters} clusters of {len(x)} rows",
                f"ask for n_clusters={len(x)} at most, or give it more categories",
            )
        if len(x) == 1:
            return np.zeros(1, dtype=np.int64)
        # In double precision: a covariance of few rows in many dimensions is not positive definite in single.
        with recoverable(self.name):
            found = self._call(np.asarray(x, dtype=np.float64))
        return np.asarray(found, dtype=np.int64)


def kmeans(n_clusters: int = 8, n_init: int = 10, seed: int = 0) -> _Clusterer:
    """K-means (Lloyd 1982) from k-means++ starts, the best of `n_init`."""
    from sklearn.cluster import KMeans

    return _Clusterer("kmeans", KMeans(n_clusters, n_init=n_init, random_state=seed).fit_predict, n_clusters)


def gaussian_mixture(
    n_clusters: int = 8, covariance_type: str = "full", reg_covar: float = 1e-6, n_init: int = 5, seed: int = 0
) -> _Clusterer:
    """A mixture of Gaussians, each row to its most probable one; the best of `n_init` starts.

    covariance_type  "full", "tied", "diag" or "spherical"; the fewer the rows, the simpler it should be
    reg_covar        added to the variances, to keep them above 0
    """
    from sklearn.mixture import GaussianMixture

    inner = GaussianMixture(
        n_clusters, covariance_type=covariance_type, reg_covar=reg_covar, n_init=n_init, random_state=seed
    )
    return _Clusterer("gaussian-mixture", inner.fit_predict, n_clusters)


def agglomerative(n_clusters: int = 8, linkage: str = "ward", metric: str = "euclidean") -> _Clusterer:
    """Joins the two nearest clusters until `n_clusters` are left.

    linkage  "ward" (with the euclidean metric only), "complete", "average" or "single"
    metric   "euclidean", "cosine", "manhattan"
    """
    from sklearn.cluster import AgglomerativeClustering

    inner = AgglomerativeClustering(n_clusters, linkage=linkage, metric=metric)
    return _Clusterer("agglomerative", inner.fit_predict, n_clusters)


agglomerative.growth = {"time": 2, "memory": 2}  # type: ignore[attr-defined] # of all distances


class CannotLink(_Clusterer):
    """Joins the two nearest clusters until `n_clusters` are left, but never two categories of one dataset.

    What a dataset's makers gave two names is taken for two forgeries, as far as `n_clusters` allows: fewer clusters
    than a dataset has categories must join some. A dataset that tells variants of one forgery apart (ForgeryNet's
    stacks) is not served by this. Where rows are no categories, as in a bench, it is ``agglomerative``.

    linkage  "complete": two clusters are as far apart as their farthest members; or "average"
    """

    growth: ClassVar = {"time": 2, "memory": 2}  # of all distances

    def __init__(self, n_clusters: int = 8, linkage: str = "complete") -> None:
        from sklearn.cluster import AgglomerativeClustering

        if linkage not in ("complete", "average"):
            raise ValueError(f'linkage is "complete" or "average", not {linkage!r}')
        inner = AgglomerativeClustering(n_clusters, metric="precomputed", linkage=linkage)
        super().__init__("cannot-link", inner.fit_predict, n_clusters)

    def fit_predict(self, x: NDArray[np.float32], *, cannot_link: NDArray[np.bool_] | None = None) -> NDArray[np.int_]:
        """x (n, dim) -> cluster numbers (n,). cannot_link (n, n): pairs of rows that must not come together."""
        import numpy as np
        from sklearn.metrics import pairwise_distances

        distances = pairwise_distances(np.asarray(x, dtype=np.float64))
        if cannot_link is not None:
            # Farther than any mean of distances between clusters can be.
            distances[cannot_link] = max(float(distances.max(initial=0.0)), 1.0) * (len(x) ** 2 + 1)
        return super().fit_predict(distances)


def dbscan(eps: float = 0.5, min_samples: int = 2) -> _Clusterer:
    """Clusters of rows that have `min_samples` rows within `eps` (Ester et al. 1996); the rest is noise, -1.

    eps depends on the scale of the features: look at the distances in the votes of another plan first.
    """
    from sklearn.cluster import DBSCAN

    return _Clusterer("dbscan", DBSCAN(eps=eps, min_samples=min_samples).fit_predict)


def minibatch_kmeans(n_clusters: int = 8, batch_size: int = 1024, n_init: int = 10, seed: int = 0) -> _Clusterer:
    """K-means on random batches of `batch_size` rows (Sculley 2010): for tables that take K-means too long."""
    from sklearn.cluster import MiniBatchKMeans

    inner = MiniBatchKMeans(n_clusters, batch_size=batch_size, n_init=n_init, random_state=seed)
    return _Clusterer("minibatch-kmeans", inner.fit_predict, n_clusters)


def bisecting_kmeans(
    n_clusters: int = 8, n_init: int = 10, bisecting_strategy: str = "biggest_inertia", seed: int = 0
) -> _Clusterer:
    """Splits one cluster in two by K-means until there are `n_clusters` (Steinbach, Karypis and Kumar 2000).

    bisecting_strategy  which to split: "biggest_inertia" (the most spread) or "largest_cluster" (the most rows)
    """
    from sklearn.cluster import BisectingKMeans

    inner = BisectingKMeans(n_clusters, n_init=n_init, bisecting_strategy=bisecting_strategy, random_state=seed)
    return _Clusterer("bisecting-kmeans", inner.fit_predict, n_clusters)


def birch(n_clusters: int = 8, threshold: float = 0.5, branching_factor: int = 50) -> _Clusterer:
    """Reads the rows once into a tree of small clusters, and joins those to `n_clusters` (Zhang, Ramakrishnan and Livny
    1996).

    threshold  radius up to which a small cluster takes a row in; depends on the scale of the features
    """
    from sklearn.cluster import Birch

    inner = Birch(n_clusters=n_clusters, threshold=threshold, branching_factor=branching_factor)
    return _Clusterer("birch", inner.fit_predict, n_clusters)


def mean_shift(quantile: float = 0.2) -> _Clusterer:
    """Climbs from every row to where rows are densest (Comaniciu and Meer 2002); finds its own number of clusters.

    quantile  how wide it looks: the share of all rows that are near a row, on average, in (0, 1]
    """
    from sklearn.cluster import MeanShift, estimate_bandwidth

    if not 0 < quantile <= 1:
        raise ValueError("quantile must be above 0 and at most 1")

    def found(x: NDArray[np.float64]) -> Any:
        width = estimate_bandwidth(x, quantile=quantile)
        return MeanShift(bandwidth=width or 1e-9).fit_predict(x)  # all of a neighbourhood may be one point

    return _Clusterer("mean-shift", found)


mean_shift.growth = {"time": 2, "memory": 2}  # type: ignore[attr-defined] # every row climbs through all


def optics(min_samples: int = 5, xi: float = 0.05) -> _Clusterer:
    """Orders rows by how reachable they are and cuts where that changes steeply (Ankerst et al. 1999); noise is -1.

    min_samples  rows that make a neighbourhood dense
    xi           how steep a change ends a cluster, in (0, 1)
    """
    from sklearn.cluster import OPTICS

    return _Clusterer("optics", OPTICS(min_samples=min_samples, xi=xi).fit_predict)


optics.growth = {"time": 2}  # type: ignore[attr-defined] # one row after the other, each against all
optics.known_faults = {  # type: ignore[attr-defined]
    "duplicate-rows": "a cluster may begin or end between two rows that are the same"
}


def affinity_propagation(damping: float = 0.9, max_iter: int = 1000, seed: int = 0) -> _Clusterer:
    """Rows elect among them those that stand for others (Frey and Dueck 2007); finds its own number of clusters.

    damping   how much of the last round stays, from 0.5 to below 1
    max_iter  rounds after which it gives up: then all is noise
    """
    from sklearn.cluster import AffinityPropagation

    inner = AffinityPropagation(damping=damping, max_iter=max_iter, random_state=seed)
    return _Clusterer("affinity-propagation", inner.fit_predict)


affinity_propagation.growth = {"time": 2, "memory": 2}  # type: ignore[attr-defined] # messages between all rows


def spectral(n_clusters: int = 8, n_neighbors: int = 10, seed: int = 0) -> _Clusterer:
    """K-means on the eigenvectors of the graph of nearest neighbours (Ng, Jordan and Weiss 2001).

    n_neighbors  of each row, or as many as there are
    """
    import numpy as np
    from sklearn.cluster import SpectralClustering

    if n_clusters < 1 or n_neighbors < 1:
        raise ValueError("n_clusters and n_neighbors must be at least 1")

    def found(x: NDArray[np.float64]) -> Any:
        if n_clusters == len(x) and np.isfinite(x).all():  # nothing to join
            return np.arange(len(x))
        inner = SpectralClustering(
            n_clusters, affinity="nearest_neighbors", n_neighbors=min(n_neighbors, len(x)), random_state=seed
        )
        return inner.fit_predict(x)

    return _Clusterer("spectral", found, n_clusters)


spectral.growth = {"time": 2, "memory": 2}  # type: ignore[attr-defined]


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
