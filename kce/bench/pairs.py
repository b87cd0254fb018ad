"""Who won: paired differences between the entries of a benchmark, and what can be told apart, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations

import numpy as np

from kce.evaluation.agreement import ARI_RANGE
from kce.evaluation.formatting import describe_missing_intervals, format_interval, format_number
from kce.evaluation.paired_tests import holm_adjusted, paired_difference
from kce.report.charts import ReportTable

LEVEL = 0.05
"""Two entries are told apart if the p value of their difference, after Holm's correction, is below this."""

_MOST_LISTED = 10  # pairs in a sentence

DIFFERENCE_RANGE = (ARI_RANGE[0] - ARI_RANGE[1], ARI_RANGE[1] - ARI_RANGE[0])
"""What the difference of two ARI can be at least and at most."""

Scores = Mapping[str, Mapping[str, float]]
"""Entry -> world -> ARI, or its mean."""


@dataclass(frozen=True)
class EntryDifference:
    """The difference of two entries over the worlds that both have.

    Attributes:
        entry: Name of an entry.
        over: Name of the other, which is subtracted.
        n: Worlds.
        mean: Mean difference.
        interval: Its 95 % interval; None for fewer than three worlds, or if all differences are equal.
        p: Of the paired t test, two-sided; of the permutation test if all differences are equal, where t has no value;
            None for one world, or if all differences are 0.
        p_permutation: Of the permutation test that flips signs; None where `p` is.
        p_holm: `p`, adjusted for the number of pairs.
        p_permutation_holm: `p_permutation`, adjusted likewise.
    """

    entry: str
    over: str
    n: int
    mean: float
    interval: tuple[float, float] | None
    p: float | None
    p_permutation: float | None
    p_holm: float | None
    p_permutation_holm: float | None

    @property
    def separable(self) -> bool:
        """Whether the two are told apart."""
        return self.p_holm is not None and self.p_holm < LEVEL


def compare_pairs(pairs: Sequence[tuple[str, Mapping[str, float], str, Mapping[str, float]]]) -> list[EntryDifference]:
    """Compare entries pair by pair over the worlds that both have; pairs without a common world are left out.

    Args:
        pairs: (entry, its scores by world, other entry, its scores by world), which is subtracted.

    Returns:
        One difference for each pair, with p values adjusted over all of them.
    """
    tested = []
    for entry, ours, over, theirs in pairs:
        if worlds := sorted(ours.keys() & theirs.keys()):
            difference = paired_difference([ours[w] for w in worlds], [theirs[w] for w in worlds], 0, DIFFERENCE_RANGE)
            if difference.p is None:
                difference = replace(difference, p=difference.p_permutation)
            tested.append((entry, over, difference))
    adjusted = {
        name: holm_adjusted([getattr(difference, name) for _, _, difference in tested])
        for name in ("p", "p_permutation")
    }
    return [
        EntryDifference(
            entry, over, **asdict(difference), p_holm=adjusted["p"][i], p_permutation_holm=adjusted["p_permutation"][i]
        )
        for i, (entry, over, difference) in enumerate(tested)
    ]


def all_pairs(scores: Scores) -> list[EntryDifference]:
    """Compare every pair of entries over the worlds that all entries have, the one with the higher mean first."""
    worlds = common_worlds(scores)
    kept = {entry: {world: own[world] for world in worlds} for entry, own in scores.items()}
    if not worlds:
        return []
    order = sorted(kept, key=lambda entry: (-float(np.mean(list(kept[entry].values()))), entry))
    return compare_pairs([(one, kept[one], other, kept[other]) for one, other in combinations(order, 2)])


def common_worlds(scores: Scores) -> list[str]:
    """The worlds that all entries have, sorted."""
    return sorted(set.intersection(*map(set, scores.values()))) if scores else []


