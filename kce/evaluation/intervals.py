"""The 95 % intervals of KCE: Student's, the percentile interval, and the bootstrap's with its bias removed.

The bootstrap draws themselves are made in ``kce.evaluation.scoring.score_features``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVEL = 0.95
"""Confidence level of every interval."""


def t_multiplier(n: int) -> float:
    """Return the half-width of Student's t interval of n values, in standard errors; n >= 2.

    >>> round(t_multiplier(10), 3)
    2.262
    """
    from scipy import stats

    return float(stats.t.ppf((1 + LEVEL) / 2, n - 1))


def student_interval(estimate: float, standard_error: float, n: int) -> tuple[float, float]:
    """Compute Student's t interval of an estimate from n values."""
    half_width = t_multiplier(n) * standard_error
    return estimate - half_width, estimate + half_width


def percentile_interval(draws: Sequence[float] | NDArray[np.floating]) -> tuple[float, float]:
    """Compute the interval that holds the middle 95 % of the draws (n,)."""
    low, high = np.percentile(draws, (50 * (1 - LEVEL), 50 * (1 + LEVEL)))
    return float(low), float(high)


def bootstrap_interval(estimate: float, draws: Sequence[float] | NDArray[np.floating]) -> tuple[float, float]:
    """Compute the percentile interval of bootstrap draws, shifted by the bootstrap's bias.

    The bias is the mean of the draws less the estimate. Scores such as the Calinski-Harabasz index need the shift:
    resampling few groups with replacement moves the label centroids apart, so their draws are too high.

    Args:
        estimate: Estimate from the data itself.
        draws: (n,) the same estimate from n resamples.
    """
    low, high = percentile_interval(draws)
    bias = float(np.mean(draws)) - estimate
    return low - bias, high - bias
