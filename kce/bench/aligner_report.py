"""What the cells of a bench of aligners come to: curves of agreement against artefact, and what went wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.bench.aligners import ALIKE
from kce.evaluation.paired_tests import mean_with_interval
from kce.report.charts import Chart, Lines, ReportFigure, ReportTable
from kce.report.html_page import render_page
from kce.report.matplotlib_charts import write_chart_files
from kce.report.table_export import write_table_files
from kce.system.atomic import write_atomic, write_json

if TYPE_CHECKING:
    Results = Sequence[Mapping[str, Any]]

_WAY = ("kind", "amount", "training", "aligner", "clusterer", "k")
_ARI = (-0.5, 1.0)  # what it can be: no interval goes beyond
_WRONG = ("joined", "parted", "faint")
_TOLD = 4  # mistakes of a kind that a table names


def summary(results: Results) -> list[dict[str, Any]]:
    """One row for each kind, amount, training, aligner, clusterer and k:

    {..., "worlds", "cells", "failed", "ari", "interval", "worst", "near", "joined", "parted", "faint"}. `ari` is the
    mean over worlds of the mean over networks, with Student's 95 % over worlds (None for one), `worst` that of one
    cell; a cell that failed counts 0. `near` is the share of cells whose number of classes is within one of the truth;
    `joined` and `parted` say how often which methods were taken for one, and which one was torn; `faint` which one
    the network had not learned in some dataset.
    """
    ways: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for result in results:
        ways.setdefault(tuple(result[name] for name in _WAY), []).append(result)
    return [_row(way, cells) for way, cells in sorted(ways.items(), key=_order)]


def _order(item: tuple[tuple[Any, ...], Any]) -> tuple[Any, ...]:
    kind, amount, training, aligner, clusterer, k = item[0]
    return kind != ALIKE, kind, amount, k != "known", training, clusterer, aligner


def _row(way: tuple[Any, ...], cells: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    fine = [cell for cell in cells if cell["status"] == "ok"]
    worlds: dict[int, list[float]] = {}
    for cell in cells:
        worlds.setdefault(cell["world"], []).append(cell["ari"] if cell["status"] == "ok" else 0.0)
    over = mean_with_interval([float(np.mean(values)) for values in worlds.values()])
    wrong = {name: Counter(one for cell in fine for one in cell[name]) for name in _WRONG}
    near = [abs(cell["clusters"] - cell["classes"]) <= 1 for cell in fine] + [False] * (len(cells) - len(fine))
    return {
        **dict(zip(_WAY, way, strict=True)),
        "worlds": over.n,
        "cells": len(cells),
        "failed": len(cells) - len(fine),
        "ari": over.mean,
        "interval": [float(end) for end in np.clip(over.interval, *_ARI)] if over.interval else None,
        "worst": min(value for values in worlds.values() for value in values),
        "near": float(np.mean(near)),
        **{name: dict(counts.most_common()) for name, counts in wrong.items()},
    }


def tables(rows: Sequence[Mapping[str, Any]]) -> list[ReportTable]:
    """The figures, and the mistakes, for people."""
    head = ("artefact", "amount", "training", "aligner", "clusterer", "k", "mean ARI", "95 % interval", "worst",
            "k within 1", "worlds", "n", "failed")  # fmt: skip
    figures = [
        (
            *(f"{row[name]:g}" if name == "amount" else row[name] for name in _WAY),
            f"{row['ari']:.2f}", _span(row["interval"]), f"{row['worst']:.2f}", f"{row['near']:.2f}",
            str(row["worlds"]), str(row["cells"]), str(row["failed"]),
        )
        for row in rows
    ]  # fmt: skip
    note = (
        "ARI of the plan against the methods; mean over n cells, interval over worlds (t); k within 1: share of cells"
    )
    wrong = [
        (
            row["kind"],
            f"{row['amount']:g}",
            row["training"],
            row["aligner"],
            row["clusterer"],
            str(row["cells"]),
            *_mistakes(row),
        )
        for row in rows
        if row["k"] == "known" and (row["joined"] or row["parted"])
    ]
    told = ("artefact", "amount", "training", "aligner", "clusterer", "n", "taken for one", "torn apart", "not learned")
    found = [ReportTable("aligners", "Agreement with the truth", note, head, figures, [*[False] * 6, *[True] * 7])]
    if wrong:
        note = "methods, in how many of n cells; the number of classes told"
        found.append(ReportTable("mistakes", "What went wrong", note, told, wrong, [*[False] * 5, True, *[False] * 3]))
    return found


def curves(rows: Sequence[Mapping[str, Any]]) -> list[ReportFigure]:
    """ARI against the amount of artefact, a line for each aligner: a figure for each k, to choose the rest."""
    found = []
    for k, name, title in (
        ("known", "curves", "Agreement against artefact"),
        ("own", "curves-own", "The same, by clusterers that find their own number"),
        ("estimate", "curves-estimate", "The same, the number of classes estimated"),
    ):
        variants = dict(_variants([row for row in rows if row["k"] == k]))
        if variants:
            note = "Mean ARI over worlds and networks; bars are 95 % intervals over worlds."
            found.append(ReportFigure(name, title, note, variants))
    return found


def _variants(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Chart]]:
    alike = [row for row in rows if row["kind"] == ALIKE]
    kinds = dict.fromkeys(row["kind"] for row in rows if row["kind"] != ALIKE)
    for kind in kinds or {ALIKE: None}:
        mine = [row for row in rows if row["kind"] == kind]
        for training, clusterer in dict.fromkeys((row["training"], row["clusterer"]) for row in mine):
            lines: dict[str, tuple[list[float], list[float]]] = {}
            spans: dict[str, tuple[list[float], list[float]]] = {}
            for row in sorted([*(alike if kind != ALIKE else ()), *mine], key=lambda row: row["amount"]):
                if (row["training"], row["clusterer"]) == (training, clusterer):
                    x, y = lines.setdefault(row["aligner"], ([], []))
                    low, high = spans.setdefault(row["aligner"], ([], []))
                    bottom, top = row["interval"] or (row["ari"], row["ari"])
                    for values, value in zip((x, y, low, high), (row["amount"], row["ari"], bottom, top), strict=True):
                        values.append(float(value))
            yield (
                f"{kind}, training {training}, {clusterer}",
                Lines(lines, "amount of artefact", "mean ARI", intervals=spans),
            )


def write(folder: Path, rows: Sequence[Mapping[str, Any]], results: Results) -> list[Path]:
    """aligners.json, the tables as csv, markdown and LaTeX, the curves as png and svg, and aligners.html."""
    write_json(folder / "aligners.json", {"aligners": list(rows), "cells": list(results)})
    written = [folder / "aligners.json"]
    shown, figures = tables(rows), curves(rows)
    for sheet in shown:
        written += write_table_files(folder / "tables", sheet)
    for exhibit in figures:
        for label, chart in exhibit.variants.items():
            name = f"{exhibit.name}-{label.replace(', training ', '-').replace(', ', '-')}"
            written += write_chart_files(folder / "figures", name, chart)
    path = folder / "aligners.html"
    write_atomic(path, render_page("Aligners on worlds of known truth", shown, figures).encode())
    return [*written, path]


def _mistakes(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(
        ", ".join(f"{name} ({count})" for name, count in list(row[kind].items())[:_TOLD]) + (", ..." if more else "")
        for kind in _WRONG
        for more in [len(row[kind]) > _TOLD]
    )


def _span(interval: Sequence[float] | None) -> str:
    return f"{interval[0]:.2f} to {interval[1]:.2f}" if interval else "-"
