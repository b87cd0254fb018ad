"""Evaluators of how well labels come apart, some from scikit-learn."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from kce import BadData, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kce import Features, MergePlan, ResampleBlock, Resamples

_ROUNDING = 1e-13
"""Share of the scatter below which that within labels is rounding."""

_NUMBERS_AT_A_TIME = 2**20
"""Numbers of float64 in the largest arrays that sums over recordings are made of: 8 MiB each."""

_ROWS_AT_A_TIME = 200
"""Rows whose distances to all rows are in memory together."""


class CalinskiHarabasz:
    """Calinski-Harabasz index (1974): variance between labels over variance within; higher is better.

    Scores, for n rows of k labels with scatter B between and W within them:

    - calinski_harabasz: tr(B) / tr(W) x (n - k) / (k - 1). It grows in proportion to n; 1.0 if there is no scatter.
    - variance_share: tr(B) / (tr(B) + tr(W)), in [0, 1]. It does not grow with n, but is above 0 by chance.
    - adjusted: (calinski_harabasz - 1) / rows per label. It does not depend on n; 0 is chance. It estimates the
      variance between labels over that within one. With labels of different sizes, the rows per label are
      (n - sum of squares / n) / (k - 1), as in an unbalanced analysis of variance.
    """

    greater_is_better: ClassVar = True

    def score(self, features: Features, plan: MergePlan | None = None) -> Mapping[str, float]:  # noqa: ARG002
        """Score the rows by their labels. Raises BadData for fewer than two labels, or no more rows than labels."""
        import numpy as np

        labels, codes, counts = np.unique(features.label, return_inverse=True, return_counts=True)
        n, k = len(codes), len(labels)
        _check_labels("calinski-harabasz", n, k)
        x = features.x.astype(np.float64)
        x -= x.mean(axis=0)
        member = np.zeros((k, n))
        member[codes, np.arange(n)] = 1.0
        centres = member @ x / counts[:, None]
        between = counts @ np.einsum("ij,ij->i", centres, centres)
        x -= centres[codes]
        within = np.einsum("ij,ij->", x, x)
        return {name: float(value) for name, value in _scatter_scores(between, within, counts).items()}

    def score_ranges(self, features: Features) -> Mapping[str, tuple[float, float]]:
        """Return the ranges of the scores of these rows."""
        import numpy as np

        counts = np.unique(features.label, return_counts=True)[1]
        return {
            "calinski_harabasz": (0.0, math.inf),
            "variance_share": (0.0, 1.0),
            "adjusted": (-1 / _rows_per_label(counts), math.inf),
        }

    def score_resamples(
        self,
        features: Features,
        resamples: Resamples,
        plan: MergePlan | None = None,  # noqa: ARG002
    ) -> Mapping[str, NDArray[np.float64]]:
        """Score all resamples from sums over recordings; {name: (resamples.count,)}, as ``score`` of their rows."""
        import numpy as np

        counts = np.bincount(resamples.label, np.diff(resamples.start)).astype(np.int64)
        _check_labels("calinski-harabasz", len(features), len(counts))
        parts = [_resampled_scatter(features.x, resamples, block, counts) for block in resamples.blocks()]
        between, within = np.concatenate(parts, axis=1)
        return _scatter_scores(between, within, counts)


def _scatter_scores(between: Any, within: Any, counts: NDArray[np.int_]) -> dict[str, Any]:
    """Compute the scores of ``CalinskiHarabasz`` from the traces of scatter, numbers or arrays of equal shape."""
    import numpy as np

    n, k = counts.sum(), len(counts)
    total = between + within
    scattered = within > _ROUNDING * total
    index = np.where(scattered, between / np.where(scattered, within, 1.0) * (n - k) / (k - 1), 1.0)
    return {
        "calinski_harabasz": index,
        "variance_share": between / np.where(total > 0, total, 1.0),
        "adjusted": (index - 1) / _rows_per_label(counts),
    }


def _rows_per_label(counts: NDArray[np.int_]) -> float:
    """Compute the rows of each label, as an analysis of variance of labels of different sizes counts them."""
    n = int(counts.sum())
    return (n - float((counts.astype(float) ** 2).sum()) / n) / (len(counts) - 1)


def _resampled_scatter(
    x: NDArray[np.float32], resamples: Resamples, block: ResampleBlock, counts: NDArray[np.int_]
) -> NDArray[np.float64]:
    """Compute the scatter between and within labels in each resample of a block, (2, b).

    A few columns are taken at a time, so that what is held besides x does not grow with its width. Rows are centred on
    their labels, and labels on the first one, so that no scatter is a difference of large numbers.
    """
    import numpy as np

    n, b = len(x), len(block.times)
    rows = np.split(np.arange(n), np.cumsum(counts)[:-1])
    units = np.split(np.arange(len(resamples.label)), np.flatnonzero(np.diff(resamples.label)) + 1)
    squares = np.zeros((n, 1))
    between, within = np.zeros((2, b))
    width = max(_NUMBERS_AT_A_TIME // max(int(counts.max()), b), 16)
    for column in range(0, x.shape[1], width):
        total = np.zeros((b, min(width, x.shape[1] - column)))
        origin = None
        for label, (own, its) in enumerate(zip(rows, units, strict=True)):
            y = x[resamples.rows[own], column : column + width].astype(np.float64)
            mean = y.mean(axis=0)
            y -= mean
            origin = mean if origin is None else origin
            mean = mean - origin
            squares[own, 0] += np.einsum("ij,ij->i", y, y)
            sums = _resampled_sums(y, resamples, block, label, its)
            moved = np.einsum("ij,ij->i", sums, sums) / len(own)
            within -= moved
            between += len(own) * (mean @ mean) + 2 * (sums @ mean) + moved
            sums += len(own) * mean
            total += sums
        between -= np.einsum("ij,ij->i", total, total) / n
    for label, (own, its) in enumerate(zip(rows, units, strict=True)):
        within += _resampled_sums(squares[own], resamples, block, label, its)[:, 0]
    return np.stack([np.maximum(between, 0.0), np.maximum(within, 0.0)])


def _resampled_sums(
    y: NDArray[np.float64], resamples: Resamples, block: ResampleBlock, label: int, units: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Sum y (rows of a label, any) over the label's rows in each resample: (b, any)."""
    import numpy as np

    start = resamples.start[units] - resamples.start[units[0]]
    sums = block.times[:, units[0] : units[-1] + 1].astype(np.float64) @ np.add.reduceat(y, start, axis=0)
    kept = block.kept[:, label]
    cut = np.flatnonzero(kept)
    if len(cut):
        running = np.cumsum(y, axis=0)
        first = start[block.last[cut, label] - units[0]]
        sums[cut] += running[first + kept[cut] - 1] - running[first] + y[first]
    return np.asarray(sums)


