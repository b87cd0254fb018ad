"""Does a study: makes or reads its faces, hands its runs to an engine, and keeps account of how each stands."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.errors import KCEError, UnknownName
from kce.faces import folder as folders
from kce.faces.cut import cut
from kce.features.table import find_table
from kce.merging.plan_file import read_plan, write_plan
from kce.merging.plans import plan_by_name, plan_partition, unmerged_plan
from kce.pipeline.recipe import cluster_choices, recipe_to_table
from kce.pipeline.run import counts
from kce.registry import isolation
from kce.study import comparison, cost, grid, preflight, study_file
from kce.study.jobs import PROGRESS
from kce.study.scheduler import Task, carry_out
from kce.system.atomic import write_json
from kce.system.job import Job
from kce.system.lock import folder_lock
from kce.types import MergePlan

if TYPE_CHECKING:
    from kce.faces.folder import Faces
    from kce.registry.registry import Registry
    from kce.study.grid import Run
    from kce.study.study_file import Study
    from kce.types import Engine, Progress

_log = logging.getLogger("kce.study.study")

RUNS = "runs"
STATES = "study.json"


@dataclass(frozen=True)
class Plan:
    """A study that is ready to start: everything was looked at, and nothing was done yet."""

    study: Study
    faces: Faces | None
    grid: tuple[Run, ...]
    to: Path
    registry: Registry
    remarks: tuple[str, ...] = ()

    def dry(self) -> dict[str, Any]:
        """What ``--dry-run --json`` prints. `takes` says what a run takes over: a model, a plan, known features."""
        first = self._owners()
        plans = _plan_owners(self.grid)
        runs = []
        for run in self.grid:
            takes: dict[str, str] = {}
            if run.extracts and first[run.extracts] is not run:
                takes |= {"first model": first[run.extracts].name, "known features": first[run.extracts].name}
            if run.name in plans:
                takes["plan"] = plans[run.name].name
            if run.trains in first and first[run.trains] is not run:
                takes["final model"] = f"{first[run.trains].name} (first model)"
            runs.append({**run.told(), "takes": takes})
        return {"trainings": grid.trainings(self.grid), "runs": runs, "remarks": list(self.remarks)}

    def _owners(self) -> dict[Any, Run]:
        """What known features are made from -> the run that makes them: the first that needs them."""
        found: dict[Any, Run] = {}
        for run in self.grid:
            if run.extracts:
                found.setdefault(run.extracts, run)
        return found

    def folder(self, run: Run) -> Path:
        return self.to / RUNS / run.name

    def tasks(self) -> dict[str, Task]:
        """Every job, with what it needs. Plans come before any final training, so that equal ones are seen in time."""
        owners, plans = self._owners(), _plan_owners(self.grid)
        tasks: dict[str, Task] = {}
        for run in self.grid:
            needs: list[str] = []
            if run.extracts:
                owner = owners[run.extracts]
                known = f"{owner.name}: known features"
                if owner is run:
                    tasks[known] = Task(self._job(run, known, "known"))
                plan = f"{run.name}: plan"
                before = [f"{plans[run.name].name}: plan"] if run.name in plans else []
                tasks[plan] = Task(self._job(run, plan, "plan"), (known, *before))
                needs.append(plan)
            elif run.trains in owners:  # its final model is a first one
                needs.append(f"{owners[run.trains].name}: known features")
            tasks[run.name] = Task(self._job(run, run.name, "scores"), needs, partial(self._partition, run))
        return tasks

    def _job(self, run: Run, name: str, until: str) -> Job:
        same = (other for other in self.grid if (other.group, other.seed) == (run.group, run.seed))
        return Job(
            name,
            "kce.study.jobs:do",
            {
                "folder": str(self.folder(run)),
                "chosen": recipe_to_table(run.recipe),
                "registry": str(self.registry.folder),
                "until": until,
                "places": [str(self.folder(other)) for other in same if other is not run],
            },
        )

    def _partition(self, run: Run) -> Hashable:
        """What the final model is made from, now that the plan is there: runs with the same wait for each other."""
        path = self.folder(run) / "plan.toml"
        if path.is_file():
            plan = read_plan(path)
        elif run.recipe.plan == "name":
            plan = plan_by_name({category: category for category in run.known}, run.recipe.rules)
            plan = plan if run.recipe.rules else MergePlan(dict.fromkeys(run.known, run.name))
        else:
            plan = unmerged_plan(run.known)
        return (run.group, run.seed, run.recipe.backbone, run.recipe.train, plan_partition(plan))


def prepare(
    named: str,
    to: Path,
    registry: Registry,
    *,
    faces: Path | None = None,
    scale: str = "",
    seeds: int = 1,
    per_class: int | None = None,
    missing: bool = False,
    make: bool = True,
    progress: Progress = lambda *_: None,
) -> Plan:
    """Look at everything a study needs, and raise before any work what cannot be.

    named      a shipped study, or the path of one
    faces      the face folder; None to see the study as its file has it, or with a scale, which makes its own
    seeds      how many seeds, from 0
    per_class  images of each class, instead of what the study says
    make       whether the world of a scale is made and cut now (below `to`)
    """
    study = study_file.read(named)
    if seeds < 1:
        raise KCEError(f"{seeds} seeds are none", "at least one")
    if scale:
        if scale not in study.scales:
            raise UnknownName.among(f"scale of {named}", scale, study.scales)
        if faces:
            raise KCEError("a scale makes faces of its own", "leave out --faces, or --scale")
        small = study.scales[scale]
        study = study.scaled(small)
        faces = to / "faces" if make else None
        if make:
            world = registry.build("dataset", small.world, root=to / "world")
            world.make(progress=progress)
            cut(world, to / "faces", progress=progress, **study.cut)
    if per_class is not None:
        study = replace(study, run={**study.run, "train": {**study.run.get("train", {}), "per_class": per_class}})
    table = folders.read(faces) if faces else None
    methods = preflight.methods(table) if table else {}
    runs = grid.runs(study, str(faces or ""), methods, range(seeds), registry, missing)
    runs, without = preflight.with_reals(runs, table, registry, missing)
    drawn: set[Any] = set()
    for run in runs:
        preflight.look(run, table, registry, drawn)
    remarks = [*preflight.remarks(study, faces, scale), *preflight.less(runs), *without]
    return Plan(study, table, tuple(runs), to, registry, tuple(remarks))


def _plan_owners(runs: Sequence[Run]) -> dict[str, Run]:
    """Name of a run -> an earlier run that clusters in exactly the same way. A plan at random takes its sizes there."""
    first: dict[tuple[str, ...], Run] = {}
    for run in runs:
        if run.recipe.plan == "clusters":
            first.setdefault(_clusters(run), run)
    owners = {run.name: first[_clusters(run)] for run in runs if run.recipe.clusters and _clusters(run) in first}
    return {name: owner for name, owner in owners.items() if owner.name != name}


def _clusters(run: Run) -> tuple[str, ...]:
    return (str(run.group), *cluster_choices(run.recipe).values())


def price(plan: Plan, slots: int, progress: Progress = lambda *_: None) -> cost.Cost:
    """The cost of what is left, from a short measurement of its backbones here; a third party's that fails has none."""
    there = _made(plan)
    todo = [run for run in plan.grid if not {run.trains, cost.unknown_of(run)} <= there]
    networks = sorted({spec for run in todo for spec in (run.recipe.backbone, run.recipe.first)})
    speeds = {}
    for number, spec in enumerate(networks):
        progress("measuring networks", number, len(networks))
        try:
            isolation.check_backbone(
                plan.registry.resolve("backbone", spec), plan.registry, plan.grid[0].recipe.timeout
            )
        except KCEError as error:
            _log.warning("%s", error.message)  # its runs will end with it, and others go on
            continue
        speeds[spec] = cost.measure(spec, plan.registry)
    if networks:
        progress("measuring networks", len(networks), len(networks))
    counted, rows = (counts(plan.faces), plan.faces.nbytes) if plan.faces is not None else ({}, 0)
    return cost.cost(plan.grid, counted, speeds, slots, plan.to, there, rows)


