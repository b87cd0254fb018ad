"""Conformal p values: what exchangeability gives holds in simulation, and what cannot be decided is left open."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kce import BadData
from kce.tracing.conformal import UNKNOWN, answers, calibrate, prediction_sets


def recordings(count: int, faces: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Scores of faces whose recordings differ more than the faces of one do."""
    centre = np.repeat(rng.normal(0, 1, count), faces)
    return centre + rng.normal(0, 0.3, count * faces), np.repeat(np.arange(count), faces).astype(str)


def one_family(count: int, faces: int, rng: np.random.Generator):
    scores, recording = recordings(count, faces, rng)
    return calibrate(scores[:, None], np.full(len(scores), "a"), recording, ["a"], level=0.95, seed=0)


@pytest.mark.parametrize("count", [19, 40])
@pytest.mark.parametrize("what", ["face", "recording"])
def test_a_new_recording_is_excluded_as_often_as_the_level_says(count: int, what: str) -> None:
    rng = np.random.default_rng(0)
    excluded = []
    for _ in range(1500):
        own = one_family(count, 10, rng)
        new = recordings(1, 10, rng)[0]
        p = own.face_p(new[:1, None])[0] if what == "face" else own.recording_p(new[:, None])
        excluded.append(not prediction_sets(p, 0.95)[0])
    rate = np.mean(excluded)
    assert 0.05 - 1 / (count + 1) - 0.017 <= rate <= 0.05 + 0.017  # three standard errors of 1500 trials


def test_frames_that_were_taken_for_recordings_would_be_excluded_too_often() -> None:
    rng = np.random.default_rng(0)
    excluded = 0
    for _ in range(600):
        scores, _ = recordings(5, 20, rng)
        own = calibrate(scores[:, None], np.full(100, "a"), np.arange(100).astype(str), ["a"], level=0.95, seed=0)
        excluded += not prediction_sets(own.face_p(recordings(1, 1, rng)[0][:, None])[0], 0.95)[0]
    assert excluded / 600 > 0.1  # what weights by recording are for


