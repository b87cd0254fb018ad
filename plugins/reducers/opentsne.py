"""t-SNE by openTSNE, of any number of rows: above a sample, rows are placed into the map of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Self

from kce import BadValue, Estimator, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kce import FeatureStream


class TSNE(Estimator):
    """t-SNE: a map that keeps neighbours together (van der Maaten and Hinton 2008).

    Wide rows are first reduced to their exact principal components, as the authors of t-SNE do: the search for
    neighbours takes time in proportion to the width. Neighbours are found exactly.

    Of more than `sample` rows, a sample is mapped, and every other row is placed into that map beside its neighbours
    in the sample, alone (Poličar, Stražar and Zupan 2023, openTSNE's ``transform``): time then grows with n instead
    of the power 2. The sample has the same number of rows of each category, or all rows of one that has fewer; which
    rows they are does not depend on the order of the rows. Rows without categories are sampled uniformly.

    The same rows give the same map, to the last bit, on the same machine with the same number of threads. Other
    numbers of threads add in another order, which can change last digits and from there the map: `n_jobs=1` gives
    the same map whatever the number of cores.

    Args:
        n_components: Dimensions of the map, normally 2.
        perplexity: The effective number of neighbours of a row; at most (n - 1) / 3 is used.
        seed: Random seed of the sample.
        n_jobs: Threads of the search for neighbours, of principal components, and of the descent where it gains by
            them; -1: as many as the environment allows (``OMP_NUM_THREADS``), by default one per core.
        pca: Features above which rows are first reduced to as many principal components; 64 hold 95 % of the
            variance in the paper.
        sample: Rows that are mapped together; of more rows, a sample of so many is.

    Attributes:
        embedding_: (n, n_components) float32, the map of the rows that were fitted.
    """

    growth: ClassVar = {"time": 2}  # up to `sample` rows: all pairs are compared, a part at a time

    def __init__(
        self,
        n_components: int = 2,
        perplexity: float = 30.0,
        seed: int = 0,
        n_jobs: int = -1,
        pca: int = 64,
        sample: int = 20_000,
    ) -> None:
        self.n_components, self.perplexity, self.seed = n_components, perplexity, seed
        self.n_jobs, self.pca, self.sample = n_jobs, pca, sample

    def check_parameters(self) -> None:
        """Raise BadValue for numbers that are too small."""
        if self.n_components < 1 or self.perplexity <= 0:
            raise BadValue("n_components must be at least 1 and perplexity above 0", "choose higher numbers")
        if self.n_jobs < 1 and self.n_jobs != -1:
            raise BadValue("n_jobs must be at least 1, or -1 for all cores", "give a number of threads")
        if self.pca < self.n_components or self.sample < _LEAST_SAMPLE:
            least = f"pca must be at least n_components, and sample at least {_LEAST_SAMPLE}"
            raise BadValue(least, "choose higher numbers")

    def fit(self, x: NDArray[np.float32], y: object = None) -> Self:
        """Map x (n, dim) into `embedding_`; raises as ``fit_transform`` does."""
        self.fit_transform(x, y)
        return self

    def fit_transform(self, x: NDArray[np.float32], y: object = None) -> NDArray[np.float32]:  # noqa: ARG002
        """Reduce x (n, dim), whose categories are unknown, to (n, n_components) float32.

        Raises:
            BadValue: If there are fewer than 4 rows, fewer dimensions than components, rows that are not finite, or
                all rows are equal.
        """
        import numpy as np

        from kce import Features

        rows = self.check_rows(x, dtype="float32")
        unknown = np.full(len(rows), "")
        features = Features(np.arange(len(rows)).astype(np.str_), unknown, unknown, rows)
        self.embedding_ = self.fit_transform_rows(features)
        return self.embedding_

    def fit_transform_rows(self, rows: FeatureStream) -> NDArray[np.float32]:
        """Reduce a stream of n rows to (n, n_components) float32; it holds at most `pca` features of each row.

        Raises:
            BadValue: As ``fit_transform`` does.
        """
        from threadpoolctl import threadpool_limits

        self.check_parameters()
        if len(rows) < _LEAST_ROWS or rows.dim < self.n_components:
            raise BadValue(
                f"t-SNE to {self.n_components} dimensions cannot be made from so little "
                f"(n_samples = {len(rows)}, of {rows.dim} features)",
                "use more rows, or the reducer `none`",
            )
        with threadpool_limits(None if self.n_jobs == -1 else self.n_jobs):
            return self._map(_narrowed(rows, self.pca), balanced_sample(rows, self.sample, self.seed))

    def _map(self, x: NDArray[np.float32], sampled: NDArray[np.intp]) -> NDArray[np.float32]:
        import numpy as np
        import openTSNE
        from openTSNE.affinity import PerplexityBasedNN
        from openTSNE.nearest_neighbors import Sklearn

        first = x[sampled].astype(np.float64)
        if not np.ptp(first, axis=0).any():
            raise BadValue("t-SNE cannot be made from rows that are all equal", "check how the features were extracted")
        interpolates = (
            len(first) >= _MANY and self.n_components < 3
        )  # faster from so many rows on; in 1 or 2 dimensions
        # scikit-learn compares all pairs on all threads by itself; with n_jobs it would warn in a worker process.
        perplexity = min(self.perplexity, (len(first) - 1) / 3)
        # Left to choose by itself, openTSNE loads pynndescent and numba where they are installed: a second for nothing.
        nearest = Sklearn(first, min(len(first) - 1, int(3 * perplexity)), knn_kwargs={"algorithm": "brute"})
        affinities = PerplexityBasedNN(perplexity=perplexity, knn_index=nearest)
        fitted = openTSNE.TSNE(
            n_components=self.n_components,
            random_state=self.seed,
            # Little of interpolation is parallel, and threads that meet 750 times wait for each other.
            n_jobs=1 if interpolates or len(first) < _WORTH_THREADS else _threads(),
            # "auto" would look at the rows that are placed at a time instead of those of the map.
            negative_gradient_method="fft" if interpolates else "bh",
        ).fit(first, affinities=affinities)
        result = np.empty((len(x), self.n_components), np.float32)
        others = np.ones(len(x), dtype=bool)
        others[sampled] = False
        places = np.flatnonzero(others)
        for start in range(0, len(places), _PLACED):
            part = places[start : start + _PLACED]
            result[part] = fitted.transform(x[part].astype(np.float64))
        result[sampled] = fitted  # last, since placing others moves the whole map to its centre
        return result


_LEAST_ROWS = 4
_LEAST_SAMPLE = 100  # a map of fewer has no neighbourhoods to place others into
_MANY = 10_000
_WORTH_THREADS = 2_000
_PLACED = 20_000  # rows that are placed at a time


def balanced_sample(rows: FeatureStream, size: int, seed: int) -> NDArray[np.intp]:
    """Sample rows, as many of each category as there are.

    Args:
        rows: The rows; only their keys and labels are read.
        size: Rows to sample.
        seed: Random seed.

    Returns:
        (at most `size`,) indices of the rows: all of them in order if there are no more, else in a random order that
        follows from the keys.
    """
    import numpy as np

    if len(rows) <= size:
        return np.arange(len(rows))
    shuffled = np.argsort(rows.key)[np.random.default_rng(seed).permutation(len(rows))]
    codes, counts = np.unique(rows.label[shuffled], return_inverse=True, return_counts=True)[1:]
    place = np.empty(len(rows), np.intp)  # of each row among those of its category
    for code, count in enumerate(counts.tolist()):
        place[codes == code] = np.arange(count)
    # The first row of each category comes first, then the second of each, and so on.
    return shuffled[np.argsort(place, kind="stable")[:size]]


def _narrowed(rows: FeatureStream, most: int) -> NDArray[np.float32]:
    """Read rows, those of more than `most` features as their principal components, which takes two passes."""
    import numpy as np

    from kce import Moments, principal_axes

    if rows.dim <= most:
        return np.concatenate([_finite(batch.x) for batch in rows.batches()])
    moments = Moments(1, rows.dim)
    for batch in rows.batches():
        moments.add(_finite(batch.x))
    axes = principal_axes(moments.scatter(), most)[1].T.astype(np.float32)
    centre = moments.means[0].astype(np.float32)
    return np.concatenate([(batch.x - centre) @ axes for batch in rows.batches()])


def _finite(x: NDArray[np.float32]) -> NDArray[np.float32]:
    import numpy as np

    if not np.isfinite(x).all():
        raise BadValue("t-SNE cannot be made from NaN or infinity", "check how the features were extracted")
    return x


def _threads() -> int:
    """The threads that numeric libraries may use now, by ``OMP_NUM_THREADS`` and limits set since."""
    from threadpoolctl import threadpool_info

    return min((pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp"), default=1)


@hookimpl
def kce_reducers() -> dict[str, Callable[..., Any]]:
    return {"tsne": TSNE}
