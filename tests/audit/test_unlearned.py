"""What a network has not learned is named, and what it has learned is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kce.audit.unlearned import find_unlearned
from kce.bench import synthetic
from kce.bench.world_parameters import FeatureWorldParameters
from kce.types import Features

PARAMETERS = FeatureWorldParameters(categories=8, methods=8, datasets=4, rows=60, dim=48, separation=8.0, shift=4.0)


def table(seed: int) -> Features:
    made = synthetic.make_feature_world(PARAMETERS, seed, views=False)
    return replace(made.features, reals=made.reals)


def hidden(rows: Features, categories: list[str]) -> Features:
    """The same table, but for these categories, whose rows are drawn as their dataset's reals are."""
    assert rows.reals is not None
    random = np.random.default_rng(0)
    x = rows.x.copy()
    for category in categories:
        own = np.flatnonzero(rows.label == category)
        there = np.flatnonzero(rows.reals.dataset == rows.dataset[own[0]])
        x[own] = rows.reals.x[there].mean(axis=0) + random.normal(0, rows.reals.x[there].std(axis=0), (len(own), 48))
    return Features(rows.key, rows.label, rows.group, x, rows.reals)


@pytest.mark.parametrize("seed", range(4))
def test_categories_that_look_like_reals_are_named_and_no_others(seed: int) -> None:
    rows = table(seed)
    unlike = [rows.categories[0], rows.categories[5]]
    assert find_unlearned(rows, 0) == []
    assert find_unlearned(hidden(rows, unlike), 0) == unlike


def test_nineteen_of_twenty_that_are_not_learned_are_named() -> None:
    result = 0
    for seed in range(10):
        rows = table(seed)
        result += len(find_unlearned(hidden(rows, rows.categories), 0))
    assert result >= 80 * 0.9  # of 80; 0.95 is expected


def test_neither_the_order_of_rows_nor_what_storage_adds_matters() -> None:
    rows = hidden(table(1), [table(1).categories[2]])
    assert rows.reals is not None
    turned = rows.take(np.arange(len(rows))[::-1])
    assert find_unlearned(turned, 0) == find_unlearned(rows, 0) != []
    sets = sorted(set(rows.dataset.tolist()))
    moves = np.random.default_rng(1).normal(0, 10, (len(sets), rows.x.shape[1])).astype(np.float32)
    reals = rows.reals.with_x(rows.reals.x + moves[np.searchsorted(sets, rows.reals.dataset)])
    moved = Features(rows.key, rows.label, rows.group, rows.x + moves[np.searchsorted(sets, rows.dataset)], reals)
    assert find_unlearned(moved, 0) == find_unlearned(rows, 0)


def test_nothing_is_found_without_reals_with_few_recordings_and_without_variance() -> None:
    rows = hidden(table(2), [table(2).categories[0]])
    assert rows.reals is not None
    assert find_unlearned(replace(rows, reals=None), 0) == []
    one = replace(rows, group=np.where(rows.label == rows.categories[0], "one", rows.group))
    assert find_unlearned(one, 0) == []
    still = Features(
        rows.key, rows.label, rows.group, np.ones_like(rows.x), rows.reals.with_x(np.ones_like(rows.reals.x))
    )
    assert find_unlearned(still, 0) == []


def test_one_dataset_is_enough() -> None:
    rows = table(3)
    assert rows.reals is not None
    first = rows.dataset[0]
    alone = rows.take(rows.dataset == first)
    alone = replace(alone, reals=rows.reals.take(rows.reals.dataset == first))
    assert find_unlearned(alone, 0) == []
    assert find_unlearned(hidden(alone, alone.categories[:1]), 0) == alone.categories[:1]
