"""``kce.bench``: components where the right answer is known."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from kce.api.arguments import optional_path, require_numbers, several
from kce.api.bench_results import AlignerBench, BenchComparison, BenchResult, ClustererBench, TracerBench
from kce.api.progress import shown_progress
from kce.errors import KCEError
from kce.registry import defaults

if TYPE_CHECKING:
    from kce.api.arguments import AnyPath
    from kce.bench.bench_cost import BenchCost
    from kce.registry.registry import Registry
    from kce.types import Progress

_log = logging.getLogger("kce.api.bench")

P = ParamSpec("P")

AMOUNTS = (0.0, 0.5, 1.0)


B = TypeVar("B", bound=BenchResult)


def clusterers(
    *,
    clusterer: str | Iterable[str] | None = None,
    world: str | Iterable[str] = ("suite",),
    aligner: str | Iterable[str] = (defaults.NO_ALIGNER,),
    reducer: str | Iterable[str] = (defaults.NO_REDUCER,),
    truth: AnyPath | None = None,
    seeds: int = 3,
    limit: float = 300,
    workers: int = 1,
    to: AnyPath | None = None,
    dry_run: bool = False,
    progress: bool | Progress = True,
) -> ClustererBench:
    """Rank clusterers on worlds whose truth is known.

    Features of your own can take part. A clusterer that fails, hangs or ends its process is one failed cell. Each cell
    is done in a process: a script that calls this needs the usual ``if __name__ == "__main__":``.

    Args:
        clusterer: One or more NAME or NAME:key=value; None = every built-in one.
        world: One or more of suite (every feature world except small), NAME, NAME:key=value, demo (the faces of
            ``kce.demo`` through a trained network), FEATURES.h5:/TABLE.
        aligner: One or more aligners, applied before the reducer.
        reducer: One or more reducers, applied before the clusterer.
        truth: The truth of stored features: a TOML with [method]; None = their labels.
        seeds: Number of seeds: 0, 1, ...
        limit: Seconds for one cell; a higher limit tries cells again that were late.
        workers: Number of processes, of one thread each.
        to: Folder for the results, as html and csv; one that is there is continued.
        dry_run: Whether to return what would be clustered, and start nothing.
        progress: True shows bars, False nothing; or a function of what is done, how much of it, and the total or None.

    Returns:
        The rankings. ``to_frame()``: a line for each entry, with the best mean rank first.

    Raises:
        KCEError: Names that do not exist, or another process at work in the folder; or the system stopped cells, and
            its `result` has the others.

    Example:
        >>> clusterers(world="small", seeds=1, dry_run=True, clusterer="kmeans", progress=False)
        <ClustererBench: 2 cells, 0 done>
    """
    import tempfile

    from kce.bench.bench_provenance import cluster_provenance
    from kce.bench.cell_store import finished_ids
    from kce.bench.clusterers import list_cluster_cells, run_cluster_cells
    from kce.bench.leaderboard import make_leaderboards, write_leaderboards
    from kce.registry.registry import Registry
    from kce.system.documents import model_to_table
    from kce.system.lock import folder_lock

    require_numbers(1, seeds=seeds, workers=workers)
    _require_limit(limit)
    registry, folder = Registry.load(), optional_path(to)
    chosen = several("clusterer", clusterer) or _built_in(registry, "clusterer")
    cells = list_cluster_cells(
        registry,
        chosen,
        several("world", world) or [],
        several("aligner", aligner) or [],
        several("reducer", reducer) or [],
        range(seeds),
        "" if truth is None else str(Path(truth).absolute()),
    )
    if dry_run:
        return ClustererBench(_planned(cells, finished_ids(folder, limit) if folder else set()), folder)
    with (
        tempfile.TemporaryDirectory() if folder is None else nullcontext(str(folder)) as at,
        folder_lock(Path(at), "bench"),
    ):
        with shown_progress(progress) as show:
            results = run_cluster_cells(Path(at), cells, registry, limit, workers, show)
        boards = make_leaderboards(Path(at), results)
        provenance = cluster_provenance(registry, results, "" if truth is None else str(truth))
        if folder:
            write_leaderboards(folder, boards, results, provenance)
    document = {
        "seeds": list(range(seeds)),
        "cells": results,
        "leaderboards": boards,
        "provenance": model_to_table(provenance),
    }
    return _checked(ClustererBench(document, folder), results)


def aligners(
    *,
    to: AnyPath,
    world: str | None = None,
    aligner: str | Iterable[str] | None = None,
    clusterer: str | Iterable[str] | None = None,
    training: str | Iterable[str] | None = None,
    kind: str | Iterable[str] | None = None,
    amount: float | Iterable[float] = AMOUNTS,
    worlds: int = 5,
    first: int = 1,
    nets: int = 3,
    k: str | Iterable[str] | None = None,
    recipe: AnyPath | None = None,
    workers: int = 1,
    dry_run: bool = False,
    progress: bool | Progress = True,
) -> AlignerBench:
    """Measure what keeps the storage of datasets out of a plan.

    Trainings and aligners are tried on synthetic faces whose truth is known. Each combination of world, kind, amount,
    training and network takes a few minutes of one core.

    Args:
        to: Folder for worlds, runs and results; one that is there is continued.
        world: A synthetic dataset, NAME:key=value (``kce docs benchmarks`` says what makes one); None = the recipe's.
        aligner: One or more NAME or NAME:key=value; None = the recipe's.
        clusterer: One or more clusterers; None = the recipe's.
        training: One or more trainings of the recipe; None = all.
        kind: One or more kinds of artefact, or mixed; None = all, and mixed.
        amount: One or more amounts of the artefact, 0 to 1.
        worlds: Number of worlds.
        first: Number of the first world.
        nets: Networks per world, with seeds 0, 1, ...
        k: known or estimate; None = both.
        recipe: A recipe of the benchmark in TOML; None = the shipped aligners.toml.
        workers: Number of processes, of one thread each.
        dry_run: Whether to return what would be done, and start nothing.
        progress: True shows bars, False nothing; or a function of what is done, how much of it, and the total or None.

    Returns:
        Agreement with the truth. ``to_frame()``: a line for each combination of artefact and components.

    Raises:
        KCEError: As for ``clusterers``.

    Example:
        >>> planned = aligners(to="out", worlds=1, nets=1, amount=1.0, dry_run=True, progress=False)
        >>> len(planned.cells) > 10
        True
    """
    from kce.bench.aligner_cells import (
        ALIGNER_RECIPE,
        KS,
        list_align_cells,
        read_aligner_bench,
        with_resolved_precision,
    )
    from kce.bench.aligner_report import compare_aligners, summarize_aligners, write_aligner_report
    from kce.bench.aligners import run_align_cells
    from kce.bench.bench_cost import aligner_cost
    from kce.bench.bench_provenance import aligner_provenance
    from kce.bench.cell_store import finished_ids
    from kce.faces import degrade
    from kce.registry.registry import Registry
    from kce.system.documents import model_to_table
    from kce.system.lock import folder_lock

    require_numbers(1, worlds=worlds, first=first, nets=nets, workers=workers)
    registry, folder = Registry.load(), Path(to)
    chosen = read_aligner_bench(ALIGNER_RECIPE if recipe is None else Path(recipe))
    if world is not None:
        chosen = replace(chosen, world=world)
    cells = list_align_cells(
        registry,
        chosen,
        range(first, first + worlds),
        several("kind", kind) or [*degrade.ARTEFACT_KINDS, "mixed"],
        [amount] if isinstance(amount, int | float) else list(amount),
        range(nets),
        several("training", training) or [],
        several("aligner", aligner) or [],
        several("clusterer", clusterer) or [],
        several("k", k) or KS,
    )
    done = finished_ids(folder)
    cost = aligner_cost(folder, [cell for cell in cells if cell.id not in done], chosen, registry, workers)
    if dry_run:
        return AlignerBench(_planned(cells, done, cost), folder)
    _announce(cost, registry)
    chosen = with_resolved_precision(chosen)  # only now: it may load torch
    with folder_lock(folder, "bench"):
        with shown_progress(progress) as show:
            results = run_align_cells(folder, cells, chosen, registry, workers, show)
        rows = summarize_aligners(results)
        differences, verdicts = compare_aligners(results)
        provenance = aligner_provenance(registry, chosen, results)
        write_aligner_report(folder, rows, results, provenance)
    document = {
        "cells": results,
        "aligners": rows,
        "differences": {name: [model_to_table(one) for one in own] for name, own in differences.items()},
        "verdicts": verdicts,
        "provenance": model_to_table(provenance),
    }
    return _checked(AlignerBench(document, folder), results)


def tracers(
    *,
    tracer: str | Iterable[str] | None = None,
    world: str | Iterable[str] = ("suite",),
    level: float = 0.95,
    discover: str = "",
    truth: AnyPath | None = None,
    seeds: int = 3,
    recipe: AnyPath | None = None,
    limit: float = 300,
    workers: int = 1,
    to: AnyPath | None = None,
    dry_run: bool = False,
    progress: bool | Progress = True,
) -> TracerBench:
    """Measure how well tracers know families, and what is of none, where the truth is known.

    In each world a quarter of the methods is unseen. Recordings are split into those that tracers are fitted on, those
    they are calibrated by, and those that are traced. A tracer that fails, hangs or ends its process is one failed
    cell.

    Args:
        tracer: One or more NAME or NAME:key=value; None = every built-in one.
        world: One or more of suite (every feature world except small, with 400 rows of each category), NAME,
            NAME:key=value, FEATURES.h5:/TABLE, drawn:number=1,kind=jpeg,amount=1.0,training=recommended (drawn faces
            through a network of their own), drawn-suite (worlds 1 to 5 and every kind of storage: many hours), or the
            name of a synthetic dataset, which takes the parameters of drawn and its own.
        level: Level of the sets of families, in (0, 1).
        discover: A clusterer that groups what no family explains; empty = it is not grouped.
        truth: The truth of stored features: a TOML with [method]; None = their labels.
        seeds: Number of seeds: 0, 1, ...
        recipe: A recipe of drawn worlds in TOML; None = the shipped drawn_worlds.toml.
        limit: Seconds for one cell; a higher limit tries cells again that were late.
        workers: Number of processes, of one thread each.
        to: Folder for the results, as html and csv; one that is there is continued.
        dry_run: Whether to return what would be tried, and start nothing.
        progress: True shows bars, False nothing; or a function of what is done, how much of it, and the total or None.

    Returns:
        The scores. ``to_frame()``: a line for each tracer, with the highest AUROC first.

    Raises:
        KCEError: Names that do not exist, or another process at work in the folder; or the system stopped cells, and
            its `result` has the others.

    Example:
        >>> tracers(world="plain", seeds=1, dry_run=True, tracer="mahalanobis", progress=False)
        <TracerBench: 1 cell, 0 done>
    """
    import tempfile

    from kce.bench.bench_cost import drawn_cost
    from kce.bench.bench_provenance import tracer_provenance
    from kce.bench.cell_store import finished_ids
    from kce.bench.drawn_worlds import read_drawn_recipe, with_resolved_precision
    from kce.bench.tracer_report import tracer_document, write_tracer_report
    from kce.bench.tracers import list_tracer_cells, run_tracer_cells
    from kce.registry.registry import Registry

    require_numbers(1, seeds=seeds, workers=workers)
    _require_limit(limit)
    registry, folder = Registry.load(), optional_path(to)
    chosen = several("tracer", tracer) or _built_in(registry, "tracer")
    methods = "" if truth is None else str(Path(truth).absolute())
    drawn = read_drawn_recipe() if recipe is None else read_drawn_recipe(Path(recipe))
    worlds = several("world", world) or []
    cells = list_tracer_cells(registry, chosen, worlds, range(seeds), level, discover, methods, drawn)
    done = finished_ids(folder, limit) if folder else set()
    cost = drawn_cost(folder, [cell for cell in cells if cell.id not in done], drawn, registry, workers)
    if dry_run:
        return TracerBench(_planned(cells, done, cost), folder)
    drawn = with_resolved_precision(drawn)  # only now: it may load torch
    _announce(cost, registry)
    with tempfile.TemporaryDirectory() if folder is None else nullcontext(str(folder)) as at:
        with shown_progress(progress) as show:
            results = run_tracer_cells(Path(at), cells, registry, limit, workers, show, drawn)
        provenance = tracer_provenance(registry, drawn, results, methods)
        if folder:
            write_tracer_report(folder, results, provenance)
    document = {"seeds": list(range(seeds)), **tracer_document(results, provenance)}
    return _checked(TracerBench(document, folder), results)


def compare(
    first: AnyPath,
    second: AnyPath,
    *,
    clusterer: str | Iterable[str] | None = None,
    against: str | Iterable[str] | None = None,
) -> BenchComparison:
    """Compare two benchmarks of clusterers: what became better, what became worse, and how certain that is.

    Each entry is compared with the same one of the other benchmark, or clusterers with others that are named, over the
    worlds that both have.

    Args:
        first: The folder of a benchmark of clusterers.
        second: The folder of another one, for example of another version.
        clusterer: One or more clusterers of the first that are compared with others of the second; None with `against`
            = all.
        against: One or more clusterers of the second; None with `clusterer` = all.

    Returns:
        A line for each pair.

    Raises:
        KCEError: A folder has no such results, or nothing is in both.

    Example:
        >>> compare("no-such-bench", "nor-this")
        Traceback (most recent call last):
        kce.errors.BadData: no-such-bench has no results of a benchmark
        hint: `kce bench clusterers --to FOLDER` makes them
    """
    from kce.bench.cell_store import read_cells
    from kce.bench.clusterers import ClusterResult
    from kce.bench.leaderboard import compare_benches

    ours, theirs = (read_cells(Path(folder), "clusterers", ClusterResult) for folder in (first, second))
    rows = compare_benches(ours, theirs, several("clusterer", clusterer) or (), several("against", against) or ())
    if not rows:
        raise KCEError(
            f"{first} and {second} have nothing to compare on a common world",
            "run both on the same worlds; to compare different clusterers, name some with --clusterer and --against",
        )
    return BenchComparison({"compared": rows})


class Bench(Generic[P]):
    """The benchmarks. Called itself, it ranks clusterers."""

    def __init__(self, ranked: Callable[P, ClustererBench]) -> None:
        functools.update_wrapper(self, ranked)
        self._ranked = ranked

    clusterers = staticmethod(clusterers)
    aligners = staticmethod(aligners)
    tracers = staticmethod(tracers)
    compare = staticmethod(compare)

    def __call__(self, *arguments: P.args, **keywords: P.kwargs) -> ClustererBench:
        """Rank clusterers; see ``kce.bench.clusterers``."""
        return self._ranked(*arguments, **keywords)

    def __repr__(self) -> str:
        return "kce.bench"

    def __reduce__(self) -> str:
        return "bench"


bench = Bench(clusterers)
"""The benchmarks: ``kce.bench`` itself and its ``clusterers``, ``aligners``, ``tracers`` and ``compare``.

