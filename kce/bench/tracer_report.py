"""The report of a benchmark of tracers: means over worlds, tables, and a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.bench.bench_reports import TracerReport
from kce.bench.pairs import all_pairs, differences_table, verdict
from kce.evaluation.formatting import MISSING, describe_missing_intervals, format_interval
from kce.evaluation.paired_tests import mean_with_interval
from kce.report.charts import ReportTable
from kce.report.html_page import render_page
from kce.report.table_export import write_tables
from kce.system.atomic import write_atomic
from kce.system.documents import model_from_table, model_to_table, write_document

if TYPE_CHECKING:
    from kce.registry.result_provenance import Provenance

Results = Sequence[Mapping[str, Any]]

BOUNDS = {"calibration_error": (0.0, 0.5), "set_size": (0.0, float("inf"))}
"""What a measure can be at least and at most; the others are shares."""
RANKED = "auroc"
"""The measure by which tracers are told apart."""

_SHOWN = ("accuracy", "auroc", "fpr95", "oscr", "coverage", "set_size", "false_unknown", "calibration_error")
_DISCOVER = ("discover_known", "discover_novel", "discover_all", "discover_nmi", "discover_ari")


def summarize_tracers(results: Results) -> list[dict[str, Any]]:
    """Average over worlds, the seeds of each world first.

    Args:
        results: As ``run_tracer_cells`` returns them.

    Returns:
        A line for each tracer, the highest AUROC first: tracer, worlds, cells, failed, seconds (median), and for each
        measure {"mean", "interval", "n"}; measures that no cell has are left out.
    """
    rows = []
    for tracer in sorted({result["tracer"] for result in results}):
        own = [result for result in results if result["tracer"] == tracer]
        ok = [result for result in own if result["status"] == "ok"]
        rows.append(
            {
                "tracer": tracer,
                "worlds": len({result["world"] for result in own}),
                "cells": len(own),
                "failed": len(own) - len(ok),
                "reasons": sorted({result["reason"] for result in own if result["status"] != "ok"}),
                "seconds": float(np.median([result["seconds"] for result in ok])) if ok else None,
                "measures": {
                    name: found for name in (*_SHOWN, *_DISCOVER) if (found := _mean(name, _by_world(ok, name)))
                },
            }
        )
    return sorted(rows, key=lambda row: -(row["measures"].get(RANKED, {"mean": -1.0})["mean"]))


def compare_tracers(results: Results) -> tuple[list[Any], str]:
    """Compare each pair of tracers by AUROC over worlds; and say in words what can be told apart."""
    scores = {
        tracer: _by_world([one for one in results if one["tracer"] == tracer and one["status"] == "ok"], RANKED)
        for tracer in sorted({result["tracer"] for result in results})
    }
    differences = all_pairs(scores)
    return differences, verdict(scores, differences, "AUROC")


def write_tracer_report(folder: Path, results: Results, provenance: Provenance | None = None) -> list[Path]:
    """Write tracers.json, the tables and tracers.html; returns the paths, the page last.

    Args:
        folder: Folder of the benchmark.
        results: As ``run_tracer_cells`` returns them.
        provenance: Where the results come from; None = not recorded.
    """
    rows, (differences, said) = summarize_tracers(results), compare_tracers(results)
    source = None if provenance is None else model_to_table(provenance)
    document = {
        "tracers": rows,
        "cells": list(results),
        "differences": [model_to_table(one) for one in differences],
        "verdict": said,
        "provenance": source,
    }
    write_document(folder / "tracers.json", model_from_table(document, TracerReport, "the report of tracers"))
    tables = tracer_tables(rows, said)
    if differences:
        tables.append(differences_table("differences", "Pairs of tracers", "Differences of AUROC.", differences))
    written = write_tables(folder / "tables", [*tables, _cells_table(results)], source)
    path = folder / "tracers.html"
    page = render_page("Tracers on worlds with known truth", tables, [], [said], provenance=source)
    write_atomic(path, page.encode())
    return [folder / "tracers.json", *written, path]


def tracer_tables(rows: Sequence[Mapping[str, Any]], said: str) -> list[ReportTable]:
    """The summary as tables: known and unseen families first, then discovery where it was tried."""
    tables = [_table("tracers", "Tracers", rows, _SHOWN, said)]
    if any(name in row["measures"] for row in rows for name in _DISCOVER):
        tables.append(_table("discovery", "Unknown faces, grouped", rows, _DISCOVER, "By the protocol of OW-DFA."))
    return tables


def _table(name: str, title: str, rows: Sequence[Mapping[str, Any]], measures: Sequence[str], said: str) -> ReportTable:
    intervals = [row["measures"].get(measure, {}).get("interval") for row in rows for measure in measures]
    note = f"{said} Means over n worlds with 95 % intervals (t over worlds)."
    note += describe_missing_intervals(intervals, "worlds")
    head = (
        "tracer",
        *(measure.removeprefix("discover_").replace("_", " ") for measure in measures),
        "n",
        "seconds",
        "failed",
    )
    cells = [
        (
            row["tracer"],
            *(_cell(row["measures"].get(measure)) for measure in measures),
            str(row["worlds"]),
            MISSING if row["seconds"] is None else f"{row['seconds']:.2f}",
            f"{row['failed']}/{row['cells']}",
        )
        for row in rows
    ]
    return ReportTable(
        name,
        title,
        note,
        head,
        cells,
        [column > 0 for column in range(len(head))],
        [_record(row, measures) for row in rows],
    )


def _record(row: Mapping[str, Any], measures: Sequence[str]) -> dict[str, Any]:
    record = {name: row[name] for name in ("tracer", "worlds", "cells", "failed", "seconds")}
    for measure in measures:
        found = row["measures"].get(measure, {"mean": None, "interval": None})
        low, high = found["interval"] or (None, None)
        record |= {measure: found["mean"], f"{measure} low": low, f"{measure} high": high}
    return record


def _cell(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return MISSING
    interval = f" ({format_interval(found['interval'], '.3f')})" if found["interval"] else ""
    return f"{found['mean']:.3f}{interval}"


def _by_world(results: Results, measure: str) -> dict[str, float]:
    """World -> mean of a measure over its seeds, of the worlds that have it."""
    found: dict[str, list[float]] = {}
    for result in results:
        if (value := result["scores"].get(measure)) is not None:
            found.setdefault(result["world"], []).append(value)
    return {world: float(np.mean(values)) for world, values in found.items()}


def _mean(measure: str, by_world: Mapping[str, float]) -> dict[str, Any] | None:
    if not by_world:
        return None
    bounds = (-0.5, 1.0) if measure.endswith("_ari") else BOUNDS.get(measure, (0.0, 1.0))
    estimate = mean_with_interval(list(by_world.values()), bounds)
    return {"mean": estimate.mean, "interval": estimate.interval, "n": estimate.n}


def _cells_table(results: Results) -> ReportTable:
    fixed = (
        "world",
        "tracer",
        "seed",
        "level",
        "status",
        "reason",
        "known",
        "unseen",
        "families",
        "least_recordings",
        "seconds",
    )
    measures = [name for name in (*_SHOWN, *_DISCOVER) if any(name in result.get("scores", {}) for result in results)]
    records = [
        {name: result.get(name) for name in fixed} | {name: result.get("scores", {}).get(name) for name in measures}
        for result in results
    ]
    head = (*fixed, *measures)
    rows = [["" if value is None else str(value) for value in record.values()] for record in records]
    return ReportTable("cells", "All cells", "One row for each cell.", head, rows, [False] * len(head), records)
