"""The balanced training set of a plan."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kce.errors import BadData
from kce.training.sampling import draw_training_set
from kce.types import MergePlan

plans = st.dictionaries(st.sampled_from("abcdefg"), st.sampled_from("xyz"), min_size=1)


@given(plans, st.integers(1, 12), st.integers(0, 3), st.randoms(use_true_random=False))
def test_classes_get_even_shares_of_distinct_rows(
    classes: dict[str, str], per_class: int, seed: int, shuffle: object
) -> None:
    plan = MergePlan(classes)
    assume(per_class >= max(len(plan.members(name)) for name in plan.names))
    labels = [category for category in [*classes, "foreign"] for _ in range(12)]
    shuffle.shuffle(labels)  # type: ignore[attr-defined]
    rows, targets = draw_training_set(labels, plan, per_class, seed)
    assert (rows.dtype, targets.dtype) == (np.int64, np.int64)
    assert len(set(rows.tolist())) == len(rows) == per_class * len(plan.names)
    drawn = Counter(labels[row] for row in rows)
    assert "foreign" not in drawn
    for target, name in enumerate(plan.names):
        members = plan.members(name)
        assert {labels[row] for row in rows[targets == target]} == set(members)
        shares = [drawn[member] for member in members]
        assert sum(shares) == per_class
        assert shares == sorted(shares, reverse=True)
        assert shares[0] - shares[-1] <= 1
    again = draw_training_set(labels, plan, per_class, seed)
    assert np.array_equal(again[0], rows)
    assert np.array_equal(again[1], targets)


@given(plans, st.dictionaries(st.sampled_from("abcdefg"), st.integers(1, 9)))
def test_without_a_number_the_draw_takes_all_it_can(classes: dict[str, str], has: dict[str, int]) -> None:
    plan = MergePlan(classes)
    labels = [category for category in classes for _ in range(has.get(category, 5))]
    # Not: a class of many members beside one that has fewer rows than those are.
    assume(min(has.get(c, 5) for c in classes) >= max(len(plan.members(name)) for name in plan.names))
    rows, _ = draw_training_set(labels, plan, None, 0)
    most = len(rows) // len(plan.names)
    with pytest.raises(BadData, match="needs") as caught:
        draw_training_set(labels, plan, most + 1, 0)
    assert caught.value.hint.endswith(f"at most {most}")


def test_the_draw_of_a_category_does_not_depend_on_the_others() -> None:
    one = ["a"] * 20 + ["b"] * 20
    other = ["b"] * 7 + one + ["c"] * 5  # the rows of a have moved, and others have come
    plan, more = MergePlan({"a": "x", "b": "y"}), MergePlan({"a": "q", "b": "r", "c": "s"})
    of_a = draw_training_set(one, plan, 5, seed=1)[0][:5]
    assert np.array_equal(draw_training_set(other, more, 5, seed=1)[0][:5] - 7, of_a)
    assert np.array_equal(draw_training_set(one, plan, 9, seed=1)[0][:5], of_a)
    assert not np.array_equal(np.sort(draw_training_set(one, plan, 5, seed=2)[0][:5]), np.sort(of_a))


def test_too_few_images_say_where_and_how_many_would_do() -> None:
    plan = MergePlan({"a": "x", "b": "x", "c": "y", "gone": "z"})
    labels = ["a"] * 30 + ["b"] * 4 + ["c"] * 8 + ["gone"] * 100
    with pytest.raises(BadData) as caught:
        draw_training_set(labels, plan, 20, 0)
    assert caught.value.message == "too few images for the plan: b has 4 and needs 10; c has 8 and needs 20"
    assert caught.value.hint == "per_class that would work here: at most 8"
    with pytest.raises(BadData, match="gone has 0 and needs 20") as caught:
        draw_training_set(labels[:42], plan, 20, 0)
    assert caught.value.hint.endswith("none")
    with pytest.raises(BadData, match="each of its members"):
        draw_training_set(labels, plan, 1, 0)
