"""The balanced training set of a plan."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kce.errors import BadData
from kce.training.sampling import draw_training_set, order_of_epoch, pair_faces
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


rows = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("12345"), st.integers(0, 40)), min_size=1, unique=True
)


@given(rows)
def test_counterparts_are_of_one_recording_and_of_different_categories(rows: list[tuple[str, str, int]]) -> None:
    rows = list(dict.fromkeys([*rows, ("a", "1", 0), ("b", "1", 0)]))  # at least one has a counterpart
    category, group = [row[0] for row in rows], [row[1] for row in rows]
    key = [f"{own}/{recording}.mp4#{number}" for own, recording, number in rows]
    pair = pair_faces(np.array(category), np.array(group), np.array(key)).tolist()
    members: dict[int, list[tuple[str, str, int]]] = {}
    for number, row in zip(pair, rows, strict=True):
        members.setdefault(number, []).append(row)
    assert sorted(members) == list(range(len(members)))
    for own in members.values():
        assert len({recording for _, recording, _ in own}) == 1
        assert len({name for name, _, _ in own}) == len(own)
        # Each is as far into its recording as its counterparts.
        assert len({sum(row[:2] == one[:2] and row[2] < one[2] for row in rows) for one in own}) == 1


def test_a_face_of_an_unknown_recording_has_no_counterpart(caplog: pytest.LogCaptureFixture) -> None:
    category, key = np.array(["a", "b", "a", "b"]), np.array(["a/1.png", "b/1.png", "a/2.png", "b/2.png"])
    assert pair_faces(category, np.array(["1", "1", "", ""]), key).tolist() == [0, 0, 1, 2]
    assert "2 of 4 faces have no counterpart" in caplog.text
    with pytest.raises(BadData, match="no face has a counterpart") as caught:
        pair_faces(category, np.array(["", "", "", ""]), key)
    assert "--batches random" in caught.value.hint


@given(st.lists(st.integers(0, 9), min_size=1), st.integers(0, 99), st.integers(0, 9))
def test_an_epoch_has_every_face_once_and_counterparts_together(pair: list[int], seed: int, epoch: int) -> None:
    numbers = np.unique(pair, return_inverse=True)[1]
    order = order_of_epoch(len(pair), seed, epoch, numbers)
    assert sorted(order.tolist()) == list(range(len(pair)))
    runs = [number for place, number in enumerate(numbers[order]) if not place or number != numbers[order][place - 1]]
    assert len(runs) == len(set(runs))
    assert sorted(order_of_epoch(len(pair), seed, epoch).tolist()) == list(range(len(pair)))


def test_every_epoch_has_an_order_of_its_own() -> None:
    pair = np.arange(200) // 2
    orders = [order_of_epoch(200, seed, epoch, pair).tolist() for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    assert orders[0] != orders[1] != orders[2] != orders[0]
    assert orders[0] == order_of_epoch(200, 0, 0, pair).tolist()
