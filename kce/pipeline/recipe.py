"""A run's choices: the schema of ``recipe.toml``, and how it is read, written and compared."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from kce.errors import KCEError
from kce.merging.category_means import Vote  # noqa: TC001 - the schema is read from it
from kce.merging.plan_file import PlanOrigin, plan_origin
from kce.registry import defaults, distributions
from kce.registry.result_provenance import library_versions
from kce.registry.specs import format_spec
from kce.system.documents import (
    Document,
    model_from_table,
    model_to_table,
    read_document,
    write_document,
)
from kce.training.settings import TrainSettings

if TYPE_CHECKING:
    from kce.registry.registry import Registry
    from kce.types import MergePlan

PLANS = ("none", "name", "random", "clusters")
CHOSEN_KINDS = ("backbone", "aligner", "reducer", "clusterer")
"""Kinds of component that have a choice of their own."""


@dataclass(frozen=True)
class Evaluate:
    """How a run is scored.

    Attributes:
        reducer: Reducer before the scores; PCA to 64 dimensions is that of the results section of Sun et al. 2023.
        evaluators: What scores the reduced features.
        per_category: Rows of each unknown category, the same for every plan.
        resamples: Bootstrap rounds behind an interval.
    """

    reducer: str = defaults.REDUCER
    evaluators: tuple[str, ...] = defaults.EVALUATORS
    per_category: int = 250
    resamples: int = 200


@dataclass(frozen=True)
class Resolved:
    """What the choices came to: every component with all its parameters, and the versions behind them.

    Attributes:
        extractor: The backbone of the first model.
        evaluation_reducer: The reducer before the scores.
        versions: Package -> version, of everything whose version can change a result.
        origins: "kind name" -> the package or file the component came from.
        plan: Where the plan comes from, and whether a person edited it; absent before there is one.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {"evaluation reducer": "evaluation_reducer", "from": "origins"}

    backbone: str
    aligner: str
    reducer: str
    clusterer: str
    extractor: str
    evaluation_reducer: str
    evaluators: tuple[str, ...]
    versions: Mapping[str, str]
    origins: Mapping[str, str]
    plan: PlanOrigin | None = None


@dataclass(frozen=True)
class Recipe(Document):
    """Every choice of a run. Components are written NAME:key=value,key=value.

    Attributes:
        faces: The face folder. In a file, this path and that of a plan are relative to the folder of the file.
        unknown: Categories held out for the evaluation.
        known: Categories to train on; empty = every other forged category of the face folder.
        backbone: The network of the final model.
        extractor: The network whose features are clustered, trained with nothing merged; empty = the backbone.
        aligner: Takes the dataset out of the features before clustering.
        reducer: Reducer before clustering.
        clusterer: Makes the plan by clusters.
        plan: none, name, random, clusters, or the path of a plan.toml.
        k: Classes of the plan by clusters; "name" = as many as there are names, "estimate" = as the features say.
        vote: What is clustered: category "means"; "distances", which are means as far apart as they are without chance;
            or "rows" with a majority vote.
        layer: What the plan by clusters is made of: the network's "features"; or the "logits" of its classifier, where
            only what tells forgeries apart counts.
        rules: Categories that the plan by name joins, a list each; empty = those with equal method names.
        seed: Random seed of the whole run.
        timeout: Seconds a third party's component may take for an answer; 0 = for ever.
        train: How networks are trained.
        evaluate: How the run is scored.
        resolved: What the choices came to, in the recipe of a run. It is not a choice, and is not compared.
    """

    NOUN: ClassVar[str] = "a recipe"
    HINT: ClassVar[str] = "a recipe is a TOML file; `kce run` writes one into its folder"
    BY_HAND: ClassVar[bool] = True
    RENAMED: ClassVar[Mapping[str, str]] = {"patience": "timeout"}

    faces: str = ""
    unknown: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    backbone: str = defaults.BACKBONE
    extractor: str = ""
    aligner: str = defaults.NO_ALIGNER
    reducer: str = defaults.REDUCER
    clusterer: str = defaults.CLUSTERER
    plan: str = "clusters"
    k: int | str = "name"
    vote: Vote = "means"
    layer: Literal["features", "logits"] = "features"
    rules: tuple[tuple[str, ...], ...] = ()
    seed: int = 0
    timeout: float = 7200.0
    train: TrainSettings = field(default_factory=TrainSettings)
    evaluate: Evaluate = field(default_factory=Evaluate)
    resolved: Resolved | None = field(default=None, compare=False)

    @property
    def first(self) -> str:
        """The backbone of the first model."""
        return self.extractor or self.backbone

    @property
    def clusters(self) -> bool:
        """Whether the plan is made from features: there is a first model then."""
        return self.plan in ("clusters", "random")

    @property
    def origins(self) -> Mapping[str, str]:
        """Of a recipe that was read: "kind name" -> the package or file each component came from."""
        return self.resolved.origins if self.resolved else {}

    def changed(self, **choices: Any) -> Recipe:
        """The recipe with some choices made otherwise; None leaves a choice as it is."""
        return replace(self, **{name: choice for name, choice in choices.items() if choice is not None})


def read_recipe(path: Path) -> Recipe:
    """Read a recipe, whose relative paths are seen from its own folder; raises as ``read_document`` does."""
    recipe = read_document(path, Recipe)
    return _with_paths(recipe, lambda name: _seen_from(path.parent, name))


