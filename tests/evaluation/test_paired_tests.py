from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from kce.evaluation.paired_tests import (
    MeanEstimate,
    PairedDifference,
    RatioEstimate,
    holm_adjusted,
    judge_claim,
    mean_with_interval,
    paired_difference,
    relative_gain,
)

VALUES = st.lists(st.floats(1, 1000), min_size=2, max_size=12)
PAIRS = st.lists(st.tuples(st.floats(1, 1000), st.floats(1, 1000)), min_size=2, max_size=10)


@given(VALUES)
def test_a_mean_has_students_interval(values: list[float]) -> None:
    result = mean_with_interval(values)
    assert result.n == len(values)
    assert result.mean == pytest.approx(np.mean(values))
    if len(values) < 3 or np.ptp(values) < 1e-12 * max(values):
        assert result.interval is None
    elif np.ptp(values) > 1e-6:
        expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        assert result.interval == pytest.approx((expected.low, expected.high), rel=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.sampled_from([(0.0, 1.0), (-0.5, 1.0), (0.0, np.inf)]))
def test_an_interval_of_a_mean_keeps_to_the_range_of_its_values(
    values: list[float], bounds: tuple[float, float]
) -> None:
    result = mean_with_interval(values, bounds)
    if result.interval is not None:
        assert bounds[0] <= result.interval[0] <= result.mean <= result.interval[1] <= bounds[1]
        assert len(values) >= 3
        assert np.ptp(values) > 0


@given(st.lists(st.tuples(st.floats(-0.5, 1), st.floats(-0.5, 1)), min_size=3, max_size=8))
def test_an_interval_of_a_difference_keeps_to_its_range(pairs: list[tuple[float, float]]) -> None:
    one, other = zip(*pairs, strict=True)
    result = paired_difference(one, other, 0, (-1.5, 1.5))
    if result.interval is not None:
        assert -1.5 <= result.interval[0] <= result.mean <= result.interval[1] <= 1.5


@given(PAIRS)
def test_a_gain_is_above_minus_one(pairs: list[tuple[float, float]]) -> None:
    a, b = (np.array(side) for side in zip(*pairs, strict=True))
    result = relative_gain(a, b)
    assert result.gain > -1
    if result.interval is not None:
        assert -1 <= result.interval[0] <= result.interval[1]
        assert len(pairs) >= 3


def test_one_cell_has_no_interval_and_no_p() -> None:
    assert mean_with_interval([3.0]) == MeanEstimate(1, 3.0, None, None)
    assert paired_difference([3.0], [1.0], 0) == PairedDifference(1, 2.0, None, None, None)
    assert relative_gain([3.0], [2.0]).interval is None


@given(PAIRS)
def test_a_difference_is_the_paired_t_test_and_turns_with_its_sides(pairs: list[tuple[float, float]]) -> None:
    a, b = (np.array(side) for side in zip(*pairs, strict=True))
    one, other = paired_difference(a, b, 0), paired_difference(b, a, 0)
    assert one.mean == pytest.approx(-other.mean, abs=1e-9)
    assert one.p_permutation == other.p_permutation
    if one.p is not None:
        assert one.p == pytest.approx(stats.ttest_rel(a, b).pvalue)


def test_sign_flips_count_every_way_of_few_cells() -> None:
    # All four differences point one way: of 16 ways to set the signs, two are as far out.
    assert paired_difference([5.0, 6, 7, 9], [1.0, 2, 4, 3], 0).p_permutation == pytest.approx(2 / 16)


def test_without_a_difference_p_is_small_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    result = [paired_difference(*random.normal(5, 1, (2, 8)), seed=0) for _ in range(400)]
    for p in ("p", "p_permutation"):
        share = np.mean([getattr(one, p) < 0.05 for one in result])
        assert 0.02 < share < 0.09


def test_a_gain_is_the_published_ratio_of_averages() -> None:
    # Table 4 of the paper: Xception, K-means on 64 components, over merging by name.
    clusters = [137.241584, 101.192327, 85.2535376, 94.2137508]
    name = [84.0837009, 73.8172086, 74.579957, 61.2651927]
    none = [128.02825, 117.448499, 68.6994684, 93.5723306]
    result = relative_gain(clusters, name)
    assert result.gain == pytest.approx(0.422661, abs=1e-5)
    assert result.interval is not None
    assert result.interval[0] > 0
    little = relative_gain(clusters, none)
    assert little.gain == pytest.approx(0.024899, abs=1e-5)
    # Four groups cannot tell 2.5 per cent from nothing.
    assert judge_claim(0.025, little) == "undecidable"
    assert judge_claim(0.4227, result) == "reproduced"


def test_an_interval_of_a_gain_holds_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    held = 0
    for _ in range(500):
        result = relative_gain(random.normal(120, 15, 8), random.normal(100, 15, 8))
        assert result.interval is not None
        held += result.interval[0] < 0.2 < result.interval[1]
    assert 0.90 < held / 500 < 0.99


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        ((0.3, 0.6), "reproduced"),
        ((0.5, 0.6), "reproduced"),
        ((-0.1, 0.3), "not reproduced"),
        ((0.1, 0.3), "not reproduced"),
        ((-0.1, 0.5), "undecidable"),
        (None, "undecidable"),
    ],
)
def test_a_verdict_comes_from_the_interval(interval: tuple[float, float] | None, said: str) -> None:
    assert judge_claim(0.42, RatioEstimate(4, 0.4, interval)) == said


def test_holm_is_the_published_step_down() -> None:
    assert holm_adjusted([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm_adjusted([0.01, None, 0.04, 0.03]) == pytest.approx([0.03, None, 0.06, 0.06])
    assert holm_adjusted([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_never_lowers_a_p_nor_changes_their_order(p: list[float]) -> None:
    result = holm_adjusted(p)
    assert all(after is not None and before <= after <= 1 for before, after in zip(p, result, strict=True))
    order = np.argsort(p, kind="stable")
    assert np.all(np.diff(np.array(result, float)[order]) >= 0) if p else True


@pytest.mark.parametrize("bad", [[], [1.0, float("nan")], [[1.0], [2.0]]])
def test_what_is_no_value_for_each_cell_is_refused(bad: object) -> None:
    with pytest.raises(ValueError, match="finite"):
        mean_with_interval(bad)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="ratio"):
        relative_gain([1.0, -1.0], [1.0, 2.0])
