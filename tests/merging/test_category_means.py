"""The means of categories, and how far chance moves them apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kce.errors import BadData
from kce.merging.category_means import CategoryMeans
from kce.merging.class_count import count_classes
from kce.types import Features


def table(recordings: int, frames: int, seed: int = 0, scatter: float = 1.0) -> Features:
    """Categories A_x and A_y of the same recordings, and B_x of others; the true means are 0, 0 and 0."""
    random = np.random.default_rng(seed)
    x, key, label, group = [], [], [], []
    shared = random.normal(0, scatter, (recordings, 3))
    for name, of in (("A_x", "A"), ("A_y", "A"), ("B_x", "B")):
        own = shared if of == "A" else random.normal(0, scatter, (recordings, 3))
        for recording in range(recordings):
            for frame in range(frames):
                x.append(own[recording] + random.normal(0, 0.1, 3))
                key.append(f"{of}/{name}/{recording:03}_{frame}")
                label.append(name)
                group.append(f"{of}:{recording:03}")
    return Features(np.array(key), np.array(label), np.array(group), np.array(x, np.float32))


@given(st.integers(2, 40), st.integers(1, 3), st.integers(0, 99))
def test_neither_order_nor_batches_matter(recordings: int, frames: int, seed: int) -> None:
    rows = table(recordings, frames, seed)
    one = CategoryMeans.of(rows)
    other = CategoryMeans.of(rows.take(np.random.default_rng(seed).permutation(len(rows))))
    np.testing.assert_allclose(one.means, [rows.x[rows.label == name].mean(axis=0) for name in one.label], atol=1e-5)
    np.testing.assert_allclose(one.means, other.means, atol=1e-9)
    np.testing.assert_allclose(one.noise, other.noise, atol=1e-9)
    assert one.label.tolist() == ["A_x", "A_y", "B_x"]
    assert one.dataset.tolist() == ["A", "A", "B"]


def test_the_noise_is_what_chance_adds_to_a_squared_distance() -> None:
    drawn = [CategoryMeans.of(table(20, 2, seed)) for seed in range(200)]
    squares = [np.square(means.means[:, None] - means.means[None]).sum(axis=2) for means in drawn]
    added, noise = np.mean(squares, axis=0), np.mean([means.noise for means in drawn], axis=0)
    apart = np.triu_indices(3, 1)
    np.testing.assert_allclose(noise[apart], added[apart], rtol=0.15)
    assert added[0, 1] < added[0, 2] / 20  # of the same recordings: what moves both moves them nowhere apart


def test_frames_of_a_recording_say_nothing_new() -> None:
    rows = table(20, 1)
    twice = Features(
        np.append(rows.key, np.char.add(rows.key, "b")),
        np.tile(rows.label, 2),
        np.tile(rows.group, 2),
        np.tile(rows.x, (2, 1)),
    )
    np.testing.assert_allclose(CategoryMeans.of(twice).noise, CategoryMeans.of(rows).noise, atol=1e-9)


def test_a_category_of_one_recording_adds_no_noise() -> None:
    np.testing.assert_allclose(CategoryMeans.of(table(1, 4)).noise, 0.0, atol=1e-12)


def two_twins(seed: int, scatter: float = 8.0, apart: float = 9.0) -> CategoryMeans:
    """Two categories of B are those of A; with few recordings their means look as far apart as others."""
    random = np.random.default_rng(seed)
    centres = {"A_x": [0, 0, 0], "A_y": [apart, 0, 0], "B_u": [0, 0, 0], "B_v": [apart, 0, 0]}
    names = np.repeat(list(centres), 12)
    x = np.array([centres[name] for name in names]) + random.normal(0, scatter, (len(names), 3))
    group = np.array([f"{name[0]}:{number % 12}{name}" for number, name in enumerate(names)])
    key = np.array([f"{name[0]}/{number}" for number, name in enumerate(names)])
    return CategoryMeans.of(Features(key, names, group, x.astype(np.float32)))


def test_classes_are_counted_without_the_noise() -> None:
    means = two_twins(1)
    assert means.count_classes().best == 2
    assert count_classes(means.means, means.dataset).best > 2


def test_resampled_means_scatter_as_chance_does() -> None:
    for means in (CategoryMeans.of(table(40, 2)), two_twins(3)):
        drawn = np.array(list(means.resampled(2000, 0)))
        apart = drawn[:, :, None] - drawn[:, None] - (means.means[:, None] - means.means[None])
        pairs = np.triu_indices(len(means.label), 1)
        np.testing.assert_allclose(np.square(apart).sum(axis=3).mean(axis=0)[pairs], means.noise[pairs], rtol=0.2)
        np.testing.assert_array_equal(drawn, list(means.resampled(2000, 0)))


def test_where_chance_is_as_large_as_what_is_counted_the_range_still_holds_the_number() -> None:
    """Without the resamples it often does not."""
    held, held_alone = [], []
    for seed in range(60):
        means = two_twins(seed, scatter=14.0)
        alone = count_classes(means.means, means.dataset, means.noise)
        count = means.count_classes()
        assert (count.best, count.low <= alone.low, count.high >= alone.high) == (alone.best, True, True)
        held.append(count.low <= 2 <= count.high)
        held_alone.append(alone.low <= 2 <= alone.high)
    assert np.mean(held) >= 0.95 > np.mean(held_alone)


def test_values_that_are_not_finite_are_an_error() -> None:
    rows = table(2, 1)
    rows.x[1, 1] = np.inf
    with pytest.raises(BadData, match="finite"):
        CategoryMeans.of(rows)
