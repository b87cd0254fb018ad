"""Benchmark of tracers on data with known truth: families that are known, methods that no one has seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kce.bench.cell_runner import failing_alone, hash_cell, run_pooled_cells
from kce.bench.cell_store import BenchRecord, claim_bench_folder, is_final, load_finished_cells
from kce.bench.drawn_networks import load_drawn_trial, prepare_drawn_worlds
from kce.bench.drawn_worlds import (
    DRAWN,
    DRAWN_SUITE,
    DrawnRecipe,
    check_drawn_worlds,
    drawn_names,
    is_drawn_world,
    parse_drawn_world,
    read_drawn_recipe,
    resolve_drawn_worlds,
    with_resolved_precision,
)
from kce.bench.tracer_trials import CALIBRATE, FIT, TRACED, Trial, load_rows, split_rows
from kce.bench.worlds import SUITE, is_table, resolve_world_names, suite_worlds
from kce.errors import UnknownName
from kce.pipeline.trace_groups import group_faces
from kce.registry import isolation
from kce.registry.registry import Registry
from kce.registry.result_provenance import library_versions, part_origins
from kce.registry.specs import format_spec, parse_spec
from kce.system.documents import document_to_table
from kce.system.lock import folder_lock
from kce.system.worker_pool import Workers
from kce.tracing.conformal import UNKNOWN, check_level
from kce.tracing.families import plan_with_reals
from kce.tracing.fitted import FittedTracer
from kce.tracing.joining import Joining
from kce.tracing.metrics import UNSEEN, score_discovery, score_traces
from kce.types import MergePlan

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.types import Progress

TIME_LIMIT = 300.0
"""Seconds for a cell, including the making of its feature world; drawn worlds and networks are made before."""
WORLDS = "worlds"
"""The folder of drawn worlds, below the benchmark's."""
WORLD_ROWS = 400
"""Rows of the largest category of a feature world, unless its name says otherwise: 80 recordings of 5."""


@dataclass(frozen=True)
class TracerCell:
    """One trial: the data, the tracer, and the seed that chooses what is unseen.

    Attributes:
        world: Full name of the data.
        tracer: The component under test; NAME or NAME:key=value.
        seed: Random seed of the unseen methods, the recordings and the tracer.
        level: Level of the sets.
        discover: Clusterer of the faces that no family explains; empty = they are not grouped.
        truth: Path of the truth, for stored features.
    """

    world: str
    tracer: str
    seed: int
    level: float
    discover: str = ""
    truth: str = ""

    @property
    def id(self) -> str:
        """Hash of all fields."""
        return hash_cell(self)


@dataclass(frozen=True)
class TracerResult:
    """The result of a cell, as it is stored: the cell's fields and what was measured, if the status is "ok".

    Attributes:
        status: "ok", "failed" or "timeout"; "stopped" is not stored: the system stopped it, or lacked something.
        reason: Why it failed.
        known: Faces of known families that were traced.
        unseen: Faces of unseen methods that were traced.
        families: Number of families, the reals among them.
        least_recordings: Calibration recordings of the family with the fewest.
        seconds: Fitting, calibration and tracing, with one thread.
        scores: Measure -> value, those of ``kce.tracing.metrics.TraceScores``, and with `discover` those of
            ``DiscoveryScores`` after "discover_"; None where there is none.
        limit: Seconds that it had, if it was late.
    """

    id: str
    world: str
    tracer: str
    seed: int
    level: float
    status: Literal["ok", "failed", "timeout", "stopped"]
    discover: str = ""
    truth: str = ""
    reason: str = ""
    known: int | None = None
    unseen: int | None = None
    families: int | None = None
    least_recordings: int | None = None
    seconds: float | None = None
    scores: Mapping[str, float | None] = field(default_factory=dict)
    limit: float | None = None


