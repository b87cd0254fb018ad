"""Resamples by recording are those by rows, and scores from sums are those of the rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kce.errors import CheckFailed, KCEError
from kce.evaluation import resampling
from kce.evaluation.resampling import Resamples
from kce.evaluation.scoring import open_evaluators, score_features
from kce.registry import isolation
from kce.registry.registry import Registry
from kce.types import Features, MergePlan
from tests.evaluation.test_scoring import world
from tests.registry.test_registry import write

if TYPE_CHECKING:
    from numpy.typing import NDArray


@pytest.fixture(scope="module")
def ch() -> Any:
    return Registry.load().build("evaluator", "calinski-harabasz")


class ByRows:
    """An evaluator without its quick way."""

    def __init__(self, evaluator: Any) -> None:
        self._evaluator = evaluator

    def score(self, features: Features, plan: MergePlan | None = None) -> Mapping[str, float]:
        return self._evaluator.score(features, plan)  # type: ignore[no-any-return]

    def score_ranges(self, features: Features) -> Mapping[str, tuple[float, float]]:
        return self._evaluator.score_ranges(features)  # type: ignore[no-any-return]


def some_rows(seed: int, labels: int, recordings: int, n: int, dim: int, offset: float = 0.0) -> Features:
    """Rows of recordings of very different lengths, in any order; some are unknown, some have several labels."""
    random = np.random.default_rng(seed)
    label = np.concatenate([np.repeat(np.arange(labels), 2), random.integers(labels, size=n)])
    recording = (recordings * random.random(len(label)) ** 3).astype(int)
    recording[: 2 * labels] = np.arange(2 * labels)  # every label has two
    group = np.where(recording % 3 == 0, "", np.char.add("g", recording.astype(str)))
    x = offset + random.standard_normal((labels, dim))[label] + random.standard_normal((len(label), dim))
    key = np.array([f"k{i}" for i in range(len(label))])
    return Features(key, np.char.add("l", label.astype(str)), group, x.astype(np.float32))


def check_is_resample(rows: NDArray[np.intp], features: Features) -> None:
    """The definition: recordings one after the other until the label is full, the last one cut short."""
    taken = rows.tolist()
    for name in np.unique(features.label):
        own = np.flatnonzero(features.label == name)
        units = {
            int(unit[0]): unit.tolist() for unit in (own[features.recording[own] == r] for r in features.recording[own])
        }
        part, taken = taken[: len(own)], taken[len(own) :]
        while part:
            unit = units[part[0]]
            assert part[: len(unit)] == unit[: len(part)]
            part = part[len(unit) :]
    assert not taken


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(2, 30), st.integers(0, 60))
@settings(deadline=None, max_examples=30)
def test_resamples_are_drawn_as_defined_and_blocks_say_the_same(
    seed: int, labels: int, recordings: int, n: int
) -> None:
    rows = some_rows(seed, labels, recordings, n, dim=1)
    resamples = Resamples(rows, 4, seed)
    by_rows = list(resamples.by_rows())
    for one in by_rows:
        check_is_resample(one, rows)
    block = list(resamples.blocks())
    assert len(block) == 1
    for number, expected in enumerate(by_rows):
        counts = np.zeros(len(rows), int)
        for unit, times in enumerate(block[0].times[number].tolist()):
            counts[resamples.rows[resamples.start[unit] : resamples.start[unit + 1]]] += times
        for unit, kept in zip(block[0].last[number].tolist(), block[0].kept[number].tolist(), strict=True):
            assert 0 <= kept < resamples.start[unit + 1] - resamples.start[unit]
            counts[resamples.rows[resamples.start[unit] : resamples.start[unit] + kept]] += 1
        assert np.array_equal(counts, np.bincount(expected, minlength=len(rows)))


def test_every_recording_is_taken_as_often_as_any_other() -> None:
    n = 2000
    texts = np.array([f"k{number}" for number in range(30)])
    rows = Features(texts, np.repeat(["a", "b"], 15), np.repeat(texts[:10], 3), np.zeros((30, 1), np.float32))
    times = np.concatenate([block.times for block in Resamples(rows, n, seed=0).blocks()])
    assert np.abs(times.mean(axis=0) - 1).max() < 5 / np.sqrt(n)


def test_a_table_of_resamples_is_made_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    resamples = Resamples(some_rows(0, 3, 20, 60, dim=1), 10, seed=0)
    monkeypatch.setattr(resampling, "_DRAWN", 2 * len(resamples.label))  # one at a time
    (whole,) = resamples.blocks()
    monkeypatch.setattr(resampling, "_BLOCK", 3 * len(resamples.label) + 1)
    parts = list(resamples.blocks())
    assert [len(part.times) for part in parts] == [3, 3, 3, 1]
    for name in ("times", "last", "kept"):
        assert np.array_equal(np.concatenate([getattr(part, name) for part in parts]), getattr(whole, name))


@given(st.integers(0, 10**6), st.integers(2, 4), st.integers(2, 40), st.integers(5, 80), st.integers(1, 12))
@settings(deadline=None, max_examples=30)
def test_intervals_from_sums_are_those_by_rows(
    ch: Any, seed: int, labels: int, recordings: int, n: int, dim: int
) -> None:
    rows = some_rows(seed, labels, recordings, n, dim)
    _compare(ch, rows, 1e-9)


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_intervals_from_sums_are_those_by_rows_of_a_table_in_several_parts(
    ch: Any, offset: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The mean is far from 0, rows fall into blocks of columns and of resamples.
    rows = some_rows(0, 4, 60, 600, dim=50, offset=offset)
    monkeypatch.setattr(resampling, "_BLOCK", 500)
    monkeypatch.setitem(type(ch).score_resamples.__globals__, "_NUMBERS_AT_A_TIME", 1)
    _compare(ch, rows, 1e-9)


def _compare(ch: Any, rows: Features, rtol: float) -> None:
    result = score_features(rows, {"sums": ch, "rows": ByRows(ch)}, seed=5, resamples=9)
    assert result["scores"]["sums"] == result["scores"]["rows"]
    for name, interval in result["intervals"]["rows"].items():
        if interval is None:
            assert result["intervals"]["sums"][name] is None
            continue
        scale = max(map(abs, (*interval, result["scores"]["rows"][name])))
        assert result["intervals"]["sums"][name] == pytest.approx(interval, rel=rtol, abs=rtol * scale)


def test_rows_that_do_not_scatter_have_the_same_intervals(ch: Any) -> None:
    rows = world(0, groups=6, frames=5)
    for x in (np.ones_like(rows.x), np.repeat(rows.x[::30], 30, axis=0)):  # all the same; the same within labels
        same = rows.with_x(x)
        result = score_features(same, {"sums": ch, "rows": ByRows(ch)}, seed=5, resamples=9)
        assert result["intervals"]["sums"] == result["intervals"]["rows"]
        assert result["scores"]["sums"]["calinski_harabasz"] == 1.0


def test_a_column_at_a_time_is_held() -> None:
    import tracemalloc

    ch = Registry.load().build("evaluator", "calinski-harabasz")
    rows = world(0, labels=4, groups=50, frames=10, dim=2048)
    resamples = Resamples(rows, 400, seed=0)
    ch.score_resamples(rows.take(np.arange(len(rows))).with_x(rows.x[:, :8]), resamples)
    tracemalloc.start()
    try:
        ch.score_resamples(rows, resamples)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6 * 2**23  # a few arrays of 8 MiB; the rows alone take 16 as float32, 400 resamples of them 6.5 GB


def test_999_resamples_from_sums_take_no_longer_than_a_few_by_rows(ch: Any) -> None:
    import time

    rows = world(0, labels=10, groups=40, frames=15, dim=256)
    resamples = Resamples(rows, 999, seed=0)
    score = min(_seconds(lambda: ch.score(rows)) for _ in range(3))
    start = time.process_time()
    ch.score_resamples(rows, resamples)
    assert time.process_time() - start < 100 * score  # by rows: 999 scores and more


def _seconds(call: Any) -> float:
    import time

    start = time.process_time()
    call()
    return time.process_time() - start


PLUGIN = """
import numpy as np
from kce import hookimpl

