"""Paired comparison of plans: means, differences and ratios of averages, with intervals, p values and Holm's method.

Everything here takes plain arrays with one value for each cell, a combination of group and seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from kce.evaluation.intervals import LEAST_VALUES, UNBOUNDED, student_interval
from kce.system.rng import generator

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_PERMUTATIONS = 9999  # sign flips, where there are too many to try them all


@dataclass(frozen=True)
class MeanEstimate:
    """A mean over cells.

    Attributes:
        n: Cells.
        mean: Mean of their values.
        deviation: Standard deviation (n - 1); None for one cell.
        interval: Student's, within the range of the values; None for fewer than three cells, if they are all equal, or
            if an end would be infinite.
    """

    n: int
    mean: float
    deviation: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class PairedDifference:
    """The differences between two plans over the same cells.

    Attributes:
        n: Cells.
        mean: Mean of the differences.
        interval: Interval of the mean, Student's, as of ``MeanEstimate``.
        p: p-value of the paired t test, two-sided; None for one cell, or if all differences are equal.
        p_permutation: p-value of a permutation test that flips the signs of the differences, two-sided: all sign
            patterns for n <= 13, else 9999 random ones; None for one cell, or if all differences are 0.
    """

    n: int
    mean: float
    interval: tuple[float, float] | None
    p: float | None
    p_permutation: float | None


@dataclass(frozen=True)
class RatioEstimate:
    """How much higher one plan's average is than another's.

    Attributes:
        n: Cells.
        gain: The ratio of the averages, less one: 0.42 is 42 % higher.
        interval: Interval of the gain, by jackknife, above -1; None for fewer than three cells, if the jackknife's
            values are all equal, or if an end would be infinite.
    """

    n: int
    gain: float
    interval: tuple[float, float] | None


def mean_with_interval(values: ArrayLike, bounds: tuple[float, float] = UNBOUNDED) -> MeanEstimate:
    """Estimate a mean from one value for each cell.

    Args:
        values: (n,), finite.
        bounds: What a value can be at least and at most; infinite = no bound.

    Raises:
        ValueError: If there are none, one is not finite, or their mean is out of bounds.
    """
    x = _finite(values)
    mean = float(x.mean())
    if len(x) == 1:
        return MeanEstimate(1, mean, None, None)
    deviation = float(x.std(ddof=1))
    if len(x) < LEAST_VALUES or not _vary(x):
        return MeanEstimate(len(x), mean, deviation, None)
    return MeanEstimate(
        len(x), mean, deviation, student_interval(mean, deviation / np.sqrt(len(x)), len(x) - 1, bounds)
    )


def paired_difference(
    one: ArrayLike, other: ArrayLike, seed: int, bounds: tuple[float, float] = UNBOUNDED
) -> PairedDifference:
    """Compare two plans cell by cell.

    Args:
        one: (n,).
        other: (n,), subtracted from `one`.
        seed: Random seed of the permutation test.
        bounds: What a difference can be at least and at most; infinite = no bound.

    Raises:
        ValueError: If the lengths differ, there are no values, one is not finite, or their mean difference is out of
            bounds.
    """
    from scipy import stats

    a, b = _finite(one), _finite(other)
    if a.shape != b.shape:
        raise ValueError(f"{len(a)} cells against {len(b)}")
    differences = a - b
    estimate = mean_with_interval(differences, bounds)
    if estimate.n == 1 or not differences.any():
        return PairedDifference(estimate.n, estimate.mean, estimate.interval, None, None)
    p = float(stats.ttest_rel(a, b).pvalue) if _vary(differences) else None
    rng = generator(seed, "sign flips")
    permuted = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=_PERMUTATIONS, rng=rng
    )
    return PairedDifference(estimate.n, estimate.mean, estimate.interval, p, float(permuted.pvalue))


def relative_gain(one: ArrayLike, other: ArrayLike) -> RatioEstimate:
    """Estimate how much higher the average of `one` is, as a share of the average of `other`.

    The claims of Sun et al. 2023 are such ratios of averages over groups. The interval is a jackknife over cells of
    the ratio's logarithm, with Student's t of n - 1 degrees of freedom.

    Args:
        one: (n,), above 0.
        other: (n,), above 0.

    Raises:
        ValueError: If the lengths differ, there are no values, or one is not above 0.
    """
    a, b = _finite(one), _finite(other)
    if a.shape != b.shape or min(a.min(), b.min()) <= 0:
        raise ValueError("a ratio of averages needs equally many values of both, all above 0")
    n = len(a)
    log_ratio = float(np.log(a.mean() / b.mean()))
    gain = float(np.expm1(log_ratio))
    if n < LEAST_VALUES:
        return RatioEstimate(n, gain, None)
    leave_one_out = np.log((a.sum() - a) / (b.sum() - b))
    pseudo = n * log_ratio - (n - 1) * leave_one_out
    error = float(pseudo.std(ddof=1)) / math.sqrt(n) if _vary(pseudo) else 0.0
    ratio = math.exp(float(pseudo.mean()))
    interval = student_interval(ratio, ratio * error, n - 1, (0.0, math.inf))
    return RatioEstimate(n, gain, (interval[0] - 1, interval[1] - 1) if interval else None)


def judge_claim(claimed: float, measured: RatioEstimate) -> Literal["reproduced", "not reproduced", "undecidable"]:
    """Decide whether a measured gain reproduces a claimed one.

    Returns:
        "not reproduced" if the interval is below the claimed gain; "reproduced" if it reaches the claimed gain and is
        above 0; "undecidable" if it reaches both the claimed gain and 0, or there is no interval.
    """
    if measured.interval is None:
        return "undecidable"
    low, high = measured.interval
    if high < claimed:
        return "not reproduced"
    return "reproduced" if low > 0 else "undecidable"


def holm_adjusted(p: Sequence[float | None]) -> list[float | None]:
    """Adjust the p values of a family of tests for their number (Holm 1979); None stays None and does not count.

    >>> [round(value, 3) for value in holm_adjusted([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    ordered = sorted((value, index) for index, value in enumerate(p) if value is not None)
    adjusted: list[float | None] = [None] * len(p)
    smallest = 0.0
    for rank, (value, index) in enumerate(ordered):
        smallest = max(smallest, min(1.0, value * (len(ordered) - rank)))
        adjusted[index] = smallest
    return adjusted


def _vary(x: NDArray[np.float64]) -> bool:
    """Whether values differ by more than rounding."""
    return bool(np.ptp(x) > 1e-12 * np.abs(x).max())


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    x = np.asarray(values, np.float64)
    if x.ndim != 1 or not len(x) or not np.isfinite(x).all():
        raise ValueError("there must be at least one cell, and one finite value for each")
    return x
