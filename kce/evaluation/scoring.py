"""Stored features, and what evaluators say of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.evaluation.intervals import choose_evaluation_rows, score_features
from kce.features.table import FeatureTable, open_table, split_table_address
from kce.registry import isolation

if TYPE_CHECKING:
    from kce.registry.registry import Registry
    from kce.types import Evaluator, Features


def read_evaluation_rows(table: FeatureTable, per_category: int, seed: int) -> Features:
    """The rows every plan is scored on: the same number of each category, chosen by seed from the keys alone."""
    labels, keys = zip(*((batch.label, batch.key) for batch in table.batches()), strict=True)
    return table.read_rows(choose_evaluation_rows(np.concatenate(labels), np.concatenate(keys), per_category, seed))


def score_table(
    address: str, reducer: str, specs: Sequence[str], registry: Registry, seed: int, resamples: int = 200
) -> dict[str, Any]:
    """Reduce and score a stored table ("FEATURES.h5:/known") by its labels: figures with n, seed and intervals."""
    part = registry.resolve_seeded("reducer", reducer, seed)
    path, table = split_table_address(address)
    with open_evaluators(registry, specs, seed) as named, isolation.component(part, registry) as reduce:
        rows = open_table(path, table).read_all()
        reduced = rows.with_x(reduce.fit_transform(rows.x))
        return score_features(reduced, named, seed=seed, resamples=resamples)


@contextmanager
def open_evaluators(
    registry: Registry, specs: Sequence[str], seed: int, patience: float = 0
) -> Iterator[dict[str, Evaluator]]:
    """Evaluators by name; where one is asked for twice, with other parameters, by its whole text."""
    parts = [registry.resolve_seeded("evaluator", spec, seed) for spec in specs]
    names = [part.entry.name for part in parts]
    with ExitStack() as stack:
        yield {
            part.entry.name if names.count(part.entry.name) == 1 else part.spec: stack.enter_context(
                isolation.component(part, registry, patience)
            )
            for part in parts
        }
