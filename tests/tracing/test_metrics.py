"""Scores of answers: known cases by hand, scikit-learn's where it has them, and laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from kce.tracing.metrics import UNSEEN, score_discovery, score_traces


def random_p(seed: int, known: int = 60, unseen: int = 30) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.random((known + unseen, 3)).round(2)
    return p, np.concatenate([rng.integers(3, size=known), np.full(unseen, UNSEEN)])


@given(st.integers(0, 2**32 - 1))
def test_auroc_is_that_of_scikit_learn_and_all_are_in_their_range(seed: int) -> None:
    p, family = random_p(seed)
    found = score_traces(p, family, 0.9)
    assert found.auroc == pytest.approx(roc_auc_score(family != UNSEEN, p.max(axis=1)))
    assert all(0 <= value <= 1 for name, value in vars(found).items() if name != "set_size")
    assert 0 <= found.set_size <= 3
    assert found.oscr <= min(found.accuracy, 1) + 1e-12
    assert found.coverage <= 1 - found.false_unknown + 1e-12


def test_answers_that_are_all_right_have_the_best_scores() -> None:
    p = np.array([[0.9, 0.01, 0.01]] * 20 + [[0.01, 0.9, 0.01]] * 20 + [[0.02] * 3] * 10)
    found = score_traces(p, [0] * 20 + [1] * 20 + [UNSEEN] * 10, 0.95)
    assert (found.accuracy, found.coverage, found.auroc, found.fpr95, found.oscr) == (1, 1, 1, 0, 1)
    assert (found.set_size, found.false_unknown) == (1, 0)


def test_what_is_known_but_taken_for_another_costs_oscr_and_not_auroc() -> None:
    found = score_traces([[0.9, 0.1], [0.9, 0.1], [0.02, 0.02]], [0, 1, UNSEEN], 0.95)
    assert (found.auroc, found.oscr, found.accuracy) == (1, 0.5, 0.5)


def test_known_and_unseen_faces_are_told_apart_by_scores_if_there_are_any() -> None:
    p, family = np.full((4, 1), 0.05), [0, 0, UNSEEN, UNSEEN]
    assert score_traces(p, family, 0.9).auroc == 0.5
    found = score_traces(p, family, 0.9, scores=[[1.0], [2.0], [8.0], [9.0]])
    assert (found.auroc, found.fpr95, found.true_unknown) == (1, 0, 1)
    swapped = score_traces(p, family, 0.9, scores=[[8.0], [9.0], [1.0], [2.0]])
    assert (swapped.auroc, swapped.fpr95) == (0, 1)


def test_what_is_unknown_is_what_was_answered_if_that_is_given() -> None:
    p, family = np.array([[0.9], [0.9], [0.9], [0.01]]), [0, 0, UNSEEN, UNSEEN]
    assert score_traces(p, family, 0.9).true_unknown == 0.5
    found = score_traces(p, family, 0.9, unknown=[True, False, True, True])
    assert (found.false_unknown, found.true_unknown, found.coverage) == (0.5, 1, 1)


def test_even_p_values_are_calibrated() -> None:
    own = np.random.default_rng(0).permutation((np.arange(200) + 0.5) / 200)[:, None]
    found = score_traces(own, np.zeros(200, int), 0.95)
    assert found.calibration_error == pytest.approx(0)
    assert found.coverage == pytest.approx(0.95)
    assert (found.auroc, found.fpr95, found.oscr) == (None, None, None)


def test_without_known_faces_there_is_nothing_to_score() -> None:
    with pytest.raises(ValueError, match="no faces of known families"):
        score_traces([[0.5]], [UNSEEN], 0.95)


def test_clusters_are_matched_to_methods_at_their_best() -> None:
    found = score_discovery([5, 5, 5, 7, 7, 9], list("aabccc"), [False, False, True, True, True, True])
    assert found.known == 1
    assert found.novel == 0.5  # b is in the cluster of a, one c in a cluster of its own
    assert found.all == pytest.approx(4 / 6)


@given(st.lists(st.integers(0, 4), min_size=2, max_size=40))
def test_names_of_clusters_do_not_matter(labels: list[int]) -> None:
    unseen = np.arange(len(labels)) % 2 == 0
    one = score_discovery(labels, labels, unseen)
    other = score_discovery([f"new-{9 - label}" for label in labels], labels, unseen)
    assert vars(one) == pytest.approx(vars(other))
    assert one.all == 1
