"""Relations of categories of different datasets: same, contained, overlapping, different or undecided.

How near is the same? Two categories of one dataset are different forgeries, as far as its makers know; so two of
different datasets are the same only if they are nearer than the nearest of those. tests/benchmarks/audit_findings.py
measures how reliable that is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np

from kce.audit.auroc import cross_dataset_auroc, permutation_p_values, within_dataset_auroc
from kce.audit.trace_tests import LEAST_RECORDINGS, project_on_trace, trace_differences
from kce.evaluation.formatting import format_interval
from kce.evaluation.paired_tests import holm_adjusted
from kce.merging.plans import by_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kce.audit.auroc import Auroc
    from kce.audit.trace_tests import TraceDifference, TraceProjection
    from kce.audit.traces import Traces

Relation = Literal["same", "contained", "overlapping", "different", "undecided"]

ALPHA = 0.05
"""Significance level of every decision, after Holm's correction."""
MAX_MARGIN = 0.9
"""The margin at most: two traces of equal length at an angle of 53 degrees; 1.41 is a right angle."""
MARGIN_SHARE = 0.7
"""The margin, as a share of the effect between the nearest two categories of one dataset."""
RETAINED = 0.5
"""The share of an AUROC's excess over chance that must remain from one dataset to the other."""
MIN_MIXTURE_SPREAD = 1.5
"""Relative spread along another category's trace above which a category's rows are a mixture."""
_BETWEEN = (0.15, 0.85)  # places along a trace that are neither of its ends
_LEAST_ROUNDS = 1999
_MARGIN_OF_P = 5  # ALPHA over the smallest p that is possible after Holm


@dataclass(frozen=True)
class Margin:
    """The effect that separates same from different.

    Attributes:
        value: The effect.
        nearest: The two categories of one dataset that set it; empty if none did.
    """

    value: float = MAX_MARGIN
    nearest: tuple[str, ...] = ()


@dataclass(frozen=True)
class CategoryPair:
    """Two categories of different datasets.

    Attributes:
        a: The first, by name.
        b: The second.
        same_name: Whether their methods have the same name.
        relation: What they are to each other.
        reason: Why.
        a_to_b: AUROC of a's score on b.
        b_to_a: AUROC of b's score on a.
        difference: Difference of their traces.
        p_holm: p-value of the difference, after Holm's correction over all pairs that have one.
        p_agree: p-value of the hypothesis that each one's score separates the other no better than chance: the larger p
            of the two directions.
        p_agree_holm: The same after Holm's correction.
    """

    a: str
    b: str
    same_name: bool
    relation: Relation = "undecided"
    reason: str = ""
    a_to_b: Auroc | None = None
    b_to_a: Auroc | None = None
    difference: TraceDifference | None = None
    p_holm: float | None = None
    p_agree: float | None = None
    p_agree_holm: float | None = None


def shared_method_names(traces: Traces) -> dict[str, str]:
    """Return category -> name of its method; names equal except for case, spaces and punctuation count as one."""
    return dict(by_name({traces.labels[i]: traces.parts[traces.labels[i]].method for i in traces.forged}).classes)


def recordings_needed(pairs: int) -> int:
    """Compute how many recordings a category needs for a p that can be below ALPHA among so many pairs.

    Two categories with r recordings each have 2 ** (2 r - 1) different sign patterns.
    """
    return max(LEAST_RECORDINGS, math.ceil((math.log2(max(pairs, 1) / ALPHA) + 1) / 2))


def find_relations(traces: Traces, seed: int) -> tuple[list[CategoryPair], dict[str, Auroc], Margin]:
    """Decide what all pairs of categories of different datasets are to each other.

    Args:
        traces: Traces of all labels.
        seed: Random seed of all random choices.

    Returns:
        The pairs, by name; each category's AUROC within its own dataset; and the margin.
    """
    pairs = [(a, b) for a, b in combinations(traces.forged, 2) if traces.dataset_of(a) != traces.dataset_of(b)]
    rounds = max(_LEAST_ROUNDS, math.ceil(_MARGIN_OF_P * len(pairs) / ALPHA))
    needed = recordings_needed(len(pairs))
    too_few = {number: _lacks_recordings(traces, number, needed) for number in traces.forged}
    no_reals = {number: _lacks_reals(traces, number) for number in traces.forged}
    with_recordings = [pair for pair in pairs if not any(too_few[number] for number in pair)]
    testable = [pair for pair in with_recordings if not any(no_reals[number] for number in pair)]
    across, within = cross_dataset_auroc(traces), within_dataset_auroc(traces, seed)
    p_values = permutation_p_values(traces, rounds, seed)
    siblings = [
        (a, b)
        for a, b in combinations(traces.forged, 2)
        if traces.dataset_of(a) == traces.dataset_of(b)
        and not any(too_few[number] or no_reals[number] for number in (a, b))
    ]
    all_differences = trace_differences(traces, [*testable, *siblings], rounds, seed)
    differences = {pair: all_differences[pair] for pair in testable}
    margin = _margin(traces, {pair: all_differences[pair] for pair in siblings})
    agree = [max(p_values.get(way, 1.0) for way in (pair, pair[::-1])) for pair in with_recordings]
    agree_holm = dict(zip(with_recordings, zip(agree, holm_adjusted(agree), strict=True), strict=True))
    differ = [difference.p if difference else None for difference in differences.values()]
    differ_holm = dict(zip(differences, holm_adjusted(differ), strict=True))
    names = shared_method_names(traces)
    decided = []
    for a, b in pairs:
        one, other = traces.labels[a], traces.labels[b]
        pair = CategoryPair(one, other, names[one] == names[other], reason=too_few[a] or too_few[b])
        if (a, b) in agree_holm:
            p_agree, p_agree_holm = agree_holm[a, b] if (a, b) in across and (b, a) in across else (None, None)
            pair = replace(
                pair,
                a_to_b=across.get((a, b)),
                b_to_a=across.get((b, a)),
                difference=differences.get((a, b)),
                p_holm=differ_holm.get((a, b)),
                p_agree=p_agree,
                p_agree_holm=p_agree_holm,
                reason=no_reals[a] or no_reals[b],
            )
        if (a, b) in differences:
            pair = _decide(pair, traces, (a, b), within, margin.value)
        decided.append(pair)
    decided = [_check_nearest(pair, traces, decided) for pair in decided]
    return decided, {traces.labels[a]: auroc for a, auroc in within.items() if not too_few[a]}, margin


