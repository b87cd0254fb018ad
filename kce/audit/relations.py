"""What any two categories of different datasets are to each other: same, contained, overlapping, different, undecided.

How near is the same? Two categories of one dataset are two forgeries, as far as its makers know: two of different
datasets must lie nearer than the nearest of those. tests/benchmarks/audit_findings.py measures what that is worth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np

from kce.audit.auroc import cross_dataset_auroc, permutation_p_values, within_dataset_auroc
from kce.audit.trace_tests import LEAST_RECORDINGS, project_on_trace, trace_differences
from kce.evaluation.paired_tests import holm_adjusted
from kce.merging.plans import plan_by_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kce.audit.auroc import Auroc
    from kce.audit.trace_tests import TraceDifference, TraceProjection
    from kce.audit.traces import Traces

Relation = Literal["same", "contained", "overlapping", "different", "undecided"]

ALPHA = 0.05  # of every decision, after Holm
MOST = 0.9  # the margin at most: two traces of one length at an angle of 53 degrees; 1.41 is a right angle
NEAREST = 0.7  # of the effect between the nearest two categories of a dataset, the share that is the margin
RETAINED = 0.5  # of what an AUROC within b's dataset has above chance, the share that must be left of it from a to b
SPREAD = 1.5  # of a category's rows along another one's trace, over that one's own rows: more than one kind makes
_BETWEEN = (0.15, 0.85)  # a place along a trace that is neither of its ends
_LEAST_ROUNDS = 1999
_MARGIN_OF_P = 5  # how far below ALPHA the least p after Holm lies


@dataclass(frozen=True)
class Margin:
    """The effect that parts same from different, and the two categories of one dataset that set it, if any did."""

    value: float = MOST
    nearest: tuple[str, ...] = ()


@dataclass(frozen=True)
class CategoryPair:
    """Two categories of different datasets, a before b.

    a_to_b, b_to_a        AUROC across, trained on the one and tested on the other
    difference            of their traces
    p_holm                of the difference's p, in the family of all pairs that have one
    p_agree, .._holm      that what tells either from its dataset singles out the other too: the larger of both ways
    reason                why the relation is what it is
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
    """Category -> the name it bears; names that agree but for case, spaces and punctuation are one."""
    return dict(plan_by_name({traces.names[i]: traces.parts[traces.names[i]].method for i in traces.forged}).classes)


def recordings_needed(pairs: int) -> int:
    """Recordings a category needs for a p that can be below ALPHA in a family of so many pairs.

    Two categories with r recordings each have 2 ** (2 r - 1) ways to set the signs that differ.
    """
    return max(LEAST_RECORDINGS, math.ceil((math.log2(max(pairs, 1) / ALPHA) + 1) / 2))


def find_relations(traces: Traces, seed: int) -> tuple[list[CategoryPair], dict[str, Auroc], Margin]:
    """All pairs of categories of different datasets, by name; the AUROC of each within its own dataset; the margin."""
    pairs = [(a, b) for a, b in combinations(traces.forged, 2) if traces.home(a) != traces.home(b)]
    rounds = max(_LEAST_ROUNDS, math.ceil(_MARGIN_OF_P * len(pairs) / ALPHA))
    needed = recordings_needed(len(pairs))
    few = {number: _too_few(traces, number, needed) for number in traces.forged}
    bare = {number: _no_anchor(traces, number) for number in traces.forged}
    sound = [pair for pair in pairs if not any(few[number] for number in pair)]
    tested = [pair for pair in sound if not any(bare[number] for number in pair)]
    over, inner, singled = (
        cross_dataset_auroc(traces),
        within_dataset_auroc(traces, seed),
        permutation_p_values(traces, rounds, seed),
    )
    siblings = [
        (a, b)
        for a, b in combinations(traces.forged, 2)
        if traces.home(a) == traces.home(b) and not any(few[number] or bare[number] for number in (a, b))
    ]
    both = trace_differences(traces, [*tested, *siblings], rounds, seed)
    apart = {pair: both[pair] for pair in tested}
    margin = _margin(traces, {pair: both[pair] for pair in siblings})
    agree = [max((singled.get(way, 1.0) for way in (pair, pair[::-1])), default=1.0) for pair in sound]
    agree_holm = dict(zip(sound, zip(agree, holm_adjusted(agree), strict=True), strict=True))
    differ = [one.p if one else None for one in apart.values()]
    differ_holm = dict(zip(apart, holm_adjusted(differ), strict=True))
    called = shared_method_names(traces)
    found = []
    for a, b in pairs:
        one, other = traces.names[a], traces.names[b]
        pair = CategoryPair(one, other, called[one] == called[other], reason=few[a] or few[b])
        if (a, b) in agree_holm:
            p_agree, p_agree_holm = agree_holm[a, b] if (a, b) in over and (b, a) in over else (None, None)
            pair = replace(
                pair,
                a_to_b=over.get((a, b)),
                b_to_a=over.get((b, a)),
                difference=apart.get((a, b)),
                p_holm=differ_holm.get((a, b)),
                p_agree=p_agree,
                p_agree_holm=p_agree_holm,
                reason=bare[a] or bare[b],
            )
        if (a, b) in apart:
            pair = _decided(pair, traces, (a, b), inner, margin.value)
        found.append(pair)
    found = [_nearest(pair, traces, found) for pair in found]
    return found, {traces.names[a]: one for a, one in inner.items() if not few[a]}, margin