def list_tracer_cells(
    registry: Registry,
    tracers: Sequence[str],
    worlds: Sequence[str],
    seeds: Sequence[int],
    level: float,
    discover: str = "",
    truth: str = "",
    recipe: DrawnRecipe | None = None,
) -> list[TracerCell]:
    """List every combination, those of one world together.

    Args:
        registry: Where components are looked up.
        tracers: NAME or NAME:key=value.
        worlds: Names of feature worlds, "suite", addresses of tables, or names of drawn worlds, which are those of
            synthetic datasets too.
        seeds: Random seeds.
        level: Level of the sets, in (0, 1).
        discover: Clusterer of unexplained faces; empty = none.
        truth: Path of the truth of stored features; empty = their labels.
        recipe: How drawn worlds are made; None = the shipped one.

    Raises:
        KCEError: For a name or parameter that cannot be used, before any work.
    """
    check_level(level)
    for kind, specs in (("tracer", tracers), ("clusterer", [discover] if discover else [])):
        for spec in specs:
            registry.resolve(kind, spec)
    recipe = recipe or read_drawn_recipe()
    names = list(dict.fromkeys(name for world in worlds for name in _full_names(world, recipe.training, registry)))
    check_drawn_worlds(filter(is_drawn_world, names), recipe, registry)
    return [
        TracerCell(world, tracer, seed, level, discover, truth if is_table(world) else "")
        for world, tracer, seed in product(names, tracers, seeds)
    ]


def _full_names(world: str, trainings: Collection[str], registry: Registry) -> list[str]:
    """Full names, of feature worlds with enough recordings."""
    if is_table(world):
        return resolve_world_names(world)
    name, parameters = parse_spec(world)
    if name in (DRAWN, DRAWN_SUITE):
        return resolve_drawn_worlds(world, trainings)
    if name.partition("@")[0] not in (SUITE, *suite_worlds()):
        try:
            dataset = registry.entry("dataset", name).name  # whatever spelling or alias was used
        except UnknownName as error:
            known, hint = (*suite_worlds(), SUITE, *drawn_names(registry)), "or give FEATURES.h5:/TABLE"
            raise UnknownName.among("world", name, known, hint) from error
        return resolve_drawn_worlds(format_spec(dataset, parameters), trainings)
    specs = [parse_spec(full) for full in resolve_world_names(world)]
    return [format_spec(name, {"rows": WORLD_ROWS, **parameters}) for name, parameters in specs]


def run_tracer_cells(
    folder: Path,
    cells: Sequence[TracerCell],
    registry: Registry,
    limit: float = TIME_LIMIT,
    workers: int = 1,
    progress: Progress = lambda *_: None,
    recipe: DrawnRecipe | None = None,
) -> list[dict[str, Any]]:
    """Run the cells that have no result in `folder` yet, or were late when they had fewer seconds.

    Args:
        folder: Folder of the benchmark.
        cells: What to run.
        registry: Where components are looked up.
        limit: Seconds for a cell.
        workers: Number of processes.
        progress: Called for every cell.
        recipe: How drawn worlds are made and networks trained on them; None = the shipped one. Its precisions are
            resolved, as ``with_resolved_precision`` does it.

    Returns:
        The results of all cells in their order, each with the fields of ``TracerResult``.

    Raises:
        Refused: If the results in the folder are of other library versions, or of another recipe.
        KCEError: If another process writes in the folder.
    """
    parts = {("tracer", cell.tracer) for cell in cells} | {("clusterer", cell.discover) for cell in cells}
    recipe = with_resolved_precision(recipe or read_drawn_recipe())
    drawn = [parse_drawn_world(cell.world) for cell in cells if is_drawn_world(cell.world)]
    parts |= {("dataset", world.dataset or recipe.world) for world in drawn}
    used = part_origins(registry, [(kind, spec) for kind, spec in parts if spec])
    with folder_lock(folder, "bench"):
        record = BenchRecord("tracers", library_versions(), document_to_table(recipe), used)
        claim_bench_folder(folder, record)
        stored = load_finished_cells(folder, TracerResult)
        results = {name: result for name, result in stored.items() if is_final(result, limit)}

        def start() -> Workers:
            at = folder.absolute() / WORLDS
            missing = [cell for cell in cells if cell.id not in results and is_drawn_world(cell.world)]
            wanted = dict.fromkeys((parse_drawn_world(cell.world), cell.seed) for cell in missing)
            if wanted:
                prepare_drawn_worlds(at, list(wanted), recipe, registry, workers, progress)
            arguments = (str(registry.folder.absolute()), str(at), recipe.unknown)
            return Workers(workers, _make_worker, arguments, limit=limit, tries=1)

        return run_pooled_cells(folder, cells, results, start, limit, progress)


