"""The report of a benchmark of tracers: means over worlds, tables, and a page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.bench.bench_reports import TracerReport
from kce.bench.drawn_faces import UNIFORM, readable_hash
from kce.bench.drawn_worlds import is_drawn_world, parse_drawn_world
from kce.bench.pairs import EntryDifference, all_pairs, differences_table, verdict, with_bounds
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
FEATURES = "features"
"""The data of feature worlds and users' tables; that of a drawn world is how it is stored, and the training."""
RANKED = "auroc"
"""The measure by which tracers are told apart."""

_LONG = 80  # characters of a file name
_SHOWN = (
    "accuracy",
    "auroc",
    "fpr95",
    "oscr",
    "coverage",
    "set_size",
    "false_unknown",
    "true_unknown",
    "calibration_error",
)
_DISCOVER = ("discover_known", "discover_novel", "discover_all", "discover_nmi", "discover_ari")


def summarize_tracers(results: Results) -> list[dict[str, Any]]:
    """Average over worlds, the seeds of each world first.

    Args:
        results: As ``run_tracer_cells`` returns them.

    Returns:
        A line for each tracer on stored features, and for each on drawn faces that are stored in one way; the highest
        AUROC first: data (FEATURES, or how drawn faces are stored, and the training), tracer, worlds, cells, failed,
        reasons, seconds (median), and for each measure {"mean", "interval", "n"}; measures that no cell has are left
        out.
    """
    rows = []
    for data, cells in _by_data(results).items():
        own = [_summarize(data, tracer, cells) for tracer in _tracers(cells)]
        rows += sorted(own, key=lambda row: -(row["measures"].get(RANKED, {"mean": -1.0})["mean"]))
    return rows


def _summarize(data: str, tracer: str, cells: Results) -> dict[str, Any]:
    own, ok = [result for result in cells if result["tracer"] == tracer], _ok(cells, tracer)
    return {
        "data": data,
        "tracer": tracer,
        "worlds": len({result["world"] for result in own}),
        "cells": len(own),
        "failed": len(own) - len(ok),
        "reasons": sorted({result["reason"] for result in own if result["status"] != "ok"}),
        "seconds": float(np.median([result["seconds"] for result in ok])) if ok else None,
        "measures": {name: found for name in (*_SHOWN, *_DISCOVER) if (found := _mean(name, _by_world(ok, name)))},
    }


def compare_tracers(results: Results) -> tuple[dict[str, list[EntryDifference]], dict[str, str]]:
    """Compare each pair of tracers by AUROC over worlds.

    Returns:
        For each kind of data, as in ``summarize_tracers``: the differences of all pairs, and in words what can be told
        apart.
    """
    differences, verdicts = {}, {}
    for data, cells in _by_data(results).items():
        scores = {tracer: _by_world(_ok(cells, tracer), RANKED) for tracer in _tracers(cells)}
        differences[data] = all_pairs(scores)
        verdicts[data] = verdict(scores, differences[data], "AUROC")
    return differences, verdicts


def compare_storage(results: Results) -> list[dict[str, Any]]:
    """Compare drawn worlds whose datasets are stored differently with the same worlds stored alike.

    Returns:
        A line for each way of storing, tracer and measure, over the worlds and trainings that both have: data, tracer,
        measure, n, mean (of the difference: stored differently minus stored alike) and interval.
    """
    rows = []
    for data, cells in _by_data(results).items():
        if data == FEATURES or (world := parse_drawn_world(cells[0]["world"])).kind == UNIFORM:
            continue
        alike = [one for one in results if _data(one) == replace(world, kind=UNIFORM, amount=0.0).condition]
        for tracer, measure in product(_tracers(cells), _SHOWN):
            ours, theirs = (_by_number(_ok(own, tracer), measure) for own in (cells, alike))
            if numbers := sorted(ours.keys() & theirs.keys()):
                low, high = BOUNDS.get(measure, (0.0, 1.0))
                estimate = mean_with_interval([ours[n] - theirs[n] for n in numbers], (low - high, high - low))
                found = {"n": estimate.n, "mean": estimate.mean, "interval": estimate.interval}
                rows.append({"data": data, "tracer": tracer, "measure": measure, **found})
    return rows


def write_tracer_report(folder: Path, results: Results, provenance: Provenance | None = None) -> list[Path]:
    """Write tracers.json, the tables and tracers.html; returns the paths, the page last.

    Args:
        folder: Folder of the benchmark.
        results: As ``run_tracer_cells`` returns them.
        provenance: Where the results come from; None = not recorded.
    """
    document = tracer_document(results, provenance)
    write_document(folder / "tracers.json", model_from_table(document, TracerReport, "the report of tracers"))
    tables = [*tracer_tables(document), *_pair_tables(document)]
    written = write_tables(folder / "tables", [*tables, _cells_table(results)], document["provenance"])
    path = folder / "tracers.html"
    said = [f"{data}: {text}" for data, text in document["verdicts"].items()]
    page = render_page("Tracers where the truth is known", tables, [], said, provenance=document["provenance"])
    write_atomic(path, page.encode())
    return [folder / "tracers.json", *written, path]


