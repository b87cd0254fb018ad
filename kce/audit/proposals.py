"""What to split, merge and rename: the classes that the relations of categories ask for, as a plan to edit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kce.types import MergePlan

if TYPE_CHECKING:
    from kce.audit.relations import CategoryPair


def propose_plan(pairs: Sequence[CategoryPair], start: Mapping[str, str], datasets: Mapping[str, str]) -> MergePlan:
    """The plan nearest to `start` (category -> class) that does not contradict the pairs.

    Categories that are the same come together, the nearest first; then those that `start` joins and nothing speaks
    against. Never in one class: two categories that differ, and two of one dataset (category -> dataset in `datasets`)
    unless `start` joins them: its makers told them apart.
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
    classes = _named(sorted({tuple(sorted(its)) for its in members.values()}), start)
    votes = {category: _vote(category, classes, pairs) for category in classes}
    return MergePlan(classes, votes, "kce audit")


def list_changes(plan: MergePlan, start: Mapping[str, str]) -> list[dict[str, object]]:
    """What the plan changes: {"kind": split, merge or rename, "classes", "categories", "text"}."""
    found: list[dict[str, object]] = []
    before = MergePlan(start)
    for name in before.names:
        members = before.members(name)
        parts = [[one for one in members if plan.classes[one] == new] for new in _classes(members, plan.classes)]
        if len(parts) > 1:
            text = f"split {name}: {' | '.join(', '.join(part) for part in parts)}"
            found.append(_proposal("split", _classes(members, plan.classes), members, text))
    for name in plan.names:
        members = plan.members(name)
        olds = _classes(members, start)
        if len(olds) > 1:
            found.append(_proposal("merge", [name], members, f"merge {', '.join(members)} into {name}"))
    for category in sorted(start):
        if plan.classes[category] != start[category]:
            text = f"rename {category}: {start[category]} -> {plan.classes[category]}"
            found.append(_proposal("rename", [plan.classes[category]], [category], text))
    return found


def _proposal(kind: str, classes: list[str], categories: list[str], text: str) -> dict[str, object]:
    return {"kind": kind, "classes": classes, "categories": categories, "text": text}


def _classes(members: Sequence[str], classes: Mapping[str, str]) -> list[str]:
    return sorted({classes[member] for member in members})


def _named(groups: Sequence[Sequence[str]], start: Mapping[str, str]) -> dict[str, str]:
    """Each class bears the commonest old name of its members that no larger class has; else its first member's own."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for group in sorted(groups, key=lambda its: (-len(its), its)):
        counts = Counter(start[category] for category in group)
        free = [name for name in sorted(counts, key=lambda name: (-counts[name], name)) if name not in taken]
        name = next(iter([*free, *(category for category in group if category not in taken)]))
        taken.add(name)
        found |= dict.fromkeys(group, name)
    return dict(sorted(found.items()))


def _vote(category: str, classes: Mapping[str, str], pairs: Sequence[CategoryPair]) -> str:
    """How a category stands to its class mates, and to those that bear its name elsewhere."""
    said = []
    for pair in pairs:
        if category in (pair.a, pair.b):
            other = pair.b if category == pair.a else pair.a
            if classes[other] == classes[category]:
                said.append(f"{pair.relation}{_p(pair)} as {other}" if pair.relation == "same" else _with(pair, other))
            elif pair.same_name or pair.relation in ("same", "contained", "overlapping"):
                said.append(_with(pair, other))
    return "; ".join(said) or "agrees with none"


def _with(pair: CategoryPair, other: str) -> str:
    if pair.relation == "different":
        return f"different{_p(pair)} from {other}"
    return f"{pair.relation} with {other}" + (f": {pair.reason}" if pair.relation == "undecided" else "")


def _p(pair: CategoryPair) -> str:
    p = pair.p_holm if pair.relation == "different" else pair.p_agree_holm
    return "" if p is None else f" (p {p:.2g})"