class PermutedLabels:
    """Permutation test of the Calinski-Harabasz index: how far it is above chance.

    Labels are permuted between whole recordings (``group``), since frames of one video are alike; where a recording is
    unknown, between files, and p may then be too low. If a recording has several labels, its rows of each label form a
    unit.

    Scores:

    - chance: the mean index of permuted labels.
    - chance_high: their 95th percentile.
    - p: the share of permutations that reach the true index, which itself is counted: at least 1 / (rounds + 1).

    Args:
        rounds: Permutations.
        seed: Random seed of the permutations.
    """

    intervals = False  # it resamples already

    def __init__(self, rounds: int = 999, seed: int = 0) -> None:
        if rounds < 1:
            raise ValueError("rounds must be at least 1")
        self.rounds, self.seed = rounds, seed

    def score(self, features: Features, plan: MergePlan | None = None) -> Mapping[str, float]:  # noqa: ARG002
        """Score the rows by their labels. Raises BadData for fewer than two labels, or no more rows than labels."""
        import numpy as np

        labels, codes = np.unique(features.label, return_inverse=True)
        n, k = len(codes), len(labels)
        _check_labels("permuted-labels", n, k)
        recording = np.unique(features.recording, return_inverse=True)[1]
        _, first, unit = np.unique(codes * n + recording, True, True)
        x = features.x.astype(np.float64)
        x -= x.mean(axis=0)
        total = float(np.einsum("ij,ij->", x, x))
        sizes = np.bincount(unit).astype(np.float64)
        sums = np.zeros((len(sizes), x.shape[1]))
        np.add.at(sums, unit, x)
        truth = codes[first]

        def index(labels: NDArray[np.int_]) -> float:
            member = np.zeros((k, len(labels)))
            member[labels, np.arange(len(labels))] = 1.0
            centre, count = member @ sums, member @ sizes
            between = float((np.einsum("ij,ij->i", centre, centre) / count).sum())
            return between / max(total - between, 1e-300) * (n - k) / (k - 1)

        rng = np.random.default_rng(self.seed)
        permuted = np.array([index(rng.permutation(truth)) for _ in range(self.rounds)])
        reached = int((permuted >= index(truth) * (1 - 1e-12)).sum())
        return {
            "chance": float(permuted.mean()),
            "chance_high": float(np.percentile(permuted, 95)),
            "p": (reached + 1) / (self.rounds + 1),
        }

    def score_ranges(self, features: Features) -> Mapping[str, tuple[float, float]]:  # noqa: ARG002
        """Return the ranges of the scores."""
        return {"chance": (0.0, math.inf), "chance_high": (0.0, math.inf), "p": (0.0, 1.0)}


