"""Reducers, clusterers and evaluators of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from kce import BadData, KCEError, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kce import Features, MergePlan


class PCA:
    """Principal components, the first `n_components` of them, or as many as there are rows and dimensions.

    svd_solver  as scikit-learn's: "full" is exact, "covariance_eigh" much faster for many more rows than dimensions,
                "randomized" approximate
    seed        used by "randomized" alone
    After `fit_transform`, `explained_variance_ratio_` is each component's share of the variance.
    """

    def __init__(self, n_components: int = 64, svd_solver: str = "full", seed: int = 0) -> None:
        if n_components < 1:
            raise ValueError("n_components must be at least 1")
        self.n_components, self.svd_solver, self.seed = n_components, svd_solver, seed

    def fit_transform(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """x (n, dim) -> (n, at most n_components) float32. Raises KCEError for fewer than 2 rows."""
        import numpy as np
        from sklearn.decomposition import PCA as Inner  # noqa: N811

        if len(x) < 2:
            raise KCEError(f"PCA cannot be made of {len(x)} rows", "take more rows, or the reducer `none`")
        if not np.ptp(x, axis=0).any():  # no variance to share out: scikit-learn would divide by it
            raise KCEError("PCA cannot be made of rows that are all the same", "look at how the features were made")
        count = min(self.n_components, *x.shape)
        inner = Inner(count, svd_solver=self.svd_solver, random_state=self.seed)
        reduced = _mendable("pca", inner.fit_transform, x)
        self.explained_variance_ratio_: NDArray[np.float64] = inner.explained_variance_ratio_
        return np.asarray(reduced, dtype=np.float32)


class _Clusterer:
    """A clusterer of scikit-learn's that says what is wrong in our words, not in a traceback."""

    def __init__(self, name: str, inner: Any, clusters: int = 1) -> None:
        if clusters < 1:
            raise ValueError("n_clusters must be at least 1")
        self.name, self.inner, self._clusters = name, inner, clusters

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
        found = _mendable(self.name, self.inner.fit_predict, np.asarray(x, dtype=np.float64))
        return np.asarray(found, dtype=np.int64)


def _mendable(name: str, call: Callable[[Any], Any], x: Any) -> Any:
    try:
        return call(x)
    except ValueError as error:  # scikit-learn checks its parameters only now
        raise KCEError(f"{name}: {error}", "`kce show` lists its parameters") from error


def kmeans(n_clusters: int = 8, n_init: int = 10, seed: int = 0) -> _Clusterer:
    """K-means (Lloyd 1982) from k-means++ starts, the best of `n_init`."""
    from sklearn.cluster import KMeans

    return _Clusterer("kmeans", KMeans(n_clusters, n_init=n_init, random_state=seed), n_clusters)


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
    return _Clusterer("gaussian-mixture", inner, n_clusters)


def agglomerative(n_clusters: int = 8, linkage: str = "ward", metric: str = "euclidean") -> _Clusterer:
    """Joins the two nearest clusters until `n_clusters` are left.

    linkage  "ward" (with the euclidean metric only), "complete", "average" or "single"
    metric   "euclidean", "cosine", "manhattan"
    """
    from sklearn.cluster import AgglomerativeClustering

    return _Clusterer("agglomerative", AgglomerativeClustering(n_clusters, linkage=linkage, metric=metric), n_clusters)


agglomerative.growth = {"time": 2, "memory": 2}  # type: ignore[attr-defined] # of all distances


def dbscan(eps: float = 0.5, min_samples: int = 2) -> _Clusterer:
    """Clusters of rows that have `min_samples` rows within `eps` (Ester et al. 1996); the rest is noise, -1.

    eps depends on the scale of the features: look at the distances in the votes of another plan first.
    """
    from sklearn.cluster import DBSCAN

    return _Clusterer("dbscan", DBSCAN(eps=eps, min_samples=min_samples))


class CalinskiHarabasz:
    """How far the labels lie apart, against how far each is spread (Calinski and Harabasz 1974); higher is better.

    calinski_harabasz  tr(B) / tr(W) x (n - k) / (k - 1); grows in proportion to n; 1.0 where no label is spread at all
    variance_share     tr(B) / (tr(B) + tr(W)), in [0, 1]; does not grow with n, but is above 0 by chance alone
    adjusted           (calinski_harabasz - 1) / rows per label: what it is above chance, whatever n is; 0 is chance.
                       It estimates the variance between labels over that within one. With labels of different size the
                       rows per label are (n - sum of squares / n) / (k - 1), as in an unbalanced analysis of variance
    """

    def score(self, features: Features, plan: MergePlan | None = None) -> Mapping[str, float]:  # noqa: ARG002
        import numpy as np

        labels, codes, counts = np.unique(features.label, return_inverse=True, return_counts=True)
        n, k = len(codes), len(labels)
        _see_labels("calinski-harabasz", n, k)
        x = features.x.astype(np.float64)
        x -= x.mean(axis=0)
        member = np.zeros((k, n))
        member[codes, np.arange(n)] = 1.0
        centres = member @ x / counts[:, None]
        between = float(counts @ np.einsum("ij,ij->i", centres, centres))
        x -= centres[codes]
        within = float(np.einsum("ij,ij->", x, x))
        index = between / within * (n - k) / (k - 1) if within else 1.0
        return {
            "calinski_harabasz": index,
            "variance_share": between / (between + within) if between else 0.0,
            "adjusted": (index - 1) * (k - 1) / (n - float((counts**2).sum()) / n),
        }


