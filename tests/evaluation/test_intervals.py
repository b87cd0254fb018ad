"""The formulas of intervals, against what is known of them."""

from __future__ import annotations

import numpy as np
import pytest

from kce.evaluation.intervals import bootstrap_interval, percentile_interval, student_interval, t_multiplier


def test_student_s_interval_is_the_textbook_s() -> None:
    assert t_multiplier(2) == pytest.approx(12.706, abs=1e-3)
    assert t_multiplier(100_000) == pytest.approx(1.96, abs=1e-3)
    assert student_interval(1.0, 0.5, 5) == pytest.approx((1 - 2.776 * 0.5, 1 + 2.776 * 0.5), abs=1e-3)


def test_a_percentile_interval_holds_the_middle() -> None:
    draws = np.random.default_rng(0).permutation(np.arange(1001.0))
    assert percentile_interval(draws) == pytest.approx((25, 975))


def test_a_bootstrap_interval_does_not_move_with_the_bias() -> None:
    draws = np.random.default_rng(0).normal(3, 1, 2000)
    low, high = bootstrap_interval(3.0, draws)
    assert bootstrap_interval(3.0, draws + 5) == pytest.approx((low, high))
    assert bootstrap_interval(4.0, draws) == pytest.approx((low + 1, high + 1))