Example:
    >>> bench(world="small", seeds=1, dry_run=True, clusterer="kmeans", progress=False)
    <ClustererBench: 2 cells, 0 done>
"""


def _require_limit(limit: float) -> None:
    if not isinstance(limit, int | float) or not limit >= 1:
        raise KCEError(f"limit = {limit!r} is not a number of seconds from 1 on", "for example limit = 300")


def _built_in(registry: Registry, kind: str) -> list[str]:
    return [row["name"] for row in registry.list_components(kind) if row["source"] == "built-in"]


def _planned(cells: Sequence[Any], done: set[str], cost: BenchCost | None = None) -> dict[str, Any]:
    from dataclasses import asdict

    from kce.system.documents import model_to_table

    planned = {"cells": [{"id": cell.id, **asdict(cell), "done": cell.id in done} for cell in cells]}
    return planned if cost is None else {**planned, "cost": model_to_table(cost)}


def _announce(cost: BenchCost, registry: Registry) -> None:
    """Say what is left to make, and about how long it takes, if networks are to be trained."""
    from kce.bench.bench_cost import describe_bench_cost

    if cost.trainings:
        for line in describe_bench_cost(cost, registry):
            _log.info("%s", line)


def _checked(result: B, cells: Sequence[Mapping[str, Any]]) -> B:
    """The result, unless the system stopped cells: then it is in the error."""
    from kce.bench.cell_store import raise_if_stopped

    try:
        raise_if_stopped(cells)
    except KCEError as error:
        error.result = result
        raise
    return result
