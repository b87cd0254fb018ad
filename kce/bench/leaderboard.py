"""Leaderboards of clusterers: mean ranks over worlds, tests between them, and the comparison of two benchmarks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from kce.bench.bench_reports import LeaderboardReport
from kce.bench.clusterers import read_cluster_labels
from kce.bench.leaderboard_tables import (
    ENTRY,
    MEASURES,
    ari_figure,
    board_tables,
    cells_table,
    entry_names,
    main_scores,
    mean_or_none,
    world_tables,
)
from kce.bench.pairs import LEVEL, all_pairs, compare_pairs, verdict
from kce.errors import UnknownName
from kce.evaluation.agreement import ARI_RANGE, partition_stability
from kce.evaluation.paired_tests import mean_with_interval, paired_difference
from kce.report.html_page import render_page
from kce.report.table_export import write_tables
from kce.system.atomic import write_atomic
from kce.system.documents import model_from_table, model_to_table, write_document

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.registry.result_provenance import Provenance

    Results = Sequence[Mapping[str, Any]]
    Entries = dict[tuple[str, ...], dict[str, list[Mapping[str, Any]]]]


def make_leaderboards(folder: Path, results: Results) -> dict[str, Any]:
    """Make two leaderboards, for a "known" and an "unknown" number of clusters.

    Clusterers that take no number are in the latter. An entry is a combination of aligner, reducer and clusterer.

    Args:
        folder: Folder of the benchmark, with the cluster numbers.
        results: Results as ``run_cluster_cells`` returns them.

    Returns:
        Name -> {"rows": entries, best mean rank first; "ranks": as ``mean_ranks`` returns them; "truth": names of the
        truths that count; "differences": of all pairs, as ``all_pairs`` returns them; "verdict": what can be told
        apart}. A row has {"worlds", "cells", "failed", "ari", "interval", "rank", "measures", "truths",
        "stability", "subsample", "seconds", "peak_mib", "clusters_off"}. `ari` is against the first truth, averaged
        over seeds and then over worlds, `interval` Student's t over worlds (None for fewer than three or equal ones); a
        failed cell scores 0 and is ranked last. `stability` is the mean ARI between the clusters of different seeds,
        None without seeds. n of every mean is `worlds`.
    """
    return {
        name: _make_leaderboard(folder, [result for result in results if result["k"] in ks])
        for name, ks in (("known", ("known",)), ("unknown", ("unknown", "own")))
    }


def mean_ranks(scores: NDArray[np.float64]) -> dict[str, Any]:
    """Rank entries by their scores, with Friedman's test and Nemenyi's critical difference (Demsar 2006).

    Args:
        scores: (worlds, entries), higher is better; equal scores share their ranks.

    Returns:
        {"n": worlds, "entries", "mean": mean rank of each entry, "p": of Friedman's test, for two entries of the paired
        test that flips signs; "critical_difference": at 5 %}. Entries whose mean ranks differ by less than the critical
        difference cannot be told apart. p and the critical difference are None for fewer than two worlds or entries.
    """
    worlds, entries = scores.shape
    mean = stats.rankdata(-np.round(scores, 9), axis=1).mean(axis=0)
    ranks = _no_ranks(worlds, entries) | {"mean": mean.tolist()}
    if worlds > 1 and entries > 1:
        if entries == 2:
            ranks["p"] = paired_difference(scores[:, 0], scores[:, 1], 0).p_permutation
        elif np.ptp(scores, axis=1).any():
            ranks["p"] = float(stats.friedmanchisquare(*np.round(scores, 9).T).pvalue)
        q = float(stats.studentized_range.ppf(1 - LEVEL, entries, np.inf)) / math.sqrt(2)
        ranks["critical_difference"] = q * math.sqrt(entries * (entries + 1) / (6 * worlds))
    return ranks


def _no_ranks(worlds: int, entries: int) -> dict[str, Any]:
    return {"n": worlds, "entries": entries, "mean": [], "p": None, "critical_difference": None}


def compare_benches(
    first: Results, second: Results, clusterers: Sequence[str] = (), against: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Compare two benchmarks over the worlds that both have.

    Args:
        first: Results of one benchmark.
        second: Results of the other.
        clusterers: Clusterers of the first that are compared with others of the second.
        against: Clusterers of the second that they are compared with. Where only one of the two is given, the other is
            all clusterers; where none is, each entry is compared with the same one of the other benchmark.

    Returns:
        For each pair {"aligner", "reducer", "clusterer", "k": of the first; "against": {"aligner", "reducer",
        "clusterer", "k"} of the second; "n": worlds, "first" and "second": mean ARI; and the second less the first as
        an ``EntryDifference`` has it: "difference", "interval", "p", "p_permutation", "p_holm", "p_permutation_holm",
        "told_apart"}. A known number of clusters is compared with a known one, an estimated one or none with such.

    Raises:
        UnknownName: For a clusterer that a benchmark does not have.
    """
    ours, theirs = _group_by_entry(first), _group_by_entry(second)
    for wanted, entries, which in ((clusterers, ours, "first"), (against, theirs, "second")):
        have = sorted({entry[2] for entry in entries})
        for name in wanted:
            if name not in have:
                raise UnknownName.among(f"clusterer in the {which} benchmark", name, have)
    if clusterers or against:
        pairs = [
            (one, other)
            for one, other in product(sorted(ours), sorted(theirs))
            if (one[2] in clusterers or not clusterers)
            and (other[2] in against or not against)
            and (one[3] == "known") == (other[3] == "known")
        ]
    else:
        pairs = [(entry, entry) for entry in sorted(ours.keys() & theirs.keys())]
    pairs = [(one, other) for one, other in pairs if ours[one].keys() & theirs[other].keys()]
    scores = [
        ("second", {world: _mean_ari(cells) for world, cells in theirs[other].items()},
         "first", {world: _mean_ari(cells) for world, cells in ours[one].items()})
        for one, other in pairs
    ]  # fmt: skip
    rows = []
    for (one, other), pair, tested in zip(pairs, scores, compare_pairs(scores), strict=True):
        worlds = pair[1].keys() & pair[3].keys()
        means = {name: float(np.mean([own[world] for world in sorted(worlds)])) for name, own in
                 (("first", pair[3]), ("second", pair[1]))}  # fmt: skip
        difference = model_to_table(tested)
        rows.append(
            {
                **dict(zip((*ENTRY, "k"), one, strict=True)),
                "against": dict(zip((*ENTRY, "k"), other, strict=True)),
                **means,
                "n": tested.n,
                "difference": tested.mean,
                **{key: difference[key] for key in ("interval", "p", "p_permutation", "p_holm", "p_permutation_holm")},
                "told_apart": tested.separable,
            }
        )
    return rows


