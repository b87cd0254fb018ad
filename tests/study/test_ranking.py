"""The plans of a study are compared by an evaluator of its choice, also by one of a third party."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kce import Registry
from kce.errors import KCEError
from kce.report.report import write_report
from kce.report.sources import read_report_source
from kce.report.tables import report_tables
from kce.study import comparison, study
from kce.study.ranking import Ranking
from kce.study.study_file import read_study
from tests.registry.test_registry import write
from tests.support.corpus import face_folder

SPREAD = """
from kce import hookimpl


class Spread:
    greater_is_better = False

    def score(self, features, plan=None):
        return {"spread": float(features.x.std()) + len(plan.names if plan else ()), "other": 1.0}


@hookimpl
def kce_evaluators():
    return {"spread": Spread}
"""
STUDY = """
rank_by = "spread"
categories = ["A_FaceSwap", "B_FaceSwap", "A_Blur", "B_Reenact", "C_Unseen", "C_Strange"]
[backbone]
tiny = "tiny:size=32,width=2"
[run]
rules = [["A_FaceSwap", "B_FaceSwap"]]
[run.train]
per_class = 10
epochs = 1
held_out = 0.0
save_every = 0.0
[run.evaluate]
reducer = "none"
evaluators = ["spread"]
per_category = 12
resamples = 5
[plan.none]
plan = "none"
[plan.name]
plan = "name"
[[group]]
name = 1
unknown = ["C_Unseen", "C_Strange"]
"""


def prepared(folder: Path, faces: Path | None, text: str = STUDY, plugin: str = SPREAD) -> study.StudyPlan:
    registry = write(folder, mine=plugin)
    (folder / "study.toml").write_text(text, encoding="utf-8")
    return study.prepare_study(str(folder / "study.toml"), folder / "out", registry, faces=faces)


@pytest.mark.slow
def test_plans_are_compared_by_an_evaluator_of_a_plugin(tmp_path: Path) -> None:
    plan = prepared(tmp_path, face_folder(tmp_path / "corpus"))
    workers = Registry.load(Path("/")).build("engine", "local:runs=1,threads=1")
    try:
        tasks = study.run_study(plan, workers, lambda _: None)
        found = study.finish_study(plan, tasks, study.estimate_cost(plan, workers.slots))
    finally:
        workers.stop()
    assert found["failed"] == {}
    assert found["ranked_by"] == {"evaluator": "spread", "score": "spread", "greater_is_better": False}
    assert found["measure"].startswith("spread (spread) of the unknown categories")
    assert found["measure"].endswith("lower is better")
    by_plan = {line["plan"]: line for line in found["plans"]}
    scores = {run["plan"]: run["scores"]["spread"]["spread"] for run in found["runs"]}
    assert {name: line["mean"] for name, line in by_plan.items()} == scores
    assert sorted(by_plan, key=lambda name: by_plan[name]["rank"]) == sorted(scores, key=scores.__getitem__)
    assert all(by_plan["none"].get(score) is None for score in ("variance_share", "adjusted", "above_chance"))
    write_report(plan.folder)
    page = (plan.folder / "report.html").read_text(encoding="utf-8")
    assert "lower is better" in page
    assert "Calinski-Harabasz index, computed" not in page
    tables = {table.name: table for table in report_tables(read_report_source(plan.folder))}
    assert "spread" in tables["runs"].head


@pytest.mark.parametrize("greater", [True, False])
def test_the_direction_decides_who_is_first(greater: bool) -> None:
    plans = {"a": [3.0, 5.0], "b": [4.0, 4.0], "c": [9.0, 9.0], "late": [100.0]}
    runs, reports = [], {}
    for plan, values in plans.items():
        for seed, value in enumerate(values):
            run = SimpleNamespace(
                name=f"{plan}{seed}", backbone="x", plan=plan, group=1, seed=seed, missing=(), summary=dict
            )
            runs.append(run)
            reports[run.name] = report(value)
    found = comparison.compare_plans(
        SimpleNamespace(title="t", groups=(), published=(), claims=()), runs, reports, Ranking("own", "x", greater)
    )
    ranks = {line["plan"]: line.get("rank") for line in found["plans"]}
    assert ranks == ({"c": 1, "a": 2, "b": 2, "late": None} if greater else {"a": 1, "b": 1, "c": 3, "late": None})


def report(value: float) -> dict[str, Any]:
    nothing = dict.fromkeys(("unknown_recordings", "classes", "precision", "made", "edited"), 0)
    scores = {"scores": {"own": {"x": value}}, "intervals": {"own": {"x": None}}, "ranges": {}}
    return {"n": 9, **scores, **nothing}


@pytest.mark.parametrize(
    ("text", "plugin", "reason"),
    [
        (STUDY.replace('evaluators = ["spread"]', 'evaluators = ["silhouette"]'), SPREAD, "lack spread"),
        (
            STUDY,
            SPREAD.replace("    greater_is_better = False\n", ""),
            "does not say whether a greater score is better",
        ),
        (STUDY, SPREAD.replace("= False", '= "low"'), "does not say whether a greater score is better"),
        (STUDY.replace('["spread"]', '["spread", "spread"]'), SPREAD, "have spread 2 times"),
        (
            STUDY + '[[claim]]\nbackbone = "tiny"\nplan = "none"\nover = "name"\npercent = 3.0\n',
            SPREAD,
            "was published",
        ),
    ],
)
def test_what_cannot_rank_is_an_error_before_any_work(tmp_path: Path, text: str, plugin: str, reason: str) -> None:
    with pytest.raises(KCEError, match=reason) as caught:
        prepared(tmp_path, None, text, plugin)
    assert caught.value.hint


def test_by_default_it_is_the_index() -> None:
    assert read_study("sun2023").rank_by == "calinski-harabasz"
