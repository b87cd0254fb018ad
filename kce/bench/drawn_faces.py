"""Face folders of drawn worlds, whose datasets are stored in chosen ways: what the benches on faces share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import xxhash

from kce.errors import BadData, KCEError
from kce.faces import degrade
from kce.faces.cut import cut
from kce.faces.folder import read_faces
from kce.pipeline.world_recipe import TRUTH, read_written_truth, write_truth
from kce.registry.specs import factory_signature, parse_spec

if TYPE_CHECKING:
    from pathlib import Path

    from kce.pipeline.world_recipe import CutChoices
    from kce.registry.registry import Registry

UNIFORM = "uniform"
"""The kind of artefact of a world whose datasets are all stored in one way: amount 0 of any kind."""


def readable_hash(spec: str) -> str:
    """Name a folder or file after a spec: a part that people can read, and a hash of it all.

    >>> readable_hash("photos:root=pictures")
    'photos_root=pictures-b142b060'
    """
    readable = re.sub(r"[^0-9A-Za-z.+=]+", "_", spec)[:40].strip("_")
    return f"{readable}-{xxhash.xxh3_64_hexdigest(spec.encode())[:8]}"


def face_folder_name(number: int, kind: str, amount: float) -> str:
    """Name the face folder of a world, below the benchmark's folder.

    >>> face_folder_name(3, "uniform", 0.0), face_folder_name(3, "jpeg", 0.5)
    ('3/faces', '3/jpeg-0.5')
    """
    return f"{number}/faces" if kind == UNIFORM else f"{number}/{kind}-{amount:g}"


def build_world(world: str, registry: Registry, number: int, root: Path) -> Any:
    """Build the dataset of world number n.

    Where its spec names a root, one world is made for all numbers, and n is the placement alone. Otherwise n is seed
    and placement, and the world is made in a folder of its own. What the spec sets stays.

    Args:
        world: The synthetic dataset, "name:key=value,...".
        registry: Builds it.
        number: Which of its worlds.
        root: The folder of this world.

    Raises:
        KCEError: The dataset cannot be built, or is no world: it takes no placement, or cannot say its truth.
    """
    name = parse_spec(world)[0]
    part = registry.component("dataset", name)
    taken = factory_signature(f"dataset {name!r}", part.factory).parameters
    if "placement" not in taken:
        raise _no_world(name, "takes no placement")
    # A class is asked before it is built: what reads files may have none to read in the folder of a world.
    if isinstance(part.factory, type) and not hasattr(part.factory, "truth"):
        raise _no_world(name, "has no method truth()")
    values = (
        {"placement": number} if shares_root(world, registry) else {"root": root, "seed": number, "placement": number}
    )
    dataset = registry.build_with_defaults("dataset", world, **values)
    if not callable(getattr(dataset, "truth", None)):
        raise _no_world(name, "has no method truth()")
    return dataset


def shares_root(world: str, registry: Registry) -> bool:
    """Whether one world is made for all numbers: then one process makes it, before others read it."""
    return "root" in registry.given("dataset", world)


def read_truth(dataset: Any, world: str) -> dict[str, str]:
    """Ask the dataset of a world, of this spec, for category -> method; raises BadData for any other answer."""
    truth = dataset.truth()
    pairs = list(truth.items()) if isinstance(truth, Mapping) else []
    if not pairs or not all(isinstance(part, str) for pair in pairs for part in pair):
        raise BadData(f"truth() of {world} returned {str(truth)[:80]}", "it returns category -> method, both str")
    return dict(pairs)


def make_face_folder(folder: Path, number: int, world: str, choices: CutChoices, registry: Registry) -> None:
    """Make a world whose datasets are all stored in one way, cut its faces and write its truth, unless they exist.

    Args:
        folder: Where worlds are kept.
        number: Number of the world.
        world: The synthetic dataset, "name:key=value,...".
        choices: How faces are cut.
        registry: Builds the dataset and the detector.
    """
    path = folder / str(number)
    dataset = build_world(world, registry, number, path / "world")
    cut(dataset, path / "faces", seed=number, workers=1, registry_folder=registry.folder, **choices.options())
    truth = read_truth(dataset, world)
    cut_categories = set(read_faces(path / "faces").category.counts())
    if untold := sorted(cut_categories - truth.keys()):
        raise BadData(f"truth() of {world} lacks {untold[0]}, which it yields", "tell the author of the dataset")
    methods = {category: method for category, method in truth.items() if category in cut_categories}
    write_truth(path / TRUTH, methods)


def store_face_folder(folder: Path, number: int, kind: str, amount: float) -> None:
    """Store the datasets of a face folder that ``make_face_folder`` made in ways of their own, unless it is done.

    Args:
        folder: Where worlds are kept.
        number: Number of the world.
        kind: Kind of artefact that its datasets get.
        amount: Artefact strength, 0 to 1.
    """
    path = folder / face_folder_name(number, UNIFORM, 0.0)
    artefacts = degrade.assign_artefacts(list(read_faces(path).dataset.counts()), kind, amount, number)
    degrade.degrade_faces(path, folder / face_folder_name(number, kind, amount), artefacts, number)


def read_methods(folder: Path, number: int) -> dict[str, str]:
    """Read the true method of each category of a world; that of reals is "real"."""
    return read_written_truth(folder / str(number) / TRUTH)


def _no_world(name: str, why: str) -> KCEError:
    hint = "`kce docs benchmarks` says what a dataset needs for that; `kce list dataset` has others, such as world"
    return KCEError(f"the dataset {name} cannot be a world: it {why}", hint)
