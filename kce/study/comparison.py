"""What the runs of a study say together: plans side by side, differences, and the published figures beside ours."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.evaluation.paired_tests import holm_adjusted, judge_claim, mean_with_interval, paired_difference, relative_gain

if TYPE_CHECKING:
    from kce.study.grid import Run
    from kce.study.study_file import Claim, Name, Published, Study

Cell = tuple["Name", int]
"""A group and a seed: what plans are compared over."""

EVALUATOR = "calinski-harabasz"
MEASURE = "calinski_harabasz"
_AGAINST = ("name", "none")  # the paper's two controls, where a study has them


@dataclass(frozen=True)
class Scores:
    """Calinski-Harabasz figures of the runs that are done: (backbone, plan) -> cell -> figures."""

    found: Mapping[tuple[str, str], Mapping[Cell, Mapping[str, float]]]

    def column(self, backbone: str, plan: str, figure: str = MEASURE) -> dict[Cell, float]:
        return {cell: its[figure] for cell, its in self.found.get((backbone, plan), {}).items()}

    def pair(self, backbone: str, plan: str, other: str) -> tuple[list[Cell], list[float], list[float]]:
        """The cells in which both plans are done, and what each has there."""
        one, two = self.column(backbone, plan), self.column(backbone, other)
        both = sorted(one.keys() & two.keys(), key=lambda cell: (str(cell[0]), cell[1]))
        return both, [one[cell] for cell in both], [two[cell] for cell in both]


def reports(runs: Iterable[Run], folder: Path) -> dict[str, dict[str, Any]]:
    """Name of a run -> its report, of those that are done."""
    found = {}
    for run in runs:
        path = folder / run.name / "report.json"
        if path.is_file():
            found[run.name] = json.loads(path.read_text(encoding="utf-8"))
    return found


def scores(runs: Sequence[Run], told: Mapping[str, Mapping[str, Any]]) -> Scores:
    found: dict[tuple[str, str], dict[Cell, Mapping[str, float]]] = {}
    for run in runs:
        if run.name in told:
            report = told[run.name]
            null = report["scores"].get("permuted-labels", {})
            figures = {**report["scores"][EVALUATOR], **{f"null {key}": p for key, p in null.items()}}
            found.setdefault((run.backbone, run.plan), {})[run.group, run.seed] = figures
    return Scores(found)


def compare(study: Study, runs: Sequence[Run], told: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The whole comparison as one JSON document. Every figure bears n (cells) and an interval, or null for one cell."""
    its = scores(runs, told)
    pairs = list(dict.fromkeys((run.backbone, run.plan) for run in runs))
    first = {run.name: run for run in runs}
    return {
        "title": study.title,
        "measure": "Calinski-Harabasz index of the unknown categories, by their true labels",
        "evaluated rows": sorted({int(report["n"]) for report in told.values()}),
        "seeds": sorted({run.seed for run in runs}),
        "groups": {
            str(group.name): {
                "unknown": list(group.unknown),
                "lacks": sorted({c for run in runs if run.group == group.name for c in run.lacks}),
            }
            for group in study.groups
            if any(run.group == group.name for run in runs)
        },
        "plans": [_plan(its, backbone, plan, runs) for backbone, plan in pairs],
        "differences": _differences(its, pairs),
        "published": [_published(its, row, study) for row in study.published],
        "claims": [_claim(its, claim) for claim in study.claims],
        "runs": [{**first[name].told(), **_figures(told[name])} for name in first if name in told],
    }


def _figures(report: Mapping[str, Any]) -> dict[str, Any]:
    """Of one run: every figure, with its interval where it has one."""
    return {
        "n": report["n"],
        "found classes": report["classes"],
        "scores": report["scores"],
        "intervals": report["intervals"],
    }


