"""Compares the plans of a study over its runs: means, paired differences, and published values beside ours."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.evaluation.intervals import UNBOUNDED
from kce.evaluation.paired_tests import holm_adjusted, judge_claim, mean_with_interval, paired_difference, relative_gain
from kce.merging.plan_file import describe_edit
from kce.pipeline.run_report import RunReport
from kce.registry import defaults
from kce.system.documents import document_to_table, read_document

if TYPE_CHECKING:
    from kce.study.grid import StudyRun
    from kce.study.ranking import Ranking
    from kce.study.study_file import GroupName, PublishedClaim, PublishedScores, Study

Repeat = tuple["GroupName", int]
"""A group and a seed: what plans are compared over."""

BASELINES = ("name", "none")  # the two controls of the paper, if a study has them


@dataclass(frozen=True)
class StudyScores:
    """Scores of the finished runs by the evaluator that plans are compared by.

    Attributes:
        ranked_by: The evaluator, and which of its scores.
        by_plan: (backbone, plan) -> repeat -> score -> value; scores of permuted labels have the prefix "null ".
        bounds: What the score of the ranking can be at least and at most in any run; infinite = no bound.
    """

    ranked_by: Ranking
    by_plan: Mapping[tuple[str, str], Mapping[Repeat, Mapping[str, float]]]
    bounds: tuple[float, float] = UNBOUNDED

    @property
    def difference_bounds(self) -> tuple[float, float]:
        """What the difference of two plans can be at least and at most."""
        low, high = self.bounds
        return low - high, high - low

    def values(self, backbone: str, plan: str, score: str = "") -> dict[Repeat, float]:
        """Return one score of a plan, by default that of the ranking, in every repeat in which it is finished."""
        score = score or self.ranked_by.score
        return {repeat: scores[score] for repeat, scores in self.by_plan.get((backbone, plan), {}).items()}

    def paired(self, backbone: str, plan: str, other: str) -> tuple[list[float], list[float]]:
        """Return the score of two plans in the repeats in which both are finished."""
        ours, theirs = self.values(backbone, plan), self.values(backbone, other)
        both = sorted(ours.keys() & theirs.keys(), key=lambda repeat: (str(repeat[0]), repeat[1]))
        return [ours[repeat] for repeat in both], [theirs[repeat] for repeat in both]


def read_run_reports(runs: Iterable[StudyRun], folder: Path) -> dict[str, dict[str, Any]]:
    """Read the reports of the finished runs below `folder`: name of the run -> report. Raises BadData for a bad one."""
    reports = {}
    for run in runs:
        path = folder / run.name / "report.json"
        if path.is_file():
            reports[run.name] = document_to_table(read_document(path, RunReport))
    return reports


def describe_precisions(reports: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a remark if the runs computed in different precisions, as on machines of different kinds."""
    counts = Counter(report["precision"] or "unknown" for report in reports.values())
    if len(counts) < 2:
        return []
    listed = ", ".join(f"{count} in {precision}" for precision, count in sorted(counts.items()))
    return [f"the runs computed in different precisions: {listed}; set precision in [run.train] to make them equal"]


