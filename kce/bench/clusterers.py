"""Benchmark of clusterers on data with known truth; each cell runs in a worker that may hang or die harmlessly."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kce.bench.cell_runner import failing_alone, hash_cell, run_pooled_cells
from kce.bench.cell_store import BenchRecord, claim_bench_folder, is_final, load_finished_cells
from kce.bench.worlds import (
    BenchData,
    check_image_world,
    is_image_world,
    load_bench_data,
    make_image_world,
    resolve_world_names,
)
from kce.errors import BadData
from kce.evaluation.agreement import agreement_scores, partition_stability
from kce.features.reduction import align_rows, reduce_rows
from kce.features.streams import in_memory
from kce.merging.class_count import estimate_cluster_count
from kce.registry import defaults, isolation
from kce.registry.registry import Registry
from kce.registry.result_provenance import library_versions, part_origins
from kce.registry.specs import format_spec, parse_spec
from kce.system.atomic import write_atomic
from kce.system.lock import folder_lock
from kce.system.regular import make_folder_inside, open_regular
from kce.system.rng import generator
from kce.system.worker_pool import Workers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.types import FeatureStream, Progress

TIME_LIMIT = 300.0
"""Seconds for a cell, including the making of its world."""
SUBSAMPLE = 0.8  # share of the rows in the second clustering, which measures stability


@dataclass(frozen=True)
class ClusterCell:
    """One clustering: the data, the components, and whether the number of clusters is given.

    Attributes:
        world: Full name of the data.
        aligner: Aligner before the reducer; NAME or NAME:key=value.
        reducer: Reducer before the clusterer.
        clusterer: The component under test.
        k: Where the number of clusters comes from. "known": the number of true classes is given; "unknown": an
            estimate is given, which the benchmark of aligners calls "estimate"; "own": the clusterer takes no number.
        seed: Random seed of all three components.
        truth: Path of the truth, for stored features.
    """

    world: str
    aligner: str
    reducer: str
    clusterer: str
    k: str
    seed: int
    truth: str = ""

    @property
    def id(self) -> str:
        """Hash of all fields."""
        return hash_cell(self)


@dataclass(frozen=True)
class ClusterResult:
    """The result of a cell, as it is stored: the cell's fields and what was measured, if the status is "ok".

    Attributes:
        status: "ok", "failed" or "timeout"; "stopped" is not stored: the system stopped it, or lacked something.
        reason: Why it failed, or what is odd about the result.
        n: Rows.
        classes: True classes.
        requested: Number of clusters that was given; None if none was.
        clusters: Number of clusters that were made.
        seconds: The clusterer's own time, with one thread.
        peak_mib: Growth of the process's memory while clustering, in MiB; None where the system does not tell.
        subsample: ARI between the clusters and those of 80 % of the rows.
        scores: Truth -> measure -> value.
        limit: Seconds that it had, if it was late.
    """

    id: str
    world: str
    aligner: str
    reducer: str
    clusterer: str
    k: Literal["known", "unknown", "own"]
    seed: int
    status: Literal["ok", "failed", "timeout", "stopped"]
    truth: str = ""
    reason: str = ""
    n: int | None = None
    classes: int | None = None
    requested: int | None = None
    clusters: int | None = None
    seconds: float | None = None
    peak_mib: float | None = None
    subsample: float | None = None
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    limit: float | None = None


def list_cluster_cells(
    registry: Registry,
    clusterers: Sequence[str],
    worlds: Sequence[str],
    aligners: Sequence[str] = (defaults.NO_ALIGNER,),
    reducers: Sequence[str] = (defaults.NO_REDUCER,),
    seeds: Sequence[int] = (0, 1, 2),
    truth: str = "",
) -> list[ClusterCell]:
    """List every combination, those of one world together.

    A combination without a parameter `seed` has one cell, and a clusterer that takes no number of clusters has k "own".

    Args:
        registry: Where components are looked up.
        clusterers: NAME or NAME:key=value; so are `aligners` and `reducers`.
        worlds: Names of worlds, "suite", or addresses of tables.
        aligners: Aligners before the reducer.
        reducers: Reducers before the clusterer.
        seeds: Random seeds of the components with a seed.
        truth: Path of the truth of stored features; empty = their labels.

    Raises:
        KCEError: For a name or parameter that cannot be used, before any work.
    """
    names = list(dict.fromkeys(full for world in worlds for full in _full_names(world)))
    for kind, specs in (("aligner", aligners), ("reducer", reducers), ("clusterer", clusterers)):
        for spec in specs:
            registry.resolve(kind, spec)
    cells = []
    for world, aligner, reducer, clusterer in product(names, aligners, reducers, clusterers):
        components = (("aligner", aligner), ("reducer", reducer), ("clusterer", clusterer))
        seeded = any(registry.takes(kind, spec, "seed") for kind, spec in components)
        ks = ("known", "unknown") if registry.takes("clusterer", clusterer, "n_clusters") else ("own",)
        cells += [
            ClusterCell(world, aligner, reducer, clusterer, k, seed, truth if ":/" in world else "")
            for k in ks
            for seed in (seeds if seeded else seeds[:1])
        ]
    return list(dict.fromkeys(cells))


def _full_names(world: str) -> list[str]:
    if not is_image_world(world):
        return resolve_world_names(world)
    check_image_world(world)
    return [format_spec(*parse_spec(world))]


def run_cluster_cells(
    folder: Path,
    cells: Sequence[ClusterCell],
    registry: Registry,
    limit: float = TIME_LIMIT,
    workers: int = 1,
    progress: Progress = lambda *_: None,
) -> list[dict[str, Any]]:
    """Run the cells that have no result in `folder` yet, or were late when they had fewer seconds.

    A cell whose process was killed from outside, or that lacked memory or threads, is "stopped": the next call runs it.

    Args:
        folder: Folder of the benchmark.
        cells: What to run.
        registry: Where components are looked up.
        limit: Seconds for a cell.
        workers: Number of processes.
        progress: Called for every cell.

    Returns:
        The results of all cells in their order, each with the fields of ``ClusterResult``.

    Raises:
        Refused: If the results in the folder are of other library versions.
        KCEError: If another process writes in the folder.
    """
    with folder_lock(folder, "bench"):
        return _run_cells(folder, cells, registry, limit, workers, progress)


def _run_cells(
    folder: Path, cells: Sequence[ClusterCell], registry: Registry, limit: float, workers: int, progress: Progress
) -> list[dict[str, Any]]:
    parts = {(kind, getattr(cell, kind)) for cell in cells for kind in ("aligner", "reducer", "clusterer")}
    claim_bench_folder(folder, BenchRecord("clusterers", library_versions(), parts=part_origins(registry, parts)))
    make_folder_inside(folder, "labels")
    stored = load_finished_cells(folder, ClusterResult)
    results = {
        name: result
        for name, result in stored.items()
        if is_final(result, limit) and _read_labels(folder, result) is not None
    }

    def start() -> Workers:
        image_worlds = {
            world: make_image_world(folder.absolute() / "worlds", world, progress)
            for world in dict.fromkeys(cell.world for cell in cells if cell.id not in results)
            if is_image_world(world)
        }
        arguments = (str(registry.folder.absolute()), str(folder), image_worlds)
        return Workers(workers, _make_worker, arguments, limit=limit, tries=1)

    return run_pooled_cells(folder, cells, results, start, limit, progress)


def read_cluster_labels(folder: Path, results: Sequence[Mapping[str, Any]]) -> list[NDArray[np.int_]]:
    """Read the cluster numbers, each (n,), of those results that have any. Raises BadData if they are damaged."""
    labels = [_read_labels(folder, result) for result in results if result["status"] == "ok"]
    if any(numbers is None for numbers in labels):
        raise BadData(
            f"cluster numbers in {folder / 'labels'} are missing or damaged",
            "start the same `kce bench clusterers` again: it runs those cells again",
        )
    return [numbers for numbers in labels if numbers is not None]


def _read_labels(folder: Path, result: Mapping[str, Any]) -> NDArray[np.int_] | None:
    """The cluster numbers of a result, none if it has none; None where they are missing, damaged or cut short."""
    if result["status"] != "ok":
        return np.empty(0, np.int64)
    try:
        with open_regular(_labels_path(folder, result["id"])) as file:
            labels: NDArray[np.int_] = np.load(file, allow_pickle=False)
    except (FileNotFoundError, ValueError, EOFError):
        return None
    return labels if labels.shape == (result["n"],) and labels.dtype == np.int64 else None


def _labels_path(folder: Path, name: str) -> Path:
    return folder / "labels" / f"{name}.npy"


# ------------------------------------------------------------------------------------------------- in worker processes


def _make_worker(
    registry_folder: str, folder: str, image_worlds: Mapping[str, tuple[str, str]]
) -> Callable[[ClusterCell], dict[str, Any]]:
    """Build the function that a worker calls for each cell; `image_worlds` has their features and their truth."""
    registry = Registry.load(Path(registry_folder))
    cache: dict[tuple[str, ...], Any] = {}  # data and rows of the previous cell, mostly those of the next one too

    def work(cell: ClusterCell) -> dict[str, Any]:
        source = image_worlds.get(cell.world, (cell.world, cell.truth))
        return _run_cell(cell, source, registry, cache, Path(folder))

    return failing_alone(work)


def _run_cell(
    cell: ClusterCell, source: tuple[str, str], registry: Registry, cache: dict[tuple[str, ...], Any], folder: Path
) -> dict[str, Any]:
    data, x = _prepare_rows(cell, source, registry, cache)
    truth = next(iter(data.truths.values()))
    classes = len(np.unique(truth))
    requested = _requested_clusters(cell, x, classes, cache)
    parameters = {} if requested is None else {"n_clusters": requested}
    resolved = registry.resolve_seeded("clusterer", cell.clusterer, cell.seed, **parameters)
    with isolation.component(resolved, registry, isolate=False) as clusterer:
        before = _peak_memory(reset=True)
        start = time.perf_counter()
        labels = np.asarray(clusterer.fit_predict(x))
        seconds = time.perf_counter() - start
        peak = _peak_memory()
    size = max(round(SUBSAMPLE * len(x)), 2)
    subsample = np.sort(generator(cell.seed, "subsample").permutation(len(x))[:size])
    with isolation.component(resolved, registry, isolate=False) as clusterer:
        subsample_labels = np.asarray(clusterer.fit_predict(x[subsample]))
    stored = io.BytesIO()
    np.save(stored, labels.astype(np.int64), allow_pickle=False)
    write_atomic(_labels_path(folder, cell.id), stored.getvalue())
    clusters = len(np.unique(labels[labels >= 0]))
    return {
        "status": "ok",
        "reason": {0: "all rows are noise", 1: "all rows are in one cluster"}.get(clusters, ""),
        "n": len(x),
        "classes": classes,
        "requested": requested,
        "clusters": clusters,
        "seconds": seconds,
        "peak_mib": None if peak is None or before is None else (peak - before) / 2**20,
        "subsample": partition_stability([labels[subsample], subsample_labels]),
        "scores": {name: agreement_scores(values, labels) for name, values in data.truths.items()},
    }


def _prepare_rows(
    cell: ClusterCell, source: tuple[str, str], registry: Registry, cache: dict[tuple[str, ...], Any]
) -> tuple[BenchData, NDArray[np.float32]]:
    views = cell.aligner != defaults.NO_ALIGNER  # other aligners may use them
    data_key = ("data", *source, str(views))
    if data_key not in cache:
        cache.clear()
        cache[data_key] = load_bench_data(*source, views)
    data: BenchData = cache[data_key]
    seeds = [
        str(cell.seed) if registry.takes(kind, spec, "seed") else ""
        for kind, spec in (("aligner", cell.aligner), ("reducer", cell.reducer))
    ]
    rows_key = ("rows", cell.aligner, cell.reducer, *seeds)
    if rows_key not in cache:
        for other in [key for key in cache if key[0] != "data"]:
            del cache[other]
        cache[rows_key] = _align_and_reduce(cell, data.rows, registry)
    return data, cache[rows_key]


def _requested_clusters(
    cell: ClusterCell, x: NDArray[np.float32], classes: int, cache: dict[tuple[str, ...], Any]
) -> int | None:
    """The number of clusters that the clusterer is given."""
    if cell.k == "unknown" and ("estimate",) not in cache:
        cache["estimate",] = estimate_cluster_count(x)
    return {"known": classes, "unknown": cache.get(("estimate",)), "own": None}[cell.k]


def _align_and_reduce(cell: ClusterCell, rows: FeatureStream, registry: Registry) -> NDArray[np.float32]:
    aligned_by = registry.resolve_seeded("aligner", cell.aligner, cell.seed)
    reduced_by = registry.resolve_seeded("reducer", cell.reducer, cell.seed)
    with (
        isolation.component(aligned_by, registry, isolate=False) as aligner,
        isolation.component(reduced_by, registry, isolate=False) as reducer,
    ):
        return np.asarray(in_memory(reduce_rows(reducer, align_rows(aligner, rows))).x, np.float32)


def _peak_memory(*, reset: bool = False) -> int | None:
    """Peak memory of this process in bytes, since the last reset; None where the system does not tell."""
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, IndexError, ValueError):
        return None