class Silhouette:
    """Silhouette: how much nearer rows are to their own label than to the next (Rousseeuw 1987); higher is better.

    Score: silhouette, in [-1, 1].

    Args:
        sample_size: Rows that are sampled if there are more, since the work grows with their square.
        seed: Random seed of the sample.
    """

    greater_is_better: ClassVar = True

    growth: ClassVar = {"time": 2}

    def __init__(self, sample_size: int = 2000, seed: int = 0) -> None:
        if sample_size < 3:
            raise ValueError("sample_size must be at least 3")
        self.sample_size, self.seed = sample_size, seed

    def score(self, features: Features, plan: MergePlan | None = None) -> Mapping[str, float]:  # noqa: ARG002
        """Score the rows by their labels. Raises BadData for fewer than two labels, or no more rows than labels."""
        from sklearn import config_context
        from sklearn.metrics import silhouette_score

        _check_labels("silhouette", len(features), len(features.categories))
        size = self.sample_size if self.sample_size < len(features) else None
        # Distances of some rows to all at a time; by default scikit-learn would hold a gigabyte of them.
        with config_context(working_memory=_ROWS_AT_A_TIME * min(self.sample_size, len(features)) * 8 / 2**20):
            value = silhouette_score(features.x, features.label, sample_size=size, random_state=self.seed)
        return {"silhouette": float(value)}

    def score_ranges(self, features: Features) -> Mapping[str, tuple[float, float]]:  # noqa: ARG002
        """Return the range of the score."""
        return {"silhouette": (-1.0, 1.0)}


class DaviesBouldin:
    """Davies-Bouldin index: how similar each label is to the most similar one (1979), at least 0; lower is better."""

    greater_is_better: ClassVar = False

    def score(self, features: Features, plan: MergePlan | None = None) -> Mapping[str, float]:  # noqa: ARG002
        """Score the rows by their labels. Raises BadData for fewer than two labels, or no more rows than labels."""
        import numpy as np
        from sklearn.metrics import davies_bouldin_score

        _check_labels("davies-bouldin", len(features), len(features.categories))
        return {"davies_bouldin": float(davies_bouldin_score(features.x.astype(np.float64), features.label))}

    def score_ranges(self, features: Features) -> Mapping[str, tuple[float, float]]:  # noqa: ARG002
        """Return the range of the score."""
        return {"davies_bouldin": (0.0, math.inf)}


def _check_labels(name: str, n: int, k: int) -> None:
    if not 1 < k < n:
        raise BadData(
            f"{name} needs at least two labels and more rows than labels; there are {k} labels of {n} rows",
            "score several rows of each of several categories together",
        )


@hookimpl
def kce_evaluators() -> dict[str, Callable[..., Any]]:
    return {
        "calinski-harabasz": CalinskiHarabasz,
        "permuted-labels": PermutedLabels,
        "silhouette": Silhouette,
        "davies-bouldin": DaviesBouldin,
    }
