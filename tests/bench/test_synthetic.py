"""Feature worlds: always the same bytes, a truth that holds, and parameters that cannot contradict each other."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kce.bench.synthetic import make_feature_world
from kce.bench.world_parameters import FeatureWorldParameters, feature_world_parameters
from kce.errors import KCEError
from kce.labels import label_parts

SMALL = FeatureWorldParameters(categories=8, methods=4, datasets=2, rows=20, dim=48)


def test_a_world_is_the_same_bytes_forever() -> None:
    """With all parameters at once: what is made may never change, or earlier results would be of other worlds."""
    parameters = replace(
        SMALL,
        imbalance=3.0,
        spread=2.0,
        tails=3,
        outliers=0.1,
        bend=1.0,
        shift=2.0,
        stretch=0.5,
        homonyms=1,
        synonyms=1,
    )
    assert make_feature_world(parameters, 7).content_hash() == HASH


HASH = "3ed36ede2748b60462884a7a72e39c97"


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**40), st.integers(2, 12), st.integers(1, 4), st.data())
def test_the_truth_agrees_with_names_and_datasets(
    seed: int, categories: int, datasets: int, data: st.DataObject
) -> None:
    datasets = min(datasets, categories)
    methods = data.draw(st.integers(max(-(-categories // datasets), 2), max(categories, 2)))
    world = make_feature_world(
        replace(SMALL, categories=categories, datasets=datasets, methods=methods), seed, views=False
    )
    names = label_parts(world.features)
    assert set(world.method) == set(world.features.categories)
    assert len(set(world.method.values())) == methods
    twice = Counter((names[category].dataset, method) for category, method in world.method.items())
    assert max(twice.values()) == 1
    # Without homonyms and synonyms a name is its method.
    assert {names[category].method[-2:] == method[-2:] for category, method in world.method.items()} == {True}
    assert len(set(world.features.key.tolist())) == len(world.features)


def test_homonyms_and_synonyms_are_as_many_as_requested() -> None:
    parameters = FeatureWorldParameters(homonyms=3, synonyms=4)
    for seed in range(5):
        world = make_feature_world(parameters, seed, views=False)
        cut = label_parts(world.features)
        names: dict[str, set[str]] = {}
        methods: dict[str, set[str]] = {}
        for category, method in world.method.items():
            names.setdefault(cut[category].method, set()).add(method)
            methods.setdefault(method, set()).add(cut[category].method)
        assert sum(len(behind) > 1 for behind in names.values()) == parameters.homonyms
        assert sum(name.startswith("other-") for name in names) == parameters.synonyms


def test_distances_are_in_standard_deviations() -> None:
    world = make_feature_world(
        FeatureWorldParameters(categories=40, methods=40, datasets=1, rows=400, dim=64, separation=8.0), 0, views=False
    )
    rows = world.features
    means = np.stack([rows.x[rows.label == c].mean(axis=0) for c in rows.categories])
    gaps = np.linalg.norm(means[:, None] - means[None], axis=-1)[np.triu_indices(40, 1)]
    assert gaps.mean() == pytest.approx(8, rel=0.05)
    inner = rows.x[rows.label == rows.categories[0]]
    along = (means[1] - means[0]) / np.linalg.norm(means[1] - means[0])
    assert (inner @ along).std() == pytest.approx(1, rel=0.15)


def test_the_views_are_of_the_same_faces_and_differ_where_storage_alters_traces() -> None:
    still, stretched = make_feature_world(SMALL, 3), make_feature_world(replace(SMALL, stretch=1.0), 3)
    for world in (still, stretched):
        for view in world.views.values():
            assert view.key.tolist() == [*world.features.key.tolist(), *world.reals.key.tolist()]
    both = np.concatenate([still.features.x, still.reals.x])
    assert np.array_equal(still.views["jpeg70"].x, both)
    changed = stretched.views["jpeg70"].x - np.concatenate([stretched.features.x, stretched.reals.x])
    assert np.abs(changed[: len(stretched.features)]).max() > 0.1
    assert not changed[len(stretched.features) :].any()  # reals have no trace


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"methods": 2}, "2 methods for 4 categories of one dataset"),
        ({"methods": 20}, "20 methods for 16 categories"),
        ({"datasets": 20}, "20 datasets for 16 categories"),
        ({"rows": 4, "imbalance": 3.0}, "fewer than 2 rows"),
        ({"tails": 2}, "no variance"),
        ({"dim": 16}, "out of range"),
        ({"separation": float("nan")}, "out of range"),
        ({"rows": 2.5}, "not a whole number"),
        ({"recording": "much"}, "not a number"),
        ({"rows": True}, "not a whole number"),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(KCEError, match=message):
        FeatureWorldParameters(**parameters)  # type: ignore[arg-type]


@pytest.mark.parametrize("parameters", [{"homonyms": 50}, {"synonyms": 50}])
def test_more_misleading_names_than_there_is_room_for_are_refused(parameters: dict[str, int]) -> None:
    with pytest.raises(KCEError, match=next(iter(parameters))):
        make_feature_world(FeatureWorldParameters(**parameters), 0)


def test_an_unknown_parameter_is_refused() -> None:
    with pytest.raises(KCEError, match="colour"):
        feature_world_parameters({"colour": 1}, "world")
