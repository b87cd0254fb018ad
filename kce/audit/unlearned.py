"""Categories that a network has not learned: without their dataset's reals, nothing is left of them.

Where such a category ends up in a plan is chance, most of all after an aligner that divides by the length of a trace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kce.audit.trace_tests import LEAST_RECORDINGS, zero_trace_p_values
from kce.audit.traces import JoinedTables, compute_traces
from kce.errors import BadData
from kce.evaluation.intervals import LEVEL
from kce.merging.aligner_inputs import sample_per_category

if TYPE_CHECKING:
    from kce.types import Features, FeatureStream

UNLEARNED_NOTE = "cannot be distinguished from the reals of its dataset"
"""What the votes of a plan say of such a category."""

_ROWS = 500  # of each category, sampled: enough for a mean


def find_unlearned(features: FeatureStream, seed: int) -> list[str]:
    """Find the categories whose mean differs from their dataset's reals by no more than chance, tested at 5 %.

    Args:
        features: Rows with their ``reals``.
        seed: Random seed of the sample of rows and of the test.

    Returns:
        Their labels. Without reals, and for categories with fewer than five recordings, nothing can be found.
    """
    if features.reals is None:
        return []
    try:
        traces = compute_traces(JoinedTables([_sample(features, seed), _sample(features.reals, seed)]))
    except BadData:  # nothing varies, which clustering such features will report
        return []
    testable = [
        number
        for number in traces.forged
        if traces.reals_of(number) is not None and traces.count_recordings(number) >= LEAST_RECORDINGS
    ]
    p_values = zero_trace_p_values(traces, testable, seed)
    return [traces.labels[number] for number, p in p_values.items() if p > 1 - LEVEL]


def _sample(features: FeatureStream, seed: int) -> Features:
    """At most _ROWS rows of each category, the same whatever the order of the rows."""
    order = np.argsort(features.key, kind="stable")
    return features.take(order[sample_per_category(features.label[order], _ROWS, seed)])
