"""Intervals of scores: within the range of the score, with NaN counted, and right about as often as they say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kce.errors import CheckFailed, KCEError
from kce.evaluation.resampling import Resamples, half_sample_times
from kce.evaluation.scoring import open_evaluators, score_features
from kce.registry.registry import Registry
from tests.evaluation.test_scoring import world
from tests.registry.test_registry import write

if TYPE_CHECKING:
    from kce.types import Features, MergePlan

RANGES = {
    "calinski_harabasz": (0, math.inf),
    "variance_share": (0, 1),
    "davies_bouldin": (0, math.inf),
    "silhouette": (-1, 1),
}


@pytest.fixture(scope="module")
def evaluators() -> dict[str, Any]:
    registry = Registry.load()
    return {name: registry.build("evaluator", name) for name in ("calinski-harabasz", "davies-bouldin", "silhouette")}


@given(st.integers(0, 10**6), st.integers(2, 4), st.integers(3, 6), st.sampled_from([0.0, 0.3, 30.0]))
@settings(deadline=None, max_examples=10)
def test_every_interval_lies_in_the_range_of_its_score_and_contains_it(
    evaluators: Any, seed: int, labels: int, groups: int, apart: float
) -> None:
    rows = world(seed, labels, groups, frames=2, dim=2, apart=apart)
    result = score_features(rows, evaluators, seed=seed, resamples=8)
    ch = result["intervals"]["calinski-harabasz"]
    for name, intervals in result["intervals"].items():
        for score, interval in intervals.items():
            low, high = RANGES.get(score, (-math.inf, math.inf))
            if interval is not None:
                assert low <= interval[0] <= result["scores"][name][score] <= interval[1] <= high
    # The two are the same figure in other units: if 0 is the end of one, it is that of the other.
    per_label = 2 * groups
    if ch["calinski_harabasz"]:
        in_units = [(end - 1) / per_label for end in ch["calinski_harabasz"]]
        assert ch["adjusted"] == pytest.approx(in_units, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("units", [2, 3, 8, 9])
def test_a_half_sample_takes_a_half_twice_and_every_unit_as_often_as_any_other(units: int) -> None:
    times = half_sample_times(units, 4000, np.random.default_rng(0))
    assert (times.sum(axis=1) == units).all()
    assert ((times == 1).sum(axis=1) == units % 2).all()
    assert np.abs(times.mean(axis=0) - 1).max() < 5 / np.sqrt(4000)
    rows = world(0, labels=2, groups=units, frames=3)
    (block,) = Resamples(rows, 50, seed=0).blocks()
    assert ((block.times == 2).sum(axis=1) == 2 * (units // 2)).all()  # of recordings of equal length


class Sometimes:
    """The mean of the first axis; NaN in some of the resamples."""

    def __init__(self, missing: int) -> None:
        self.calls, self.missing = 0, missing

    def score(self, features: Features, plan: MergePlan | None = None) -> Mapping[str, float]:
        self.calls += 1
        missing = 1 < self.calls <= 1 + self.missing
        return {"mean": math.nan if missing else float(features.x[:, 0].mean()), "one": 1.0}


def test_a_score_that_is_nan_in_a_few_resamples_has_an_interval_and_a_remark() -> None:
    rows = world(0, groups=6, frames=5)
    result = score_features(rows, {"odd": Sometimes(2)}, seed=0, resamples=40)
    low, high = result["intervals"]["odd"]["mean"]
    assert low < result["scores"]["odd"]["mean"] < high
    assert result["remarks"][0] == "odd mean is NaN or infinite in 2 of 40 resamples, which its interval leaves out"
    result = score_features(rows, {"odd": Sometimes(3)}, seed=0, resamples=40)
    assert result["intervals"]["odd"]["mean"] is None
    assert result["remarks"][0] == "no interval for odd mean: it is NaN or infinite in 3 of 40 resamples"


PLUGIN = """
import math
import numpy as np
from kce import hookimpl

class Mine:
    def score(self, features, plan=None):
        whole = len(set(features.key.tolist())) == len(features)
        return {"share": SCORE if whole else RESAMPLE}

    def score_ranges(self, features):
        return RANGE

@hookimpl
def kce_evaluators():
    return {"mine": Mine}
"""
SHARE = "float(np.mean(features.x > 1.5))"


def score_mine(at: Path, score: str = SHARE, resample: str = SHARE, span: str = '{"share": (0.0, 1.0)}') -> Any:
    own = write(at, mine=PLUGIN.replace("SCORE", score).replace("RESAMPLE", resample).replace("RANGE", span))
    with open_evaluators(own, ["mine"], seed=0) as mine:
        return score_features(world(0, groups=4, frames=5), mine, seed=5, resamples=20)


def test_a_third_party_s_range_is_kept(at: Path) -> None:
    result = score_mine(at)
    low, high = result["intervals"]["mine"]["share"]
    assert 0 < low < result["scores"]["mine"]["share"] < high < 1


def test_a_third_party_s_nan_is_counted_in_resamples_and_an_error_in_the_score(at: Path) -> None:
    result = score_mine(at, resample="math.nan")
    assert result["intervals"] == {"mine": {"share": None}}
    assert result["remarks"] == ["no interval for mine share: it is NaN or infinite in 20 of 20 resamples"]
    with pytest.raises(CheckFailed, match="its score 'share' is nan"):
        score_mine(at, score="math.nan")


@pytest.mark.parametrize(
    ("score", "resample", "span", "said"),
    [
        ("1.5", SHARE, '{"share": (0.0, 1.0)}', "cannot score these rows: 1.5 is not in its range, 0 to 1"),
        (SHARE, "-2.0", '{"share": (0.0, 1.0)}', "cannot score these rows: -2 is not in its range, 0 to 1"),
        (SHARE, SHARE, '{"share": (1.0, 0.0)}', r"the range of its score 'share' is \(1.0, 0.0\), not \(low, high\)"),
        (SHARE, SHARE, '{"share": 1.0}', r"the range of its score 'share' is 1.0, not \(low, high\)"),
        (SHARE, SHARE, "None", "its ranges are NoneType"),
    ],
)
def test_a_wrong_range_is_an_error_with_the_name_of_the_evaluator(
    at: Path, score: str, resample: str, span: str, said: str
) -> None:
    with pytest.raises(KCEError, match="evaluator '?mine.*" + said) as raised:
        score_mine(at, score, resample, span)
    assert raised.value.hint


def test_intervals_are_right_about_as_often_as_they_say_also_of_few_recordings(evaluators: Any) -> None:
    # `python -m tests.benchmarks.coverage` has more settings, with errors of 1 %.
    ch = {"ch": evaluators["calinski-harabasz"]}
    for groups in (3, 6):
        rows = [world(seed, groups=groups, frames=4) for seed in range(400)]
        expected = np.mean([ch["ch"].score(one)["calinski_harabasz"] for one in rows])
        made = [
            score_features(one, ch, seed=0, resamples=60)["intervals"]["ch"]["calinski_harabasz"] for one in rows[:150]
        ]
        covered = np.mean([low <= expected <= high for low, high in made])
        assert 0.91 <= covered <= 0.99
