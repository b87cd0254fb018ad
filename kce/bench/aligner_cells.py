"""What a benchmark of aligners tries: its recipe, its cells, and what is stored of each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kce.bench.cell_runner import hash_cell
from kce.bench.drawn_faces import UNIFORM, build_world, face_folder_name, read_truth
from kce.errors import BadData, UnknownName
from kce.faces import degrade
from kce.labels import REAL
from kce.pipeline.recipe import recipe_from_table
from kce.pipeline.recipe_checks import check_choices
from kce.pipeline.world_recipe import CutChoices
from kce.system.documents import Document, read_document
from kce.system.shipped import RECIPES
from kce.training.device import resolve_precision

if TYPE_CHECKING:
    from kce.pipeline.recipe import Recipe
    from kce.registry.registry import Registry

OWN = ("backbone", "layer", "reducer", "vote")
"""Choices of a run that a training may make for itself."""
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
        training: Name -> settings of a training, as in a recipe's [train]; and perhaps its `backbone`, and the `layer`,
            `reducer` and `vote` of its plans, instead of those of `run`. Trainings that differ only in their plans
            share their networks.
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
        between: The lowest and the highest number of classes that is possible, if their number was estimated.
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
    between: tuple[int, int] | None = None
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
    settings = dict(bench.training[training])
    own: dict[str, Any] = {key: settings.pop(key) for key in OWN if key in settings}
    return recipe_from_table({**bench.run, **own, "train": settings}, where)


def with_resolved_precision(bench: AlignerBench) -> AlignerBench:
    """Say in the recipe in what this machine computes: results of two precisions are then not mixed in one folder."""
    training = {
        name: {**settings, "precision": resolve_precision(run_recipe(bench, name).train.precision)}
        for name, settings in bench.training.items()
    }
    return replace(bench, training=training)


def same_networks(bench: AlignerBench) -> dict[str, tuple[str, ...]]:
    """Training -> all trainings of the recipe that train the same networks, and make other plans of them."""
    recipes = {name: run_recipe(bench, name) for name in bench.training}
    made = {name: (recipe.first, recipe.train) for name, recipe in recipes.items()}
    return {name: tuple(other for other in made if made[other] == made[name]) for name in made}


def network_of(setting: AlignSetting, same: Mapping[str, Sequence[str]]) -> AlignSetting:
    """The setting that stands for all with its network: that of the first training; `same` as of ``same_networks``."""
    return replace(setting, training=same[setting.training][0])


def runs_of_network(folder: Path, setting: AlignSetting, same: Mapping[str, Sequence[str]]) -> list[Path]:
    """The folders of all runs with the network of a setting, whichever training they are of."""
    shared = [replace(setting, training=name).runs for name in same[setting.training]]
    return [path for runs in shared for path in sorted((folder / runs).glob("*"))]


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
    registry.resolve("detector", bench.cut.finder)
    for training in trainings:
        check_choices(run_recipe(bench, training, f"training {training}"), registry)
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