@given(st.integers(1, 30), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_p_values_are_in_their_range_and_fall_with_unlikeness(count: int, faces: int, seed: int) -> None:
    own = one_family(count, faces, np.random.default_rng(seed))
    p = own.face_p(np.linspace(-9, 9, 50)[:, None])[:, 0]
    assert (np.diff(p) <= 1e-12).all()
    assert p[0] == 1
    assert p[-1] == pytest.approx(1 / (count + 1))
    one = own.recording_p(np.full((faces, 1), 9.0))[0]
    assert one == pytest.approx(1 / (count + 1))


def test_neither_the_order_of_faces_nor_the_seed_changes_the_p_of_a_face() -> None:
    rng = np.random.default_rng(0)
    scores, recording = recordings(20, 5, rng)
    order = rng.permutation(len(scores))
    one = calibrate(scores[:, None], np.full(100, "a"), recording, ["a"], level=0.95, seed=0)
    other = calibrate(scores[order, None], np.full(100, "a"), recording[order], ["a"], level=0.95, seed=1)
    new = rng.normal(0, 1, (40, 1))
    assert one.face_p(new) == pytest.approx(other.face_p(new))


def test_a_family_of_few_recordings_is_never_excluded_and_never_the_only_explanation() -> None:
    rng = np.random.default_rng(0)
    many, recording = recordings(40, 2, rng)
    scores = np.column_stack([np.append(many, [9.0] * 3), np.append(np.full(80, 9.0), [0.0, 0.1, 0.2])])
    family = np.array(["a"] * 80 + ["b"] * 3)
    own = calibrate(scores, family, np.append(recording, ["x", "y", "z"]), ["a", "b"], level=0.95, seed=0)
    assert own.too_few(0.95) == {"b": 3}
    assert own.too_few(0.7) == {}
    p = own.face_p([[0.0, 50.0], [50.0, 50.0], [50.0, 0.1]])
    assert prediction_sets(p, 0.95).tolist() == [[True, True], [False, True], [False, True]]
    assert answers(p, np.ones(len(p)), own, 0.95) == ["a", UNKNOWN, UNKNOWN]


@pytest.mark.parametrize("few", [1, 2, 4])
def test_a_family_of_few_recordings_is_no_better_answer_than_one_of_many(few: int) -> None:
    rng = np.random.default_rng(few)
    scores, family = np.full((40 + few, 2), 9.0), np.array(["a"] * 40 + ["b"] * few)
    scores[:40, 0], scores[40:, 1] = rng.random(40), rng.random(few)
    own = calibrate(scores, family, [f"r{n}" for n in range(40 + few)], ["a", "b"], level=0.95, seed=0)
    p = own.face_p([[0.7, 5.0], [5.0, 0.0]])
    assert p[0, 1] == pytest.approx(1 / (few + 1))  # as small as it gets
    assert answers(p, [1, 1], own, 0.9) == ["a", UNKNOWN]
    assert answers(own.face_p([[0.5, 0.0]]), [1], own, 0.9) == ["b"]


def test_a_family_without_recordings_excludes_nothing() -> None:
    own = calibrate([[0.0, 1.0]], ["a"], ["r"], ["a", "b"], level=0.95, seed=0)
    assert own.face_p([[5.0, 5.0]])[0, 1] == 1
    assert own.recording_p([[5.0, 5.0]])[1] == 1


@pytest.mark.parametrize("scores", [[[np.nan]], [[np.inf]]])
def test_scores_that_are_not_finite_are_refused(scores: list[list[float]]) -> None:
    with pytest.raises(BadData, match="not finite"):
        calibrate(scores, ["a"], ["r"], ["a"], level=0.95, seed=0)


def families_of_unequal_spread(rng: np.random.Generator, each: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores of recordings of four families, of which the last scatters ten times as widely."""
    family = np.repeat(list("abcd"), each)
    scores = np.full((4 * each, 4), 99.0)
    scores[np.arange(4 * each), np.repeat(np.arange(4), each)] = rng.gamma(4, np.where(family == "d", 10, 1))
    return scores, family, np.arange(4 * each).astype(str)


def test_what_only_a_badly_known_family_explains_is_unknown_if_it_is_unlike_known_faces_in_general() -> None:
    scores, family, recording = families_of_unequal_spread(np.random.default_rng(0))
    own = calibrate(scores, family, recording, list("abcd"), level=0.95, seed=0)
    own_limit = np.quantile(scores[-60:, 3], 0.95)
    near, far = [[99.0, 99.0, 99.0, 20.0]], [[99.0, 99.0, 99.0, own_limit - 0.1]]
    assert prediction_sets(own.face_p(far), 0.95).tolist() == [
        [False, False, False, True]
    ]  # by itself it is not excluded
    assert own.known_p(near) > own.known_p(far)
    for x, answer in ((near, "d"), (far, UNKNOWN)):
        p = own.face_p(x)
        assert answers(p, own.known_p(x), own, 0.95) == [answer], x


def test_new_faces_of_known_families_are_unknown_as_seldom_as_is_said() -> None:
    rng, unknown = np.random.default_rng(0), 0
    for _ in range(200):
        own = calibrate(*families_of_unequal_spread(rng), list("abcd"), level=0.9, seed=0)
        new, _, _ = families_of_unequal_spread(rng, 10)
        unknown += answers(own.face_p(new), own.known_p(new), own, 0.9).count(UNKNOWN)
    assert 0.08 <= unknown / (200 * 40) <= 0.15


@given(st.integers(0, 2**32 - 1))
def test_the_p_of_all_families_together_falls_as_every_score_rises(seed: int) -> None:
    rng = np.random.default_rng(seed)
    own = calibrate(*families_of_unequal_spread(rng, 20), list("abcd"), level=0.95, seed=0)
    x = rng.gamma(4, 5, (30, 4))
    assert (own.known_p(x + rng.gamma(1, 5, (30, 1))) <= own.known_p(x) + 1e-12).all()
    assert own.known_p([[1e9] * 4]) == pytest.approx(1 / 81)
    assert own.known_recording_p([[1e9] * 4] * 3) == pytest.approx(1 / 81)


def test_without_calibration_faces_nothing_is_excluded() -> None:
    own = calibrate(np.zeros((0, 2)), np.zeros(0, str), np.zeros(0, str), ["a", "b"], level=0.95, seed=0)
    assert own.known_p([[5.0, 5.0]]) == 1
    assert own.known_recording_p([[5.0, 5.0]]) == 1
