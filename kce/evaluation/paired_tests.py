"""Comparing plans over groups and seeds: paired differences, ratios of averages, and what many tests at once cost.

Everything here takes plain arrays, one value a cell (a group and a seed), and says how sure it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import stats

from kce.system.rng import generator

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95  # of every interval
_ROUNDS = 9999  # sign flips, where they are too many to try all


@dataclass(frozen=True)
class MeanEstimate:
    """A mean over cells: n, standard deviation (None for one cell) and t interval (None for one cell)."""

    n: int
    mean: float
    deviation: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class PairedDifference:
    """One plan against another over the same cells.

    mean, interval  of the differences; the interval is Student's t
    p               of the paired t test, two-sided; None for one cell or differences that are all alike
    p_permutation   of flipping the signs of the differences: all ways where n <= 13, else 9999 by lot
    """

    n: int
    mean: float
    interval: tuple[float, float] | None
    p: float | None
    p_permutation: float | None


@dataclass(frozen=True)
class RatioEstimate:
    """The average of one plan over that of another, less one: 0.42 is 42 % higher. The interval is the jackknife's."""

    n: int
    gain: float
    interval: tuple[float, float] | None


def mean_with_interval(values: ArrayLike) -> MeanEstimate:
    """Mean, spread and interval of one value per cell. Raises ValueError for none."""
    x = _finite(values)
    if len(x) == 1:
        return MeanEstimate(1, float(x[0]), None, None)
    deviation = float(x.std(ddof=1))
    return MeanEstimate(
        len(x), float(x.mean()), deviation, t_interval(float(x.mean()), deviation / np.sqrt(len(x)), len(x))
    )


def paired_difference(one: ArrayLike, other: ArrayLike, seed: int) -> PairedDifference:
    """`one` less `other`, cell by cell. Raises ValueError for other lengths or none."""
    a, b = _finite(one), _finite(other)
    if a.shape != b.shape:
        raise ValueError(f"{len(a)} cells against {len(b)}")
    apart = a - b
    told = mean_with_interval(apart)
    if told.n == 1 or not apart.any():
        return PairedDifference(told.n, told.mean, told.interval, None, None)
    p = float(stats.ttest_rel(a, b).pvalue) if np.ptp(apart) > 1e-12 * np.abs(apart).max() else None
    flipped = stats.permutation_test(
        (apart,), np.mean, permutation_type="samples", n_resamples=_ROUNDS, rng=generator(seed, "sign flips")
    )
    return PairedDifference(told.n, told.mean, told.interval, p, float(flipped.pvalue))


def relative_gain(one: ArrayLike, other: ArrayLike) -> RatioEstimate:
    """How much higher the average of `one` is, as a share of that of `other`.

    The published claims are ratios of averages over the groups. The interval is a jackknife over the cells, of the
    logarithm, with Student's t of n - 1. Raises ValueError for values that are not positive.
    """
    a, b = _finite(one), _finite(other)
    if a.shape != b.shape or min(a.min(), b.min()) <= 0:
        raise ValueError("a ratio of averages needs as many values of both, all above 0")
    n = len(a)
    whole = float(np.log(a.mean() / b.mean()))
    if n == 1:
        return RatioEstimate(1, float(np.expm1(whole)), None)
    without = np.log((a.sum() - a) / (b.sum() - b))
    pseudo = n * whole - (n - 1) * without
    low, high = t_interval(float(pseudo.mean()), float(pseudo.std(ddof=1)) / np.sqrt(n), n)
    return RatioEstimate(n, float(np.expm1(whole)), (float(np.expm1(low)), float(np.expm1(high))))


def judge_claim(claimed: float, found: RatioEstimate) -> Literal["reproduced", "not reproduced", "undecidable"]:
    """What a claimed gain is worth beside the one found.

    not reproduced  the interval lies below the claimed gain
    reproduced      it reaches the claimed gain, and lies above 0
    undecidable     it reaches the claimed gain and 0 as well, or there is none: too few cells to tell
    """
    if found.interval is None:
        return "undecidable"
    low, high = found.interval
    if high < claimed:
        return "not reproduced"
    return "reproduced" if low > 0 else "undecidable"


def holm_adjusted(p: Sequence[float | None]) -> list[float | None]:
    """The p values of a family of tests, adjusted for their number (Holm 1979); None stays None and does not count."""
    told = sorted((value, place) for place, value in enumerate(p) if value is not None)
    adjusted: list[float | None] = [None] * len(p)
    least = 0.0
    for rank, (value, place) in enumerate(told):
        least = max(least, min(1.0, value * (len(told) - rank)))
        adjusted[place] = least
    return adjusted


def t_interval(middle: float, error: float, n: int) -> tuple[float, float]:
    """Student's, of a figure with this standard error over n cells."""
    reach = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * error
    return middle - reach, middle + reach


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    x = np.asarray(values, np.float64)
    if x.ndim != 1 or not len(x) or not np.isfinite(x).all():
        raise ValueError("one finite value for each cell is needed, and at least one cell")
    return x