def recipe_from_table(table: Mapping[str, Any], where: str) -> Recipe:
    """The recipe of a table in another document, with the defaults of what it leaves out.

    Args:
        table: The choices.
        where: What errors call the table.
    """
    return model_from_table(table, Recipe, where)


def recipe_to_table(recipe: Recipe) -> dict[str, Any]:
    """The choices alone, as plain tables, lists and values: what ``recipe_from_table`` reads."""
    table = model_to_table(recipe)
    del table["resolved"]
    return table


def choose_recipe(folder: Path, file: Path | None, **choices: Any) -> Recipe:
    """The recipe of a run: from a file, from the run's own folder, or the defaults; then the choices made here.

    Args:
        folder: The run's folder.
        file: A recipe that is named; else the folder's own is used, if there is one.
        **choices: Fields of a recipe, with `train` and `evaluate` as mappings; a choice of None is left as it is.

    Raises:
        KCEError: No face folder is named anywhere.
    """
    own = folder / "recipe.toml"
    recipe = read_recipe(file) if file else read_recipe(own) if own.is_file() else Recipe()
    for part in ("train", "evaluate"):
        settings = {name: value for name, value in choices.get(part, {}).items() if value is not None}
        choices[part] = replace(getattr(recipe, part), **settings)
    recipe = recipe.changed(**choices)
    if not recipe.faces:
        raise KCEError("no face folder is given", "name it with --faces; `kce cut` makes one")
    return recipe


def write_recipe(path: Path, recipe: Recipe, registry: Registry, plan: MergePlan | None = None) -> None:
    """Write the choices, and under ``[resolved]`` what they came to; `plan` is the plan, if there is one already.

    Paths are written so that the recipe means the same from any working folder.
    """
    there = _with_paths(recipe, lambda name: _written_in(path.parent, name))
    write_document(path, replace(there, resolved=_resolved(recipe, registry, plan)))


def _with_paths(recipe: Recipe, change: Callable[[str], str]) -> Recipe:
    """The recipe with its paths changed: that of the face folder, and that of a plan."""
    return replace(
        recipe,
        faces=change(recipe.faces) if recipe.faces else "",
        plan=change(recipe.plan) if recipe.plan.endswith(".toml") else recipe.plan,
    )


def _seen_from(folder: Path, name: str) -> str:
    path = folder / name
    return os.path.realpath(path) if ".." in path.parts else str(path)


def _written_in(folder: Path, name: str) -> str:
    """A path as it is written in a folder: relative where both could be moved together, else absolute."""
    path, folder = Path(name).resolve(), folder.resolve()
    if path.drive != folder.drive or Path(os.path.commonpath([path, folder])) == Path(path.anchor):
        return path.as_posix()
    return Path(os.path.relpath(path, folder)).as_posix()


def _resolved(recipe: Recipe, registry: Registry, plan: MergePlan | None) -> Resolved:
    def spec_of(kind: str, spec: str) -> str:
        return registry.resolve_seeded(kind, spec, recipe.seed).spec

    specs = {kind: spec_of(kind, getattr(recipe, kind)) for kind in CHOSEN_KINDS}
    if registry.takes("clusterer", recipe.clusterer, "n_clusters"):  # its default is not what it will be given
        clusterer = registry.resolve_seeded("clusterer", recipe.clusterer, recipe.seed)
        own = {name: value for name, value in clusterer.parameters.items() if name != "n_clusters"}
        specs["clusterer"] = format_spec(clusterer.entry.name, {**own, "n_clusters": recipe.k})
    entries = [(kind, registry.resolve(kind, spec).entry) for kind, spec in named_components(recipe)]
    return Resolved(
        **specs,
        extractor=registry.resolve("backbone", recipe.first).spec,
        evaluation_reducer=spec_of("reducer", recipe.evaluate.reducer),
        evaluators=tuple(spec_of("evaluator", spec) for spec in recipe.evaluate.evaluators),
        versions=library_versions(),
        origins={
            f"{kind} {entry.name}": distributions.plugin_origin(registry, entry.plugin) for kind, entry in entries
        },
        plan=plan_origin(plan) if plan else None,
    )


def named_components(recipe: Recipe) -> list[tuple[str, str]]:
    """(kind, spec) of every component that a recipe names."""
    return [
        *((kind, getattr(recipe, kind)) for kind in CHOSEN_KINDS),
        ("backbone", recipe.first),
        ("reducer", recipe.evaluate.reducer),
        *(("evaluator", spec) for spec in recipe.evaluate.evaluators),
    ]


def compared_choices(recipe: Recipe) -> dict[str, str]:
    """Every choice as key -> text, to be compared with another recipe's.

    Without the evaluation, which can be done again, and what changes no result.
    """
    recipe = _with_paths(recipe, os.path.realpath)  # however they were written
    flat = {key: value for key, value in asdict(recipe).items() if key not in ("evaluate", "timeout", "resolved")}
    settings = {f"train.{key}": value for key, value in flat.pop("train").items() if key != "save_every"}
    return {key: str(value) for key, value in {**flat, **settings}.items()}


def cluster_choices(recipe: Recipe) -> dict[str, str]:
    """Every choice that decides which categories cluster together, as key -> text."""
    chosen = {
        key: text
        for key, text in compared_choices(recipe).items()
        if key not in ("plan", "backbone", "extractor", "train.images")
    }
    return {"first": recipe.first, **chosen}
