"""Unexplained faces in groups: how many groups a clusterer is asked for, and what happens where there are too few."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kce import KCEError
from kce.pipeline.trace_groups import Unexplained, check_clusterer, group_faces
from kce.registry.registry import Registry
from tests.support.failing import registry_with_failing_clusterer

REGISTRY = Registry.shipped()
CLUSTERERS = REGISTRY.names("clusterer")


def clouds(count: int, each: int = 20) -> np.ndarray:
    """Some groups of rows (count * each, 4), far apart."""
    centres = np.eye(4)[:count] * 30
    return np.repeat(centres, each, axis=0).astype(np.float32) + np.random.default_rng(0).normal(
        0, 1, (count * each, 4)
    ).astype(np.float32)


def keys(x: np.ndarray) -> list[str]:
    return [f"{number}.png" for number in range(len(x))]


def test_the_number_of_groups_is_estimated_where_a_clusterer_takes_one_and_has_none() -> None:
    x = clouds(3)
    grouped = group_faces(REGISTRY, "kmeans", keys(x), x, 0)
    assert [group.faces for group in grouped.groups] == [20, 20, 20]
    assert len(set(grouped.names[:20])) == len(set(grouped.names[20:40])) == 1
    assert "n_clusters=3" in grouped.spec
    assert any("3, was estimated" in remark for remark in grouped.remarks)


def test_a_number_that_is_given_is_used_and_so_is_what_finds_its_own() -> None:
    x = clouds(3)
    given = group_faces(REGISTRY, "kmeans:n_clusters=2", keys(x), x, 0)
    own = group_faces(REGISTRY, "hdbscan", keys(x), x, 0)
    assert (len(given.groups), len(own.groups)) == (2, 3)
    assert given.remarks == own.remarks == ()


@pytest.mark.parametrize("clusterer", CLUSTERERS)
@pytest.mark.parametrize("x", [clouds(1)[:count] for count in (0, 1, 2, 3)] + [np.ones((9, 4), np.float32)], ids=repr)
def test_too_few_faces_and_equal_ones_are_no_error(clusterer: str, x: np.ndarray) -> None:
    grouped = group_faces(REGISTRY, clusterer, keys(x), x, 0)
    assert len(grouped.names) == len(x)
    assert sum(group.faces for group in grouped.groups) == sum(name != "" for name in grouped.names)
    assert grouped.groups or grouped.remarks


def test_more_groups_than_faces_are_no_error_either() -> None:
    x = clouds(1)[:3]
    grouped = group_faces(REGISTRY, "kmeans:n_clusters=4", keys(x), x, 0)
    assert grouped.names == ["", "", ""]
    assert any("were not grouped" in remark for remark in grouped.remarks)


@pytest.mark.parametrize("clusterer", ["nobody", "kmeans:n_clusters=0", "kmeans:colour=1"])
def test_a_clusterer_that_cannot_work_is_an_error_before_any_work(clusterer: str) -> None:
    with pytest.raises(KCEError) as error:
        check_clusterer(REGISTRY, clusterer, 0)
    assert error.value.hint


def test_a_random_sample_is_kept_that_does_not_depend_on_the_order_or_the_batches() -> None:
    x = np.arange(1000, dtype=np.float32)[:, None]
    samples = []
    for order, step in ((np.arange(1000), 7), (np.arange(1000)[::-1], 300)):
        kept = Unexplained(most=100)
        for start in range(0, 1000, step):
            rows = order[start : start + step]
            kept.add([f"{row}" for row in rows], x[rows])
        key, found = kept.sample()
        assert kept.count == 1000
        assert [float(name) for name in key] == found[:, 0].tolist()
        assert found[:, 0].tolist() == sorted(found[:, 0], reverse=bool(order[0]))
        samples.append(set(key))
    assert samples[0] == samples[1]
    assert len(samples[0]) == 100
    assert 30 < sum(float(name) < 500 for name in samples[0]) < 70


def test_few_faces_are_all_kept() -> None:
    kept = Unexplained()
    assert kept.sample()[0] == []
    kept.add(["a", "b"], np.ones((2, 3), np.float32))
    assert kept.sample()[0] == ["a", "b"]


def test_a_clusterer_of_others_that_fails_raises(tmp_path: Path) -> None:
    x = clouds(2)
    with pytest.raises(KCEError, match="broken"):
        group_faces(registry_with_failing_clusterer(tmp_path), "bad", keys(x), x, 0)