def _made(plan: Plan) -> set[Any]:
    """What stands for the models and features that are there already, as ``kce.study.cost`` names them."""
    found: set[Any] = set()
    for run in plan.grid:
        at = plan.folder(run)
        models = {"first": run.extracts, "final": run.trains}
        found |= {made for name, made in models.items() if (at / f"{name}.safetensors").is_file()}
        for table, made in (("known", cost.known_of(run)), ("unknown", cost.unknown_of(run))):
            with suppress(KCEError):  # a damaged file is told by the run that needs it
                if find_table(at / "features.h5", table):
                    found.add(made)
    return found


def start(plan: Plan, engine: Engine, told: Callable[[Mapping[str, Task]], None]) -> dict[str, Task]:
    """Do the study's runs; what is done already is not done again. Returns how every job ended.

    Raises KCEError where another process works on the folder, KeyboardInterrupt when interrupted: both lose nothing.
    """
    tasks = plan.tasks()
    for run in plan.grid:
        path = Path(run.recipe.plan)
        if path.suffix == ".toml":  # what a group evaluates is left out of the plan it gets
            plan.folder(run).mkdir(parents=True, exist_ok=True)
            write_plan(plan.folder(run) / "plan.toml", grid.restricted(path, run.known))

    def account(now: Mapping[str, Task]) -> None:
        states = {
            name: {
                "state": task.state,
                "seconds": round(task.seconds, 1),
                "error": task.error,
                "warnings": task.result or [],
            }
            for name, task in now.items()
        }
        document = {"title": plan.study.title, "remarks": list(plan.remarks), "jobs": states}
        write_json(plan.to / STATES, document)
        told(now)

    with folder_lock(plan.to, "study"):
        carry_out(tasks, engine, account)
    return tasks


def finish(plan: Plan, tasks: Mapping[str, Task], price: cost.Cost) -> dict[str, Any]:
    """Compare what is done, and write ``report.json``: the comparison, the estimate, what failed and why."""
    told = comparison.reports(plan.grid, plan.to / RUNS)
    found = {
        **comparison.compare(plan.study, plan.grid, told),
        "remarks": list(plan.remarks),
        "estimate": price.told(),
        "seconds": round(sum(task.seconds for task in tasks.values()), 1),
        "failed": {name: task.error for name, task in tasks.items() if task.state == "failed"},
        "report": str(plan.to / "report.html"),
    }
    write_json(plan.to / "report.json", found)
    return found


def at_work(task: Task) -> dict[str, Any]:
    """What a running job says it is doing: {"what", "done", "total"}; empty where it has not said anything yet."""
    try:
        found = json.loads((Path(task.job.parameters["folder"]) / PROGRESS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
