"""Benchmark of aligners and trainings on image worlds with known truth, whose datasets are stored in different ways."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations, product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kce.audit.unlearned import UNLEARNED_NOTE
from kce.bench.cell_runner import hash_cell
from kce.bench.cell_store import BenchRecord, append_cells, claim_bench_folder, load_finished_cells
from kce.bench.drawn_faces import (
    UNIFORM,
    build_world,
    face_folder_name,
    make_face_folder,
    read_methods,
    read_truth,
    shares_root,
    store_face_folder,
)
from kce.errors import BadData, KCEError, MachineFault, UnknownName
from kce.evaluation.agreement import agreement_scores
from kce.faces import degrade
from kce.labels import REAL
from kce.merging.plan_file import read_plan
from kce.pipeline.recipe import recipe_from_table
from kce.pipeline.run import run
from kce.pipeline.world_recipe import CutChoices
from kce.registry.registry import Registry
from kce.registry.result_provenance import library_versions, part_origins
from kce.system.documents import Document, document_to_table, read_document
from kce.system.lock import folder_lock
from kce.system.shipped import RECIPES
from kce.system.worker_pool import TaskLost, Workers, lost_fault

if TYPE_CHECKING:
    from kce.pipeline.recipe import Recipe
    from kce.types import Progress

ALIGNER_RECIPE = RECIPES / "aligners.toml"
KS = ("known", "estimate")


@dataclass(frozen=True)
class AlignerBench(Document):
    """The recipe of a benchmark of aligners.

    Attributes:
        world: The synthetic dataset, as in ``kce.bench.drawn_faces.build_world``.
        aligners: Aligners under test, unless others are chosen.
        clusterers: Clusterers that make the plans, unless others are chosen.
        run: What all runs have in common, as in a recipe.
        training: Name -> settings of a training, as in a recipe's [train].
        cut: How faces are cut.
    """

    NOUN = "the recipe of a benchmark of aligners"
    HINT = f"{ALIGNER_RECIPE} is an example"
    BY_HAND = True
    world: str
    aligners: tuple[str, ...]
    clusterers: tuple[str, ...]
    run: Mapping[str, Any]
    training: Mapping[str, Mapping[str, Any]]
    cut: CutChoices = field(default_factory=CutChoices)


@dataclass(frozen=True)
class AlignSetting:
    """What a first model is trained on and how.

    Attributes:
        world: Number of the world.
        kind: Kind of artefact that the datasets get.
        amount: Artefact strength, 0 to 1.
        training: Name of the training.
        net: Seed of the network.
    """

    world: int
    kind: str
    amount: float
    training: str
    net: int

    @property
    def faces(self) -> str:
        """Its face folder, below the benchmark's folder."""
        return face_folder_name(self.world, self.kind, self.amount)

    @property
    def runs(self) -> str:
        """The folder of its runs, below the benchmark's folder."""
        return f"{self.faces}-runs/{self.training}-{self.net}"


@dataclass(frozen=True)
class AlignCell:
    """One plan of a setting.

    Attributes:
        setting: The first model.
        aligner: The component under test.
        clusterer: The clusterer that makes the plan.
        k: Where the number of classes comes from. "known": the true number of methods; "estimate": an estimate from the
            features, which the benchmark of clusterers calls "unknown"; "own": the clusterer takes no number.
    """

    setting: AlignSetting
    aligner: str
    clusterer: str
    k: str

    @property
    def id(self) -> str:
        """Hash of all fields."""
        return hash_cell(self)

    @property
    def run(self) -> str:
        """The folder of its run, below the benchmark's folder."""
        parts = (self.aligner, self.clusterer, self.k)
        return f"{self.setting.runs}/{'-'.join(re.sub(r'[^0-9A-Za-z.+=]+', '_', part) for part in parts)}"


@dataclass(frozen=True)
class AlignResult:
    """The result of a cell, as it is stored: the cell's fields and what was measured, if the status is "ok".

    Attributes:
        status: "ok", "failed" or "stopped": the system stopped it, or lacked something.
        reason: Why it failed.
        n: Number of known categories.
        classes: Number of true methods behind them.
        clusters: Number of classes of the plan.
        ari: Adjusted Rand index between plan and methods.
        merged: Pairs of methods that are wrongly in one class, as "a + b".
        split: Methods that are wrongly in several classes.
        unlearned: Methods that the first model cannot tell from the reals of some dataset; only if the aligner uses
            reals.
    """

    id: str
    world: int
    kind: str
    amount: float
    training: str
    net: int
    aligner: str
    clusterer: str
    k: Literal["known", "estimate", "own"]
    status: Literal["ok", "failed", "stopped"]
    reason: str = ""
    n: int | None = None
    classes: int | None = None
    clusters: int | None = None
    ari: float | None = None
    merged: tuple[str, ...] = ()
    split: tuple[str, ...] = ()
    unlearned: tuple[str, ...] = ()


