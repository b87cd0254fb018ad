"""Runs a study: prepares its faces, hands its runs to an engine, records their state, and compares the results."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.errors import BadData, KCEError, UnknownName
from kce.faces import pixel_cache
from kce.faces.cut import cut
from kce.faces.folder import read_faces
from kce.features.pieces import split_rows
from kce.features.table import find_table
from kce.merging.plan_file import read_plan, write_plan
from kce.merging.plans import by_name, plan_partition, unmerged_plan
from kce.pipeline.recipe import cluster_choices, recipe_to_table
from kce.pipeline.run_features import FEATURES
from kce.pipeline.run_report import count_faces
from kce.registry import isolation
from kce.registry.result_provenance import current_command
from kce.study import comparison, cost, grid, preflight
from kce.study.jobs import progress_path
from kce.study.ranking import ranking
from kce.study.scheduler import Task, run_tasks
from kce.study.study_file import read_study
from kce.study.study_provenance import describe_versions, join_provenance
from kce.study.study_report import StudyReport
from kce.system.documents import Document, document_to_table, model_from_table, write_document
from kce.system.job import Job
from kce.system.lock import folder_lock
from kce.system.regular import read_regular_text, require_inside
from kce.types import MergePlan

if TYPE_CHECKING:
    from kce.faces.folder import Faces
    from kce.registry.registry import Registry
    from kce.study.grid import StudyRun
    from kce.study.study_file import Study
    from kce.types import Engine, Progress

_log = logging.getLogger("kce.study.study")

PIECE_ROWS = 2**14
"""Rows that a piece of an extraction has at least: starting a job takes some seconds."""

RUNS = "runs"
STATE_FILE = "study.json"


@dataclass(frozen=True)
class JobState:
    """The state of one job in ``study.json``; `seconds` are rounded, `doing` is what a running one is at."""

    state: str
    seconds: float
    error: str = ""
    warnings: tuple[str, ...] = ()
    machine: str = ""
    doing: str = ""


@dataclass(frozen=True)
class StudyState(Document):
    """``study.json``: the state of every job while a study runs and after it."""

    NOUN = "the state of a study"
    HINT = "`kce study` writes it"
    title: str
    remarks: tuple[str, ...] = ()
    jobs: Mapping[str, JobState] = field(default_factory=dict)


@dataclass(frozen=True)
class StudyPlan:
    """A study that was checked and is ready to start.

    Attributes:
        study: The study.
        faces: Its face folder; None in a dry run without one.
        runs: Its runs.
        folder: Where it is done.
        registry: Where its components are looked up.
        remarks: What a reader of the results must know.
        cache: Bytes that decoded faces may take on the disk while the study runs; 0 = none are stored.
    """

    study: Study
    faces: Faces | None
    runs: tuple[StudyRun, ...]
    folder: Path
    registry: Registry
    remarks: tuple[str, ...] = ()
    cache: int = 0

    def dry_run(self, slots: int = 0, progress: Progress = lambda *_: None) -> dict[str, Any]:
        """Return what ``--dry-run --json`` prints; `reuses` names the runs from which a run takes models and plans.

        Args:
            slots: Runs at a time, for the estimate of time, disk and memory; 0 = none, since it takes a measurement.
            progress: Called while backbones are measured.
        """
        first = self._first_model_owners()
        owners = _plan_owners(self.runs)
        runs = []
        for run in self.runs:
            reuses: dict[str, str] = {}
            if run.extracts and first[run.extracts] is not run:
                reuses |= {"first_model": first[run.extracts].name, "known_features": first[run.extracts].name}
            if run.name in owners:
                reuses["plan"] = owners[run.name].name
            if run.trains in first and first[run.trains] is not run:
                reuses["final_model"] = f"{first[run.trains].name} (first model)"
            runs.append({**run.summary(), "reuses": reuses})
        remarks = list(self.remarks)
        planned = {"trainings": grid.count_trainings(self.runs), "runs": runs, "remarks": remarks}
        if not slots:
            return planned
        estimate = estimate_cost(self, slots, progress)
        if self.faces is None:
            remarks.append(
                "without a face folder the estimate is of the trainings alone: faces to decode and features to extract "
                "are not counted"
            )
        return {**planned, "estimate": estimate.summary()}

    def _first_model_owners(self) -> dict[Any, StudyRun]:
        """What known features are made from -> the run that makes them, which is the first that needs them."""
        owners: dict[Any, StudyRun] = {}
        for run in self.runs:
            if run.extracts:
                owners.setdefault(run.extracts, run)
        return owners

    def run_folder(self, run: StudyRun) -> Path:
        """Return the folder of a run."""
        return self.folder / RUNS / run.name

    def make_tasks(self, slots: int = 1) -> dict[str, Task]:
        """Make a task for each job. Plans come before any final training, so that equal plans are known in time.

        Args:
            slots: Jobs at a time; so many pieces are made of a large extraction, but at least two: a study that goes on
                with fewer slots then still finds the rows of pieces.
        """
        faces = count_faces(self.faces) if self.faces is not None else {}
        owners, plan_owners = self._first_model_owners(), _plan_owners(self.runs)
        tasks: dict[str, Task] = {}
        for run in self.runs:
            needs: list[str] = []
            if run.extracts:
                owner = owners[run.extracts]
                known = f"{owner.name}: known features"
                if owner is run:
                    rows = grid.sum_counts(faces, run.known)
                    model = Task(self._job(run, f"{run.name}: first model", "first"))
                    pieces = self._pieces(run, "known", rows, slots, model, tasks)
                    tasks[known] = Task(self._job(run, known, "known"), pieces)
                plan = f"{run.name}: plan"
                before = [f"{plan_owners[run.name].name}: plan"] if run.name in plan_owners else []
                tasks[plan] = Task(self._job(run, plan, "plan"), (known, *before))
                needs.append(plan)
            elif run.trains in owners:  # its final model is the first model of another run
                needs.append(f"{owners[run.trains].name}: known features")
            key = partial(self._final_model_key, run)
            rows = grid.sum_counts(faces, run.recipe.unknown)
            model = Task(self._job(run, f"{run.name}: final model", "final"), needs, key)
            pieces = self._pieces(run, "unknown", rows, slots, model, tasks)
            tasks[run.name] = Task(self._job(run, run.name, "scores"), pieces or needs, key)
        return tasks

    def _pieces(
        self, run: StudyRun, table: str, rows: int, slots: int, model: Task, tasks: dict[str, Task]
    ) -> list[str]:
        """Add the tasks of the pieces of a table, after that of its model; return their names.

        They leave shards in the run's folder, and the job that needs the table publishes it. There are none of a small
        table, or of one that exists.
        """
        count = min(max(slots, 2), rows // PIECE_ROWS)
        with suppress(KCEError):  # a damaged file is reported by the run that needs it
            if count < 2 or find_table(self.run_folder(run) / FEATURES, table):
                return []
        tasks[model.job.name] = model
        names = []
        for piece in split_rows(rows, count, run.recipe.train.batch_size):
            name = f"{run.name}: {table} rows {piece.start + 1} to {piece.stop}"
            parameters = {
                "folder": str(self.run_folder(run)),
                "registry": str(self.registry.folder),
                "table": table,
                "rows": [piece.start, piece.stop],
                "cache": self._pixel_cache,
            }
            tasks[name] = Task(Job(name, "kce.study.jobs:piece_job", parameters), [model.job.name])
            names.append(name)
        return names

    def _job(self, run: StudyRun, name: str, until: str) -> Job:
        related = (other for other in self.runs if (other.group, other.seed) == (run.group, run.seed))
        return Job(
            name,
            "kce.study.jobs:run_job",
            {
                "folder": str(self.run_folder(run)),
                "recipe_table": recipe_to_table(run.recipe),
                "registry": str(self.registry.folder),
                "until": until,
                "other_runs": [str(self.run_folder(other)) for other in related if other is not run],
                "cache": self._pixel_cache,
                "command": current_command(),
            },
        )

    @property
    def _pixel_cache(self) -> tuple[str, int] | None:
        return (str(self.folder / pixel_cache.FOLDER), self.cache) if self.cache else None

    def _final_model_key(self, run: StudyRun) -> Hashable:
        """What the final model is made from, now that the plan is known: of runs with equal keys one trains it."""
        path = self.run_folder(run) / "plan.toml"
        if path.is_file():
            plan = read_plan(path)
        elif run.recipe.plan == "name":
            plan = by_name({category: category for category in run.known}, run.recipe.rules)
            plan = plan if run.recipe.rules else MergePlan(dict.fromkeys(run.known, run.name))
        else:
            plan = unmerged_plan(run.known)
        return (run.group, run.seed, run.recipe.backbone, run.recipe.train, plan_partition(plan))


def prepare_study(
    named: str,
    folder: Path,
    registry: Registry,
    *,
    faces: Path | None = None,
    scale: str = "",
    seeds: int = 1,
    per_class: int | None = None,
    allow_missing: bool = False,
    make_world: bool = True,
    cache: int = 0,
    progress: Progress = lambda *_: None,
) -> StudyPlan:
    """Check everything a study needs.

    Args:
        named: A shipped study, or the path of a study file.
        folder: Where the study will be done.
        registry: Where its components are looked up.
        faces: The face folder; None plans the study as its file defines it. A scale makes its own faces.
        scale: A smaller version that the study file defines.
        seeds: How many seeds, from 0.
        per_class: Images of each class, instead of what the study says.
        allow_missing: Whether runs may train on fewer categories than the study has.
        make_world: Whether the synthetic world of a scale is made now, below `folder`.
        cache: Bytes that decoded faces may take on the disk.
        progress: Called while faces are made.

    Returns:
        The study, ready for ``run_study``.

    Raises:
        KCEError: For whatever would fail later, as far as it can be known now.
    """
    study = read_study(named)
    if seeds < 1:
        raise KCEError(f"seeds = {seeds}", "a study needs at least one seed")
    if scale:
        if scale not in study.scales:
            raise UnknownName.among(f"scale of {named}", scale, study.scales)
        if faces:
            raise KCEError("a scale makes its own faces", "leave out --faces, or --scale")
        small = study.scales[scale]
        study = study.scaled(small)
        faces = folder / "faces" if make_world else None
        if make_world:
            world = registry.build("dataset", small.world, root=folder / "world")
            with folder_lock(folder, "study"):
                world.make(progress=progress)
                cut(world, folder / "faces", progress=progress, **study.cut.options())
    if per_class is not None:
        study = study.changed(run={**study.run, "train": {**study.run.get("train", {}), "per_class": per_class}})
    table = read_faces(faces) if faces else None
    methods = preflight.category_methods(table) if table else {}
    reals = preflight.dataset_reals(table) if table else {}
    runs = grid.list_runs(study, str(faces or ""), methods, reals, range(seeds), registry, allow_missing)
    runs, left_out = preflight.add_aligner_tables(runs, table, registry, allow_missing)
    sampled: set[Any] = set()
    for run in runs:
        preflight.check_run(run, study.rank_by, table, registry, sampled)
    remarks = [*preflight.describe_faces(study, faces, scale), *preflight.describe_missing(runs), *left_out]
    return StudyPlan(study, table, tuple(runs), folder, registry, tuple(remarks), cache)


def _plan_owners(runs: Sequence[StudyRun]) -> dict[str, StudyRun]:
    """Name of a run -> an earlier run that clusters in exactly the same way; a random plan takes its class sizes."""
    first: dict[tuple[str, ...], StudyRun] = {}
    for run in runs:
        if run.recipe.plan == "clusters":
            first.setdefault(_cluster_key(run), run)
    owners = {run.name: first[_cluster_key(run)] for run in runs if run.recipe.clusters and _cluster_key(run) in first}
    return {name: owner for name, owner in owners.items() if owner.name != name}


def _cluster_key(run: StudyRun) -> tuple[str, ...]:
    return (str(run.group), *cluster_choices(run.recipe).values())


def estimate_cost(plan: StudyPlan, slots: int, progress: Progress = lambda *_: None) -> cost.StudyCost:
    """Estimate the cost of what is left, from a short measurement of its backbones on this machine.

    A third-party backbone that fails in the measurement is left out, with a warning: its runs will fail, others go on.
    """
    existing = _existing_outputs(plan)
    unfinished = [run for run in plan.runs if not {run.trains, cost.unknown_features_key(run)} <= existing]
    networks = sorted({network for run in unfinished for network in (cost.first_network(run), cost.final_network(run))})
    speeds = {}
    for number, (spec, precision) in enumerate(networks):
        progress("measuring backbones", number, len(networks))
        try:
            isolation.check_backbone(
                plan.registry.resolve("backbone", spec), plan.registry, plan.runs[0].recipe.timeout
            )
        except KCEError as error:
            _log.warning("%s", error.message)
            continue
        speeds[spec, precision] = cost.measure_backbone(spec, precision, plan.registry)
    if networks:
        progress("measuring backbones", len(networks), len(networks))
    faces, rows = (count_faces(plan.faces), plan.faces.nbytes) if plan.faces is not None else ({}, 0)
    estimate = cost.estimate_study_cost(plan.runs, faces, speeds, slots, plan.folder, existing, rows, plan.cache)
    tasks = plan.make_tasks(slots)
    in_pieces = {
        name for name in estimate.jobs if any("rows" in tasks[need].job.parameters for need in tasks[name].needs)
    }
    # The work of those is done by their pieces, so how long they took would say nothing of the time that is left.
    return replace(estimate, jobs={name: took for name, took in estimate.jobs.items() if name not in in_pieces})


def _existing_outputs(plan: StudyPlan) -> set[Any]:
    """Keys of the models and features that exist already, as ``kce.study.cost`` defines them."""
    keys: set[Any] = set()
    for run in plan.runs:
        folder = plan.run_folder(run)
        models = {"first": run.extracts, "final": run.trains}
        keys |= {key for name, key in models.items() if (folder / f"{name}.safetensors").is_file()}
        tables = {
            "known": cost.known_features_key(run),
            "unknown": cost.unknown_features_key(run),
            **{table: cost.aligner_table_key(run, table) for table, _ in run.aligner_tables},
        }
        for table, key in tables.items():
            with suppress(KCEError):  # a damaged file is reported by the run that needs it
                if find_table(folder / "features.h5", table):
                    keys.add(key)
    return keys


def run_study(plan: StudyPlan, engine: Engine, report: Callable[[Mapping[str, Task]], None]) -> dict[str, Task]:
    """Run a study; finished work is not repeated.

    Args:
        plan: The study.
        engine: Runs the jobs.
        report: Called with the tasks whenever their state changes.

    Returns:
        The tasks, with how each ended.

    Raises:
        KCEError: If another process works in the folder.
        KeyboardInterrupt: When interrupted; the same command continues.
    """
    tasks = plan.make_tasks(engine.slots)
    for run in plan.runs:
        path = Path(run.recipe.plan)
        if path.suffix == ".toml":  # without the categories that the run evaluates
            plan.run_folder(run).mkdir(parents=True, exist_ok=True)
            write_plan(plan.run_folder(run) / "plan.toml", grid.restrict_plan(path, run.known))

    def record(tasks: Mapping[str, Task]) -> None:
        jobs = {name: _job_state(task) for name, task in tasks.items()}
        write_document(plan.folder / STATE_FILE, StudyState(plan.study.title, plan.remarks, jobs))
        report(tasks)

    require_inside(plan.folder, RUNS, STATE_FILE, "report.json", *(f"{RUNS}/{run.name}" for run in plan.runs))
    with folder_lock(plan.folder, "study"):
        run_tasks(tasks, engine, record)
    return tasks


def _job_state(task: Task) -> JobState:
    """The state of a job for ``study.json``; the task keeps the machine, which is not known before it is at work."""
    progress = read_progress(task) if task.state == "running" else {}
    task.machine = str(task.result.machine if task.result else progress.get("machine", task.machine))
    warnings = task.result.warnings if task.result else ()
    doing = str(progress.get("what", ""))
    return JobState(task.state, round(task.seconds, 1), task.error, warnings, task.machine, doing)


def finish_study(plan: StudyPlan, tasks: Mapping[str, Task], estimate: cost.StudyCost) -> dict[str, Any]:
    """Compare the finished runs, and write ``report.json``: the comparison, the estimate, and the errors of jobs.

    Decoded faces are removed if no job failed; else the same command needs them again.
    """
    if all(task.state == "done" for task in tasks.values()):
        pixel_cache.remove_pixel_cache(plan.folder / pixel_cache.FOLDER)
    reports = comparison.read_run_reports(plan.runs, plan.folder / RUNS)
    ranked_by = ranking(plan.study.rank_by, plan.registry, reports)
    document = {
        **comparison.compare_plans(plan.study, plan.runs, reports, ranked_by),
        "remarks": [
            *plan.remarks,
            *comparison.describe_edited_plans(reports),
            *comparison.describe_precisions(reports),
            *describe_versions(reports),
        ],
        "estimate": estimate.summary(),
        "seconds": round(sum(task.seconds for task in tasks.values()), 1),
        "failed": {name: task.error for name, task in tasks.items() if task.state == "failed"},
        "report": str(plan.folder / "report.html"),
        "provenance": join_provenance(reports),
    }
    report = model_from_table(document, StudyReport, "the report of the study")
    write_document(plan.folder / "report.json", report)
    return document_to_table(report)


def read_progress(task: Task) -> dict[str, Any]:
    """Return the progress of a running job, {"machine", "what", "done", "total"}; empty before it has written any."""
    try:
        progress = json.loads(read_regular_text(progress_path(task.job.parameters)))
    except (OSError, ValueError, BadData):
        return {}
    return progress if isinstance(progress, dict) else {}
