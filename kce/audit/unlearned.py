"""Which categories a network has not learned: take their dataset's reals away, and nothing is left of them.

Where such a category falls in a plan is chance, most of all after an aligner that divides by the length of a trace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kce.audit.trace_tests import LEAST_RECORDINGS, zero_trace_p_values
from kce.audit.traces import compute_traces, concatenate_tables
from kce.errors import BadData
from kce.evaluation.intervals import LEVEL
from kce.merging.aligner_inputs import sample_per_category

if TYPE_CHECKING:
    from kce.types import Features

UNLEARNED_NOTE = "not told from the reals of its dataset"
"""What the votes of a plan say of such a category."""

_ROWS = 500  # of each category, by lot: enough for a mean


def find_unlearned(rows: Features, seed: int) -> list[str]:
    """The categories whose mean differs from their dataset's reals by no more than recordings scatter, at 5 %.

    rows  with their `reals`; without them, and of a category with fewer than five recordings, nothing is said
    """
    if rows.reals is None:
        return []
    try:
        told = compute_traces(concatenate_tables([_some(rows, seed), _some(rows.reals, seed)]), seed)
    except BadData:  # nothing varies: whoever clusters such features will say so
        return []
    sound = [
        number
        for number in told.forged
        if told.reals(number) is not None and told.recordings(number) >= LEAST_RECORDINGS
    ]
    return [told.names[number] for number, p in zero_trace_p_values(told, sound, seed).items() if p > 1 - LEVEL]


def _some(rows: Features, seed: int) -> Features:
    """At most so many rows of each category, the same in whatever order they come."""
    order = np.argsort(rows.key, kind="stable")
    return rows.take(order[sample_per_category(rows.label[order], _ROWS, seed)])
