"""Faces that a family explains, but that look more like a group of unexplained ones."""

from __future__ import annotations

import numpy as np
import pytest

from kce.tracing.joining import LEAST, Joining
from tests.tracing.test_fitted import DIM, cloud, fitted, known


def of_a_new_method(count: int, distance: float, seed: int) -> np.ndarray:
    """Rows as far from `A_swap` (which is at 6 on the first axis) as `distance`, along an axis of their own."""
    rng = np.random.default_rng(seed)
    centre = np.zeros(DIM)
    centre[0], centre[9] = 6.0, distance
    return (centre + 0.8 * rng.standard_normal((count, DIM))).astype(np.float32)


def test_faces_join_the_group_that_they_look_like_and_others_stay() -> None:
    own = fitted("mahalanobis")
    group, explained = of_a_new_method(60, 4.0, 1), of_a_new_method(100, 4.0, 2)
    joining = Joining(own, group, ["new-1"] * 60, seed=0)
    joined = joining.join(explained, ["swap"] * 100)
    assert joined.count("new-1") >= 90
    new = known(np.random.default_rng(3), 60, "new/")
    answers = [own.plan.classes[label] for label in new.label.tolist()]
    assert sum(name != "" for name in joining.join(new.x, answers)) / len(new) <= 0.02


@pytest.mark.parametrize("distance", [0.5, 1.0, 2.0])
def test_so_few_faces_of_known_families_join_by_mistake_however_near_the_group_is(distance: float) -> None:
    moved = faces = 0
    for seed in range(4):
        own = fitted("mahalanobis", seed)
        joining = Joining(own, of_a_new_method(60, distance, seed), ["new-1"] * 60, seed=0)
        for category in (0, 2):  # both are of the family `swap`
            new = cloud(category, 80, 4, np.random.default_rng(50 + seed), "new/")
            moved += sum(name != "" for name in joining.join(new.x, ["swap"] * len(new)))
            faces += len(new)
    assert moved / faces <= 0.076  # 0.05, and three standard errors of 640 recordings


def test_unknown_faces_and_small_groups_do_not_move() -> None:
    own = fitted("mahalanobis")
    group = of_a_new_method(LEAST, 4.0, 1)
    assert Joining(own, group, ["new-1"] * LEAST, 0).join(group, ["unknown"] * LEAST) == [""] * LEAST
    small = Joining(own, group, ["new-1"] * (LEAST - 1) + [""], 0)
    assert small.groups == []
    assert small.join(group, ["swap"] * LEAST) == [""] * LEAST


def test_each_joins_the_nearer_group() -> None:
    own = fitted("mahalanobis")
    groups = np.concatenate([of_a_new_method(30, 4.0, 1), of_a_new_method(30, -4.0, 2)])
    joining = Joining(own, groups, ["new-2"] * 30 + ["new-1"] * 30, seed=0)
    joined = joining.join(groups, ["swap"] * 60)
    assert set(joined[:30]) <= {"new-2", ""}
    assert set(joined[30:]) <= {"new-1", ""}
    assert sum(name != "" for name in joined) >= 50


def test_a_family_of_few_held_out_recordings_keeps_its_faces() -> None:
    own = fitted("mahalanobis", held_out=9)
    group = of_a_new_method(60, 4.0, 1)
    assert set(Joining(own, group, ["new-1"] * 60, 0).join(group, ["lips"] * 60)) == {""}
