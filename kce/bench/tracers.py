"""Benchmark of tracers on data with known truth: families that are known, methods that no one has seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kce.bench.cell_runner import failing_alone, hash_cell, run_pooled_cells
from kce.bench.cell_store import BenchRecord, claim_bench_folder, is_final, load_finished_cells
from kce.bench.worlds import is_table, load_bench_data, resolve_world_names
from kce.errors import BadData
from kce.features.streams import in_memory
from kce.pipeline.trace_groups import group_faces
from kce.registry import isolation
from kce.registry.registry import Registry
from kce.registry.result_provenance import library_versions, part_origins
from kce.registry.specs import format_spec, parse_spec
from kce.system.lock import folder_lock
from kce.system.rng import generator
from kce.system.worker_pool import Workers
from kce.tracing.conformal import UNKNOWN, check_level
from kce.tracing.families import plan_with_reals
from kce.tracing.fitted import FittedTracer
from kce.tracing.metrics import UNSEEN, score_discovery, score_traces
from kce.types import Features, MergePlan

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.types import Progress

TIME_LIMIT = 300.0
"""Seconds for a cell, including the making of its world."""
WORLD_ROWS = 400
"""Rows of the largest category of a feature world, unless its name says otherwise: 80 recordings of 5."""
_FIT, _CALIBRATE = 0.5, 0.25
"""Shares of the recordings; the rest is traced."""
_HELD_OUT_METHODS = 0.25


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
) -> list[TracerCell]:
    """List every combination, those of one world together.

    Args:
        registry: Where components are looked up.
        tracers: NAME or NAME:key=value.
        worlds: Names of feature worlds, "suite", or addresses of tables.
        seeds: Random seeds.
        level: Level of the sets, in (0, 1).
        discover: Clusterer of unexplained faces; empty = none.
        truth: Path of the truth of stored features; empty = their labels.

    Raises:
        KCEError: For a name or parameter that cannot be used, before any work.
    """
    check_level(level)
    for kind, specs in (("tracer", tracers), ("clusterer", [discover] if discover else [])):
        for spec in specs:
            registry.resolve(kind, spec)
    names = list(dict.fromkeys(name for world in worlds for name in _full_names(world)))
    return [
        TracerCell(world, tracer, seed, level, discover, truth if is_table(world) else "")
        for world, tracer, seed in product(names, tracers, seeds)
    ]


def _full_names(world: str) -> list[str]:
    """Full names, of feature worlds with enough recordings."""
    names = resolve_world_names(world)
    if is_table(world):
        return names
    specs = [parse_spec(name) for name in names]
    return [format_spec(name, {"rows": WORLD_ROWS, **parameters}) for name, parameters in specs]


def run_tracer_cells(
    folder: Path,
    cells: Sequence[TracerCell],
    registry: Registry,
    limit: float = TIME_LIMIT,
    workers: int = 1,
    progress: Progress = lambda *_: None,
) -> list[dict[str, Any]]:
    """Run the cells that have no result in `folder` yet, or were late when they had fewer seconds.

    Args:
        folder: Folder of the benchmark.
        cells: What to run.
        registry: Where components are looked up.
        limit: Seconds for a cell.
        workers: Number of processes.
        progress: Called for every cell.

    Returns:
        The results of all cells in their order, each with the fields of ``TracerResult``.

    Raises:
        Refused: If the results in the folder are of other library versions.
        KCEError: If another process writes in the folder.
    """
    parts = {("tracer", cell.tracer) for cell in cells} | {("clusterer", cell.discover) for cell in cells}
    used = part_origins(registry, [(kind, spec) for kind, spec in parts if spec])
    with folder_lock(folder, "bench"):
        claim_bench_folder(folder, BenchRecord("tracers", library_versions(), parts=used))
        stored = load_finished_cells(folder, TracerResult)
        results = {name: result for name, result in stored.items() if is_final(result, limit)}

        def start() -> Workers:
            return Workers(workers, _make_worker, (str(registry.folder.absolute()),), limit=limit, tries=1)

        return run_pooled_cells(folder, cells, results, start, limit, progress)


# ------------------------------------------------------------------------------------------------- in worker processes


def _make_worker(registry_folder: str) -> Callable[[TracerCell], dict[str, Any]]:
    """Build the function that a worker calls for each cell."""
    registry = Registry.load(Path(registry_folder))
    cache: dict[tuple[str, str], Trial] = {}  # the rows of the previous cell, mostly those of the next one too

    def work(cell: TracerCell) -> dict[str, Any]:
        key = (cell.world, cell.truth)
        if key not in cache:
            cache.clear()
            cache[key] = _load(*key)
        return _run_cell(cell, cache[key], registry)

    return failing_alone(work)


@dataclass(frozen=True, eq=False)
class Trial:
    """Rows with their true methods.

    Attributes:
        rows: Forgeries and reals.
        method: (n,) the true method of each forgery; empty for a real.
    """

    rows: Features
    method: NDArray[np.str_]


def _load(world: str, truth: str) -> Trial:
    data = load_bench_data(world, truth, views=False)
    forged, reals = in_memory(data.rows), data.rows.reals
    method = np.asarray(next(iter(data.truths.values())), np.str_)
    if reals is None:
        return Trial(forged, method)
    others = in_memory(reals)
    joined = Features(
        np.concatenate([forged.key, others.key]),
        np.concatenate([forged.label, others.label]),
        np.concatenate([forged.group, others.group]),
        np.concatenate([forged.x, others.x]),
    )
    return Trial(joined, np.concatenate([method, np.full(len(others), "", method.dtype)]))


def split_trial(trial: Trial, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp], list[str]]:
    """Choose unseen methods, and split recordings into those to fit on, to calibrate by and to trace.

    A quarter of the methods is unseen, at least one, chosen at random; all their categories are. A recording is on one
    side with everything that derives from it.

    Args:
        trial: The rows.
        seed: Random seed.

    Returns:
        Row numbers to fit on, to calibrate by and to trace, and the unseen methods. Rows of unseen methods are traced
        or left out.

    Raises:
        BadData: If there are fewer than three methods.
    """
    methods = sorted(set(trial.method[trial.method != ""].tolist()))
    if len(methods) < 3:
        raise BadData(
            f"{len(methods)} methods are too few: one is held out as unseen, and two are to be known",
            "use data with more methods",
        )
    rng = generator(seed, "unseen methods")
    count = max(int(_HELD_OUT_METHODS * len(methods)), 1)
    unseen = sorted(methods[number] for number in rng.permutation(len(methods))[:count].tolist())
    names, codes = np.unique(trial.rows.recording, return_inverse=True)
    place = generator(seed, "recordings").permutation(len(names)) / len(names)
    part = place[codes]
    seen = ~np.isin(trial.method, unseen)
    traced = part >= _FIT + _CALIBRATE
    return (
        np.flatnonzero(seen & (part < _FIT)),
        np.flatnonzero(seen & (part >= _FIT) & ~traced),
        np.flatnonzero(traced),
        unseen,
    )


def _run_cell(cell: TracerCell, trial: Trial, registry: Registry) -> dict[str, Any]:
    fit, calibrate, traced, unseen = split_trial(trial, cell.seed)
    pairs = zip(trial.rows.label.tolist(), trial.method.tolist(), strict=True)
    families = {label: method for label, method in pairs if method and method not in unseen}
    reals = sorted(set(trial.rows.label[trial.method == ""].tolist()))
    plan = plan_with_reals(MergePlan(families), reals)
    part = registry.resolve_seeded("tracer", cell.tracer, cell.seed)
    start = time.perf_counter()
    with isolation.component(part, registry, isolate=False) as component:
        fitted = FittedTracer(component, trial.rows.take(fit), trial.rows.take(calibrate), plan, cell.level, cell.seed)
        found = list(fitted.trace(trial.rows.take(traced)))
    seconds = time.perf_counter() - start
    p, scores = (np.concatenate([getattr(one, name) for one in found]) for name in ("p", "scores"))
    numbers = {name: number for number, name in enumerate(fitted.families)}
    truth = np.array([numbers.get(plan.classes.get(label, ""), UNSEEN) for label in trial.rows.label[traced].tolist()])
    measured = asdict(score_traces(p, truth, cell.level, scores))
    if cell.discover:
        answer = np.array([name for one in found for name in one.answer])
        measured |= _discover(cell, trial, traced, truth, answer, registry)
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
    registry: Registry,
) -> dict[str, float | None]:
    """Group what is unknown, and score families and groups together against the methods."""
    unknown = np.flatnonzero(answer == UNKNOWN)
    cluster = answer.astype(object)
    if len(unknown):
        rows = trial.rows.take(traced[unknown])
        cluster[unknown] = group_faces(
            registry, cell.discover, rows.key.tolist(), rows.x, cell.seed, isolate=False
        ).names
    method = np.where(trial.method[traced] == "", "real", trial.method[traced])
    found = asdict(score_discovery(cluster.astype(np.str_), method, truth == UNSEEN))
    return {f"discover_{name}": value for name, value in found.items()}