def _plan(its: Scores, backbone: str, plan: str, runs: Sequence[Run]) -> dict[str, Any]:
    column = its.column(backbone, plan)
    groups = list(dict.fromkeys(run.group for run in runs))
    by_group = {
        str(group): asdict(
            mean_with_interval([value for (its_group, _), value in column.items() if its_group == group])
        )
        for group in groups
        if any(cell[0] == group for cell in column)
    }
    line: dict[str, Any] = {"backbone": backbone, "plan": plan, "groups": by_group}
    if not column:
        return {**line, "n": 0}
    _, ours, named = its.pair(backbone, plan, "name")
    return {
        **line,
        **asdict(mean_with_interval(list(column.values()))),
        "variance_share": float(np.mean(list(its.column(backbone, plan, "variance_share").values()))),
        "adjusted": float(np.mean(list(its.column(backbone, plan, "adjusted").values()))),
        "above chance": _above_chance(its, backbone, plan),
        "to name": asdict(relative_gain(ours, named)) if ours and min(*ours, *named) > 0 else None,
    }


def _above_chance(its: Scores, backbone: str, plan: str) -> int | None:
    """In how many cells the index is above that of permuted labels (p <= 0.05); None where none were permuted."""
    cells = its.found[backbone, plan].values()
    p = [figures["null p"] for figures in cells if "null p" in figures]
    return sum(value <= 0.05 for value in p) if p else None


def _differences(its: Scores, pairs: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Every plan against the plans `name` and `none` of its backbone; p adjusted over all of them together (Holm)."""
    lines: list[dict[str, Any]] = []
    for other in _AGAINST:
        for backbone, plan in pairs:
            cells, ours, theirs = its.pair(backbone, plan, other)
            # "none" against "name" was told already, the other way round.
            if plan != other and cells and not (other == "none" and plan == "name"):
                lines.append(
                    {
                        "backbone": backbone,
                        "plan": plan,
                        "over": other,
                        **asdict(paired_difference(ours, theirs, 0)),
                    }
                )
    for p in ("p", "p_permutation"):
        for line, adjusted in zip(lines, holm_adjusted([line[p] for line in lines]), strict=True):
            line[f"{p}_holm"] = adjusted
    return lines


def _published(its: Scores, row: Published, study: Study) -> dict[str, Any]:
    """A row of the printed table beside ours: by group where it is known which they were, and the averages."""
    column = its.column(row.backbone, row.plan)
    named = next((r for r in study.published if (r.backbone, r.plan) == (row.backbone, "name")), None)
    cells = []
    for number, value in enumerate(row.values):
        group = row.groups[number] if row.groups else None
        ours = [found for (its_group, _), found in column.items() if its_group == group]
        at_name = [found for (g, _), found in its.column(row.backbone, "name").items() if g == group]
        cells.append(
            {
                "group": group,
                "published": value,
                "ours": float(np.mean(ours)) if ours else None,
                "published to name": value / named.values[number] if named else None,
                "ours to name": float(np.mean(ours) / np.mean(at_name)) if ours and at_name else None,
            }
        )
    _, ours_all, name_all = its.pair(row.backbone, row.plan, "name")
    return {
        "backbone": row.backbone,
        "plan": row.plan,
        "cells": cells,
        "published average": float(np.mean(row.values)),
        "ours average": float(np.mean(list(column.values()))) if column else None,
        "published average to name": float(np.mean(row.values) / np.mean(named.values)) if named else None,
        "ours average to name": float(np.mean(ours_all) / np.mean(name_all)) if ours_all else None,
        "n": len(column),
    }


def _claim(its: Scores, claim: Claim) -> dict[str, Any]:
    _, ours, theirs = its.pair(claim.backbone, claim.plan, claim.over)
    told = {**asdict(claim), "n": len(ours)}
    if not ours or min(*ours, *theirs) <= 0:
        return {**told, "found": None, "interval": None, "verdict": "undecidable"}
    found = relative_gain(ours, theirs)
    span = [100 * end for end in found.interval] if found.interval else None
    said = judge_claim(claim.percent / 100, found)
    return {**told, "found": 100 * found.gain, "interval": span, "verdict": said}