def write_leaderboards(
    folder: Path, boards: Mapping[str, Any], results: Results, provenance: Provenance | None = None
) -> list[Path]:
    """Write leaderboard.json, all tables, and leaderboard.html; returns the paths.

    Args:
        folder: Folder of the benchmark.
        boards: Leaderboards as ``make_leaderboards`` returns them.
        results: Results as ``run_cluster_cells`` returns them.
        provenance: Where the results come from; None = not recorded.
    """
    source = None if provenance is None else model_to_table(provenance)
    report = model_from_table({**boards, "provenance": source}, LeaderboardReport, "the leaderboard")
    write_document(folder / "leaderboard.json", report)
    tables = [table for k, board in boards.items() for table in board_tables(k, board)]
    tables += world_tables(results)
    written = write_tables(folder / "tables", [*tables, cells_table(results)], source)
    path = folder / "leaderboard.html"
    verdicts = [f"Number of clusters {k}: {board['verdict']}" for k, board in boards.items() if board["rows"]]
    title = "Clusterers on worlds with known truth"
    write_atomic(path, render_page(title, tables, [ari_figure(boards)], verdicts, provenance=source).encode())
    return [folder / "leaderboard.json", *written, path]


def _make_leaderboard(folder: Path, results: Results) -> dict[str, Any]:
    entries = _group_by_entry(results)
    worlds = sorted({result["world"] for result in results})
    rows = [_leaderboard_row(folder, entry, cells) for entry, cells in entries.items()]
    ranks = _no_ranks(len(worlds), len(rows))
    if rows:
        # An entry that was not run on a world has no rank there: only worlds that all entries have count.
        complete = [world for world in worlds if all(world in cells for cells in entries.values())]
        scores = np.array([[_mean_ari(cells[world], failed=-1) for cells in entries.values()] for world in complete])
        ranks = mean_ranks(scores.reshape(len(complete), len(rows))) if complete else ranks
    for number, row in enumerate(rows):
        row["rank"] = ranks["mean"][number] if ranks["mean"] else None
    truths = sorted({next(iter(result["scores"])) for result in results if result["status"] == "ok"})
    by_world = _scores_by_world(entries)
    differences = all_pairs(by_world)
    return {
        "rows": sorted(rows, key=lambda row: (row["rank"] or 0, -row["ari"])),
        "ranks": ranks,
        "truth": truths,
        "differences": [model_to_table(difference) for difference in differences],
        "verdict": verdict(by_world, differences),
    }