def verdict(scores: Scores, differences: Sequence[EntryDifference], measure: str = "ARI") -> str:
    """Say what can be told apart and what cannot, or why nothing can.

    Args:
        scores: The scores of all entries.
        differences: What ``all_pairs`` made of them.
        measure: What the scores are.

    >>> verdict({"a": {"w": 0.5}}, [])
    'Nothing can be compared: there is one entry (a), on one world.'
    >>> scores = {"a": {"w": 0.9, "v": 0.8, "u": 0.85}, "b": {"w": 0.5, "v": 0.4, "u": 0.44}}
    >>> print(verdict(scores, all_pairs(scores)))
    a is better than b (mean ARI over 3 worlds; paired t test, p < 0.05 after Holm over 1 pair).
    """
    if not scores:
        return "Nothing can be compared: there is no entry."
    worlds = common_worlds(scores)
    if len(scores) == 1:
        (entry, own), = scores.items()  # fmt: skip
        return f"Nothing can be compared: there is one entry ({entry}), on {_count(len(own), 'world')}."
    if not worlds:
        return "Nothing can be compared: no world has all entries."
    if len(worlds) == 1:
        return (
            f"Nothing can be told apart: {len(scores)} entries were compared on one world ({worlds[0]}), and how much "
            "differences vary from world to world is not known."
        )
    how = (
        f"mean {measure} over {len(worlds)} worlds; paired t test, p < {LEVEL:g} after Holm over "
        f"{_count(len(differences), 'pair')}"
    )
    better: dict[str, list[str]] = {}
    for difference in differences:
        if difference.separable:
            winner, loser = (difference.entry, difference.over)[:: 1 if difference.mean > 0 else -1]
            better.setdefault(winner, []).append(loser)
    if not better:
        return f"No entry can be told apart from another ({how})."
    said = [f"{'; '.join(f'{winner} is better than {_list(losers)}' for winner, losers in better.items())} ({how})."]
    leader = differences[0].entry
    level = [d.over for d in differences if d.entry == leader and not d.separable]
    if level:
        said.append(f"{leader}, which has the highest mean, cannot be told apart from {_list(level)}.")
    rest = [f"{d.entry} and {d.over}" for d in differences if d.entry != leader and not d.separable]
    if len(rest) > _MOST_LISTED:
        said.append(
            f"{len(rest)} other pairs cannot be told apart{' either' if level else ''}; the differences list them."
        )
    elif rest:
        said.append(f"These cannot be told apart{' either' if level else ''}: {'; '.join(rest)}.")
    return " ".join(said)


def differences_table(name: str, title: str, note: str, differences: Sequence[EntryDifference]) -> ReportTable:
    """Make the table of the differences of all pairs; `note` says what they are of."""
    head = ("entry", "over", "difference", "95 % interval", "p (t)", "p (t, Holm)", "p (signs)", "p (signs, Holm)",
            "n", "told apart")  # fmt: skip
    rows = [
        (
            d.entry, d.over, f"{d.mean:+.3f}", format_interval(d.interval, "+.3f"),
            *(format_number(p, ".3g") for p in (d.p, d.p_holm, d.p_permutation, d.p_permutation_holm)),
            str(d.n), "yes" if d.separable else "no",
        )
        for d in differences
    ]  # fmt: skip
    records = [{**with_bounds(asdict(d)), "told_apart": d.separable} for d in differences]
    note += describe_missing_intervals([d.interval for d in differences], "worlds")
    return ReportTable(name, title, note, head, rows, [False, False, *[True] * 7, False], records)


def with_bounds(record: dict[str, object]) -> dict[str, object]:
    """A record with the ends of its interval in columns of their own, for a csv file."""
    interval = record.pop("interval")
    low, high = interval if isinstance(interval, list | tuple) else (None, None)
    return {**record, "low": low, "high": high}


def _count(number: int, what: str) -> str:
    return f"{'one' if number == 1 and what == 'world' else number} {what}{'' if number == 1 else 's'}"


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
