"""Leaderboards of clusterers: mean ranks over worlds, tests between them, and the comparison of two benchmarks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from kce.bench.bench_reports import LeaderboardReport
from kce.bench.clusterers import read_cluster_labels
from kce.evaluation.agreement import AGREEMENT_MEASURES, partition_stability
from kce.evaluation.formatting import format_interval, format_number
from kce.evaluation.paired_tests import holm_adjusted, mean_with_interval, paired_difference
from kce.registry import defaults
from kce.report.charts import Bars, Chart, ReportFigure, ReportTable
from kce.report.html_page import render_page
from kce.report.table_export import write_table_files
from kce.system.atomic import write_atomic
from kce.system.documents import model_from_table, write_document

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Results = Sequence[Mapping[str, Any]]

LEVEL = 0.05  # of the tests of ranks
_ENTRY = ("aligner", "reducer", "clusterer")
_MEASURES = (*AGREEMENT_MEASURES, "noise")


def make_leaderboards(folder: Path, results: Results) -> dict[str, Any]:
    """Make two leaderboards, for a "known" and an "unknown" number of clusters.

    Clusterers that take no number are in the latter. An entry is a combination of aligner, reducer and clusterer.

    Args:
        folder: Folder of the benchmark, with the cluster numbers.
        results: Results as ``run_cluster_cells`` returns them.

    Returns:
        Name -> {"rows": entries, best mean rank first; "ranks": as ``mean_ranks`` returns them; "truth": names of the
        truths that count}. A row has {"worlds", "cells", "failed", "ari", "interval", "rank", "measures", "truths",
        "stability", "subsample", "seconds", "peak_mib", "clusters_off"}. `ari` is against the first truth, averaged
        over seeds and then over worlds, `interval` Student's t over worlds (None for one); a failed cell scores 0 and
        is ranked last. `stability` is the mean ARI between the clusters of different seeds, None without seeds. n of
        every mean is `worlds`.
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
        {"n": worlds, "entries", "mean": mean rank of each entry, "p": of Friedman's test, "critical_difference": at
        5 %}. Entries whose mean ranks differ by less than the critical difference cannot be told apart. p and the
        critical difference are None for fewer than two worlds or three entries.
    """
    worlds, entries = scores.shape
    mean = stats.rankdata(-np.round(scores, 9), axis=1).mean(axis=0)
    ranks = _no_ranks(worlds, entries) | {"mean": mean.tolist()}
    if worlds > 1 and entries > 2:
        if np.ptp(scores, axis=1).any():
            ranks["p"] = float(stats.friedmanchisquare(*np.round(scores, 9).T).pvalue)
        q = float(stats.studentized_range.ppf(1 - LEVEL, entries, np.inf)) / math.sqrt(2)
        ranks["critical_difference"] = q * math.sqrt(entries * (entries + 1) / (6 * worlds))
    return ranks


def _no_ranks(worlds: int, entries: int) -> dict[str, Any]:
    return {"n": worlds, "entries": entries, "mean": [], "p": None, "critical_difference": None}


def compare_benches(first: Results, second: Results, seed: int = 0) -> list[dict[str, Any]]:
    """Compare two benchmarks entry by entry, over the worlds that both have.

    Args:
        first: Results of one benchmark.
        second: Results of the other.
        seed: Random seed of the permutation test.

    Returns:
        For each entry that both have {"aligner", "reducer", "clusterer", "k", "n": worlds, "first" and "second": mean
        ARI, "difference", "interval", "p" (paired t test), "p_permutation", "p_holm": p_permutation adjusted over all
        entries}.
    """
    ours, theirs = _group_by_entry(first), _group_by_entry(second)
    rows = []
    for entry in sorted(ours.keys() & theirs.keys()):
        worlds = sorted(ours[entry].keys() & theirs[entry].keys())
        if worlds:
            a, b = (np.array([_mean_ari(cells[entry][world]) for world in worlds]) for cells in (ours, theirs))
            tested = paired_difference(b, a, seed)
            rows.append(
                {**dict(zip((*_ENTRY, "k"), entry, strict=True)), "n": len(worlds), "first": float(a.mean()),
                 "second": float(b.mean()), "difference": tested.mean, "interval": tested.interval, "p": tested.p,
                 "p_permutation": tested.p_permutation}
            )  # fmt: skip
    tests: list[Any] = [row["p_permutation"] for row in rows]
    for row, p in zip(rows, holm_adjusted(tests), strict=True):
        row["p_holm"] = p
    return rows


def write_leaderboards(folder: Path, boards: Mapping[str, Any], results: Results) -> list[Path]:
    """Write leaderboard.json, the leaderboards and all cells as tables, and leaderboard.html; returns the paths.

    Args:
        folder: Folder of the benchmark.
        boards: Leaderboards as ``make_leaderboards`` returns them.
        results: Results as ``run_cluster_cells`` returns them.
    """
    tables = [leaderboard_table(k, board) for k, board in boards.items() if board["rows"]]
    write_document(folder / "leaderboard.json", model_from_table(boards, LeaderboardReport, "the leaderboard"))
    written = [folder / "leaderboard.json"]
    for table in (*tables, _cells_table(results)):
        written += write_table_files(folder / "tables", table)
    path = folder / "leaderboard.html"
    page = render_page("Clusterers on worlds with known truth", tables, [_ari_figure(boards)])
    write_atomic(path, page.encode())
    return [*written, path]


def leaderboard_table(k: str, board: Mapping[str, Any]) -> ReportTable:
    """Make the table of a leaderboard; `k` is its name."""
    critical = board["ranks"]["critical_difference"]
    note = f"ARI against {', '.join(board['truth'])}: mean over n worlds with its 95 % interval (t over worlds)."
    if critical is not None:
        note += f" Mean ranks that differ by {critical:.2f} or more differ significantly (Nemenyi, 5 %)."
    head = ("clusterer", "aligner", "reducer", "mean rank", "ARI", "95 % interval", "n", "AMI", "accuracy", "stability",
            "subsample", "seconds", "peak MiB", "failed")  # fmt: skip
    rows = [
        (
            row["clusterer"], row["aligner"], row["reducer"], f"{row['rank']:.2f}", f"{row['ari']:.3f}",
            format_interval(row["interval"], ".3f"), str(row["worlds"]),
            *(format_number(row["measures"][name], ".3f") for name in ("ami", "accuracy")),
            *(format_number(row[name], ".3f") for name in ("stability", "subsample", "seconds")),
            format_number(row["peak_mib"], ".0f"), f"{row['failed']}/{row['cells']}",
        )
        for row in board["rows"]
    ]  # fmt: skip
    numeric = [column > 2 for column in range(len(head))]
    return ReportTable(f"leaderboard-k-{k}", f"Number of clusters {k}", note, head, rows, numeric)


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
        row["rank"] = ranks["mean"][number] if ranks["mean"] else math.nan
    truths = sorted({next(iter(result["scores"])) for result in results if result["status"] == "ok"})
    return {"rows": sorted(rows, key=lambda row: (row["rank"], -row["ari"])), "ranks": ranks, "truth": truths}


def _group_by_entry(results: Results) -> dict[tuple[str, ...], dict[str, list[Mapping[str, Any]]]]:
    """Entry with its k -> world -> results."""
    groups: dict[tuple[str, ...], dict[str, list[Mapping[str, Any]]]] = {}
    for result in results:
        entry = (*(result[name] for name in _ENTRY), result["k"])
        groups.setdefault(entry, {}).setdefault(result["world"], []).append(result)
    return groups


def _leaderboard_row(
    folder: Path, entry: tuple[str, ...], by_world: Mapping[str, list[Mapping[str, Any]]]
) -> dict[str, Any]:
    cells = [cell for group in by_world.values() for cell in group]
    ok = [cell for cell in cells if cell["status"] == "ok"]
    estimate = mean_with_interval([_mean_ari(group) for group in by_world.values()])
    by_truth: dict[str, list[float]] = {}
    for cell in ok:
        for name, scores in cell["scores"].items():
            by_truth.setdefault(name, []).append(scores["ari"])
    stabilities = [partition_stability(read_cluster_labels(folder, group)) for group in by_world.values()]
    return {
        **dict(zip((*_ENTRY, "k"), entry, strict=True)),
        "worlds": estimate.n,
        "cells": len(cells),
        "failed": len(cells) - len(ok),
        "reasons": sorted({cell["reason"] for cell in cells if cell["status"] != "ok"}),
        "ari": estimate.mean,
        "interval": estimate.interval,
        "measures": {name: _mean([_main_scores(cell)[name] for cell in ok]) for name in _MEASURES},
        "truths": {name: _mean(values) for name, values in sorted(by_truth.items())},
        "stability": _mean([value for value in stabilities if value is not None]),
        "subsample": _mean([cell["subsample"] for cell in ok if cell["subsample"] is not None]),
        "seconds": float(np.median([cell["seconds"] for cell in ok])) if ok else None,
        "peak_mib": max((cell["peak_mib"] for cell in ok if cell["peak_mib"] is not None), default=None),
        "clusters_off": _mean([abs(cell["clusters"] - cell["classes"]) for cell in ok]),
    }


def _mean_ari(cells: Sequence[Mapping[str, Any]], failed: float = 0.0) -> float:
    return float(np.mean([_main_scores(cell)["ari"] if cell["status"] == "ok" else failed for cell in cells]))


def _main_scores(cell: Mapping[str, Any]) -> Mapping[str, float]:
    """The scores against the first truth."""
    scores: Mapping[str, float] = next(iter(cell["scores"].values()))
    return scores


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _cells_table(results: Results) -> ReportTable:
    head = ("world", *_ENTRY, "k", "seed", "status", "reason", "clusters", "truth", *_MEASURES)
    rows = []
    for result in results:
        shared = [str(result[name]) for name in ("world", *_ENTRY, "k", "seed", "status", "reason")]
        if result["status"] != "ok":
            rows.append([*shared, *[""] * (len(head) - len(shared))])
        for truth, scores in result.get("scores", {}).items():
            rows.append([*shared, str(result["clusters"]), truth, *(f"{scores[name]:.6f}" for name in _MEASURES)])
    return ReportTable("cells", "All cells", "One row for each cell and truth.", head, rows, [False] * len(head))


def _ari_figure(boards: Mapping[str, Any]) -> ReportFigure:
    """Mean ARI of every entry with its interval over worlds."""
    omitted = (defaults.NO_ALIGNER, defaults.NO_REDUCER)
    variants: dict[str, Chart] = {}
    for k, board in boards.items():
        if board["rows"]:
            names = [", ".join(row[name] for name in _ENTRY if row[name] not in omitted) for row in board["rows"]]
            bars = [(row["ari"], *(row["interval"] or (row["ari"], row["ari"]))) for row in board["rows"]]
            variants[f"number of clusters {k}"] = Bars(names, {"ARI": bars}, "mean ARI over worlds")
    note = "Best mean rank first; error bars are 95 % intervals over worlds."
    return ReportFigure("ari", "Agreement with the truth", note, variants)
