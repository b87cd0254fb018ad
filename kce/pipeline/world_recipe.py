"""The schema of a recipe for a synthetic world: the world, how its faces are cut, and the choices of its runs."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import tomlkit

from kce.errors import Refused
from kce.pipeline.recipe import Recipe
from kce.registry import defaults
from kce.system.atomic import write_atomic
from kce.system.documents import Document, model_from_table, model_to_table, read_document
from kce.system.regular import read_regular_text


@dataclass(frozen=True)
class CutChoices:
    """How faces are cut; None = as ``kce cut`` does it."""

    detector: str | None = None
    frames: int | None = None
    per_category: int | None = None

    @property
    def finder(self) -> str:
        """The detector that is used, chosen or not."""
        return self.detector or defaults.DETECTOR

    def options(self) -> dict[str, Any]:
        """The choices that are made, as keyword arguments of ``kce.faces.cut.cut``."""
        return {name: value for name, value in model_to_table(self).items() if value is not None}


@dataclass(frozen=True)
class WorldRecipe(Document):
    """A world, and plans on it.

    Attributes:
        world: A dataset that makes its own pictures, NAME:key=value.
        plans: The plans to compare, each in a run of its own.
        cut: How the faces are cut.
        run: Choices of a recipe that all runs share.
    """

    NOUN: ClassVar[str] = "a recipe for a world"
    HINT: ClassVar[str] = "`kce/recipes/demo.toml` is one"
    BY_HAND: ClassVar[bool] = True

    world: str
    plans: tuple[str, ...]
    cut: CutChoices = field(default_factory=CutChoices)
    run: Mapping[str, Any] = field(default_factory=dict)


TRUTH = "truth.toml"
"""The true method of each category of a world, beside its faces."""


def write_truth(path: Path, truth: Mapping[str, str]) -> None:
    """Write the truth of a world.

    Args:
        path: The file.
        truth: Category -> method; that of reals is "real".

    Raises:
        Refused: The file has another truth: what was made beside it is of another world.
    """
    if path.is_file():
        for category, method in read_written_truth(path).items():
            if category in truth and truth[category] != method:
                raise Refused(
                    f"{path.parent} was made of another world: {category} was {method} there, and is {truth[category]}",
                    "name another folder, or remove that one",
                )
    write_atomic(path, tomlkit.dumps({"method": dict(truth)}).encode())


def read_written_truth(path: Path) -> dict[str, str]:
    """Read a file of ``write_truth``."""
    return dict(tomllib.loads(read_regular_text(path))["method"])


def read_world_recipe(path: Path) -> WorldRecipe:
    """Read a recipe for a world; raises as ``read_document`` does, also for the choices of its runs."""
    recipe = read_document(path, WorldRecipe)
    model_from_table(recipe.run, Recipe, str(path), "run")
    return recipe
