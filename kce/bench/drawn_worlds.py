"""Drawn faces for the benchmark of tracers: worlds with methods that no one has seen, through a network of their own.

A world is named ``drawn:number=1,kind=jpeg,amount=1.0,training=recommended``: number n has other people and other
methods behind the names than any other; each of its datasets is stored in its own way, by kind and amount; and a
network is trained on half of the recordings, to tell the true methods apart. A quarter calibrates, the rest is traced.
"drawn" is the synthetic dataset of the recipe. The name of another dataset is a world too: the parameters above are the
benchmark's, and all others the dataset's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from kce.bench.drawn_faces import UNIFORM, build_world, read_truth, readable_hash
from kce.bench.worlds import is_table
from kce.errors import BadData, KCEError, UnknownName
from kce.faces import degrade
from kce.labels import REAL
from kce.pipeline.world_recipe import CutChoices
from kce.registry.specs import format_spec, parse_spec
from kce.system.documents import Document, model_from_table, read_document
from kce.system.shipped import RECIPES
from kce.training.device import resolve_precision
from kce.training.settings import TrainSettings, check_train_settings

if TYPE_CHECKING:
    from kce.registry.registry import Registry

DRAWN = "drawn"
"""A drawn world, "drawn:number=1"."""
DRAWN_SUITE = "drawn-suite"
"""Stands for worlds 1 to 5: stored alike, and by every kind of artefact in two amounts."""
CHOICES = ("number", "kind", "amount", "training")
"""The parameters of a world that are the benchmark's; all others are its dataset's."""
RECIPE_FILE = RECIPES / "drawn_worlds.toml"

_SUITE_NUMBERS, _SUITE_AMOUNTS = range(1, 6), (0.5, 1.0)


@dataclass(frozen=True)
class DrawnRecipe(Document):
    """How drawn worlds are made, and networks trained on them.

    Attributes:
        world: The synthetic dataset, as in ``kce.bench.drawn_faces.build_world``.
        backbone: The network.
        unknown: The categories that no one sees before they are traced.
        training: Name -> settings of a training.
        cut: How faces are cut.
    """

    NOUN: ClassVar[str] = "the recipe of drawn worlds"
    HINT: ClassVar[str] = f"{RECIPE_FILE} is an example"
    BY_HAND: ClassVar[bool] = True
    world: str
    backbone: str
    unknown: tuple[str, ...]
    training: Mapping[str, TrainSettings]
    cut: CutChoices = field(default_factory=CutChoices)


def read_drawn_recipe(path: Path = RECIPE_FILE) -> DrawnRecipe:
    """Read a recipe.

    Raises:
        KCEError: If it is not such a recipe, or lacks something.
    """
    recipe = read_document(path, DrawnRecipe)
    for name in ("unknown", "training"):
        if not getattr(recipe, name):
            raise BadData(f"{path}: {name} is empty", DrawnRecipe.HINT)
    for settings in recipe.training.values():
        check_train_settings(settings)
    return recipe


def with_resolved_precision(recipe: DrawnRecipe) -> DrawnRecipe:
    """Say in the recipe in what this machine computes: results of two precisions are then not mixed in one folder."""
    training = {
        name: replace(settings, precision=resolve_precision(settings.precision))
        for name, settings in recipe.training.items()
    }
    return replace(recipe, training=training)


@dataclass(frozen=True)
class DrawnWorld:
    """A drawn world and the training of its network.

    Attributes:
        number: Which people, and which methods behind the names: seed and placement of the synthetic dataset, from 1;
            the placement alone, if its root is given.
        kind: How its datasets are stored: uniform, mixed, or a kind of artefact that they have by different amounts.
        amount: Artefact strength, 0 to 1; 0 is uniform.
        training: Name of the training in the recipe.
        dataset: The synthetic dataset; empty = the recipe's.
    """

    number: int = 1
    kind: str = UNIFORM
    amount: float = 0.0
    training: str = "recommended"
    dataset: str = ""

    @property
    def name(self) -> str:
        """Its full name.

        >>> DrawnWorld(3).name
        'drawn:number=3,kind=uniform,amount=0.0,training=recommended'
        """
        name, own = parse_spec(self.dataset or DRAWN)
        return format_spec(name, {**own, **{choice: getattr(self, choice) for choice in CHOICES}})

    @property
    def condition(self) -> str:
        """What it has in common with worlds of other numbers.

        >>> DrawnWorld(3, "jpeg", 0.5).condition
        'jpeg 0.5, recommended'
        """
        stored = f"{self.kind}{f' {self.amount:g}' if self.amount else ''}, {self.training}"
        return f"{self.dataset}, {stored}" if self.dataset else stored

    def below(self, folder: Path) -> Path:
        """Where the worlds of its dataset are kept, in the folder of all worlds."""
        return folder / readable_hash(self.dataset) if self.dataset else folder


def is_drawn_world(name: str) -> bool:
    """Whether a full name means a drawn world.

    >>> [is_drawn_world(name) for name in ("plain@1:rows=400", "features.h5:/known", DrawnWorld(2).name)]
    [False, False, True]
    """
    return not is_table(name) and parse_spec(name)[1].keys() >= {*CHOICES}


def drawn_names(registry: Registry) -> list[str]:
    """The names that drawn worlds can have: the recipe's, their suite, and every dataset that takes a placement."""
    names = [DRAWN, DRAWN_SUITE]
    for name in registry.names("dataset"):
        with suppress(KCEError):  # a broken plugin offers no world
            if "placement" in (parameter.name for parameter in registry.describe("dataset", name)[1].parameters):
                names.append(name)
    return names


