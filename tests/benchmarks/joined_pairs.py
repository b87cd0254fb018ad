"""How far to believe what plans join: prints JSON from the folder of a bench of aligners, ``--to FOLDER``.

    python -m tests.benchmarks.joined_pairs FOLDER [--training paired] [--aligner NAME] [--clusterer NAME]
        [--against TRAINING ALIGNER CLUSTERER]

For each way of storing, of plans at the true number of classes: the share of the pairs of categories that a plan joined
that are of one method; of those that are joined in 90 % of the resamples of their recordings, or in fewer, as the plan
says; of those that the first two networks of a world both joined; and of those that one alone did.
Intervals are Wilson's, 95 %, over pairs, taken as independent. `difference` is that of the ARI to the plans of
``--against`` (default: the paper's way), mean over worlds with Student's 95 % interval.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from kce.bench.aligner_cells import AlignCell, AlignResult, AlignSetting
from kce.bench.cell_store import read_cells
from kce.bench.drawn_faces import read_methods
from kce.evaluation.paired_tests import mean_with_interval
from kce.merging.plan_file import read_plan
from tests.benchmarks.audit_findings import share

Way = tuple[str, str, str]
"""Training, aligner, clusterer."""
Pairs = dict[tuple[str, str], bool]
"""Pairs of categories, and whether they are joined in nearly all resamples."""


def joined(folder: Path, cell: dict[str, Any]) -> Pairs:
    """The pairs of categories that are in one class of a cell's plan."""
    setting = AlignSetting(*(cell[name] for name in ("world", "kind", "amount", "training", "net")))
    run = AlignCell(setting, cell["aligner"], cell["clusterer"], cell["k"]).run
    plan = read_plan(folder / run / "plan.toml")
    doubtful = {frozenset(pair[:2]) for pair in plan.doubtful}
    return {
        (a, b): {a, b} not in doubtful
        for a, b in combinations(sorted(plan.classes), 2)
        if plan.classes[a] == plan.classes[b]
    }


def measured(folder: Path, cells: list[dict[str, Any]], way: Way, against: Way) -> dict[str, Any]:
    """The figures of the cells of one way of storing."""
    own, others = (
        [cell for cell in cells if (cell["training"], cell["aligner"], cell["clusterer"]) == one]
        for one in (way, against)
    )
    counts, worlds = Counter[str](), dict[int, list[Pairs]]()
    for cell in sorted(own, key=lambda cell: int(cell["net"])):
        worlds.setdefault(cell["world"], []).append(joined(folder, cell))
    for world, plans in worlds.items():
        method = read_methods(folder, world)
        found = {"one network": [{*pairs} for pairs in plans]}
        for name, wanted in (("in most resamples", True), ("in fewer", False)):
            found[name] = [{pair for pair, sure in pairs.items() if sure == wanted} for pairs in plans]
        if len(plans) > 1:
            first, second, *_ = found["one network"]
            found |= {"both networks": [first & second], "one of two alone": [first ^ second]}
        for name, sets in found.items():
            for pairs in sets:
                counts[name] += len(pairs)
                counts[f"{name}, right"] += sum(method[a] == method[b] for a, b in pairs)
    shares = {
        name: share(counts[f"{name}, right"], counts[name])
        for name in ("one network", "in most resamples", "in fewer", "both networks", "one of two alone")
    }
    return {"pairs": shares, "difference": difference(own, others)}


def difference(own: list[dict[str, Any]], others: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Mean difference of ARI over worlds, of networks that both have; None without any."""
    theirs = {(cell["world"], cell["net"]): cell["ari"] for cell in others}
    by_world: dict[int, list[float]] = {}
    for cell in own:
        if (key := (cell["world"], cell["net"])) in theirs:
            by_world.setdefault(cell["world"], []).append(cell["ari"] - theirs[key])
    if not by_world:
        return None
    estimate = mean_with_interval([float(np.mean(values)) for values in by_world.values()])
    return {"mean": estimate.mean, "interval": estimate.interval, "worlds": estimate.n}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--training", default="paired")
    parser.add_argument("--aligner", default="real-anchor:unit=true,paired=true")
    parser.add_argument("--clusterer", default="cannot-link")
    parser.add_argument("--against", nargs=3, default=["paper", "none", "kmeans"])
    asked = parser.parse_args()
    cells = [
        cell
        for cell in read_cells(asked.folder, "aligners", AlignResult)
        if cell["status"] == "ok" and cell["k"] == "known"
    ]
    way, against = (asked.training, asked.aligner, asked.clusterer), tuple(asked.against)
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for cell in cells:
        by_kind.setdefault(f"{cell['kind']} {cell['amount']:g}", []).append(cell)
    figures = {kind: measured(asked.folder, own, way, against) for kind, own in sorted(by_kind.items())}
    print(json.dumps({"way": way, "against": against, "figures": figures}, indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
