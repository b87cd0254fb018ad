"""The report of a benchmark of aligners: agreement against the amount of artefact, and which mistakes were made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.bench.bench_reports import AlignerReport
from kce.bench.drawn_faces import UNIFORM
from kce.bench.pairs import EntryDifference, all_pairs, differences_table, verdict
from kce.evaluation.agreement import ARI_RANGE
from kce.evaluation.formatting import describe_missing_intervals, format_interval
from kce.evaluation.paired_tests import mean_with_interval
from kce.merging.class_count import ClassCount
from kce.report.charts import Chart, Lines, ReportFigure, ReportTable
from kce.report.html_page import render_page
from kce.report.matplotlib_charts import write_chart_files
from kce.report.table_export import write_tables
from kce.system.atomic import write_atomic
from kce.system.documents import model_from_table, model_to_table, write_document

if TYPE_CHECKING:
    from kce.registry.result_provenance import Provenance

    Results = Sequence[Mapping[str, Any]]

_KEYS = ("kind", "amount", "training", "aligner", "clusterer", "k")
_MISTAKES = ("merged", "split", "unlearned")
_MAX_LISTED = 4  # mistakes of a kind in a table


def summarize_aligners(results: Results) -> list[dict[str, Any]]:
    """Summarise the results by kind, amount, training, aligner, clusterer and k.

    Args:
        results: Results as ``run_align_cells`` returns them.

    Returns:
        One row for each combination with {"worlds", "cells", "failed", "ari", "interval", "worst", "k_within_1",
        "k_between", "k_held", "k_decided", "k_decided_within_1", "merged", "split", "unlearned"}. `ari` is the mean
        over worlds of the mean over networks, with Student's 95 % interval over worlds (None for fewer than three or
        equal ones); a failed cell counts 0. `worst` is the lowest ARI of a cell, `k_within_1` the share of cells whose
        number of classes is wrong by at most one. `k_between` counts the cells whose estimate says between which
        numbers the true one is, `k_held` those where it is, `k_decided` those that were decided, and
        `k_decided_within_1` those of them that are wrong by at most one. The last three count how often which mistake
        was made.
    """
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for result in results:
        groups.setdefault(tuple(result[key] for key in _KEYS), []).append(result)
    return [_summary_row(key, cells) for key, cells in sorted(groups.items(), key=_order)]


def _order(item: tuple[tuple[Any, ...], Any]) -> tuple[Any, ...]:
    kind, amount, training, aligner, clusterer, k = item[0]
    return kind != UNIFORM, kind, amount, k != "known", training, clusterer, aligner


def _summary_row(key: tuple[Any, ...], cells: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    ok = [cell for cell in cells if cell["status"] == "ok"]
    worlds: dict[int, list[float]] = {}
    for cell in cells:
        worlds.setdefault(cell["world"], []).append(cell["ari"] if cell["status"] == "ok" else 0.0)
    estimate = mean_with_interval([float(np.mean(values)) for values in worlds.values()], ARI_RANGE)
    close = [_is_within_one(cell) for cell in ok] + [False] * (len(cells) - len(ok))
    between = [cell for cell in ok if cell["between"]]
    decided = [cell for cell in between if ClassCount(cell["clusters"], *cell["between"]).decided]
    return {
        **dict(zip(_KEYS, key, strict=True)),
        "worlds": estimate.n,
        "cells": len(cells),
        "failed": len(cells) - len(ok),
        "ari": estimate.mean,
        "interval": list(estimate.interval) if estimate.interval else None,
        "worst": min(value for values in worlds.values() for value in values),
        "k_within_1": float(np.mean(close)),
        "k_between": len(between),
        "k_held": sum(cell["between"][0] <= cell["classes"] <= cell["between"][1] for cell in between),
        "k_decided": len(decided),
        "k_decided_within_1": sum(map(_is_within_one, decided)),
        **{name: dict(Counter(m for cell in ok for m in cell[name]).most_common()) for name in _MISTAKES},
    }


def _is_within_one(cell: Mapping[str, Any]) -> bool:
    return bool(abs(cell["clusters"] - cell["classes"]) <= 1)


def compare_aligners(results: Results) -> tuple[dict[str, list[EntryDifference]], dict[str, str]]:
    """Compare the aligners, each with its training and clusterer, over worlds.

    The score of an entry on a world is its mean ARI over kinds and amounts of artefact and networks; a failed cell
    counts 0. Only kinds, amounts and networks count that every entry has.

    Args:
        results: Results as ``run_align_cells`` returns them.

    Returns:
        For each k: the differences of all pairs, and what can be told apart.
    """
    differences, verdicts = {}, {}
    for k in dict.fromkeys(result["k"] for result in results):
        by_entry: dict[tuple[str, ...], dict[tuple[Any, ...], float]] = {}
        for result in results:
            if result["k"] == k:
                setting = tuple(result[key] for key in ("world", "kind", "amount", "net"))
                entry = tuple(result[key] for key in ("aligner", "clusterer", "training"))
                by_entry.setdefault(entry, {})[setting] = result["ari"] if result["status"] == "ok" else 0.0
        shared = set.intersection(*map(set, by_entry.values()))
        scores: dict[str, dict[str, float]] = {}
        for entry, own in by_entry.items():
            worlds: dict[str, list[float]] = {}
            for setting in sorted(shared):
                worlds.setdefault(f"world {setting[0]}", []).append(own[setting])
            scores[", ".join(entry)] = {world: float(np.mean(values)) for world, values in worlds.items()}
        differences[k] = all_pairs(scores)
        verdicts[k] = verdict(scores, differences[k])
    return differences, verdicts


def aligner_tables(rows: Sequence[Mapping[str, Any]]) -> list[ReportTable]:
    """Make the tables of agreement and of mistakes; `rows` are those of ``summarize_aligners``."""
    head = ("artefact", "amount", "training", "aligner", "clusterer", "k", "mean ARI", "95 % interval", "worst",
            "k within 1", "k between", "k decided", "worlds", "n", "failed")  # fmt: skip
    figures = [
        (
            *(f"{row[key]:g}" if key == "amount" else row[key] for key in _KEYS),
            f"{row['ari']:.2f}", format_interval(row["interval"], ".2f"), f"{row['worst']:.2f}",
            f"{row['k_within_1']:.2f}", _share(row["k_held"], row["k_between"]),
            _share(row["k_decided_within_1"], row["k_decided"]),
            str(row["worlds"]), str(row["cells"]), str(row["failed"]),
        )
        for row in rows
    ]  # fmt: skip
    note = (
        "ARI of the plan against the methods: mean over n cells, interval over worlds (t). k within 1: share of cells "
        "whose number of classes is wrong by at most one. k between: cells in which the true number is among those "
        "that the estimate holds possible. k decided: cells that are wrong by at most one, of those whose number is "
        "decidable." + describe_missing_intervals([row["interval"] for row in rows], "worlds")
    )
    mistakes = [
        (row["kind"], f"{row['amount']:g}", row["training"], row["aligner"], row["clusterer"], str(row["cells"]),
         *_list_mistakes(row))
        for row in rows
        if row["k"] == "known" and (row["merged"] or row["split"])
    ]  # fmt: skip
    records = []
    for row in rows:
        low, high = row["interval"] or (None, None)
        names = ("worst", "k_within_1", "k_between", "k_held", "k_decided", "k_decided_within_1", "worlds", "cells")
        numbers = {name: row[name] for name in (*names, "failed")}
        records.append({**{key: row[key] for key in _KEYS}, "ari": row["ari"], "low": low, "high": high, **numbers})
    numeric = [*[False] * 6, *[True] * 9]
    tables = [ReportTable("aligners", "Agreement with the truth", note, head, figures, numeric, records)]
    if mistakes:
        note = "Methods, and in how many of n cells; the number of classes was given."
        columns = ("artefact", "amount", "training", "aligner", "clusterer", "n", "merged", "split", "not learned")
        numeric = [*[False] * 5, True, *[False] * 3]
        tables.append(ReportTable("mistakes", "Mistakes", note, columns, mistakes, numeric))
    return tables


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole}" if whole else ""


def aligner_curves(rows: Sequence[Mapping[str, Any]]) -> list[ReportFigure]:
    """Make figures of ARI against the amount of artefact: one for each k, with a line for each aligner."""
    figures = []
    for k, name, title in (
        ("known", "curves", "Agreement against artefact"),
        ("own", "curves-own", "Agreement of clusterers that find their own number"),
        ("estimate", "curves-estimate", "Agreement with an estimated number of classes"),
    ):
        variants = dict(_curve_variants([row for row in rows if row["k"] == k]))
        if variants:
            note = "Mean ARI over worlds and networks; error bars are 95 % intervals over worlds."
            figures.append(ReportFigure(name, title, note, variants))
    return figures


def _curve_variants(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Chart]]:
    uniform = [row for row in rows if row["kind"] == UNIFORM]
    kinds = dict.fromkeys(row["kind"] for row in rows if row["kind"] != UNIFORM)
    for kind in kinds or {UNIFORM: None}:
        own = [row for row in rows if row["kind"] == kind]
        for training, clusterer in dict.fromkeys((row["training"], row["clusterer"]) for row in own):
            lines: dict[str, tuple[list[float], list[float]]] = {}
            intervals: dict[str, tuple[list[float], list[float]]] = {}
            for row in sorted([*(uniform if kind != UNIFORM else ()), *own], key=lambda row: row["amount"]):
                if (row["training"], row["clusterer"]) == (training, clusterer):
                    x, y = lines.setdefault(row["aligner"], ([], []))
                    low, high = intervals.setdefault(row["aligner"], ([], []))
                    bounds = row["interval"] or (row["ari"], row["ari"])
                    for values, value in zip((x, y, low, high), (row["amount"], row["ari"], *bounds), strict=True):
                        values.append(float(value))
            yield (
                f"{kind}, training {training}, {clusterer}",
                Lines(lines, "amount of artefact", "mean ARI", intervals=intervals),
            )


def write_aligner_report(
    folder: Path, rows: Sequence[Mapping[str, Any]], results: Results, provenance: Provenance | None = None
) -> list[Path]:
    """Write aligners.json, the tables and curves as files, and aligners.html.

    Args:
        folder: Folder of the benchmark.
        rows: Summary rows as ``summarize_aligners`` returns them.
        results: Results as ``run_align_cells`` returns them.
        provenance: Where the results come from; None = not recorded.

    Returns:
        The paths of all files.
    """
    differences, verdicts = compare_aligners(results)
    source = None if provenance is None else model_to_table(provenance)
    report = {
        "aligners": list(rows),
        "cells": list(results),
        "differences": {k: [model_to_table(one) for one in own] for k, own in differences.items()},
        "verdicts": verdicts,
        "provenance": source,
    }
    write_document(folder / "aligners.json", model_from_table(report, AlignerReport, "the report"))
    written = [folder / "aligners.json"]
    tables, figures = aligner_tables(rows), aligner_curves(rows)
    note = (
        "Over n worlds, on each of which an entry (aligner, clusterer, training) has its mean ARI over kinds and "
        "amounts of artefact and networks. p values before and after Holm's correction for all pairs of this table: t "
        "test, and a permutation test that flips signs."
    )
    tables += [
        differences_table(f"differences-k-{k}", f"Differences of all pairs, k {k}", f"{verdicts[k]} {note}", own)
        for k, own in differences.items()
        if own
    ]
    written += write_tables(folder / "tables", tables, source)
    for figure in figures:
        for label, chart in figure.variants.items():
            name = f"{figure.name}-{label.replace(', training ', '-').replace(', ', '-')}"
            written += write_chart_files(folder / "figures", name, chart)
    path = folder / "aligners.html"
    said = [f"k {k}: {text}" for k, text in verdicts.items()]
    page = render_page("Aligners on worlds with known truth", tables, figures, said, provenance=source)
    write_atomic(path, page.encode())
    return [*written, path]


def _list_mistakes(row: Mapping[str, Any]) -> tuple[str, ...]:
    texts = []
    for name in _MISTAKES:
        listed = [f"{mistake} ({count})" for mistake, count in list(row[name].items())[:_MAX_LISTED]]
        texts.append(", ".join([*listed, "..."] if len(row[name]) > _MAX_LISTED else listed))
    return tuple(texts)
