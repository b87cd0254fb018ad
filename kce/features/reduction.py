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
        KCEError: If the aligner needs all rows and memory cannot hold them.
    """
    if takes_stream("aligner", aligner):
        aligner.fit(rows)
        return ChangedRows(rows, aligner.transform)
    features = load_rows(rows, aligner)
    return features.with_x(aligner.align(features))


def reduce_rows(reducer: Any, rows: FeatureStream) -> FeatureStream:
    """Reduce rows to fewer dimensions.

    Args:
        reducer: A reducer as ``kce.registry.isolation.component`` provides it; or any ``kce.types.Reducer``.
        rows: The rows.

    Returns:
        The reduced rows, without reals and views; those of a reducer of batches are reduced whenever they are read.

    Raises:
        KCEError: If the reducer needs all rows and memory cannot hold them.
    """
    if takes_stream("reducer", reducer):
        for batch in rows.batches():
            reducer.partial_fit(batch.x)
        return ChangedRows(rows, lambda batch: reducer.transform(batch.x))
    if hasattr(reducer, "fit_transform_rows"):
        x = reducer.fit_transform_rows(rows)
    else:
        x = reducer.fit_transform(load_rows(rows, reducer).x)
    return Features(rows.key, rows.label, rows.group, x)


def load_rows(rows: FeatureStream, component: Any) -> Features:
    """Read all rows for a component that needs them at once.

    Args:
        rows: The rows.
        component: As ``kce.registry.isolation.component`` provides it; it knows how much memory it needs besides.

    Raises:
        KCEError: If there is too little memory, with the numbers.
    """
    if not isinstance(rows, Features) and hasattr(component, "check_price"):
        component.check_price(len(rows), rows.dim)
    return in_memory(rows)
