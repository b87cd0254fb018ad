"""Reads what a report is made from: one run, or the runs of a demo or a study, with their ``report.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kce.errors import BadData
from kce.faces.folder import Faces, read_faces
from kce.pipeline.recipe import read_recipe
from kce.pipeline.run_report import RunReport
from kce.report.demo_report import DemoReport
from kce.study.study import RUNS
from kce.study.study_report import StudyReport
from kce.system.documents import document_from_table, document_to_table
from kce.system.os_errors import system_failure
from kce.system.regular import read_regular_text, require_inside

_READ = ("report.json", "recipe.toml", "plan.toml", "features.h5", "train.csv", "report.html", "figures", "tables")
"""What a report reads and writes in the folder of a run."""


@dataclass(frozen=True, eq=False)
class RunSource:
    """One run to report on.

    Attributes:
        folder: Its folder.
        report: Its ``report.json``.
        group: Its group in a study; empty outside one. So are `plan` and `backbone`.
        plan: Its plan, as the study or the demo names it.
        backbone: Its backbone, as the study names it.
        seed: Its seed in the study.
    """

    folder: Path
    report: Mapping[str, Any]
    group: str = ""
    plan: str = ""
    backbone: str = ""
    seed: int = 0


@dataclass(frozen=True, eq=False)
class ReportSource:
    """A folder to report on.

    Attributes:
        path: The folder.
        kind: "run", "demo" or "study".
        document: Its ``report.json``.
        runs: Its finished runs; one for a run.
    """

    path: Path
    kind: str
    document: Mapping[str, Any]
    runs: Sequence[RunSource]

    def label(self, run: RunSource) -> str:
        """Return a label for a run that mentions only what differs between the runs."""
        parts = []
        for name, form in (("group", "group {}"), ("backbone", "{}"), ("plan", "{}"), ("seed", "seed {}")):
            if len({getattr(other, name) for other in self.runs}) > 1:
                parts.append(form.format(getattr(run, name)))
        return ", ".join(parts) or "run"

    def faces(self) -> Faces:
        """Read the face folder that the runs were made from.

        Raises:
            KCEError: If it is gone or cannot be read, or the recipe that names it cannot.
        """
        path = self.runs[0].folder / "recipe.toml"
        try:
            folder = read_recipe(path).faces
        except OSError as error:
            raise system_failure(f"{path} cannot be read", error) from error
        if not folder:
            raise BadData(f"{path} names no face folder", "continue the run: it writes its recipe")
        return read_faces(folder)


def read_report_source(path: Path) -> ReportSource:
    """Read the reports below a folder.

    Raises:
        BadData: If the folder has no ``report.json``, one with wrong content, or no finished run.
    """
    require_inside(path, *_READ)
    table = _read_json(path / "report.json")
    where = str(path / "report.json")
    if "groups" in table:
        study = document_from_table(table, StudyReport, where)
        runs = [
            RunSource(folder, _read_run_report(folder), str(run.group), run.plan, run.backbone, run.seed)
            for run in study.runs
            for folder in [_run_folder(path, run.run)]
        ]
        return _check_runs(ReportSource(path, "study", document_to_table(study), runs))
    if "plans" in table:
        demo = document_from_table(table, DemoReport, where)
        runs = [
            RunSource(_run_folder(path, plan), document_to_table(report), plan=plan)
            for plan, report in demo.runs.items()
        ]
        return _check_runs(ReportSource(path, "demo", document_to_table(demo), runs))
    if "scores" in table:
        document = document_to_table(document_from_table(table, RunReport, where))
        return ReportSource(path, "run", document, [RunSource(path, document)])
    raise BadData(f"{where} is not the report of a run, a demo or a study", "name the folder of one of these")


def _run_folder(path: Path, name: str) -> Path:
    """A run's folder below `path`; a report from elsewhere may name any path."""
    if ".." in Path(name).parts or Path(name).is_absolute():
        raise BadData(
            f"{path / 'report.json'} names a run outside its folder: {name}", "use the file as KCE wrote it"
        )  # fmt: skip
    require_inside(path, *(f"{RUNS}/{name}/{file}" for file in _READ))
    return path / RUNS / name


def _check_runs(source: ReportSource) -> ReportSource:
    if not source.runs:
        raise BadData(f"no run of {source.path} is finished", "start the same command again to continue")
    return source


def _read_run_report(folder: Path) -> Mapping[str, Any]:
    path = folder / "report.json"
    return document_to_table(document_from_table(_read_json(path), RunReport, str(path)))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(read_regular_text(path))
    except FileNotFoundError as error:
        raise BadData(
            f"there is no {path}", "name the folder of a finished run, demo, study, audit or bench"
        ) from error
    except OSError as error:
        raise system_failure(f"{path} cannot be read", error) from error
    except (ValueError, RecursionError) as error:
        raise BadData(f"{path} cannot be read: {error}", "run the command that made it again") from error
    if not isinstance(document, dict):
        raise BadData(f"{path} is not a report", "run the command that made it again")
    return document
