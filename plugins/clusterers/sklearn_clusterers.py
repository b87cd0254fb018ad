"""Clusterers from scikit-learn: which class each is, and which parameters it has here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from kce import BadValue, LibraryClusterer, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(eq=False, repr=False)
class KMeans(LibraryClusterer):
    """K-means (Lloyd 1982) with k-means++ initialisation.

    Args:
        n_clusters: Clusters to make.
        n_init: Initialisations, the best of which is used.
        seed: Random seed of the initialisations.
    """

    n_clusters: int = 8
    n_init: int = 10
    seed: int = 0
    name: ClassVar = "kmeans"
    library: ClassVar = "sklearn.cluster:KMeans"
    dtype: ClassVar = "float32"


@dataclass(eq=False, repr=False)
class MiniBatchKMeans(LibraryClusterer):
    """K-means on random batches (Sculley 2010), for tables that take K-means too long.

    Args:
        n_clusters: Clusters to make.
        batch_size: Rows of a batch.
        n_init: Initialisations, the best of which is used.
        seed: Random seed of the initialisations and the batches.
    """

    n_clusters: int = 8
    batch_size: int = 1024
    n_init: int = 10
    seed: int = 0
    name: ClassVar = "minibatch-kmeans"
    library: ClassVar = "sklearn.cluster:MiniBatchKMeans"
    dtype: ClassVar = "float32"


@dataclass(eq=False, repr=False)
class BisectingKMeans(LibraryClusterer):
    """Bisecting K-means: splits a cluster in two until there are `n_clusters` (Steinbach, Karypis and Kumar 2000).

    Args:
        n_clusters: Clusters to make.
        n_init: Initialisations of each split, the best of which is used.
        bisecting_strategy: Which to split: "biggest_inertia" (the widest) or "largest_cluster" (the most rows).
        seed: Random seed of the initialisations.
    """

    n_clusters: int = 8
    n_init: int = 10
    bisecting_strategy: str = "biggest_inertia"
    seed: int = 0
    name: ClassVar = "bisecting-kmeans"
    library: ClassVar = "sklearn.cluster:BisectingKMeans"
    dtype: ClassVar = "float32"


@dataclass(eq=False, repr=False)
class GaussianMixture(LibraryClusterer):
    """Gaussian mixture, in which each row goes to its most probable component.

    Args:
        n_clusters: Components.
        covariance_type: "full", "tied", "diag" or "spherical"; the fewer the rows, the simpler it should be.
        reg_covar: Added to the variances, to keep them above 0.
        n_init: Initialisations, the best of which is used.
        seed: Random seed of the initialisations.
    """

    n_clusters: int = 8
    covariance_type: str = "full"
    reg_covar: float = 1e-6
    n_init: int = 5
    seed: int = 0
    name: ClassVar = "gaussian-mixture"
    library: ClassVar = "sklearn.mixture:GaussianMixture"
    rename: ClassVar = {"n_components": "n_clusters"}


@dataclass(eq=False, repr=False)
class Agglomerative(LibraryClusterer):
    """Agglomerative clustering: merges the two nearest clusters until `n_clusters` are left.

    Args:
        n_clusters: Clusters to make.
        linkage: "ward" (for the euclidean metric only), "complete", "average" or "single".
        metric: "euclidean", "cosine" or "manhattan".
    """

    n_clusters: int = 8
    linkage: str = "ward"
    metric: str = "euclidean"
    name: ClassVar = "agglomerative"
    library: ClassVar = "sklearn.cluster:AgglomerativeClustering"
    growth: ClassVar = {"time": 2, "memory": 2}  # of all distances


@dataclass(eq=False, repr=False)
class CannotLink(LibraryClusterer):
    """Agglomerative clustering that does not merge categories of one dataset.

    Two categories of one dataset are taken for two forgeries, as far as `n_clusters` allows: if a dataset has more
    categories than that, some must be merged. It does not suit datasets that distinguish variants of one forgery, such
    as ForgeryNet's stacks. Without constraints, as in a bench, it is ``agglomerative``.

    Args:
        n_clusters: Clusters to make.
        linkage: "complete" (clusters are as far apart as their farthest members) or "average".
    """

    n_clusters: int = 8
    linkage: str = "complete"
    name: ClassVar = "cannot-link"
    library: ClassVar = "sklearn.cluster:AgglomerativeClustering"
    growth: ClassVar = {"time": 2, "memory": 2}  # of all distances

    def check_parameters(self) -> None:
        """Raise BadValue for a linkage that would need other distances."""
        super().check_parameters()
        if self.linkage not in ("complete", "average"):
            raise BadValue(f'linkage is "complete" or "average", not {self.linkage!r}', "choose one of them")

    def fit_predict(
        self,
        x: NDArray[np.float32],
        y: object = None,  # noqa: ARG002 - as in scikit-learn
        *,
        cannot_link: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.int_]:
        """Cluster rows under constraints.

        Args:
            x: (n, dim).
            y: Ignored.
            cannot_link: (n, n), True for pairs of rows that must not be in one cluster.

        Returns:
            Cluster numbers (n,).
        """
        return self.cluster(x, cannot_link=cannot_link).labels_

    def find(self, x: NDArray[np.float64], cannot_link: NDArray[np.bool_] | None = None) -> Any:
        """Merge by distances, in which constrained pairs are far apart."""
        from sklearn.metrics import pairwise_distances

        distances = pairwise_distances(x)
        if cannot_link is not None:
            # Larger than any mean distance between clusters can be.
            distances[cannot_link] = max(float(distances.max(initial=0.0)), 1.0) * (len(x) ** 2 + 1)
        self.estimator_ = self.make(metric="precomputed")
        return self.estimator_.fit_predict(distances)


@dataclass(eq=False, repr=False)
class DBSCAN(LibraryClusterer):
    """DBSCAN: clusters of rows in dense neighbourhoods (Ester et al. 1996); the rest is noise, -1.

    Args:
        eps: Radius of a neighbourhood. It depends on the scale of the features: see the distances in the votes of
            another plan first.
        min_samples: Rows, itself among them, that make a row's neighbourhood dense.
    """

    eps: float = 0.5
    min_samples: int = 2
    name: ClassVar = "dbscan"
    library: ClassVar = "sklearn.cluster:DBSCAN"


@dataclass(eq=False, repr=False)
class Birch(LibraryClusterer):
    """BIRCH: reads rows once into a tree of small clusters, and merges those (Zhang, Ramakrishnan and Livny 1996).

    Args:
        n_clusters: Clusters to make.
        threshold: Radius that a small cluster may reach by taking in a row; depends on the scale of the features.
        branching_factor: Small clusters in a node of the tree.
    """

    n_clusters: int = 8
    threshold: float = 0.5
    branching_factor: int = 50
    name: ClassVar = "birch"
    library: ClassVar = "sklearn.cluster:Birch"

    def find(self, x: NDArray[np.float64]) -> Any:
        """Cluster x, also into one cluster, where scikit-learn fails if the tree has a single small cluster."""
        import numpy as np

        if self.n_clusters == 1 and np.isfinite(x).all():
            return np.zeros(len(x), np.int64)
        return super().find(x)


@dataclass(eq=False, repr=False)
class MeanShift(LibraryClusterer):
    """Mean shift: moves every row to a peak of density (Comaniciu and Meer 2002); finds the number of clusters.

    Args:
        quantile: Sets the bandwidth, in (0, 1]: the share of all rows that are within it of a row, on average.
    """

    quantile: float = 0.2
    name: ClassVar = "mean-shift"
    library: ClassVar = "sklearn.cluster:MeanShift"
    # Every row moves among all; the bandwidth is estimated from distances of 500 rows at a time.
    growth: ClassVar = {"time": 2, "memory": 2, "up_to": 500}

    def check_parameters(self) -> None:
        """Raise BadValue for a quantile that is none."""
        if not 0 < self.quantile <= 1:
            raise BadValue("quantile must be above 0 and at most 1", "give a share of the rows, such as 0.2")

    def find(self, x: NDArray[np.float64]) -> Any:
        """Cluster x with a bandwidth by the quantile."""
        from sklearn.cluster import MeanShift as Shift
        from sklearn.cluster import estimate_bandwidth

        bandwidth = estimate_bandwidth(x, quantile=self.quantile)
        self.estimator_ = Shift(bandwidth=bandwidth or 1e-9)  # 0 if all rows of a neighbourhood are equal
        return self.estimator_.fit_predict(x)


@dataclass(eq=False, repr=False)
class OPTICS(LibraryClusterer):
    """OPTICS: orders rows by reachability and cuts where it changes steeply (Ankerst et al. 1999); noise is -1.

    Args:
        min_samples: Rows that make a neighbourhood dense.
        xi: Steepness of a change that bounds a cluster, in (0, 1).
    """

    min_samples: int = 5
    xi: float = 0.05
    name: ClassVar = "optics"
    library: ClassVar = "sklearn.cluster:OPTICS"
    growth: ClassVar = {"time": 2}  # one row after another, each against all
    known_faults: ClassVar = {"duplicate-rows": "a cluster may begin or end between two equal rows"}


@dataclass(eq=False, repr=False)
class AffinityPropagation(LibraryClusterer):
    """Affinity propagation: rows choose exemplars among them (Frey and Dueck 2007); finds the number of clusters.

    Args:
        damping: Share of the previous iteration that is kept, in [0.5, 1).
        max_iter: Iterations after which it gives up; all rows are noise then.
        seed: Random seed.
    """

    damping: float = 0.9
    max_iter: int = 1000
    seed: int = 0
    name: ClassVar = "affinity-propagation"
    library: ClassVar = "sklearn.cluster:AffinityPropagation"
    growth: ClassVar = {"time": 2, "memory": 2}  # messages between all rows


@dataclass(eq=False, repr=False)
class Spectral(LibraryClusterer):
    """Spectral clustering: K-means on eigenvectors of the nearest-neighbour graph (Ng, Jordan and Weiss 2001).

    Args:
        n_clusters: Clusters to make.
        n_neighbors: Neighbours of each row, at most as many as there are rows.
        seed: Random seed of the eigenvectors and of K-means.
    """

    n_clusters: int = 8
    n_neighbors: int = 10
    seed: int = 0
    name: ClassVar = "spectral"
    library: ClassVar = "sklearn.cluster:SpectralClustering"
    growth: ClassVar = {"time": 2, "memory": 1.9}  # of the factors of a sparse matrix

    def check_parameters(self) -> None:
        """Raise BadValue for numbers below 1."""
        super().check_parameters()
        if self.n_neighbors < 1:
            raise BadValue("n_neighbors must be at least 1", "give a number of rows from 1")

    def find(self, x: NDArray[np.float64]) -> Any:
        """Cluster x by the graph of its neighbours."""
        import numpy as np

        if self.n_clusters == len(x) and np.isfinite(x).all():  # nothing to merge
            return np.arange(len(x))
        self.estimator_ = self.make(affinity="nearest_neighbors")
        self.estimator_.n_neighbors = min(self.n_neighbors, len(x))
        return self.estimator_.fit_predict(x)


_CLUSTERERS = (
    *(KMeans, MiniBatchKMeans, BisectingKMeans, GaussianMixture, Agglomerative, CannotLink, Birch, Spectral),
    *(DBSCAN, OPTICS, MeanShift, AffinityPropagation),
)


@hookimpl
def kce_clusterers() -> dict[str, Callable[..., Any]]:
    return {clusterer.name: clusterer for clusterer in _CLUSTERERS}
