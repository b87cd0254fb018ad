"""The 95 % intervals of KCE: Student's and the bootstrap's, both on a scale on which a bounded figure has no bounds.

A figure of any value is taken as it is, one above a bound by the logarithm of its distance from it, and one between two
bounds by the logarithm of the ratio of its distances from them (logit). On that scale an interval is symmetric; taken
back, it lies within the bounds, whatever its width. The resamples are made by ``kce.evaluation.resampling``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bounds = tuple[float, float]
    Interval = tuple[float, float]

LEVEL = 0.95
"""Confidence level of every interval."""

UNBOUNDED = (-math.inf, math.inf)
"""Bounds of a figure that can have any value."""

LEAST_VALUES = 3
"""Values, as of cells or worlds, that an interval of their mean needs."""

LEAST_RECORDINGS = 3
"""Recordings of each label that an interval from resamples needs."""

MOST_MISSING = 0.05
"""Share of the resamples whose score may be NaN or infinite in an interval, which leaves them out."""

_ROUNDING = 1e-9


def t_multiplier(df: float) -> float:
    """Return the half-width of Student's 95 % interval with `df` degrees of freedom, in standard errors.

    >>> round(t_multiplier(9), 3)
    2.262
    """
    from scipy import stats

    return float(stats.t.ppf((1 + LEVEL) / 2, df))


def student_interval(estimate: float, standard_error: float, df: float, bounds: Bounds = UNBOUNDED) -> Interval | None:
    """Compute Student's t interval of an estimate, within its bounds.

    Args:
        estimate: Estimate.
        standard_error: Its standard error.
        df: Degrees of freedom, above 0.
        bounds: What the estimate can be at least and at most; infinite = no bound.

    Returns:
        (low, high) around the estimate; None if the standard error is 0, if the estimate is at a bound, or if an end
        would be infinite.

    Raises:
        ValueError: If the estimate is out of its bounds.

    >>> [round(end, 3) for end in student_interval(0.9, 0.05, 9, (-0.5, 1.0))]
    [0.71, 0.969]
    """
    estimate = _within(estimate, bounds)
    return _interval(estimate, standard_error * _slope(estimate, bounds), df, bounds)


def resampling_interval(
    estimate: float,
    draws: Sequence[float] | NDArray[np.floating],
    recordings: Sequence[int] | NDArray[np.integer],
    bounds: Bounds = UNBOUNDED,
) -> Interval | None:
    """Compute the interval of an estimate from half-sample resamples.

    The standard error is the standard deviation of the draws. Resampling few recordings moves the means of labels
    apart, as sampling them did before. Of a figure with a lower bound, such as the Calinski-Harabasz index, the draws
    are then further from that bound than the estimate, by a factor 1 + r. For a sum of squares whose part r is chance,
    the variance of the logarithm is (2 - r) (1 + r)^2 / (2 + r) times that of the draws' (1 without chance, at most
    1.39): chance is a central chi-square in the estimate, and a part of the centre in the draws. The standard error is
    corrected by that.

    Args:
        estimate: Estimate from the data itself.
        draws: (n,) the same estimate from n resamples; what is not finite is left out.
        recordings: Recordings of each label, at least two each.
        bounds: What the estimate can be at least and at most; infinite = no bound.

    Returns:
        (low, high) around the estimate; None if more than 5 % of the draws are not finite, if they do not vary, if the
        estimate is at a bound, or if an end would be infinite.

    Raises:
        ValueError: If the estimate or a draw is out of its bounds.
    """
    import numpy as np

    finite = np.asarray(draws)[np.isfinite(draws)]
    if len(finite) < max((1 - MOST_MISSING) * len(draws), 2):
        return None
    for value in (finite.min(), finite.max()):
        _within(float(value), bounds)
    estimate, middle = _within(estimate, bounds), _within(float(finite.mean()), bounds)
    if estimate in bounds:
        return None
    counts = np.asarray(recordings)
    # Of an odd number of recordings one is taken once, which varies less than a half taken twice.
    variance = float(finite.var(ddof=1)) * counts.sum() / (counts // 2 * 2).sum()
    error = math.sqrt(variance) * _slope(middle, bounds)
    if math.isfinite(bounds[0]) and error > 0:
        r = math.expm1(min(max(_free(middle, bounds) - _free(estimate, bounds), 0.0), math.log(2)))
        error *= math.sqrt((2 - r) * (1 + r) ** 2 / (2 + r))
    return _interval(estimate, error, float(counts.sum() - len(counts)), bounds)


def percentile_interval(draws: Sequence[float] | NDArray[np.floating]) -> Interval:
    """Compute the interval that holds the middle 95 % of the draws (n,)."""
    import numpy as np

    low, high = np.percentile(draws, (50 * (1 - LEVEL), 50 * (1 + LEVEL)))
    return float(low), float(high)


def _interval(estimate: float, error: float, df: float, bounds: Bounds) -> Interval | None:
    """Student's interval of an estimate whose error is on the scale without bounds."""
    if estimate in bounds or not 0 < error < math.inf:
        return None
    centre, half_width = _free(estimate, bounds), t_multiplier(df) * error
    low, high = (_bounded(centre + side * half_width, bounds) for side in (-1, 1))
    if not math.isfinite(low) or not math.isfinite(high):
        return None
    return min(low, estimate), max(high, estimate)  # which rounding alone could part


def _within(value: float, bounds: Bounds) -> float:
    """Return a value within its bounds, which it may exceed by rounding."""
    low, high = bounds
    slack = _ROUNDING * max(1.0, *(abs(end) for end in bounds if math.isfinite(end)), 0.0)
    if not low - slack <= value <= high + slack:
        raise ValueError(f"{value:g} is not in its range, {low:g} to {high:g}")
    return min(max(value, low), high)


def _free(value: float, bounds: Bounds) -> float:
    """Take a value within bounds to the scale without bounds."""
    low, high = bounds
    if math.isinf(low) and math.isinf(high):
        return value
    if math.isinf(low):
        return -math.log(high - value)
    return math.log(value - low) - (0.0 if math.isinf(high) else math.log(high - value))


def _bounded(free: float, bounds: Bounds) -> float:
    """Take a value back from the scale without bounds."""
    low, high = bounds
    if math.isinf(low) and math.isinf(high):
        return free
    if math.isinf(low):
        return high - _exp(-free)
    if math.isinf(high):
        return low + _exp(free)
    share = 1 / (1 + _exp(-free))
    return min(low + (high - low) * share, high)


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf


def _slope(value: float, bounds: Bounds) -> float:
    """How fast the scale without bounds moves with the value; 0 at a bound, where there is no interval."""
    low, high = bounds
    gaps = [gap for gap in (value - low, high - value) if math.isfinite(gap)]
    if not gaps:
        return 1.0
    return sum(1 / gap for gap in gaps) if min(gaps) > 0 else 0.0