class Mine:
    def score(self, features, plan=None):
        return {"mean": float(features.x.mean(dtype=np.float64))}

    def score_resamples(self, features, resamples, plan=None):
        {code}

@hookimpl
def kce_evaluators():
    return {"mine": Mine}
"""
BY_ROWS = "return {'mean': np.array([self.score(features.take(rows))['mean'] for rows in resamples.by_rows()])}"


def plugin(at: Path, code: str) -> Registry:
    return write(at, mine=PLUGIN.replace("{code}", code))


def test_a_third_party_s_evaluator_scores_resamples_in_its_own_process(at: Path) -> None:
    own = plugin(at, "import os; print(os.getpid()); " + BY_ROWS)
    rows = world(0, groups=6, frames=5)
    with open_evaluators(own, ["mine"], seed=0) as evaluators:
        result = score_features(rows, evaluators, seed=5, resamples=9)

    class Mean:
        def score(self, features: Features, plan: MergePlan | None = None) -> Mapping[str, float]:
            return {"mean": float(features.x.mean(dtype=np.float64))}

    expected = score_features(rows, {"mine": Mean()}, seed=5, resamples=9)
    assert result["intervals"]["mine"]["mean"] == pytest.approx(expected["intervals"]["mine"]["mean"], rel=1e-9)


@pytest.mark.parametrize(
    ("code", "check", "said"),
    [
        ("return {'mean': np.zeros(3)}", "shape", "'mean' of 9 resamples is (3,) of float64, not 9 floats"),
        ("return {'mean': [0.0] * 9}", "type", "its answer is list, not a numpy array"),
        ("return None", "type", "NoneType"),
    ],
)
def test_what_is_no_answer_of_resamples_ends_the_run_with_its_name(at: Path, code: str, check: str, said: str) -> None:
    own = plugin(at, code)
    with (
        isolation.component(own.resolve("evaluator", "mine"), own, isolate=False) as evaluator,
        pytest.raises(CheckFailed, match=r"evaluator 'mine' \(plugin mine, ") as raised,
    ):
        score_features(world(0, groups=6, frames=5), {"mine": evaluator}, seed=5, resamples=9)
    assert raised.value.check == check
    assert said in raised.value.message


def test_other_names_of_scores_are_an_error(ch: Any) -> None:
    class Renames(ByRows):
        def score_resamples(self, features: Features, resamples: Resamples, plan: Any = None) -> Any:
            return {"other": np.zeros(resamples.count)}

    with pytest.raises(KCEError, match="the evaluator odd returns the scores other for resamples, not") as raised:
        score_features(world(0, groups=6, frames=5), {"odd": Renames(ch)}, seed=5, resamples=9)
    assert raised.value.hint