def check_drawn_worlds(worlds: Iterable[str], recipe: DrawnRecipe, registry: Registry) -> None:
    """Raise KCEError if some dataset cannot be built, is no world, or has nothing that nobody has seen.

    So it does for a detector or a backbone that does not exist, if there is any world.

    Args:
        worlds: Full names of drawn worlds.
        recipe: How they are made.
        registry: Builds the datasets.
    """
    first = {world.dataset or recipe.world: world for world in map(parse_drawn_world, reversed([*worlds]))}
    if first:
        registry.resolve("detector", recipe.cut.finder)
        registry.resolve("backbone", recipe.backbone)
    for dataset, world in first.items():
        truth = read_truth(build_world(dataset, registry, world.number, Path("world")), dataset)
        if not {*recipe.unknown} & truth.keys():
            forged = ", ".join(category for category, method in truth.items() if method != REAL)
            raise KCEError(
                f"{dataset} has no category that the recipe holds out: {', '.join(recipe.unknown)}",
                f"`--recipe` takes one of your own, whose unknown are some of: {forged}",
            )


def resolve_drawn_worlds(name: str, trainings: Collection[str]) -> list[str]:
    """Return full names.

    >>> resolve_drawn_worlds("drawn:number=7,kind=jpeg", ["recommended"])
    ['drawn:number=7,kind=jpeg,amount=1.0,training=recommended']

    Args:
        name: A drawn world, of the recipe's dataset or of another, or their suite.
        trainings: Names of trainings that there are.

    Raises:
        KCEError: For a parameter that does not exist, is of a wrong type or out of range.
    """
    if name == DRAWN_SUITE:
        stored = [(UNIFORM, 0.0), *product((*degrade.ARTEFACT_KINDS, "mixed"), _SUITE_AMOUNTS)]
        worlds = [DrawnWorld(number, *how) for how in stored for number in _SUITE_NUMBERS]
    else:
        worlds = [parse_drawn_world(name)]
    for world in worlds:
        if world.training not in trainings:
            raise UnknownName.among("training", world.training, trainings)
    return [world.name for world in worlds]


def parse_drawn_world(name: str) -> DrawnWorld:
    """Read the name of one drawn world; raises as ``resolve_drawn_worlds`` does, but takes any training."""
    spec, parameters = parse_spec(name)
    chosen = {key: parameters.pop(key) for key in CHOICES if key in parameters}
    if spec == DRAWN and parameters:
        raise UnknownName.among("parameter of a drawn world", min(parameters), CHOICES)
    if "kind" in chosen and chosen["kind"] != UNIFORM:
        chosen.setdefault("amount", 1.0)
    world = model_from_table(chosen, DrawnWorld, name)
    if spec != DRAWN:
        world = replace(world, dataset=format_spec(spec, dict(sorted(parameters.items()))))
    if type(world.number) is not int or world.number < 1:
        raise KCEError(f"{name}: number = {world.number!r} is not a whole number from 1", "for example drawn:number=1")
    if (world.kind == UNIFORM) != (world.amount == 0):
        raise KCEError(
            f"{name}: {world.kind} and the amount {world.amount:g} contradict each other",
            "give a kind of artefact with an amount above 0, or neither",
        )
    if world.kind != UNIFORM:
        degrade.assign_artefacts(["A"], world.kind, world.amount, 0)  # raises for what does not exist
    return world