def read_aligner_bench(path: Path) -> AlignerBench:
    """Read the recipe of a benchmark, and check the recipes of its runs.

    Raises:
        KCEError: If it is not such a recipe, or lacks something.
    """
    bench = read_document(path, AlignerBench)
    for key in ("aligners", "clusterers", "training"):
        if not getattr(bench, key):
            raise BadData(f"{path}: {key} is empty", AlignerBench.HINT)
    for training in bench.training:
        run_recipe(bench, training, str(path))
    return bench


def run_recipe(bench: AlignerBench, training: str, where: str = "the benchmark") -> Recipe:
    """The recipe of the runs with a training; `where` is what errors call it."""
    return recipe_from_table({**bench.run, "train": bench.training[training]}, where)


def list_align_cells(
    registry: Registry,
    bench: AlignerBench,
    worlds: Sequence[int],
    kinds: Sequence[str],
    amounts: Sequence[float],
    nets: Sequence[int],
    trainings: Sequence[str] = (),
    aligners: Sequence[str] = (),
    clusterers: Sequence[str] = (),
    ks: Sequence[str] = KS,
) -> list[AlignCell]:
    """List every combination, those of one setting together; amount 0 is listed once for all kinds.

    Args:
        registry: Where components are looked up.
        bench: The recipe.
        worlds: Numbers of worlds.
        kinds: Kinds of artefacts.
        amounts: Artefact strengths, 0 to 1.
        nets: Seeds of networks.
        trainings: Names; empty = all of the recipe.
        aligners: Aligners under test; empty = those of the recipe.
        clusterers: Clusterers that make the plans; empty = those of the recipe.
        ks: "known", "estimate", for clusterers that take a number of clusters.

    Raises:
        KCEError: For a name or value that cannot be used, before any work.
    """
    trainings = list(trainings) or list(bench.training)
    for training in trainings:
        if training not in bench.training:
            raise UnknownName.among("training", training, bench.training)
    _check_world(bench, registry, worlds[0])
    aligners, clusterers = list(aligners) or bench.aligners, list(clusterers) or bench.clusterers
    for component, specs in (("aligner", aligners), ("clusterer", clusterers)):
        for spec in specs:
            registry.resolve(component, spec)
    for kind, amount in product(kinds, amounts):
        degrade.assign_artefacts(["A"], kind, amount, 0)  # only to validate
    for k in ks:
        if k not in KS:
            raise UnknownName.among("k", k, KS)
    artefacts = [(kind, amount) if amount else (UNIFORM, 0.0) for amount in sorted(amounts) for kind in kinds]
    settings = [
        AlignSetting(world, kind, amount, training, net)
        for (kind, amount), world, training, net in product(dict.fromkeys(artefacts), worlds, trainings, nets)
    ]
    plans = [
        (aligner, clusterer, k)
        for aligner, clusterer in product(aligners, clusterers)
        for k in (ks if registry.takes("clusterer", clusterer, "n_clusters") else ["own"])
    ]
    return [AlignCell(setting, *plan) for setting in dict.fromkeys(settings) for plan in plans]


def _check_world(bench: AlignerBench, registry: Registry, number: int) -> None:
    """Raise KCEError if a world cannot be built, or lacks a category that is held out."""
    world = bench.world
    truth = read_truth(build_world(world, registry, number, Path("world")), world)
    forged = [category for category, method in truth.items() if method != REAL]
    for category in bench.run.get("unknown", ()):
        if category not in forged:
            hint = "`--recipe` takes one of your own, whose [run] unknown is of the world's categories"
            raise UnknownName.among(f"forged category of {world}", category, forged, hint)


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
    by_setting: dict[AlignSetting, list[AlignCell]] = {}
    for cell in missing:
        by_setting.setdefault(cell.setting, []).append(cell)
    finished = len(cells) - len(missing)
    progress("cells", finished, len(cells))
    if missing:
        arguments = (str(registry.folder.absolute()), str(folder.absolute()), bench)
        # A third party's component may get a process of its own, so workers may start processes.
        with Workers(min(workers, len(by_setting)), _make_worker, arguments, tries=1, parents=True) as pool:
            _make_faces(pool, by_setting, 1 if shares_root(bench.world, registry) else 0, progress)
            for setting, own in by_setting.items():
                pool.submit((setting, own))
            for own in by_setting.values():
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
    """Build the function that a worker calls for the cells of a setting; without cells it makes the faces."""
    registry = Registry.load(Path(registry_folder))

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
                results.append(_run_cell(Path(folder), cell, bench, registry))
            except KCEError as error:
                status = "stopped" if isinstance(error, MachineFault) else "failed"
                results.append(_failed(cell, error.message, status))
        return results

    return work


def _run_cell(folder: Path, cell: AlignCell, bench: AlignerBench, registry: Registry) -> dict[str, Any]:
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
    # Other plans of the setting share the first model and its features.
    others = [path for path in sorted((folder / setting.runs).glob("*")) if path != folder / cell.run]
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
