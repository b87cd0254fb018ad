"""The laws of intervals: they keep to the range of a figure, contain the estimate, and follow it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kce.evaluation.intervals import (
    UNBOUNDED,
    percentile_interval,
    resampling_interval,
    student_interval,
    t_multiplier,
)

BOUNDS = st.sampled_from([UNBOUNDED, (0.0, math.inf), (-math.inf, 2.0), (0.0, 1.0), (-1.0, 1.0), (-0.5, 1.0)])


def inside(bounds: tuple[float, float], place: float) -> float:
    """A value within bounds; place is in (0, 1)."""
    low, high = bounds
    if math.isfinite(low) and math.isfinite(high):
        return low + (high - low) * place
    free = math.tan(math.pi * (place - 0.5))
    return free if bounds == UNBOUNDED else low + math.exp(free) if math.isfinite(low) else high - math.exp(free)


PLACES = st.floats(0.05, 0.95)
ERRORS = st.floats(1e-6, 1e3)


def test_without_bounds_it_is_the_textbook_s() -> None:
    assert t_multiplier(1) == pytest.approx(12.706, abs=1e-3)
    assert t_multiplier(100_000) == pytest.approx(1.96, abs=1e-3)
    assert student_interval(1.0, 0.5, 4) == pytest.approx((1 - 2.776 * 0.5, 1 + 2.776 * 0.5), abs=1e-3)


@given(BOUNDS, PLACES, ERRORS, st.integers(1, 100))
def test_it_lies_within_the_bounds_and_contains_the_estimate(
    bounds: tuple[float, float], place: float, error: float, df: int
) -> None:
    estimate = inside(bounds, place)
    interval = student_interval(estimate, error, df, bounds)
    if interval is not None:  # else an end would be infinite
        low, high = interval
        assert bounds[0] <= low <= estimate <= high <= bounds[1]
        assert low < high
        assert math.isfinite(high - low)


@given(PLACES, st.floats(1e-3, 1), st.integers(1, 100), st.floats(0.01, 100))
def test_of_what_is_above_0_it_has_the_unit_of_the_estimate(place: float, error: float, df: int, unit: float) -> None:
    positive = (0.0, math.inf)
    one = student_interval(place, error * place, df, positive)
    other = student_interval(unit * place, unit * error * place, df, positive)
    assert (one is None) == (other is None)
    if one and other:
        assert other == pytest.approx((unit * one[0], unit * one[1]))


@given(BOUNDS.filter(lambda bounds: math.isfinite(bounds[0]) and math.isfinite(bounds[1])), PLACES, st.floats(1e-3, 1))
def test_it_is_mirrored_with_its_range(bounds: tuple[float, float], place: float, error: float) -> None:
    estimate = inside(bounds, place)
    one = student_interval(estimate, error, 5, bounds)
    other = student_interval(-estimate, error, 5, (-bounds[1], -bounds[0]))
    assert one
    assert other == pytest.approx((-one[1], -one[0]))


@given(BOUNDS, PLACES, st.floats(1e-3, 0.1))
def test_more_values_and_smaller_errors_make_it_narrower(
    bounds: tuple[float, float], place: float, error: float
) -> None:
    estimate = inside(bounds, place)
    widths = [
        high - low
        for share, df in ((1.0, 3), (1.0, 30), (0.5, 30))
        for low, high in [
            student_interval(estimate, share * error * min(1, abs(estimate)) + 1e-9, df, bounds) or (0, 0)
        ]
    ]
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize(
    ("estimate", "error", "bounds"),
    [(0.4, 0.0, (0.0, 1.0)), (1.0, 0.1, (0.0, 1.0)), (0.0, 0.1, (0.0, math.inf)), (1.0, 1e300, (0.0, math.inf))],
)
def test_what_cannot_have_an_interval_has_none(estimate: float, error: float, bounds: tuple[float, float]) -> None:
    assert student_interval(estimate, error, 3, bounds) is None


def test_a_figure_out_of_its_range_is_refused_but_for_rounding() -> None:
    with pytest.raises(ValueError, match=r"1\.2 is not in its range, 0 to 1"):
        student_interval(1.2, 0.1, 3, (0.0, 1.0))
    with pytest.raises(ValueError, match=r"-0\.1 is not in its range, 0 to inf"):
        resampling_interval(0.5, [0.3, -0.1], [5, 5], (0.0, math.inf))
    assert student_interval(1 + 1e-12, 0.1, 3, (0.0, 1.0)) is None


DRAWS: Any = st.lists(PLACES, min_size=5, max_size=30, unique_by=lambda place: round(place, 3))


@given(BOUNDS, PLACES, DRAWS, st.lists(st.integers(2, 40), min_size=2, max_size=5))
def test_an_interval_from_resamples_obeys_the_same_laws(
    bounds: tuple[float, float], place: float, places: list[float], recordings: list[int]
) -> None:
    estimate, draws = inside(bounds, place), [inside(bounds, one) for one in places]
    interval = resampling_interval(estimate, draws, recordings, bounds)
    if interval is not None:
        assert bounds[0] <= interval[0] <= estimate <= interval[1] <= bounds[1]
        more = resampling_interval(estimate, draws, [2 * count for count in recordings], bounds)
        assert more is not None
        assert more[1] - more[0] <= interval[1] - interval[0]
        assert resampling_interval(estimate, draws[::-1], recordings[::-1], bounds) == pytest.approx(interval)


def test_a_few_resamples_may_be_missing() -> None:
    draws = np.random.default_rng(0).uniform(0.2, 0.4, 100)
    whole = resampling_interval(0.3, draws[5:], [9, 9], (0.0, 1.0))
    draws[:5] = math.nan
    assert resampling_interval(0.3, draws, [9, 9], (0.0, 1.0)) == whole
    draws[5] = math.inf
    assert resampling_interval(0.3, draws, [9, 9], (0.0, 1.0)) is None


def test_a_percentile_interval_holds_the_middle() -> None:
    draws = np.random.default_rng(0).permutation(np.arange(1001.0))
    assert percentile_interval(draws) == pytest.approx((25, 975))


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (-1.0, 1.0), (0.0, math.inf)])
@pytest.mark.parametrize("end", [0, 1])
def test_an_estimate_at_a_bound_has_no_interval_of_resamples(bounds: tuple[float, float], end: int) -> None:
    if math.isfinite(bounds[end]):
        assert resampling_interval(bounds[end], [0.3, 0.4, 0.5], [5, 5], bounds) is None
