"""How many classes categories fall into, and which can never be one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kce.bench import synthetic
from kce.bench.world_parameters import FeatureWorldParameters
from kce.errors import BadData
from kce.merging.class_count import ClassCount, count_classes, estimate_cluster_count, same_dataset_pairs
from kce.merging.plans import by_clusters
from kce.registry.registry import Registry
from kce.types import Features
from tests.conftest import REPOSITORY

REGISTRY = Registry.load(REPOSITORY)


def world(processes: int, seed: int, datasets: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each process in one to three datasets: means (n, 24), datasets (n,), process (n,)."""
    random = np.random.default_rng(seed)
    rows = [(p, d) for p in range(processes) for d in random.permutation(datasets)[: random.integers(1, 4)]]
    process, dataset = np.array(rows).T
    centres = random.normal(0, 10, (processes, 24))
    return centres[process] + random.normal(0, 1, (len(rows), 24)), np.array([f"set{d}" for d in dataset]), process


@given(st.integers(3, 12), st.integers(0, 10_000))
def test_distant_methods_are_counted(processes: int, seed: int) -> None:
    means, datasets, _ = world(processes, seed)
    assume(len(set(datasets.tolist())) < len(datasets))
    count = count_classes(means, datasets)
    assert count.best == processes
    assert count.low <= processes <= count.high


@given(st.integers(2, 9), st.integers(0, 1000), st.floats(0, 20))
def test_neither_order_nor_scale_nor_place_matter(processes: int, seed: int, noise: float) -> None:
    means, datasets, _ = world(processes, seed)
    assume(len(set(datasets.tolist())) < len(datasets))
    order = np.random.default_rng(seed).permutation(len(means))
    result = count_classes(means, datasets, noise)
    assert count_classes(7 * means[order] - 3, datasets[order], 49 * noise) == result


@given(st.integers(2, 9), st.integers(0, 1000), st.floats(0, 30))
def test_the_range_holds_the_estimate_and_is_possible(processes: int, seed: int, blur: float) -> None:
    means, datasets, _ = world(processes, seed)
    assume(len(set(datasets.tolist())) < len(datasets))
    means = means + np.random.default_rng(seed).normal(0, blur, means.shape)
    count = count_classes(means, datasets)
    assert np.unique(datasets, return_counts=True)[1].max() <= count.low <= count.best <= count.high <= len(means)
    assert count.decided == (max(count.best - count.low, count.high - count.best) <= 1)


@given(st.integers(2, 9), st.integers(0, 1000), st.data())
def test_what_another_dataset_has_too_is_no_further_class(processes: int, seed: int, data: st.DataObject) -> None:
    means, datasets, _ = world(processes, seed)
    assume(len(set(datasets.tolist())) < len(datasets))
    twin = data.draw(st.integers(0, len(means) - 1))
    count = count_classes(means, datasets)
    assume(count.best < len(means))  # where nothing is joined, a twin shows that something can be
    assert count_classes(np.vstack([means, means[twin]]), np.append(datasets, "another")) == count


def test_how_near_is_the_same_is_in_doubt() -> None:
    """The siblings are 10 apart; what lies between half and twice the threshold may be one class or two."""
    datasets = np.array(["a", "a", "b"])
    counts = {at: count_classes(np.array([[0.0], [10.0], [-float(at)]]), datasets) for at in (2, 4, 6, 10)}
    assert counts == {2: ClassCount(2, 2, 2), 4: ClassCount(2, 2, 3), 6: ClassCount(3, 2, 3), 10: ClassCount(3, 2, 3)}
    assert not ClassCount(5, 3, 6).decided
    assert not ClassCount(5, 4, 7).decided


