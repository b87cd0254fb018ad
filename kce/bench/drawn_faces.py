"""Face folders of drawn worlds, whose datasets are stored in chosen ways: what the benches on faces share."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from kce.faces import degrade
from kce.faces.cut import cut
from kce.faces.folder import read_faces
from kce.system.regular import read_regular_text

if TYPE_CHECKING:
    from pathlib import Path

    from kce.pipeline.world_recipe import CutChoices
    from kce.registry.registry import Registry

UNIFORM = "uniform"
"""The kind of artefact of a world whose datasets are all stored in one way: amount 0 of any kind."""


def face_folder_name(number: int, kind: str, amount: float) -> str:
    """Name the face folder of a world, below the benchmark's folder.

    >>> face_folder_name(3, "uniform", 0.0), face_folder_name(3, "jpeg", 0.5)
    ('3/faces', '3/jpeg-0.5')
    """
    return f"{number}/faces" if kind == UNIFORM else f"{number}/{kind}-{amount:g}"


def make_face_folder(
    folder: Path, number: int, kind: str, amount: float, world: str, choices: CutChoices, registry: Registry
) -> None:
    """Make the face folder of a world, unless it exists.

    Args:
        folder: Where worlds are kept.
        number: Seed and placement of the world.
        kind: Kind of artefact that its datasets get, or UNIFORM.
        amount: Artefact strength, 0 to 1.
        world: The synthetic dataset, "name:key=value,...".
        choices: How faces are cut.
        registry: Builds the dataset and the detector.
    """
    path = folder / str(number)
    parameters = {"root": path / "world", "seed": number, "placement": number}
    parameters = {name: value for name, value in parameters.items() if registry.takes("dataset", world, name)}
    dataset = registry.build("dataset", world, **parameters)
    cut(dataset, path / "faces", seed=number, workers=1, registry_folder=registry.folder, **choices.options())
    if kind != UNIFORM:
        names = list(read_faces(path / "faces").dataset.counts())
        artefacts = degrade.assign_artefacts(names, kind, amount, number)
        degrade.degrade_faces(path / "faces", folder / face_folder_name(number, kind, amount), artefacts, number)


def read_methods(folder: Path, number: int) -> dict[str, str]:
    """Read the true method of each category of a world; that of reals is "real"."""
    text = read_regular_text(folder / str(number) / "world" / "truth.toml")
    return dict(tomllib.loads(text)["method"])