def _scores_by_world(entries: Entries) -> dict[str, dict[str, float]]:
    """Name of an entry -> world -> mean ARI, where a failed cell counts 0."""
    names = entry_names(entries)
    return {names[entry]: {w: _mean_ari(cells) for w, cells in by_world.items()} for entry, by_world in entries.items()}


def _group_by_entry(results: Results) -> Entries:
    """Entry with its k -> world -> results."""
    groups: Entries = {}
    for result in results:
        entry = (*(result[name] for name in ENTRY), result["k"])
        groups.setdefault(entry, {}).setdefault(result["world"], []).append(result)
    return groups


def _leaderboard_row(
    folder: Path, entry: tuple[str, ...], by_world: Mapping[str, list[Mapping[str, Any]]]
) -> dict[str, Any]:
    cells = [cell for group in by_world.values() for cell in group]
    ok = [cell for cell in cells if cell["status"] == "ok"]
    estimate = mean_with_interval([_mean_ari(group) for group in by_world.values()], ARI_RANGE)
    by_truth: dict[str, list[float]] = {}
    for cell in ok:
        for name, scores in cell["scores"].items():
            by_truth.setdefault(name, []).append(scores["ari"])
    stabilities = [partition_stability(read_cluster_labels(folder, group)) for group in by_world.values()]
    return {
        **dict(zip((*ENTRY, "k"), entry, strict=True)),
        "worlds": estimate.n,
        "cells": len(cells),
        "failed": len(cells) - len(ok),
        "reasons": sorted({cell["reason"] for cell in cells if cell["status"] != "ok"}),
        "ari": estimate.mean,
        "interval": estimate.interval,
        "measures": {name: mean_or_none([main_scores(cell)[name] for cell in ok]) for name in MEASURES},
        "truths": {name: mean_or_none(values) for name, values in sorted(by_truth.items())},
        "stability": mean_or_none([value for value in stabilities if value is not None]),
        "subsample": mean_or_none([cell["subsample"] for cell in ok if cell["subsample"] is not None]),
        "seconds": float(np.median([cell["seconds"] for cell in ok])) if ok else None,
        "peak_mib": max((cell["peak_mib"] for cell in ok if cell["peak_mib"] is not None), default=None),
        "clusters_off": mean_or_none([abs(cell["clusters"] - cell["classes"]) for cell in ok]),
    }


def _mean_ari(cells: Sequence[Mapping[str, Any]], failed: float = 0.0) -> float:
    return float(np.mean([main_scores(cell)["ari"] if cell["status"] == "ok" else failed for cell in cells]))