def _check_nearest(pair: CategoryPair, traces: Traces, pairs: Sequence[CategoryPair]) -> CategoryPair:
    """Keep the relation "same" unless one of the two has a nearer category in the other's dataset."""
    if pair.relation != "same" or pair.difference is None:
        return pair
    datasets = {traces.parts[name].dataset for name in (pair.a, pair.b)}
    for other in pairs:
        shared = {other.a, other.b} & {pair.a, pair.b}
        same_datasets = {traces.parts[name].dataset for name in (other.a, other.b)} == datasets
        if len(shared) == 1 and same_datasets and other.difference and other.difference.effect < pair.difference.effect:
            nearer = next(name for name in (other.a, other.b) if name not in shared)
            return replace(pair, relation="undecided", reason=f"{nearer} is nearer to {shared.pop()}")
    return pair


def _margin(traces: Traces, siblings: Mapping[tuple[int, int], TraceDifference | None]) -> Margin:
    effects = {pair: difference.effect for pair, difference in siblings.items() if difference}
    if not effects:
        return Margin()
    nearest = min(effects, key=lambda pair: (effects[pair], pair))
    value = min(MAX_MARGIN, MARGIN_SHARE * effects[nearest])
    return Margin(value, tuple(traces.labels[number] for number in nearest))


def _lacks_recordings(traces: Traces, number: int, needed: int) -> str:
    """Say why a category cannot be tested; empty if it can."""
    reals = traces.reals_of(number)
    for one in (number, reals):
        if one is None:
            continue
        name, count = traces.labels[one], traces.count_recordings(one)
        if count < needed:
            unknown = " (unknown ones count as one)" if count == 1 else ""
            return f"{name} has {count} recordings{unknown}, and a p value among so many pairs needs {needed}"
    rows = traces.x[traces.rows_of(number)]
    return f"the rows of {traces.labels[number]} are all equal" if np.ptp(rows, axis=0).max() < 1e-6 else ""


def _lacks_reals(traces: Traces, number: int) -> str:
    """Say why a category has no trace; empty if it has one."""
    if traces.reals_of(number) is not None:
        return ""
    dataset = traces.datasets[traces.dataset_of(number)]
    return f"{dataset} has no reals: what shifts all its rows cannot be separated from a trace"


def _decide(
    pair: CategoryPair, traces: Traces, numbers: tuple[int, int], within: Mapping[int, Auroc], margin: float
) -> CategoryPair:
    difference = pair.difference
    if difference is None:
        return replace(pair, reason="one of the two cannot be distinguished from the reals of its dataset")
    agree = pair.p_agree_holm is not None and pair.p_agree_holm < ALPHA
    a, b = numbers
    ways = ((a, b), (b, a))
    mixtures = [_is_mixture(project_on_trace(traces, one, onto)) for one, onto in ways] if agree else [False, False]
    if all(mixtures):
        return replace(pair, relation="overlapping", reason="some rows of each are like the other, and some are not")
    if any(mixtures):
        whole, part = (pair.a, pair.b) if mixtures[0] else (pair.b, pair.a)
        return replace(pair, relation="contained", reason=f"some rows of {whole} are like {part}, and some are not")
    relation, reason = _decide_by_distance(pair, difference, agree, margin)
    retained = _retains(pair.a_to_b, within.get(b)) and _retains(pair.b_to_a, within.get(a))
    if relation == "same" and not retained:
        relation, reason = "undecided", "they are close, but what separates one from its dataset fails for the other"
    return replace(pair, relation=relation, reason=reason)


def _decide_by_distance(
    pair: CategoryPair, difference: TraceDifference, agree: bool, margin: float
) -> tuple[Relation, str]:
    low, high = difference.interval
    distance = f"they are {difference.effect:.2f} of a trace's length apart ({format_interval((low, high), '.2f')})"
    if low > margin:
        if pair.p_holm is not None and pair.p_holm < ALPHA:
            return "different", distance
        return "undecided", f"{distance}, but p = {pair.p_holm:.2g} after Holm"
    if high >= margin:
        return "undecided", f"{distance}, on both sides of {margin:.2f}: more recordings are needed"
    if not agree:
        return "undecided", f"{distance}, and neither one's score separates the other better than chance"
    return "same", distance


def _is_mixture(projection: TraceProjection | None) -> bool:
    return (
        projection is not None
        and projection.interval is not None
        and _BETWEEN[0] < projection.place < _BETWEEN[1]
        and projection.interval[0] > MIN_MIXTURE_SPREAD
    )


def _retains(across: Auroc | None, within: Auroc | None) -> bool:
    """Whether an AUROC across datasets keeps enough of the excess over chance that there is within b's dataset."""
    if across is None or within is None or within.value <= 0.5:
        return False
    if across.interval is not None and across.interval[0] <= 0.5:  # without an error there is none
        return False
    return (across.value - 0.5) / (within.value - 0.5) >= RETAINED
