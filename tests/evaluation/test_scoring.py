"""Scores and their intervals."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kce.errors import BadData, KCEError
from kce.evaluation.scoring import choose_evaluation_rows, score_features
from kce.registry.registry import Registry
from kce.types import Features, MergePlan


def world(
    seed: int, labels: int = 4, groups: int = 25, frames: int = 10, dim: int = 8, apart: float = 0.5, kin: float = 1.0
) -> Features:
    """Labels whose centres are fixed; recordings spread about them by `kin`, frames about those by 1."""
    centres = apart * np.random.default_rng(99).standard_normal((labels, 1, 1, dim))
    random = np.random.default_rng(seed)
    x = centres + kin * random.standard_normal((labels, groups, 1, dim))
    x = (x + random.standard_normal((labels, groups, frames, dim))).reshape(-1, dim).astype(np.float32)
    names = np.repeat([f"l{i}" for i in range(labels)], groups * frames)
    group = np.repeat([f"g{i}" for i in range(labels * groups)], frames)
    return Features(np.array([f"k{i}" for i in range(len(x))]), names, group, x)


@pytest.fixture(scope="module")
def ch() -> Any:
    return Registry.load().build("evaluator", "calinski-harabasz")


class Rows:
    """Says how many rows there are of each label, and how many are the first of theirs."""

    def __init__(self) -> None:
        self.seen: list[Features] = []

    def score(self, features: Features, plan: MergePlan | None = None) -> Mapping[str, float]:
        self.seen.append(features)
        return {"rows": float(len(features)), "plan": float(plan is not None)}


class Sure(Rows):
    intervals = False


def test_values_intervals_and_remarks(ch: Any) -> None:
    rows = world(0)
    sure = Sure()
    result = score_features(rows, {"ch": ch, "sure": sure}, seed=3, plan=MergePlan({"a": "b"}), resamples=50)
    assert (result["n"], result["seed"]) == (1000, 3)
    assert result["scores"]["ch"] == ch.score(rows)
    assert result["scores"]["sure"] == {"rows": 1000.0, "plan": 1.0}
    assert result["intervals"]["sure"] == {"rows": None, "plan": None}
    assert len(sure.seen) == 1
    for name, value in result["scores"]["ch"].items():
        low, high = result["intervals"]["ch"][name]
        assert low < value < high
    assert result["remarks"] == ["no interval for sure: it has none"]
    assert score_features(rows, {"ch": ch}, seed=3, resamples=50)["intervals"]["ch"] == result["intervals"]["ch"]
    assert score_features(rows, {"ch": ch}, seed=4, resamples=50)["intervals"]["ch"] != result["intervals"]["ch"]


def test_whole_recordings_are_resampled_and_the_numbers_of_rows_kept() -> None:
    rows = world(0, groups=6, frames=5)
    spy = Rows()
    result = score_features(rows, {"spy": spy}, seed=0, resamples=30)
    assert result["intervals"]["spy"] == {"rows": None, "plan": None}
    assert result["remarks"][0] == "no interval for spy rows: it does not vary, or is at a bound of its range"
    assert len(spy.seen) == 31
    for sample in spy.seen[1:]:
        assert np.unique(sample.label, return_counts=True)[1].tolist() == [30] * 4
        of_group = np.unique(sample.group, return_counts=True)[1]
        assert (of_group % 5 == 0).all()
        assert of_group.max() > 5  # half of them are taken twice


def test_recordings_of_unequal_length_keep_the_number_of_rows_too() -> None:
    rows = world(0, groups=6, frames=5)
    keep = np.flatnonzero(np.random.default_rng(0).random(len(rows)) < 0.6)
    spy = Rows()
    score_features(rows.take(keep), {"spy": spy}, seed=0, resamples=30)
    wanted = np.unique(rows.label[keep], return_counts=True)[1]
    assert all(np.array_equal(np.unique(s.label, return_counts=True)[1], wanted) for s in spy.seen)


def test_files_of_unknown_recordings_are_resampled_and_the_result_says_so(ch: Any) -> None:
    rows = world(0, groups=6, frames=5)
    unknown = np.where(rows.label == "l2", "", rows.group)
    spy = Rows()
    result = score_features(Features(rows.key, rows.label, unknown, rows.x), {"spy": spy, "ch": ch}, seed=0)
    assert result["unknown_recordings"] == 30
    assert result["remarks"][:1] == [
        "the recording of 30 of 120 rows is unknown: they were resampled file by file, so intervals may be too narrow"
    ]
    assert result["intervals"]["ch"]["calinski_harabasz"]
    assert score_features(rows, {"ch": ch}, seed=0)["unknown_recordings"] == 0
    counts = np.unique([sample.key for sample in spy.seen[1:]], return_counts=True)[1]
    assert counts.min() > 0
    alone = [np.unique(sample.key[sample.label == "l2"], return_counts=True)[1] for sample in spy.seen[1:]]
    assert any((count % 5).any() for count in alone)  # row by row, not five at a time

    frames = np.array([f"D/{i // 5}.mp4#{i % 5}" for i in range(len(rows))])
    spy = Rows()
    score_features(Features(frames, rows.label, np.full(len(rows), ""), rows.x), {"spy": spy}, seed=0, resamples=5)
    for sample in spy.seen[1:]:
        files = [key.partition("#")[0] for key in sample.key.tolist()]
        assert (np.unique(files, return_counts=True)[1] % 5 == 0).all()  # a video is one file


@pytest.mark.parametrize(("names", "count"), [(("g",), "1 recording"), (("g", "h"), "2 recordings")])
def test_a_label_of_too_few_recordings_has_no_interval(ch: Any, names: tuple[str, ...], count: str) -> None:
    rows = world(0, groups=4)
    few = np.where(rows.label == "l2", np.resize(names, len(rows)), rows.group)
    result = score_features(Features(rows.key, rows.label, few, rows.x), {"ch": ch}, seed=0)
    assert result["intervals"]["ch"] == dict.fromkeys(("calinski_harabasz", "variance_share", "adjusted"))
    assert result["remarks"] == [f"no intervals: only {count} behind l2; at least 3 of each label are needed"]
    assert result["scores"]["ch"]["calinski_harabasz"] > 0


def test_what_cannot_be_scored(ch: Any) -> None:
    rows = world(0)
    holed = rows.x.copy()
    holed[7, 3] = np.inf
    for bad, said in (
        (rows.take(np.flatnonzero(rows.label == "l1")), "only one category, l1"),
        (rows.take(np.array([], int)), "no rows"),
        (rows.take(np.array([0, 250])), "too few"),
        (rows.with_x(holed), "features of k7 are not finite"),
    ):
        with pytest.raises(BadData, match=said) as caught:
            score_features(bad, {"ch": ch}, seed=0)
        assert caught.value.hint

    class Broken:
        def score(self, features: Features, plan: MergePlan | None = None) -> Mapping[str, float]:
            raise ValueError("no good")

    with pytest.raises(KCEError, match="evaluator odd cannot score these rows: no good"):
        score_features(rows, {"odd": Broken()}, seed=0)


def test_two_hundred_resamples_are_quick(ch: Any) -> None:
    rows = world(0, dim=64)
    start = time.process_time()
    score_features(rows, {"ch": ch}, seed=0, resamples=200)
    assert time.process_time() - start < 3  # 0.5 on an idle core


@pytest.mark.parametrize("kin", [0.0, 1.0])
def test_intervals_contain_the_expected_score_about_as_often_as_stated(ch: Any, kin: float) -> None:
    worlds = [world(seed, kin=kin) for seed in range(240)]
    for name in ("calinski_harabasz", "variance_share"):
        expected = np.mean([ch.score(rows)[name] for rows in worlds])
        intervals = [
            score_features(rows, {"ch": ch}, seed=0, resamples=60)["intervals"]["ch"][name] for rows in worlds[:80]
        ]
        covered = np.mean([low <= expected <= high for low, high in intervals])
        assert 0.84 <= covered <= 1.0


# The rows to score on ------------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.sampled_from("가bc"), st.text(max_size=4)), min_size=1, max_size=40, unique=True),
    st.integers(1, 12),
    st.integers(0, 3),
    st.randoms(use_true_random=False),
)
def test_evaluation_rows_are_even_and_do_not_depend_on_order(
    rows: list[tuple[str, str]], per_category: int, seed: int, shuffle: Any
) -> None:
    def chosen(some: list[tuple[str, str]]) -> list[tuple[str, str]]:
        result = choose_evaluation_rows([label for label, _ in some], [key for _, key in some], per_category, seed)
        assert result.dtype == np.int64
        assert result.tolist() == sorted(set(result.tolist()))
        return [some[row] for row in result]

    rows = [(label, key.replace("\0", "")) for label, key in rows]
    rows = list(dict.fromkeys(rows))
    picked = chosen(rows)
    counts = {label: sum(own == label for own, _ in picked) for label, _ in rows}
    fewest = min(sum(own == label for own, _ in rows) for label in counts)
    assert set(counts.values()) == {min(per_category, fewest)}
    mixed = rows.copy()
    shuffle.shuffle(mixed)
    assert set(chosen(mixed)) == set(picked)


def test_evaluation_rows_depend_on_the_seed() -> None:
    keys = [f"k{i}" for i in range(100)]
    one = choose_evaluation_rows(["a"] * 100, keys, 10, 0)
    assert not np.array_equal(one, choose_evaluation_rows(["a"] * 100, keys, 10, 1))
    assert set(one.tolist()) < set(choose_evaluation_rows(["a"] * 100, keys, 20, 0).tolist())
    with pytest.raises(KCEError):
        choose_evaluation_rows(["a"], ["k"], 0, 0)
    with pytest.raises(BadData):
        choose_evaluation_rows([], [], 5, 0)
