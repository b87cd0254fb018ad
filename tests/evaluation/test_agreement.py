"""Measures of agreement, against scikit-learn and by laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from kce.evaluation.agreement import AGREEMENT_MEASURES, agreement_scores, partition_stability

PAIRS = st.tuples(st.integers(0, 4), st.integers(-1, 4))
LABELS = st.lists(PAIRS, min_size=2, max_size=40).map(lambda rows: tuple(map(list, zip(*rows, strict=True))))


@settings(deadline=None)
@given(LABELS)
def test_they_are_those_of_scikit_learn_where_nothing_is_noise(pair: tuple[list[int], list[int]]) -> None:
    truth, found = pair[0], [number + 1 for number in pair[1]]
    result = agreement_scores(truth, found)
    assert result["ari"] == pytest.approx(metrics.adjusted_rand_score(truth, found), abs=1e-9)
    assert result["nmi"] == pytest.approx(metrics.normalized_mutual_info_score(truth, found), abs=1e-9)
    assert result["ami"] == pytest.approx(metrics.adjusted_mutual_info_score(truth, found), abs=1e-9)
    assert result["homogeneity"] == pytest.approx(metrics.homogeneity_score(truth, found), abs=1e-9)
    assert result["completeness"] == pytest.approx(metrics.completeness_score(truth, found), abs=1e-9)
    assert result["ari_clustered"] == pytest.approx(result["ari"])
    assert result["noise"] == 0


@settings(deadline=None)
@given(LABELS, st.permutations([0, 1, 2, 3, 4]), st.integers(0, 100))
def test_names_and_order_mean_nothing(pair: tuple[list[int], list[int]], names: list[int], seed: int) -> None:
    truth, found = np.array(pair[0]), np.array(pair[1])
    order = np.random.default_rng(seed).permutation(len(truth))
    renamed = np.where(found < 0, -1, np.array(names)[found])
    one, other = agreement_scores(truth, found), agreement_scores(np.array(names)[truth][order], renamed[order])
    assert one == pytest.approx(other, abs=1e-9)


@settings(deadline=None)
@given(LABELS)
def test_ranges(pair: tuple[list[int], list[int]]) -> None:
    result = agreement_scores(*pair)
    assert all(result[name] <= 1 + 1e-9 for name in AGREEMENT_MEASURES)
    assert min(result["ari"], result["ari_clustered"]) >= -0.5 - 1e-9  # ami of a few rows can be below
    assert all(
        result[name] >= 0 - 1e-9 for name in ("nmi", "v_measure", "homogeneity", "completeness", "accuracy", "noise")
    )


def test_leaving_rows_out_gains_nothing() -> None:
    truth = [0] * 10 + [1] * 10
    whole = agreement_scores(truth, truth)
    half = agreement_scores(truth, [0] * 5 + [-1] * 5 + [1] * 5 + [-1] * 5)
    assert whole["ari"] == whole["accuracy"] == 1
    assert half["ari"] < whole["ari"]
    assert half["accuracy"] == half["noise"] == 0.5
    assert half["ari_clustered"] == 1
    assert half["clusters"] == 2


def test_all_noise_scores_nothing() -> None:
    result = agreement_scores([0, 0, 1, 1], [-1, -1, -1, -1])
    assert (result["ari"], result["accuracy"], result["ari_clustered"], result["clusters"]) == (0, 0, 0, 0)


def test_no_rows_and_unlike_lengths_are_refused() -> None:
    for truth, result in (([], []), ([0, 1], [0])):
        with pytest.raises(ValueError, match="against"):
            agreement_scores(truth, result)


def test_stability_is_the_mean_over_pairs() -> None:
    one, other = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    assert partition_stability([one]) is None
    assert partition_stability([one, one]) == 1
    between = metrics.adjusted_rand_score(one, other)
    assert partition_stability([one, one, other]) == pytest.approx((1 + 2 * between) / 3)
