"""How surely categories are joined."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kce.merging.category_means import CategoryMeans
from kce.merging.plan_file import read_plan, write_plan
from kce.merging.plans import by_clusters
from kce.merging.stability import LEAST_PARTS, SURE, count_joined, doubt_remarks, mark_doubtful
from kce.registry.defaults import build_default
from kce.study.grid import restrict_plan
from kce.types import Clusterer, Features, MergePlan


def means(places: dict[str, float], recordings: int = 40, scatter: float = 1.0, seed: int = 0) -> CategoryMeans:
    """Categories at these places of a line, each of recordings of its dataset."""
    random = np.random.default_rng(seed)
    x, label, group = [], [], []
    for name, place in places.items():
        x.append(place + scatter * random.standard_normal((recordings, 1)))
        label += [name] * recordings
        group += [f"{name[0]}:{number}" for number in range(recordings)]
    return CategoryMeans.of(Features.from_arrays(np.concatenate(x), label, group=group))


def near(k: int) -> Clusterer:
    return build_default("clusterer", f"cannot-link:n_clusters={k}")  # type: ignore[no-any-return]


class Noise:
    """Calls everything noise."""

    name = "noise"

    def fit_predict(self, x: NDArray[np.float32]) -> NDArray[np.int64]:
        return np.full(len(x), -1)


def test_what_is_far_from_all_else_comes_together_always_and_the_rest_never() -> None:
    joined = count_joined(means({"A_x": 0, "B_x": 0, "A_y": 50, "B_y": 50}), near(2), 0)
    wanted = np.array([[1, 0, 1, 0], [0, 1, 0, 1]] * 2)
    assert joined.label == ["A_x", "A_y", "B_x", "B_y"]
    np.testing.assert_array_equal(joined.share, wanted)
    assert joined.partners("A_x") == {"B_x": 1.0}


@pytest.mark.parametrize("seed", range(5))
def test_a_category_between_two_others_is_with_either_and_that_is_said(
    seed: int,
) -> None:
    given = means({"A_x": -1.0, "A_y": 1.0, "B_x": 0.0}, scatter=4.0, seed=seed)
    joined = count_joined(given, near(2), 0)
    partners = joined.partners("B_x")
    assert set(partners) == {"A_x", "A_y"}
    assert sum(partners.values()) == pytest.approx(1)
    plan = mark_doubtful(by_clusters(given, near(2)), joined)
    first, share = next(iter(partners.items()))
    assert f"resampled, with {first} {share:.0%}" in plan.votes["B_x"]
    mate = next(name for name in partners if plan.classes[name] == plan.classes["B_x"])
    assert plan.doubtful == (((mate, "B_x", partners[mate]),) if partners[mate] < SURE else ())
    assert [f"{mate} with B_x ({partners[mate]:.0%})" in remark for remark in doubt_remarks(plan)] == [
        True for _ in plan.doubtful
    ]
    apart = replace(plan, classes={name: name for name in plan.classes}, edited_from="0" * 32)
    assert not doubt_remarks(apart)  # a person took them apart
    gone = {name: known for name, known in plan.classes.items() if name not in {"B_x", mate}}
    assert not doubt_remarks(replace(plan, classes=gone, edited_from="0" * 32))  # or took both out


def test_many_doubtful_pairs_are_counted() -> None:
    names = [f"A_{number}" for number in range(9)]
    plan = MergePlan(dict.fromkeys(names, "x"), doubtful=tuple((names[0], other, 0.5) for other in names[1:]))
    (remark,) = doubt_remarks(plan)
    assert "A_0 with A_5 (50%), and 3 more" in remark
    assert "A_6" not in remark


def test_doubts_are_kept_in_the_file(tmp_path: Path) -> None:
    plan = MergePlan({"A_x": "x", "B_x": "x", "B_y": "y"}, doubtful=(("A_x", "B_x", 0.66),))
    write_plan(tmp_path / "plan.toml", plan)
    assert read_plan(tmp_path / "plan.toml").doubtful == plan.doubtful
    write_plan(tmp_path / "sure.toml", replace(plan, doubtful=()))
    assert "doubtful" not in (tmp_path / "sure.toml").read_text(encoding="utf-8")
    assert restrict_plan(tmp_path / "plan.toml", ["A_x", "B_y"]).doubtful == ()


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 5), st.integers(0, 99))
def test_categories_of_one_dataset_never_come_together_if_the_clusterer_keeps_them_apart(k: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    names = ["A_x", "A_y", "B_x", "B_y", "C_x"]
    joined = count_joined(means(dict(zip(names, random.normal(0, 1, 5).tolist(), strict=True)), seed=seed), near(k), 0)
    assert joined.share[0, 1] == joined.share[2, 3] == 0
    np.testing.assert_array_equal(joined.share, joined.share.T)
    np.testing.assert_array_equal(np.diag(joined.share), np.ones(5))


def test_the_more_recordings_the_surer() -> None:
    shares = [
        count_joined(means({"A_x": -1.0, "A_y": 2.0, "B_x": 0.0}, count, 4.0), near(2), 0).share[0, 2]
        for count in (10, 1000)
    ]
    assert shares[0] < shares[1] == 1


def test_of_a_few_recordings_nothing_is_said() -> None:
    given = means({"A_x": 0, "A_y": 1, "B_x": 0.4}, recordings=LEAST_PARTS - 1)
    joined = count_joined(given, near(2), 0)
    assert np.isnan(joined.share).all()
    plan = by_clusters(given, near(2))
    assert mark_doubtful(plan, joined) == plan


def test_noise_is_with_nothing() -> None:
    assert not count_joined(means({"A_x": 0, "B_x": 0}), Noise(), 0).share.any()


def test_one_seed_one_answer() -> None:
    given = means({"A_x": -1.0, "A_y": 1.0, "B_x": 0.0}, scatter=4.0)
    one, same, other = (count_joined(given, near(2), seed).share for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
