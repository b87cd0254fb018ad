"""Benchmark of aligners and trainings on image worlds with known truth, whose datasets are stored in different ways."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.audit.unlearned import UNLEARNED_NOTE
from kce.bench.aligner_cells import (
    AlignCell,
    AlignerBench,
    AlignResult,
    AlignSetting,
    network_of,
    run_recipe,
    runs_of_network,
    same_networks,
)
from kce.bench.cell_store import BenchRecord, append_cells, claim_bench_folder, load_finished_cells
from kce.bench.drawn_faces import UNIFORM, make_face_folder, read_methods, shares_root, store_face_folder
from kce.errors import BadData, KCEError, MachineFault
from kce.evaluation.agreement import agreement_scores
from kce.labels import REAL
from kce.merging.plan_file import read_plan
from kce.pipeline.run import run
from kce.registry.registry import Registry
from kce.registry.result_provenance import library_versions, part_origins
from kce.system.documents import document_to_table
from kce.system.lock import folder_lock
from kce.system.worker_pool import TaskLost, Workers, lost_fault

if TYPE_CHECKING:
    from kce.types import Progress


def run_align_cells(
    folder: Path,
    cells: Sequence[AlignCell],
    bench: AlignerBench,
    registry: Registry,
    workers: int = 1,
    progress: Progress = lambda *_: None,
) -> list[dict[str, Any]]:
    """Run the cells that have no successful result in `folder` yet.

    Worlds, faces, models and features are kept in the folder too, and shared between cells.

    Args:
        folder: Folder of the benchmark.
        cells: What to run.
        bench: The recipe.
        registry: Where components are looked up.
        workers: Number of processes.
        progress: Called for every world and every cell.

    Returns:
        The results of all cells in their order, each with the fields of ``AlignResult``.

    Raises:
        Refused: If the results in the folder are of another recipe or other library versions.
        BadData: If a world cannot be made.
        KCEError: If another process writes in the folder.
    """
    with folder_lock(folder, "bench"):
        return _run_cells(folder, cells, bench, registry, workers, progress)


def _run_cells(
    folder: Path,
    cells: Sequence[AlignCell],
    bench: AlignerBench,
    registry: Registry,
    workers: int,
    progress: Progress,
) -> list[dict[str, Any]]:
    parts = {("dataset", bench.world)}
    parts |= {(kind, getattr(cell, kind)) for cell in cells for kind in ("aligner", "clusterer")}
    record = BenchRecord("aligners", library_versions(), made_from(bench), part_origins(registry, parts))
    claim_bench_folder(folder, record)
    stored = load_finished_cells(folder, AlignResult)
    results = {name: result for name, result in stored.items() if result["status"] == "ok"}
    missing = [cell for cell in cells if cell.id not in results]
    same, by_network = same_networks(bench), dict[AlignSetting, list[AlignCell]]()
    for cell in missing:
        by_network.setdefault(network_of(cell.setting, same), []).append(cell)
    finished = len(cells) - len(missing)
    progress("cells", finished, len(cells))
    if missing:
        arguments = (str(registry.folder.absolute()), str(folder.absolute()), bench)
        # A third party's component may get a process of its own, so workers may start processes.
        with Workers(min(workers, len(by_network)), _make_worker, arguments, tries=1, parents=True) as pool:
            _make_faces(pool, by_network, 1 if shares_root(bench.world, registry) else 0, progress)
            for network, own in by_network.items():
                pool.submit((network, own))
            for own in by_network.values():
                outcome = pool.take()
                new = [_lost(cell, outcome) for cell in own] if isinstance(outcome, TaskLost) else outcome
                results |= {result["id"]: result for result in new}
                append_cells(folder, new)
                finished += len(own)
                progress("cells", finished, len(cells))
    return [results[cell.id] for cell in cells]


def made_from(bench: AlignerBench) -> dict[str, Any]:
    """The recipe without aligners and clusterers, which only decide which cells there are."""
    return {key: value for key, value in document_to_table(bench).items() if key not in ("aligners", "clusterers")}


def _make_faces(pool: Workers, settings: Mapping[AlignSetting, Any], alone: int, progress: Progress) -> None:
    """Make each face folder once, before the runs that share it: `alone` at first, those with artefacts at last."""
    folders = dict.fromkeys(replace(setting, training="", net=0) for setting in settings)
    uniform = list(dict.fromkeys(replace(setting, kind=UNIFORM, amount=0.0) for setting in folders))
    for batch in (uniform[:alone], uniform[alone:], [setting for setting in folders if setting not in uniform]):
        for number, setting in enumerate(batch):
            pool.submit((setting, []))
            progress("worlds", number, len(batch))
        for number in range(1, len(batch) + 1):
            outcome = pool.take()
            if isinstance(outcome, TaskLost):
                failed = BadData(f"a world could not be made: {outcome.reason}", "check that there is memory and disk")
                raise lost_fault(outcome, "a world could not be made") or failed
            progress("worlds", number, len(batch))


def _failed(cell: AlignCell, reason: str, status: str = "failed") -> dict[str, Any]:
    return {**_describe(cell), "status": status, "reason": reason}


def _lost(cell: AlignCell, lost: TaskLost) -> dict[str, Any]:
    return _failed(cell, lost.reason, "stopped" if lost.passing else "failed")


def _describe(cell: AlignCell) -> dict[str, Any]:
    return {"id": cell.id, **asdict(cell.setting), "aligner": cell.aligner, "clusterer": cell.clusterer, "k": cell.k}


# ------------------------------------------------------------------------------------------------- in worker processes


def _make_worker(registry_folder: str, folder: str, bench: AlignerBench) -> Callable[[Any], Any]:
    """Build the function that a worker calls for the cells of a network; without cells it makes the faces."""
    registry, same = Registry.load(Path(registry_folder)), same_networks(bench)
    # Of hundreds of plans each warning is a line that does not say of which; they are in the plans, and in the results.
    logging.getLogger("kce.pipeline").setLevel(logging.ERROR)

    def work(task: tuple[AlignSetting, list[AlignCell]]) -> list[dict[str, Any]]:
        setting, cells = task
        if not cells:
            if setting.kind == UNIFORM:
                make_face_folder(Path(folder), setting.world, bench.world, bench.cut, registry)
            else:
                store_face_folder(Path(folder), setting.world, setting.kind, setting.amount)
            return []
        results: list[dict[str, Any]] = []
        for cell in cells:
            try:
                results.append(_run_cell(Path(folder), cell, bench, same, registry))
            except KCEError as error:
                status = "stopped" if isinstance(error, MachineFault) else "failed"
                results.append(_failed(cell, error.message, status))
        return results

    return work


def _run_cell(
    folder: Path, cell: AlignCell, bench: AlignerBench, same: Mapping[str, Sequence[str]], registry: Registry
) -> dict[str, Any]:
    setting = cell.setting
    chosen = run_recipe(bench, setting.training).changed(
        faces=str(folder / setting.faces), aligner=cell.aligner, clusterer=cell.clusterer, seed=setting.net
    )
    methods = {
        category: method
        for category, method in read_methods(folder, setting.world).items()
        if method != REAL and category not in chosen.unknown
    }
    classes = len(set(methods.values()))
    # With "own" the clusterer takes no n_clusters, so k is ignored; "name" is just a valid value.
    k: int | str = classes if cell.k == "known" else {"estimate": "estimate", "own": "name"}[cell.k]
    # Other plans of the network share the first model and its features.
    others = [path for path in runs_of_network(folder, setting, same) if path != folder / cell.run]
    run(folder / cell.run, replace(chosen, k=k), registry, "plan", others)
    plan = read_plan(folder / cell.run / "plan.toml")
    merged, split = list_mistakes(methods, plan.classes)
    numbers = np.unique(list(plan.classes.values()), return_inverse=True)[1]
    return {
        **_describe(cell),
        "status": "ok",
        "reason": "",
        "n": len(plan.classes),
        "classes": classes,
        "clusters": len(set(plan.classes.values())),
        "between": list(plan.between) if plan.between else None,
        "ari": agreement_scores([methods[category] for category in plan.classes], numbers)["ari"],
        "merged": merged,
        "split": split,
        "unlearned": sorted({methods[category] for category, vote in plan.votes.items() if UNLEARNED_NOTE in vote}),
    }


def list_mistakes(methods: Mapping[str, str], plan: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Compare a plan with the truth.

    Args:
        methods: Category -> its true method.
        plan: Category -> its class.

    Returns:
        Pairs of methods with categories in one class, as "a + b", and methods with categories in several classes.
    """
    merged = {
        " + ".join(sorted((methods[a], methods[b])))
        for a, b in combinations(sorted(plan), 2)
        if plan[a] == plan[b] and methods[a] != methods[b]
    }
    classes: dict[str, set[str]] = {}
    for category, name in plan.items():
        classes.setdefault(methods[category], set()).add(name)
    return sorted(merged), sorted(method for method, names in classes.items() if len(names) > 1)
