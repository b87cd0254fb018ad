"""What the cells of a bench come to: a line for each way of clustering, mean ranks, and what sets two benches apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from kce.bench import clusterers
from kce.evaluation.agreement import AGREEMENT_MEASURES, partition_stability
from kce.evaluation.paired_tests import holm_adjusted, mean_with_interval, paired_difference
from kce.report.charts import Bars, Chart, ReportFigure, ReportTable
from kce.report.html_page import render_page
from kce.report.table_export import write_table_files
from kce.system.atomic import write_atomic, write_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Results = Sequence[Mapping[str, Any]]

LEVEL = 0.05  # of the ranks' tests
_WAY = ("aligner", "reducer", "clusterer")


def summary(folder: Path, results: Results) -> dict[str, Any]:
    """Two leaderboards, "known" and "unknown" number of clusters. Clusterers that take no number stand in the latter.

    Each has "rows", best mean rank first: the way of clustering with {"worlds", "cells", "failed", "ari", "interval",
    "rank", "measures", "truths", "stability", "subsample", "seconds", "peak_mib", "clusters_off"}; and "ranks". `ari`
    is against the first truth, averaged over seeds and then over worlds, `interval` Student's t over worlds (None for
    one); a cell that failed scores 0 and is ranked last. `stability` is the mean ARI between answers of different
    seeds, None where lots play no part. n of every mean is `worlds`.
    """
    return {
        k: _board(folder, [result for result in results if result["k"] in ways])
        for k, ways in (("known", ("known",)), ("unknown", ("unknown", "own")))
    }


def ranks(scores: NDArray[np.float64]) -> dict[str, Any]:
    """Mean ranks of ways (columns) over worlds (rows), higher scores being better, ties sharing.

    Returns {"n": worlds, "ways", "mean": [..], "p": Friedman's test, "critical_difference": Nemenyi's at 5 %} (Demsar
    2006): two ways whose mean ranks differ by less than that are not told apart. p and the difference are None for
    fewer than two worlds or three ways.
    """
    worlds, ways = scores.shape
    mean = stats.rankdata(-np.round(scores, 9), axis=1).mean(axis=0)
    told: dict[str, Any] = {"n": worlds, "ways": ways, "mean": mean.tolist(), "p": None, "critical_difference": None}
    if worlds > 1 and ways > 2:
        if np.ptp(scores, axis=1).any():
            told["p"] = float(stats.friedmanchisquare(*np.round(scores, 9).T).pvalue)
        q = float(stats.studentized_range.ppf(1 - LEVEL, ways, np.inf)) / math.sqrt(2)
        told["critical_difference"] = q * math.sqrt(ways * (ways + 1) / (6 * worlds))
    return told


def compare(one: Results, other: Results, seed: int = 0) -> list[dict[str, Any]]:
    """Ways that both benches tried: mean ARI of each over the worlds both have, their paired difference with interval
    and p (paired t, and sign flips), and p adjusted over all ways (Holm)."""
    first, second = _by_way(one), _by_way(other)
    rows = []
    for way in sorted(first.keys() & second.keys()):
        worlds = sorted(first[way].keys() & second[way].keys())
        if worlds:
            a, b = (np.array([_score(its[way][world]) for world in worlds]) for its in (first, second))
            found = paired_difference(b, a, seed)
            rows.append(
                {**dict(zip((*_WAY, "k"), way, strict=True)), "n": len(worlds), "one": float(a.mean()),
                 "other": float(b.mean()), "difference": found.mean, "interval": found.interval, "p": found.p,
                 "p_permutation": found.p_permutation}
            )  # fmt: skip
    tests: list[Any] = [row["p_permutation"] for row in rows]
    for row, p in zip(rows, holm_adjusted(tests), strict=True):
        row["p_holm"] = p
    return rows


def write(folder: Path, boards: Mapping[str, Any], results: Results) -> list[Path]:
    """leaderboard.json, the leaderboards and all cells as csv, markdown and LaTeX, and leaderboard.html."""
    shown = [sheet(k, board) for k, board in boards.items() if board["rows"]]
    write_json(folder / "leaderboard.json", dict(boards))
    written = [folder / "leaderboard.json"]
    for one in (*shown, _cells(results)):
        written += write_table_files(folder / "tables", one)
    path = folder / "leaderboard.html"
    write_atomic(path, render_page("Clusterers on worlds of known truth", shown, [_bars(boards)]).encode())
    return [*written, path]


def sheet(k: str, board: Mapping[str, Any]) -> ReportTable:
    """A leaderboard as a table for people."""
    told = board["ranks"]
    note = f"ARI against {', '.join(board['truth'])}; mean over n worlds with its 95 % interval (t over worlds)"
    if told["critical_difference"] is not None:
        note += f"; mean ranks differ at 5 % if by {told['critical_difference']:.2f} or more (Nemenyi)"
    head = ("clusterer", "aligner", "reducer", "mean rank", "ARI", "95 % interval", "n", "AMI", "accuracy", "stability",
            "subsample", "seconds", "peak MiB", "failed")  # fmt: skip
    rows = [
        (
            row["clusterer"], row["aligner"], row["reducer"], f"{row['rank']:.2f}", f"{row['ari']:.3f}",
            _span(row["interval"]), str(row["worlds"]), _figure(row["measures"]["ami"]),
            _figure(row["measures"]["accuracy"]), _figure(row["stability"]), _figure(row["subsample"]),
            _figure(row["seconds"]), _figure(row["peak_mib"], ".0f"), f"{row['failed']}/{row['cells']}",
        )
        for row in board["rows"]
    ]  # fmt: skip
    return ReportTable(
        f"leaderboard-k-{k}", f"Number of clusters {k}", note, head, rows, [place > 2 for place in range(14)]
    )


def _board(folder: Path, results: Results) -> dict[str, Any]:
    ways = _by_way(results)
    worlds = sorted({result["world"] for result in results})
    rows = [_row(folder, way, cells) for way, cells in ways.items()]
    told: dict[str, Any] = {"n": len(worlds), "ways": len(rows), "mean": [], "p": None, "critical_difference": None}
    if rows:
        # Where a way was not tried on a world it is not ranked there: only worlds that all have count.
        whole = [world for world in worlds if all(world in cells for cells in ways.values())]
        scores = np.array([[_score(cells[world], lost=-1) for cells in ways.values()] for world in whole])
        told = ranks(scores.reshape(len(whole), len(rows))) if whole else told
    for place, row in enumerate(rows):
        row["rank"] = told["mean"][place] if told["mean"] else math.nan
    truths = sorted({next(iter(result["scores"])) for result in results if result["status"] == "ok"})
    return {"rows": sorted(rows, key=lambda row: (row["rank"], -row["ari"])), "ranks": told, "truth": truths}


def _by_way(results: Results) -> dict[tuple[str, ...], dict[str, list[Mapping[str, Any]]]]:
    """Way of clustering -> world -> its cells."""
    found: dict[tuple[str, ...], dict[str, list[Mapping[str, Any]]]] = {}
    for result in results:
        way = (*(result[name] for name in _WAY), result["k"])
        found.setdefault(way, {}).setdefault(result["world"], []).append(result)
    return found


def _row(folder: Path, way: tuple[str, ...], cells: Mapping[str, list[Mapping[str, Any]]]) -> dict[str, Any]:
    every = [cell for its in cells.values() for cell in its]
    fine = [cell for cell in every if cell["status"] == "ok"]
    over = mean_with_interval([_score(its) for its in cells.values()])
    by_truth: dict[str, list[float]] = {}
    for cell in fine:
        for name, scores in cell["scores"].items():
            by_truth.setdefault(name, []).append(scores["ari"])
    between = [partition_stability(clusterers.answers(folder, its)) for its in cells.values()]
    return {
        **dict(zip((*_WAY, "k"), way, strict=True)),
        "worlds": over.n,
        "cells": len(every),
        "failed": len(every) - len(fine),
        "reasons": sorted({cell["reason"] for cell in every if cell["status"] != "ok"}),
        "ari": over.mean,
        "interval": over.interval,
        "measures": {name: _mean([_first(cell)[name] for cell in fine]) for name in (*AGREEMENT_MEASURES, "noise")},
        "truths": {name: _mean(values) for name, values in sorted(by_truth.items())},
        "stability": _mean([value for value in between if value is not None]),
        "subsample": _mean([cell["subsample"] for cell in fine if cell["subsample"] is not None]),
        "seconds": float(np.median([cell["seconds"] for cell in fine])) if fine else None,
        "peak_mib": max((cell["peak_mib"] for cell in fine if cell["peak_mib"] is not None), default=None),
        "clusters_off": _mean([abs(cell["clusters"] - cell["classes"]) for cell in fine]),
    }


def _score(cells: Sequence[Mapping[str, Any]], lost: float = 0.0) -> float:
    return float(np.mean([_first(cell)["ari"] if cell["status"] == "ok" else lost for cell in cells]))


def _first(cell: Mapping[str, Any]) -> Mapping[str, float]:
    found: Mapping[str, float] = next(iter(cell["scores"].values()))
    return found


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _figure(value: float | None, form: str = ".3f") -> str:
    return "-" if value is None else f"{value:{form}}"


def _span(interval: Sequence[float] | None) -> str:
    return f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else "-"


def _cells(results: Results) -> ReportTable:
    head = ("world", *_WAY, "k", "seed", "status", "reason", "clusters", "truth", *AGREEMENT_MEASURES, "noise")
    rows = []
    for result in results:
        shared = [str(result[name]) for name in ("world", *_WAY, "k", "seed", "status", "reason")]
        if result["status"] != "ok":
            rows.append([*shared, *[""] * (len(head) - len(shared))])
        for truth, scores in result.get("scores", {}).items():
            figures = [f"{scores[name]:.6f}" for name in (*AGREEMENT_MEASURES, "noise")]
            rows.append([*shared, str(result["clusters"]), truth, *figures])
    return ReportTable("cells", "All cells", "one line for each cell and truth", head, rows, [False] * len(head))


def _bars(boards: Mapping[str, Any]) -> ReportFigure:
    """Mean ARI of every way, best rank first, with its interval over worlds."""
    variants: dict[str, Chart] = {}
    for k, board in boards.items():
        if board["rows"]:
            names = [", ".join(row[name] for name in _WAY if row[name] != "none") for row in board["rows"]]
            values = [(row["ari"], *(row["interval"] or (row["ari"], row["ari"]))) for row in board["rows"]]
            variants[f"number of clusters {k}"] = Bars(names, {"ARI": values}, "mean ARI over worlds")
    return ReportFigure(
        "ari", "Agreement with the truth", "Best mean rank first; bars are 95 % intervals over worlds.", variants
    )