@given(st.integers(2, 9), st.integers(0, 1000))
def test_where_storage_keeps_everything_apart_nothing_is_decided(processes: int, seed: int) -> None:
    """What a dataset's storage adds to its means is as good an explanation as that all forgeries are different."""
    means, datasets, _ = world(processes, seed)
    names, number = np.unique(datasets, return_inverse=True)
    most = int(np.bincount(number).max())
    assume(most > 1)
    count = count_classes(means + 1e4 * np.eye(24)[number], datasets)
    assert (count.low, count.best, count.high) == (most, len(means), len(means))
    assert count.decided == (len(means) - most <= 1)
    assert len(names) > 1 or count.decided


def test_what_chance_adds_to_a_distance_is_taken_off() -> None:
    means, datasets = np.array([[0.0], [10.0], [-5.0]]), np.array(["a", "a", "b"])
    noise = np.array([[0.0, 0.0, 24.0], [0.0, 0.0, 24.0], [24.0, 24.0, 0.0]])
    assert (count_classes(means, datasets).best, count_classes(means, datasets, noise).best) == (3, 2)
    assert count_classes(means, datasets, 1e6).best == 3  # all is chance: nothing is nearer than anything else


def test_one_dataset_has_as_many_classes_as_categories() -> None:
    means = np.random.default_rng(0).normal(0, 1, (7, 3))
    assert count_classes(means, np.full(7, "a")) == ClassCount(7, 7, 7)


def test_where_no_dataset_has_two_categories_nothing_can_be_estimated() -> None:
    with pytest.raises(BadData, match="no dataset has two"):
        count_classes(np.eye(3), np.array(["a", "b", "c"]))


def test_twins_are_one_class() -> None:
    means = np.array([[0.0, 0], [0, 0], [5, 0], [5, 0], [0, 9], [0, 9]])
    assert count_classes(means, np.array(["a", "b"] * 3)) == ClassCount(3, 3, 3)


def test_pairs_of_one_dataset_are_marked() -> None:
    result = same_dataset_pairs(np.array(["a", "b", "a"]))
    np.testing.assert_array_equal(result, [[0, 0, 1], [0, 0, 0], [1, 0, 0]])


@settings(deadline=None)  # the first example also imports scikit-learn
@given(st.integers(4, 10), st.integers(0, 1000), st.sampled_from(["complete", "average"]))
def test_a_plan_that_cannot_link_never_joins_a_dataset_s_own(processes: int, seed: int, link: str) -> None:
    means, datasets, _ = world(processes, seed)
    means = means + np.random.default_rng(seed).normal(0, 12, means.shape)  # so that plain distance would
    labels = np.array([f"{dataset}_{number:02}" for number, dataset in enumerate(datasets.tolist())])
    k = max(np.unique(datasets, return_counts=True)[1].max(), len(means) - 3)
    rows = Features(labels.copy(), labels, labels.copy(), means.astype(np.float32))
    part = REGISTRY.resolve_seeded("clusterer", f"cannot-link:linkage={link}", 0, n_clusters=int(k))
    plan = by_clusters(rows, part.build())
    assert len(plan.names) == k
    for name in plan.names:
        sets = [member.partition("_")[0] for member in plan.members(name)]
        assert len(set(sets)) == len(sets)


def test_without_constraints_it_is_complete_linkage() -> None:
    x = np.random.default_rng(3).normal(0, 1, (40, 4)).astype(np.float32)
    one = REGISTRY.build("clusterer", "cannot-link:n_clusters=5").fit_predict(x)
    other = REGISTRY.build("clusterer", "agglomerative:n_clusters=5,linkage=complete").fit_predict(x)
    np.testing.assert_array_equal(one[:, None] == one, other[:, None] == other)


def test_the_estimated_number_of_clusters_is_the_true_one_where_they_are_far_apart() -> None:
    for methods in (3, 6):
        parameters = FeatureWorldParameters(
            categories=methods, methods=methods, datasets=1, dim=64, separation=14.0, rows=20
        )
        assert estimate_cluster_count(synthetic.make_feature_world(parameters, 0, views=False).features.x) == methods
    with pytest.raises(BadData, match="too few different rows"):
        estimate_cluster_count(np.ones((9, 3), np.float32))
