"""What an aligner is brought besides the features of known categories: reals of their datasets, and views of faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.errors import BadData, UnknownName
from kce.labels import REAL, label_parts
from kce.system.rng import generator
from kce.types import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.faces.folder import Faces
    from kce.registry.registry import Registry

MAX_VIEWED = 500
"""Faces of each category that are looked at in further views: enough for a mean."""


def find_fallback_reals(faces: Faces, datasets: set[str], registry: Registry) -> dict[str, str]:
    """Dataset -> the dataset whose reals are its own, of these datasets: itself where it has any, else what the
    registry names (``reals = "..."``). Raises BadData for one that has neither."""
    have = set(faces.dataset[faces.real].tolist())
    told = {dataset: dataset if dataset in have else _named(dataset, registry) for dataset in sorted(datasets)}
    missing = [dataset for dataset, other in told.items() if other not in have]
    if missing:
        raise BadData(
            f"there are no reals of {', '.join(missing)} in {faces.root}, and the aligner needs them",
            "cut its reals into the face folder; where another dataset's serve, name it in your registry.toml: "
            f'[dataset."{missing[0]}"] reals = "..."; or take --aligner dataset-centre, which needs none',
        )
    return told


def with_fallback_reals(tables: Sequence[Features], registry: Registry) -> list[Features]:
    """The tables, and the reals of other datasets under the names of those that have none and for which the registry
    names them (``reals = "..."``)."""
    told = [label_parts(table) for table in tables]
    have = {its.dataset for table in told for its in table.values() if its.real}
    lacking = {its.dataset for table in told for its in table.values()} - have
    stands = {dataset: other for dataset in sorted(lacking) if (other := _named(dataset, registry)) in have}
    found = list(tables)
    for table, its in zip(tables, told, strict=True):
        rows = table.take(np.array([its[label].real for label in table.label.tolist()], bool))
        here = {dataset: other for dataset, other in stands.items() if other in set(rows.dataset.tolist())}
        if here:
            found.append(collect_reals(rows, here))
    return found


def _named(dataset: str, registry: Registry) -> str:
    try:
        return registry.component("dataset", dataset).entry.reals
    except UnknownName:  # a dataset that was cut by a plugin which is not here
        return ""


def sample_real_rows(faces: Faces, known: Faces, datasets: set[str], seed: int) -> NDArray[np.int64]:
    """Rows of the reals of these datasets, of each at most as many as the largest known category has, by lot."""
    most = int(np.unique(known.category, return_counts=True)[1].max())
    reals = np.flatnonzero(faces.real & np.isin(faces.dataset, sorted(datasets)))
    return reals[sample_per_category(faces.category[reals], most, seed)]


def sample_viewed_rows(faces: Faces, seed: int) -> NDArray[np.int64]:
    """Rows of faces to look at in further views: at most VIEWED of each category, by lot."""
    return sample_per_category(faces.category, MAX_VIEWED, seed)


def sample_per_category(labels: NDArray[np.str_], most: int, seed: int) -> NDArray[np.int64]:
    """Rows of each category (n,), at most so many, by category."""
    chosen = []
    for category in sorted(set(labels.tolist())):
        rows = np.flatnonzero(labels == category)
        order = generator(seed, "company", category).permutation(len(rows))
        chosen.append(rows[np.sort(order[:most])])
    return np.concatenate(chosen) if chosen else np.zeros(0, np.int64)


def collect_reals(table: Features, stands: Mapping[str, str]) -> Features:
    """The reals of every dataset under its own name; where another's stand in, their rows once more."""
    sets = table.dataset
    parts = []
    for dataset, other in stands.items():
        rows = table.take(sets == other)
        label = np.full(len(rows), f"{dataset}_{REAL}")
        keys = rows.key if dataset == other else np.char.add(f"{dataset}/", rows.key)
        parts.append(replace(rows, key=keys, label=label, views={}))

    def column(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(part, name) for part in parts])

    return Features(column("key"), column("label"), column("group"), column("x"))
