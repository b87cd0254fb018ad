"""Proposals: the splits, merges and renames that follow from the relations of categories, as a plan to edit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kce.types import MergePlan

if TYPE_CHECKING:
    from kce.audit.relations import CategoryPair


def propose_plan(pairs: Sequence[CategoryPair], start: Mapping[str, str], datasets: Mapping[str, str]) -> MergePlan:
    """Find the plan nearest to a given one that does not contradict the relations of the pairs.

    Categories that are the same are merged, the nearest first; then those that `start` merges, unless something speaks
    against it. Two categories that differ are never in one class, nor are two of one dataset unless `start` merges
    them, since the dataset's makers distinguish them.

    Args:
        pairs: Pairs of categories of different datasets.
        start: Category -> class.
        datasets: Category -> dataset.
    """
    apart = {frozenset((pair.a, pair.b)) for pair in pairs if pair.relation == "different"}
    links = [
        (0, pair.difference.effect, pair.a, pair.b) for pair in pairs if pair.relation == "same" and pair.difference
    ]
    links += [(1, 0.0, a, b) for a in start for b in start if a < b and start[a] == start[b]]
    members = {category: frozenset([category]) for category in start}
    for _, _, a, b in sorted(links):
        one, other = members[a], members[b]
        clash = any(
            frozenset((x, y)) in apart or (datasets[x] == datasets[y] and start[x] != start[y])
            for x in one
            for y in other
            if x != y
        )
        if not clash:
            members |= dict.fromkeys(one | other, one | other)
    classes = _named(sorted({tuple(sorted(group)) for group in members.values()}), start)
    votes = {category: _vote(category, classes, pairs) for category in classes}
    return MergePlan(classes, votes, "kce audit")


def list_changes(plan: MergePlan, start: Mapping[str, str]) -> list[dict[str, object]]:
    """List what a plan changes.

    Args:
        plan: The proposal.
        start: Category -> class, before.

    Returns:
        {"kind": "split", "merge" or "rename", "classes": [..], "categories": [..], "text": for people} of each change.
    """
    changes: list[dict[str, object]] = []
    before = MergePlan(start)
    for name in before.names:
        members = before.members(name)
        parts = [[one for one in members if plan.classes[one] == new] for new in _classes(members, plan.classes)]
        if len(parts) > 1:
            text = f"split {name}: {' | '.join(', '.join(part) for part in parts)}"
            changes.append(_change("split", _classes(members, plan.classes), members, text))
    for name in plan.names:
        members = plan.members(name)
        olds = _classes(members, start)
        if len(olds) > 1:
            changes.append(_change("merge", [name], members, f"merge {', '.join(members)} into {name}"))
    for category in sorted(start):
        if plan.classes[category] != start[category]:
            text = f"rename {category}: {start[category]} -> {plan.classes[category]}"
            changes.append(_change("rename", [plan.classes[category]], [category], text))
    return changes


def _change(kind: str, classes: list[str], categories: list[str], text: str) -> dict[str, object]:
    return {"kind": kind, "classes": classes, "categories": categories, "text": text}


def _classes(members: Sequence[str], classes: Mapping[str, str]) -> list[str]:
    return sorted({classes[member] for member in members})


def _named(groups: Sequence[Sequence[str]], start: Mapping[str, str]) -> dict[str, str]:
    """Name each class after the commonest old class of its members that is still free; else after a member."""
    classes: dict[str, str] = {}
    taken: set[str] = set()
    for group in sorted(groups, key=lambda members: (-len(members), members)):
        counts = Counter(start[category] for category in group)
        free = [name for name in sorted(counts, key=lambda name: (-counts[name], name)) if name not in taken]
        name = next(iter([*free, *(category for category in group if category not in taken)]))
        taken.add(name)
        classes |= dict.fromkeys(group, name)
    return dict(sorted(classes.items()))


def _vote(category: str, classes: Mapping[str, str], pairs: Sequence[CategoryPair]) -> str:
    """Describe the relations of a category to those in its class, and to those with its name elsewhere."""
    relations = []
    for pair in pairs:
        if category in (pair.a, pair.b):
            other = pair.b if category == pair.a else pair.a
            if classes[other] == classes[category]:
                relations.append(
                    f"{pair.relation}{_p(pair)} as {other}" if pair.relation == "same" else _with(pair, other)
                )
            elif pair.same_name or pair.relation in ("same", "contained", "overlapping"):
                relations.append(_with(pair, other))
    return "; ".join(relations) or "agrees with none"


def _with(pair: CategoryPair, other: str) -> str:
    if pair.relation == "different":
        return f"different{_p(pair)} from {other}"
    return f"{pair.relation} with {other}" + (f": {pair.reason}" if pair.relation == "undecided" else "")


def _p(pair: CategoryPair) -> str:
    p = pair.p_holm if pair.relation == "different" else pair.p_agree_holm
    return "" if p is None else f" (p {p:.2g})"
