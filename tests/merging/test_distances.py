"""Distances of categories without chance, and plans that are made of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kce.merging.category_means import CategoryMeans
from kce.merging.distances import place, squared_distances
from kce.merging.plans import by_clusters
from kce.merging.stability import count_joined
from kce.registry.defaults import build_default
from kce.types import Features


def near(count: int) -> object:
    return build_default("clusterer", f"cannot-link:n_clusters={count}")


def rows(scatter: dict[str, float], places: dict[str, float], recordings: int = 24, seed: int = 0) -> Features:
    """Categories at these places of the first of 12 axes, whose recordings scatter along all of them."""
    random = np.random.default_rng(seed)
    x = [random.normal(0, scatter[name], (recordings, 12)) + np.eye(12)[0] * at for name, at in places.items()]
    label = np.repeat([*places], recordings)
    group = [f"{name[0]}{row}" for name in places for row in range(recordings)]
    return Features.from_arrays(np.concatenate(x), label, group=group)


@given(st.integers(0, 999), st.integers(1, 9))
def test_places_keep_all_differences_of_squared_distances(seed: int, count: int) -> None:
    squares = np.random.default_rng(seed).normal(0, 5, (count, count))
    squares = np.where(np.eye(count), 0.0, squares + squares.T)
    pairs = np.triu_indices(count, 1)
    added = (squared_distances(place(squares)) - squares)[pairs]
    assert added == pytest.approx(added.max(initial=0), abs=1e-6)
    assert added.min(initial=0) >= -1e-6


@given(st.integers(0, 999), st.integers(2, 9))
def test_what_are_distances_already_stay(seed: int, count: int) -> None:
    squares = squared_distances(np.random.default_rng(seed).normal(size=(count, 3)))
    np.testing.assert_allclose(squared_distances(place(squares)), squares, atol=1e-6)


def test_the_standard_error_is_how_far_squared_distances_scatter() -> None:
    scatter, places = dict.fromkeys(("A_x", "B_x"), 1.0), {"A_x": 0.0, "B_x": 2.0}
    drawn = [CategoryMeans.of(rows(scatter, places, 30, seed)) for seed in range(300)]
    spread = np.std([squared_distances(means.means)[0, 1] for means in drawn])
    assert np.mean([means.error[0, 1] for means in drawn]) == pytest.approx(spread, rel=0.2)


def test_a_noisy_pair_of_one_place_comes_before_a_sure_one_of_two() -> None:
    """Chance moves the means of A_x and B_x farther apart than those of A_y and B_y are."""
    scatter = {"A_x": 2.5, "B_x": 2.5, "A_y": 0.1, "B_y": 0.1}
    right = dict.fromkeys(("means", "distances"), 0)
    for seed in range(20):
        given = rows(scatter, {"A_x": 9.0, "B_x": 9.0, "A_y": 0.0, "B_y": 2.2}, seed=seed)
        for vote in right:
            classes = by_clusters(given, near(3), vote).classes  # type: ignore[arg-type]
            right[vote] += classes["A_x"] == classes["B_x"]
    assert right["distances"] >= 15
    assert right["means"] <= 10


def test_nothing_is_known_of_two_categories_in_which_hardly_anything_shows() -> None:
    """Less chance and no more, the distance of two such means is as often below 0 as above it."""
    scatter = {"A_x": 9.0, "B_x": 9.0, "A_y": 0.1, "B_y": 0.1}
    joined = 0
    for seed in range(20):
        given = rows(scatter, {"A_x": 0.0, "B_x": 0.0, "A_y": 9.0, "B_y": 9.1}, seed=seed)
        classes = by_clusters(given, near(3), "distances").classes
        joined += classes["A_y"] == classes["B_y"]
    assert joined >= 16


def test_resamples_are_corrected_twice() -> None:
    scatter = dict.fromkeys(("A_x", "A_y", "B_x", "B_y"), 1.0)
    means = CategoryMeans.of(rows(scatter, {"A_x": 0.0, "A_y": 30.0, "B_x": 1.0, "B_y": 31.0}))
    again = np.mean([squared_distances(drawn) for drawn in means.resampled(400, 0)], axis=0)
    added = again - squared_distances(means.means)
    for one, other in ((0, 2), (1, 3)):  # of pairs far apart, the mean over the resamples is not exact enough
        assert added[one, other] == pytest.approx(means.noise[one, other], rel=0.25)
    joined = count_joined(means, near(2), 0, "distances")  # type: ignore[arg-type]
    assert joined.partners("A_x") == {"B_x": 1.0}
    assert by_clusters(means, near(2), "distances").made.startswith("by clusters of distances: ")  # type: ignore[arg-type]
