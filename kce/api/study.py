"""``kce.study``: many runs, compared."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.api.arguments import optional_path, parse_size, require_numbers
from kce.api.progress import shown_jobs, shown_progress
from kce.api.results import Result, interval_columns
from kce.errors import KCEError
from kce.registry import defaults
from kce.system.text import counted

if TYPE_CHECKING:
    from kce.api.arguments import AnyPath
    from kce.report.charts import ReportTable
    from kce.study.study import StudyPlan
    from kce.types import Engine, Progress

_log = logging.getLogger("kce.api.study")

_FLAT = ("backbone", "plan", "mean", "deviation", "interval", "variance_share", "adjusted", "above_chance", "n")


class StudyResult(Result):
    """The comparison of a study's plans; of a dry run, what would be done.

    Attributes:
        folder: The study's folder; None in a dry run.
    """

    def __init__(self, document: Mapping[str, Any], folder: Path | None = None) -> None:
        super().__init__(document)
        self.folder = folder

    @property
    def runs(self) -> list[dict[str, Any]]:
        """The finished runs with all their scores; in a dry run, the runs that would be done."""
        return list(self.to_dict()["runs"])

    @property
    def plans(self) -> list[dict[str, Any]]:
        """The plans with their mean scores; empty in a dry run."""
        return list(self.to_dict().get("plans", []))

    @property
    def differences(self) -> list[dict[str, Any]]:
        """Paired differences between plans, with intervals and p values; empty in a dry run."""
        return list(self.to_dict().get("differences", []))

    @property
    def failed(self) -> dict[str, str]:
        """Job -> the error it ended with."""
        return dict(self._document.get("failed", {}))

    @property
    def remarks(self) -> list[str]:
        """What a reader of the results must know."""
        return list(self._document.get("remarks", []))

    @property
    def report(self) -> Path | None:
        """The page with figures and tables; None in a dry run."""
        return self.folder and Path(self._document["report"])

    def cost(self) -> list[str]:
        """What is left would cost on this machine, in lines of text: networks, time, disk, memory, faces to decode."""
        from kce.study.cost import StudyCost, describe_cost
        from kce.system.documents import model_from_table

        estimate = self._document.get("estimate")
        return describe_cost(model_from_table({**estimate, "jobs": {}}, StudyCost, "the estimate")) if estimate else []

    def tables(self) -> list[ReportTable]:
        """The tables of the report, with text as they show it; none without a finished run."""
        from kce.report.sources import read_report_source
        from kce.report.tables import report_tables

        return report_tables(read_report_source(self.folder)) if self.folder and self.runs else []

    def _records(self) -> list[dict[str, Any]]:
        if self.folder is None:
            return self.runs
        return [
            {
                name: value
                for key in _FLAT
                for name, value in (
                    interval_columns(plan.get(key)) if key == "interval" else {key: plan.get(key)}
                ).items()
            }
            for plan in self.plans
        ]

    def _summary(self) -> str:
        runs = counted(len(self.runs), "run")
        if self.folder is None:
            return f"{runs} to do, {counted(self._document['trainings'], 'network')} to train"
        failed = f", {counted(len(self.failed), 'job')} failed" if self.failed else ""
        return f"{self._document['title']}: {runs}, {counted(len(self.plans), 'plan')} compared{failed}"


def study(
    study: str | Path,
    *,
    to: AnyPath | None = None,
    faces: AnyPath | None = None,
    scale: str | None = None,
    seeds: int = 1,
    per_class: int | None = None,
    engine: str = defaults.ENGINE,
    cache: str | int | None = None,
    allow_missing: bool = False,
    dry_run: bool = False,
    progress: bool | Progress = True,
) -> StudyResult:
    """Compare merge plans over groups, backbones and seeds. Called again, it continues where it stopped.

    Its jobs are processes: a script that calls this needs the usual ``if __name__ == "__main__":``.

    Args:
        study: A shipped study, such as sun2023, or the path of a .toml.
        to: The study's folder; one that is there already is continued.
        faces: The face folder.
        scale: "small": synthetic faces and small networks, without faces of your own.
        seeds: Number of seeds: 0, 1, ...
        per_class: Images per class; None = the study's.
        engine: What executes the runs, as in ``kce list engine``.
        cache: Disk space for decoded faces, such as "20GB" or a number of bytes, so that each is decoded once.
        allow_missing: Whether to continue without the categories that are missing.
        dry_run: Whether to return what would be done, and start nothing.
        progress: True shows a board of the jobs, False nothing; or a function of what is done, how much of it, and the
            total or None.

    Returns:
        The comparison. ``to_frame()``: a line for each plan and backbone; of a dry run, for each run.

    Raises:
        KCEError: The study cannot be done; or jobs failed, and its `result` compares the others.

    Example:
        >>> study("sun2023", scale="small", dry_run=True, progress=False)
        <StudyResult: 56 runs to do, 56 networks to train>
    """
    from kce.registry.registry import Registry
    from kce.study.study import prepare_study

    if not dry_run and to is None:
        raise KCEError("the study has no folder", "name one with --to")
    if not dry_run and faces is None and scale is None:
        raise KCEError("the study has no faces", "name a face folder with --faces, or try it with --scale small")
    require_numbers(1, seeds=seeds, per_class=per_class)
    registry = Registry.load()
    with shown_progress(progress) as show:
        plan = prepare_study(
            str(study),
            Path(to or ""),
            registry,
            faces=optional_path(faces),
            scale=scale or "",
            seeds=seeds,
            per_class=per_class,
            allow_missing=allow_missing,
            make_world=not dry_run,
            cache=0 if cache is None else parse_size(cache),
            progress=show,
        )
    if dry_run:
        return StudyResult(_planned(plan, registry.build("engine", engine), progress))
    workers = registry.build("engine", engine)
    try:
        return _do(plan, workers, progress)
    finally:
        workers.stop()


def _planned(plan: StudyPlan, workers: Engine, progress: bool | Progress) -> dict[str, Any]:
    """What would be done, and what it would cost on this machine."""
    from kce.training.turns import torch_turn

    try:
        with shown_progress(progress) as show, torch_turn():
            return plan.dry_run(workers.slots, show)
    finally:
        workers.stop()


def _do(plan: StudyPlan, workers: Engine, progress: bool | Progress) -> StudyResult:
    from kce.study.cost import check_resources, describe_cost
    from kce.study.study import estimate_cost, finish_study, read_progress, run_study
    from kce.system.lock import folder_lock
    from kce.training.turns import torch_turn

    for remark in plan.remarks:
        _log.info("note: %s", remark)
    with shown_progress(progress) as show, torch_turn():
        estimate = estimate_cost(plan, workers.slots, show)
    for line in describe_cost(estimate):
        _log.info("%s", line)
    check_resources(estimate)
    with folder_lock(plan.folder, "study"):
        with shown_jobs(progress, read_progress, estimate.jobs) as show_jobs:
            tasks = run_study(plan, workers, show_jobs)
        document = finish_study(plan, tasks, estimate)
        if document["runs"]:
            from kce.report.report import write_report  # only now: it loads what draws

            with shown_progress(progress) as show:
                write_report(plan.folder, files=True, progress=show)
    result = StudyResult(document, plan.folder)
    if failed := [name for name, task in tasks.items() if task.state == "failed"]:
        error = KCEError(
            f"{len(failed)} of {len(tasks)} jobs failed; the others are done and compared",
            "the lines above and study.json say why; the same command tries those again",
        )
        error.result = result
        raise error
    return result