def tracer_document(results: Results, provenance: Provenance | None) -> dict[str, Any]:
    """Put together what ``tracers.json`` has."""
    differences, verdicts = compare_tracers(results)
    return {
        "tracers": summarize_tracers(results),
        "cells": list(results),
        "differences": {data: [model_to_table(one) for one in own] for data, own in differences.items()},
        "verdicts": verdicts,
        "storage": compare_storage(results),
        "provenance": None if provenance is None else model_to_table(provenance),
    }


def tracer_tables(document: Mapping[str, Any]) -> list[ReportTable]:
    """Make the tables of the summary: known and unseen families, discovery where it was tried, and storage."""
    rows = document["tracers"]
    tables = [_table("tracers", "Tracers", rows, _SHOWN, "")]
    if any(name in row["measures"] for row in rows for name in _DISCOVER):
        tables.append(_table("discovery", "Unknown faces, grouped", rows, _DISCOVER, "By the protocol of OW-DFA."))
    if document["storage"]:
        tables.append(_storage_table(document["storage"]))
    return tables


def _pair_tables(document: Mapping[str, Any]) -> list[ReportTable]:
    tables = []
    for data, own in document["differences"].items():
        if own:
            name = f"differences-{re.sub(r'[^a-z0-9.]+', '-', data.lower())}"
            if len(name) > _LONG:
                name = f"differences-{readable_hash(data)}"
            found = [model_from_table(one, EntryDifference, data) for one in own]
            said = f"{document['verdicts'][data]} Differences of AUROC."
            tables.append(differences_table(name, f"Pairs of tracers, {data}", said, found))
    return tables


def _storage_table(rows: Sequence[Mapping[str, Any]]) -> ReportTable:
    note = "The same drawn worlds and training, stored differently minus stored alike. Means over n worlds with 95 % "
    note += "intervals." + describe_missing_intervals([row["interval"] for row in rows], "worlds")
    head = ("data", "tracer", "measure", "difference", "95 % interval", "n")
    cells = [
        (row["data"], row["tracer"], row["measure"].replace("_", " "), f"{row['mean']:+.3f}",
         format_interval(row["interval"], "+.3f"), str(row["n"]))
        for row in rows
    ]  # fmt: skip
    records = [with_bounds(dict(row)) for row in rows]
    title = "Stored differently against stored alike"
    return ReportTable("storage", title, note, head, cells, [False, False, False, True, True, True], records)


def _table(name: str, title: str, rows: Sequence[Mapping[str, Any]], measures: Sequence[str], said: str) -> ReportTable:
    intervals = [row["measures"].get(measure, {}).get("interval") for row in rows for measure in measures]
    note = f"{said} Means over n worlds with 95 % intervals (t over worlds).".strip()
    note += describe_missing_intervals(intervals, "worlds")
    several = len({row["data"] for row in rows}) > 1
    head = (
        *(["data"] if several else []),
        "tracer",
        *(measure.removeprefix("discover_").replace("_", " ") for measure in measures),
        "n",
        "seconds",
        "failed",
    )
    cells = [
        (
            *([row["data"]] if several else []),
            row["tracer"],
            *(_cell(row["measures"].get(measure)) for measure in measures),
            str(row["worlds"]),
            MISSING if row["seconds"] is None else f"{row['seconds']:.2f}",
            f"{row['failed']}/{row['cells']}",
        )
        for row in rows
    ]
    numeric = [column > several for column in range(len(head))]
    return ReportTable(name, title, note, head, cells, numeric, [_record(row, measures) for row in rows])


def _record(row: Mapping[str, Any], measures: Sequence[str]) -> dict[str, Any]:
    record = {name: row[name] for name in ("data", "tracer", "worlds", "cells", "failed", "seconds")}
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


def _by_data(results: Results) -> dict[str, list[Mapping[str, Any]]]:
    """What is averaged together, features first."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for result in sorted(results, key=lambda one: _data(one) != FEATURES):
        found.setdefault(_data(result), []).append(result)
    return found


def _data(result: Mapping[str, Any]) -> str:
    return parse_drawn_world(result["world"]).condition if is_drawn_world(result["world"]) else FEATURES


def _tracers(results: Results) -> list[str]:
    return sorted({result["tracer"] for result in results})


def _ok(results: Results, tracer: str) -> list[Mapping[str, Any]]:
    return [one for one in results if one["tracer"] == tracer and one["status"] == "ok"]


def _by_number(results: Results, measure: str) -> dict[int, float]:
    return {parse_drawn_world(world).number: value for world, value in _by_world(results, measure).items()}


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