class PermutedLabels:
    """How far a Calinski-Harabasz index is from chance: the labels dealt out anew to whole recordings, `rounds` times.

    chance       the mean index of labels dealt by lot
    chance_high  what 95 % of them stay below
    p            the share that reach the true one, itself counted: at least 1 / (rounds + 1)

    Recordings (`group`) keep their rows together, since frames of one video are alike; rows of no known recording are
    dealt one by one. Where a recording stands under several labels, its rows under each are a unit.
    """

    intervals = False  # it is itself about resampling

    def __init__(self, rounds: int = 999, seed: int = 0) -> None:
        if rounds < 1:
            raise ValueError("rounds must be at least 1")
        self.rounds, self.seed = rounds, seed

    def score(self, features: Features, plan: MergePlan | None = None) -> Mapping[str, float]:  # noqa: ARG002
        import numpy as np

        labels, codes = np.unique(features.label, return_inverse=True)
        n, k = len(codes), len(labels)
        _see_labels("permuted-labels", n, k)
        alone = np.char.add("row ", np.arange(n).astype(np.str_))
        kin = np.where(features.group == "", alone, np.char.add("group ", features.group))
        _, first, unit = np.unique(np.char.add(np.char.add(codes.astype(np.str_), " "), kin), True, True)
        x = features.x.astype(np.float64)
        x -= x.mean(axis=0)
        total = float(np.einsum("ij,ij->", x, x))
        sizes = np.bincount(unit).astype(np.float64)
        sums = np.zeros((len(sizes), x.shape[1]))
        np.add.at(sums, unit, x)
        truth = codes[first]

        def index(dealt: NDArray[np.int_]) -> float:
            member = np.zeros((k, len(dealt)))
            member[dealt, np.arange(len(dealt))] = 1.0
            centre, count = member @ sums, member @ sizes
            between = float((np.einsum("ij,ij->i", centre, centre) / count).sum())
            return between / max(total - between, 1e-300) * (n - k) / (k - 1)

        random = np.random.default_rng(self.seed)
        found = np.array([index(random.permutation(truth)) for _ in range(self.rounds)])
        reached = int((found >= index(truth) * (1 - 1e-12)).sum())
        return {
            "chance": float(found.mean()),
            "chance_high": float(np.percentile(found, 95)),
            "p": (reached + 1) / (self.rounds + 1),
        }


class Silhouette:
    """How much nearer a row is to its own label than to the next one (Rousseeuw 1987), in [-1, 1]; higher is better.

    sample_size  of so many rows, drawn by `seed`, if there are more: the work grows with their square
    """

    growth: ClassVar = {"time": 2, "memory": 2}

    def __init__(self, sample_size: int = 2000, seed: int = 0) -> None:
        if sample_size < 3:
            raise ValueError("sample_size must be at least 3")
        self.sample_size, self.seed = sample_size, seed

    def score(self, features: Features, plan: MergePlan | None = None) -> Mapping[str, float]:  # noqa: ARG002
        from sklearn.metrics import silhouette_score

        _see_labels("silhouette", len(features), len(features.categories))
        size = self.sample_size if self.sample_size < len(features) else None
        value = silhouette_score(features.x, features.label, sample_size=size, random_state=self.seed)
        return {"silhouette": float(value)}


class DaviesBouldin:
    """How alike each label is to the one most like it (Davies and Bouldin 1979), from 0 on; lower is better."""

    def score(self, features: Features, plan: MergePlan | None = None) -> Mapping[str, float]:  # noqa: ARG002
        import numpy as np
        from sklearn.metrics import davies_bouldin_score

        _see_labels("davies-bouldin", len(features), len(features.categories))
        return {"davies_bouldin": float(davies_bouldin_score(features.x.astype(np.float64), features.label))}


def _see_labels(name: str, n: int, k: int) -> None:
    if not 1 < k < n:
        raise BadData(
            f"{name} needs at least two labels and more rows than labels; there are {k} labels of {n} rows",
            "score several rows of each of several categories together",
        )


@hookimpl
def kce_reducers() -> dict[str, Callable[..., Any]]:
    return {"pca": PCA}


@hookimpl
def kce_clusterers() -> dict[str, Callable[..., Any]]:
    return {"kmeans": kmeans, "gaussian-mixture": gaussian_mixture, "agglomerative": agglomerative, "dbscan": dbscan}


@hookimpl
def kce_evaluators() -> dict[str, Callable[..., Any]]:
    return {
        "calinski-harabasz": CalinskiHarabasz,
        "permuted-labels": PermutedLabels,
        "silhouette": Silhouette,
        "davies-bouldin": DaviesBouldin,
    }