def describe_edited_plans(reports: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a remark for each run whose plan a person edited."""
    return [
        f"run {name}: {describe_edit(report['made'], report['made_hash'])}"
        for name, report in reports.items()
        if report["edited"]
    ]


def collect_scores(
    runs: Sequence[StudyRun], reports: Mapping[str, Mapping[str, Any]], ranked_by: Ranking
) -> StudyScores:
    """Collect the scores of the finished runs by backbone and plan."""
    by_plan: dict[tuple[str, str], dict[Repeat, Mapping[str, float]]] = {}
    for run in runs:
        if run.name in reports:
            scores = reports[run.name]["scores"]
            permuted = scores.get(defaults.PERMUTATION, {}) if ranked_by.is_index else {}  # it permutes for the index
            null = {f"null {score}": value for score, value in permuted.items()}
            own = {**scores[ranked_by.evaluator], **null}
            by_plan.setdefault((run.backbone, run.plan), {})[run.group, run.seed] = own
    ranges = [
        report["ranges"].get(ranked_by.evaluator, {}).get(ranked_by.score) or (None, None)
        for report in reports.values()
    ]
    low = min((-math.inf if one is None else one for one, _ in ranges), default=-math.inf)
    high = max((math.inf if other is None else other for _, other in ranges), default=math.inf)
    return StudyScores(ranked_by, by_plan, (low, high))


def compare_plans(
    study: Study, runs: Sequence[StudyRun], reports: Mapping[str, Mapping[str, Any]], ranked_by: Ranking
) -> dict[str, Any]:
    """Compare the plans of a study.

    Args:
        study: The study.
        runs: All its runs.
        reports: Name -> report, of the finished runs.
        ranked_by: What they are compared by.

    Returns:
        The comparison, for ``report.json``. Every mean has its n (repeats) and an interval, None for fewer
        than three repeats.
    """
    scores = collect_scores(runs, reports, ranked_by)
    plans = list(dict.fromkeys((run.backbone, run.plan) for run in runs))
    by_name = {run.name: run for run in runs}
    return {
        "title": study.title,
        "measure": ranked_by.sentence,
        "ranked_by": asdict(ranked_by),
        "evaluated_rows": sorted({int(report["n"]) for report in reports.values()}),
        "seeds": sorted({run.seed for run in runs}),
        "groups": {
            str(group.name): {
                "unknown": list(group.unknown),
                "missing": sorted({c for run in runs if run.group == group.name for c in run.missing}),
            }
            for group in study.groups
            if any(run.group == group.name for run in runs)
        },
        "plans": _with_ranks([_plan_summary(scores, *plan, runs) for plan in plans], ranked_by),
        "differences": _differences(scores, plans),
        "published": [_published_row(scores, row, study) for row in study.published],
        "claims": [_claim_verdict(scores, claim) for claim in study.claims],
        "runs": [{**run.summary(), **_run_scores(reports[name])} for name, run in by_name.items() if name in reports],
    }


def _run_scores(report: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "n": report["n"],
        "unknown_recordings": report["unknown_recordings"],
        "found_classes": report["classes"],
        "scores": report["scores"],
        "intervals": report["intervals"],
        "precision": report["precision"],
        "made": report["made"],
        "edited": report["edited"],
    }


def _plan_summary(scores: StudyScores, backbone: str, plan: str, runs: Sequence[StudyRun]) -> dict[str, Any]:
    values = scores.values(backbone, plan)
    by_group: dict[str, Any] = {}
    for group in dict.fromkeys(run.group for run in runs):
        own = [value for repeat, value in values.items() if repeat[0] == group]
        if own:
            by_group[str(group)] = asdict(mean_with_interval(own, scores.bounds))
    summary: dict[str, Any] = {"backbone": backbone, "plan": plan, "groups": by_group}
    if not values:
        return {**summary, "n": 0}
    ours, by_name = scores.paired(backbone, plan, "name")
    return {
        **summary,
        **asdict(mean_with_interval(list(values.values()), scores.bounds)),
        **{
            score: float(np.mean(list(scores.values(backbone, plan, score).values())))
            for score in (("variance_share", "adjusted") if scores.ranked_by.is_index else ())
        },
        "above_chance": _count_above_chance(scores, backbone, plan),
        "gain_over_name": asdict(relative_gain(ours, by_name)) if ours and min(*ours, *by_name) > 0 else None,
    }


def _with_ranks(plans: list[dict[str, Any]], ranked_by: Ranking) -> list[dict[str, Any]]:
    """Add the place of each plan among those of its backbone that were finished as often; equal means share a place."""
    for plan in plans:
        rivals = [other for other in plans if other["backbone"] == plan["backbone"]]
        if plan["n"] and plan["n"] == max(other["n"] for other in rivals):
            means = [other["mean"] for other in rivals if other["n"] == plan["n"]]
            better = [mean > plan["mean"] if ranked_by.greater_is_better else mean < plan["mean"] for mean in means]
            plan["rank"] = 1 + sum(better)
    return plans


def _count_above_chance(scores: StudyScores, backbone: str, plan: str) -> int | None:
    """In how many repeats the index exceeds that of permuted labels (p <= 0.05); None if none were permuted."""
    p = [values["null p"] for values in scores.by_plan[backbone, plan].values() if "null p" in values]
    return sum(value <= 0.05 for value in p) if p else None


def _differences(scores: StudyScores, plans: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Every plan against the baselines of its backbone; p values are adjusted over all of them together (Holm)."""
    lines: list[dict[str, Any]] = []
    for baseline in BASELINES:
        for backbone, plan in plans:
            ours, theirs = scores.paired(backbone, plan, baseline)
            # "none" against "name" is in the list already, the other way round.
            if plan != baseline and ours and (baseline, plan) != ("none", "name"):
                tested = asdict(paired_difference(ours, theirs, 0, scores.difference_bounds))
                lines.append({"backbone": backbone, "plan": plan, "over": baseline, **tested})
    for p in ("p", "p_permutation"):
        for line, adjusted in zip(lines, holm_adjusted([line[p] for line in lines]), strict=True):
            line[f"{p}_holm"] = adjusted
    return lines


def _published_row(scores: StudyScores, row: PublishedScores, study: Study) -> dict[str, Any]:
    """A row of a published table beside our values: by group, if the publication tells the groups, and the means.

    Keys that end in "ratio" are ratios to the plan by name.
    """
    values = scores.values(row.backbone, row.plan)
    by_name = scores.values(row.backbone, "name")
    reference = next((r for r in study.published if (r.backbone, r.plan) == (row.backbone, "name")), None)
    cells = []
    for number, published in enumerate(row.values):
        group = row.groups[number] if row.groups else None
        ours = [value for repeat, value in values.items() if repeat[0] == group]
        names = [value for repeat, value in by_name.items() if repeat[0] == group]
        cells.append(
            {
                "group": group,
                "published": published,
                "ours": float(np.mean(ours)) if ours else None,
                "published_ratio": published / reference.values[number] if reference else None,
                "ours_ratio": float(np.mean(ours) / np.mean(names)) if ours and names else None,
            }
        )
    paired, paired_by_name = scores.paired(row.backbone, row.plan, "name")
    return {
        "backbone": row.backbone,
        "plan": row.plan,
        "cells": cells,
        "published_mean": float(np.mean(row.values)),
        "ours_mean": float(np.mean(list(values.values()))) if values else None,
        "published_mean_ratio": float(np.mean(row.values) / np.mean(reference.values)) if reference else None,
        "ours_mean_ratio": float(np.mean(paired) / np.mean(paired_by_name)) if paired else None,
        "n": len(values),
    }


def _claim_verdict(scores: StudyScores, claim: PublishedClaim) -> dict[str, Any]:
    ours, theirs = scores.paired(claim.backbone, claim.plan, claim.over)
    line = {**asdict(claim), "n": len(ours)}
    if not ours or min(*ours, *theirs) <= 0:
        return {**line, "measured": None, "interval": None, "verdict": "undecidable"}
    gain = relative_gain(ours, theirs)
    interval = [100 * bound for bound in gain.interval] if gain.interval else None
    verdict = judge_claim(claim.percent / 100, gain)
    return {**line, "measured": 100 * gain.gain, "interval": interval, "verdict": verdict}
