"""Reducing rows: as a stream where the reducer can, else as an array whose memory is checked before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kce.features.streams import ChangedRows, collect, in_memory
from kce.types import Features

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kce.types import FeatureStream


def reduce_rows(reducer: Any, rows: FeatureStream) -> Features:
    """Reduce rows to fewer dimensions.

    Args:
        reducer: A reducer as ``kce.registry.isolation.component`` provides it; or any ``kce.types.Reducer``.
        rows: The rows, which are read twice if the reducer takes them in batches.

    Returns:
        The reduced rows, in memory.

    Raises:
        BadData: If the reducer needs all rows and memory cannot hold them.
    """
    if hasattr(reducer, "fit_transform_rows"):
        reduced = reducer.fit_transform_rows(rows)
    elif hasattr(reducer, "partial_fit") and hasattr(reducer, "transform"):
        reduced = _reduced_in_batches(reducer, rows)
    else:
        reduced = reducer.fit_transform(in_memory(rows).x)
    return Features(rows.key, rows.label, rows.group, reduced)


def _reduced_in_batches(reducer: Any, rows: FeatureStream) -> NDArray[np.float32]:
    for batch in rows.batches():
        reducer.partial_fit(batch.x)
    return collect(ChangedRows(rows, lambda batch: reducer.transform(batch.x)))