def _nearest(pair: CategoryPair, traces: Traces, pairs: Sequence[CategoryPair]) -> CategoryPair:
    """A pair that is the same stays so, unless one of the two has a nearer one in the other's dataset."""
    if pair.relation != "same" or pair.difference is None:
        return pair
    homes = {traces.parts[name].dataset for name in (pair.a, pair.b)}
    for other in pairs:
        shared = {other.a, other.b} & {pair.a, pair.b}
        there = {traces.parts[name].dataset for name in (other.a, other.b)} == homes
        if len(shared) == 1 and there and other.difference and other.difference.effect < pair.difference.effect:
            nearer = next(name for name in (other.a, other.b) if name not in shared)
            return replace(pair, relation="undecided", reason=f"{nearer} lies nearer to {shared.pop()}")
    return pair


def _margin(traces: Traces, siblings: Mapping[tuple[int, int], TraceDifference | None]) -> Margin:
    effects = {pair: told.effect for pair, told in siblings.items() if told}
    if not effects:
        return Margin()
    nearest = min(effects, key=lambda pair: (effects[pair], pair))
    value = min(MOST, NEAREST * effects[nearest])
    return Margin(value, tuple(traces.names[number] for number in nearest))


def _too_few(traces: Traces, number: int, needed: int) -> str:
    """Why a category can have no figures; empty if it can."""
    reals = traces.reals(number)
    for one in (number, reals):
        if one is None:
            continue
        name, count = traces.names[one], traces.recordings(one)
        if count < needed:
            unknown = " (unknown ones count as one)" if count == 1 else ""
            return f"{name} is of {count} recordings{unknown}, and a p-value among so many pairs needs {needed}"
    rows = traces.x[traces.rows(number)]
    return f"the rows of {traces.names[number]} are all alike" if np.ptp(rows, axis=0).max() < 1e-6 else ""


def _no_anchor(traces: Traces, number: int) -> str:
    """Why a category has no trace; empty if it has one."""
    if traces.reals(number) is not None:
        return ""
    home = traces.datasets[traces.home(number)]
    return f"{home} has no reals: what moves all its rows cannot be told from a trace"


def _decided(
    pair: CategoryPair, traces: Traces, numbers: tuple[int, int], inner: Mapping[int, Auroc], margin: float
) -> CategoryPair:
    told = pair.difference
    if told is None:
        return replace(pair, reason="one of the two cannot be told from the reals of its dataset")
    agree = pair.p_agree_holm is not None and pair.p_agree_holm < ALPHA
    a, b = numbers
    parted = [_parted(project_on_trace(traces, one, of)) for one, of in ((a, b), (b, a))] if agree else [False, False]
    if all(parted):
        return replace(
            pair, relation="overlapping", reason="each has rows that are like the other and rows that are not"
        )
    if any(parted):
        holds, held = (pair.a, pair.b) if parted[0] else (pair.b, pair.a)
        return replace(pair, relation="contained", reason=f"some rows of {holds} are like {held}, and some are not")
    relation, reason = _apart(pair, told, agree, margin)
    if relation == "same" and not (_retains(pair.a_to_b, inner.get(b)) and _retains(pair.b_to_a, inner.get(a))):
        relation, reason = "undecided", "they lie close, and what tells one from its dataset does not tell the other"
    return replace(pair, relation=relation, reason=reason)


def _apart(pair: CategoryPair, told: TraceDifference, agree: bool, margin: float) -> tuple[Relation, str]:
    """What the distance of the traces says."""
    low, high = told.interval
    where = f"they lie {told.effect:.2f} of a trace's length apart ({low:.2f} to {high:.2f})"
    if low > margin:
        if pair.p_holm is not None and pair.p_holm < ALPHA:
            return "different", where
        return "undecided", f"{where}, but p = {pair.p_holm:.2g} after Holm"
    if high >= margin:
        return "undecided", f"{where}, on both sides of {margin:.2f}: more recordings are needed"
    if not agree:
        return "undecided", f"{where}, and neither is singled out by the other more than by chance"
    return "same", where


def _parted(its: TraceProjection | None) -> bool:
    return its is not None and _BETWEEN[0] < its.place < _BETWEEN[1] and its.interval[0] > SPREAD


def _retains(across_: Auroc | None, own: Auroc | None) -> bool:
    if across_ is None or own is None or own.value <= 0.5 or across_.interval[0] <= 0.5:
        return False
    return (across_.value - 0.5) / (own.value - 0.5) >= RETAINED
