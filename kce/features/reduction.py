"""Aligning and reducing rows: as a stream where the component can, else as an array."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kce.features.streams import ChangedRows, in_memory
from kce.registry.validation import takes_stream
from kce.types import Features

if TYPE_CHECKING:
    from kce.types import FeatureStream


def align_rows(aligner: Any, rows: FeatureStream) -> FeatureStream:
    """Align rows.

    Args:
        aligner: An aligner as ``kce.registry.isolation.component`` provides it; or any ``kce.types.Aligner``.
        rows: The rows, with the reals and views that it asks for.

    Returns:
        The aligned rows, without reals and views; those of an aligner of streams are aligned whenever they are read.

    Raises:
        BadData: If the aligner needs all rows and memory cannot hold them.
    """
    if takes_stream("aligner", aligner):
        aligner.fit(rows)
        return ChangedRows(rows, aligner.transform)
    features = in_memory(rows)
    return features.with_x(aligner.align(features))


def reduce_rows(reducer: Any, rows: FeatureStream) -> FeatureStream:
    """Reduce rows to fewer dimensions.

    Args:
        reducer: A reducer as ``kce.registry.isolation.component`` provides it; or any ``kce.types.Reducer``.
        rows: The rows, which are read twice if the reducer takes them in batches.

    Returns:
        The reduced rows: in memory, but for a reducer of batches that keeps as many dimensions as there are.

    Raises:
        BadData: If the reducer needs all rows and memory cannot hold them.
    """
    if takes_stream("reducer", reducer):
        for batch in rows.batches():
            reducer.partial_fit(batch.x)
        reduced = ChangedRows(rows, lambda batch: reducer.transform(batch.x))
        return reduced if reduced.dim == rows.dim else in_memory(reduced)
    if hasattr(reducer, "fit_transform_rows"):
        x = reducer.fit_transform_rows(rows)
    else:
        x = reducer.fit_transform(in_memory(rows).x)
    return Features(rows.key, rows.label, rows.group, x)