# ------------------------------------------------------------------------------------------------- in worker processes


def _make_worker(registry_folder: str, worlds: str, unknown: tuple[str, ...]) -> Callable[[TracerCell], dict[str, Any]]:
    """Build the function that a worker calls for each cell; drawn worlds are in `worlds`, and lack `unknown`."""
    registry = Registry.load(Path(registry_folder))
    cache: dict[tuple[Any, ...], Any] = {}  # the rows of the previous cell, mostly those of the next one too

    def once(load: Callable[..., Any], *arguments: Any) -> Any:
        if (load, arguments) not in cache:
            cache.clear()
            cache[load, arguments] = load(*arguments)
        return cache[load, arguments]

    def work(cell: TracerCell) -> dict[str, Any]:
        if is_drawn_world(cell.world):
            trial = once(load_drawn_trial, Path(worlds), parse_drawn_world(cell.world), cell.seed, unknown)
        else:
            rows, method = once(load_rows, cell.world, cell.truth)
            trial = split_rows(rows, method, cell.seed)
        return _run_cell(cell, trial, registry)

    return failing_alone(work)


def _run_cell(cell: TracerCell, trial: Trial, registry: Registry) -> dict[str, Any]:
    fit, calibrate, traced = (trial.of(part) for part in (FIT, CALIBRATE, TRACED))
    pairs = zip(trial.rows.label.tolist(), trial.method.tolist(), strict=True)
    families = {label: method for label, method in pairs if method and method not in trial.unseen}
    reals = sorted(set(trial.rows.label[trial.method == ""].tolist()))
    plan = plan_with_reals(MergePlan(families), reals)
    part = registry.resolve_seeded("tracer", cell.tracer, cell.seed)
    start = time.perf_counter()
    with isolation.component(part, registry, isolate=False) as component:
        fitted = FittedTracer(component, trial.rows.take(fit), trial.rows.take(calibrate), plan, cell.level, cell.seed)
        found = list(fitted.trace(trial.rows.take(traced)))
    seconds = time.perf_counter() - start
    p, scores = (np.concatenate([getattr(one, name) for one in found]) for name in ("p", "scores"))
    answer = np.array([name for one in found for name in one.answer])
    numbers = {name: number for number, name in enumerate(fitted.families)}
    truth = np.array([numbers.get(plan.classes.get(label, ""), UNSEEN) for label in trial.rows.label[traced].tolist()])
    measured = asdict(score_traces(p, truth, cell.level, scores, answer == UNKNOWN))
    if cell.discover:
        measured |= _discover(cell, trial, traced, truth, answer, fitted, registry)
    return {
        "status": "ok",
        "known": int((truth != UNSEEN).sum()),
        "unseen": int((truth == UNSEEN).sum()),
        "families": len(fitted.families),
        "least_recordings": min(own.recordings for own in fitted.calibration.by_family),
        "seconds": seconds,
        "scores": measured,
    }


def _discover(
    cell: TracerCell,
    trial: Trial,
    traced: NDArray[np.intp],
    truth: NDArray[np.int_],
    answer: NDArray[np.str_],
    fitted: FittedTracer,
    registry: Registry,
) -> dict[str, float | None]:
    """Group what is unknown, and score families and groups together against the methods."""
    unknown = np.flatnonzero(answer == UNKNOWN)
    cluster = answer.astype(object)
    if len(unknown):
        rows = trial.rows.take(traced[unknown])
        names = group_faces(registry, cell.discover, rows.key.tolist(), rows.x, cell.seed, isolate=False).names
        cluster[unknown] = names
        joined = Joining(fitted, rows.x, names, cell.seed).join(trial.rows.x[traced], answer.tolist())
        cluster = np.where(np.array(joined) != "", joined, cluster)
    method = np.where(trial.method[traced] == "", "real", trial.method[traced])
    found = asdict(score_discovery(cluster.astype(np.str_), method, truth == UNSEEN))
    return {f"discover_{name}": value for name, value in found.items()}
