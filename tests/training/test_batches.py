"""The order of the training faces, pairs, and how they are split."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kce.errors import BadData
from kce.training.batches import order_of_epoch, pair_faces, split_batches

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


@given(st.integers(2, 3000), st.integers(1, 200))
def test_batches_hold_each_face_once_and_are_of_nearly_one_size(count: int, batch: int) -> None:
    pieces = split_batches(count, batch)
    assert np.concatenate(pieces).tolist() == list(range(count))
    sizes = [len(piece) for piece in pieces]
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= 2
    assert max(sizes) <= max(batch, 3)
