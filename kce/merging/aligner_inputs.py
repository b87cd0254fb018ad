"""What an aligner gets besides features of known categories: reals of their datasets, and further views of faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from kce.errors import BadData, UnknownName
from kce.labels import REAL, encode_texts, label_parts, text_array
from kce.system.rng import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.faces.columns import TextColumn
    from kce.faces.folder import Faces
    from kce.features.streams import StoredRows
    from kce.registry.registry import Registry
    from kce.types import Features

Rows = TypeVar("Rows", "Features", "StoredRows")

MAX_VIEWED = 500
"""Faces of each category that are seen in further views: enough for a mean."""


def find_fallback_reals(faces: Faces, datasets: set[str], registry: Registry) -> dict[str, str]:
    """Find whose reals serve for each dataset: its own, else those that the registry names (``reals = "..."``).

    Args:
        faces: Faces of a face folder.
        datasets: Datasets that need reals.
        registry: Names the fallback.

    Returns:
        Dataset -> the dataset whose reals serve for it.

    Raises:
        BadData: If a dataset has neither.
    """
    with_reals = set(faces.take(faces.real).dataset.counts())
    sources = {
        dataset: dataset if dataset in with_reals else _registered_fallback(dataset, registry)
        for dataset in sorted(datasets)
    }
    missing = [dataset for dataset, source in sources.items() if source not in with_reals]
    if missing:
        raise BadData(
            f"there are no reals of {', '.join(missing)} in {faces.root}, and the aligner needs them",
            "cut its reals into the face folder; if another dataset's reals can serve, name it in your registry.toml: "
            f'[dataset."{missing[0]}"] reals = "..."; or use --aligner dataset-centre, which needs none',
        )
    return sources


def with_fallback_reals(tables: Sequence[Rows], registry: Registry) -> list[Rows]:
    """Add the reals that the registry names for datasets without reals, labelled as those datasets' own.

    Args:
        tables: Rows of several datasets, reals among them.
        registry: Names the fallback (``reals = "..."``).

    Returns:
        The tables, and after them the added rows.
    """
    parts = [label_parts(table) for table in tables]
    with_reals = {part.dataset for own in parts for part in own.values() if part.real}
    without = {part.dataset for own in parts for part in own.values()} - with_reals
    fallback = {
        dataset: source
        for dataset in sorted(without)
        if (source := _registered_fallback(dataset, registry)) in with_reals
    }
    result = list(tables)
    for table, own in zip(tables, parts, strict=True):
        real = np.flatnonzero([own[label].real for label in table.label.tolist()])
        reals = table.select(real)
        available = set(reals.dataset.tolist())
        served = {dataset: source for dataset, source in fallback.items() if source in available}
        if served:
            result.append(collect_reals(reals, served))
    return result


def _registered_fallback(dataset: str, registry: Registry) -> str:
    try:
        return registry.component("dataset", dataset).entry.reals
    except UnknownName:  # the faces were cut with a plugin that is not installed here
        return ""


def sample_real_rows(faces: Faces, known: Faces, datasets: set[str], seed: int) -> NDArray[np.int64]:
    """Sample rows of the reals of these datasets, of each at most as many as the largest known category has.

    Those that known faces derive from come first: they are of the same people, and make the pairs that others lack.
    """
    most = max(known.category.counts().values())
    rows = np.flatnonzero(faces.real & faces.dataset.isin(datasets))
    reals = faces.take(rows)
    has_counterpart = reals.group.isin(known.group.counts().keys() - {""})
    return rows[sample_per_category(reals.category, most, seed, has_counterpart)]


def sample_viewed_rows(faces: Faces, seed: int) -> NDArray[np.int64]:
    """Sample rows of the faces to see in further views: at most MAX_VIEWED of each category."""
    return sample_per_category(faces.category, MAX_VIEWED, seed)


def count_aligner_rows(
    counts: Mapping[str, int], known: Sequence[str], fallback: Mapping[str, str], views: Sequence[str]
) -> dict[str, int]:
    """Count what a network sees for an aligner besides the known faces: table -> rows, without sampling them.

    Args:
        counts: Category -> faces in the face folder.
        known: The known categories.
        fallback: Dataset -> the dataset whose reals serve for it; empty for an aligner that needs none.
        views: The views that the aligner needs.

    Example:
        >>> count_aligner_rows({"A_Swap": 600, "A_real": 900}, ["A_Swap"], {"A": "A"}, ["jpeg70"])
        {'reals': 600, 'known+jpeg70': 500, 'reals+jpeg70': 500}
    """
    most = max(counts.get(category, 0) for category in known)
    sampled = [min(counts.get(f"{dataset}_{REAL}", 0), most) for dataset in {*fallback, *fallback.values()}]
    tables = {"known": [counts.get(category, 0) for category in known]} | ({"reals": sampled} if fallback else {})
    seen = {f"{table}+{view}": sum(min(n, MAX_VIEWED) for n in own) for table, own in tables.items() for view in views}
    return {table: sum(own) for table, own in tables.items() if table != "known"} | seen


def sample_per_category(
    labels: NDArray[np.str_] | TextColumn, most: int, seed: int, first: NDArray[np.bool_] | None = None
) -> NDArray[np.int64]:
    """Sample at most `most` rows of each label (n,), without replacement; the result is ordered by label, then row.

    Rows marked in `first` (n,) are all taken before any other.
    """
    names, codes = encode_texts(labels.tolist())
    chosen = []
    for number, category in sorted(enumerate(names), key=itemgetter(1)):
        rows = np.flatnonzero(codes == number)
        order = generator(seed, "rows of a category", category).permutation(len(rows))
        if first is not None:
            order = order[np.argsort(~first[rows[order]], kind="stable")]
        chosen.append(rows[np.sort(order[:most])])
    return np.concatenate(chosen) if chosen else np.zeros(0, np.int64)


def collect_reals(table: Rows, sources: Mapping[str, str]) -> Rows:
    """Collect the reals of every dataset, labelled as its own; reals that serve for several datasets are repeated.

    Args:
        table: Reals only.
        sources: Dataset -> the dataset whose reals serve for it.
    """
    datasets = table.dataset
    rows, keys, labels = [], list[str](), list[str]()
    for dataset, source in sources.items():
        own = np.flatnonzero(datasets == source)
        rows.append(own)
        keys += [key if dataset == source else f"{dataset}/{key}" for key in table.key[own].tolist()]
        labels += [f"{dataset}_{REAL}"] * len(own)
    return table.select(np.concatenate(rows), text_array(keys), text_array(labels))
