"""Faces and networks of drawn worlds: made once each, and the features that tracers are tried on."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.bench.drawn_faces import (
    UNIFORM,
    face_folder_name,
    make_face_folder,
    read_methods,
    shares_root,
    store_face_folder,
)
from kce.bench.drawn_worlds import DrawnRecipe, DrawnWorld
from kce.bench.tracer_trials import CALIBRATE, FIT, TRACED, Trial, join_rows, split_recordings
from kce.errors import BadData
from kce.faces.folder import read_faces
from kce.faces.loader import Pixels
from kce.features.extract import extract_features
from kce.features.streams import StoredRows, in_memory
from kce.features.table import open_table
from kce.labels import REAL, recordings
from kce.registry.registry import Registry
from kce.system.worker_pool import TaskLost, Workers, lost_fault
from kce.training.train import train
from kce.types import MergePlan

if TYPE_CHECKING:
    from kce.training.settings import TrainSettings
    from kce.types import Progress

_FEATURES, _TABLES = "features.h5", ("fit", "calibrate", "traced")  # in the order of FIT, CALIBRATE, TRACED


def network_folder(world: DrawnWorld, seed: int) -> str:
    """Name the folder of a world's network, below that of the worlds of its dataset."""
    name = re.sub(r"[^0-9A-Za-z.+=]+", "_", f"{world.training}-{seed}")
    return f"{face_folder_name(world.number, world.kind, world.amount)}-networks/{name}"


def network_path(folder: Path, world: DrawnWorld, seed: int) -> Path:
    """The weights of a world's network; `folder` is where worlds are kept."""
    return world.below(folder) / network_folder(world, seed) / "network.safetensors"


def make_drawn_faces(folder: Path, world: DrawnWorld, recipe: DrawnRecipe, registry: Registry) -> None:
    """Draw a world and cut its faces, or store those that are cut in its way; `folder` is where worlds are kept."""
    at = world.below(folder)
    if world.kind == UNIFORM:
        make_face_folder(at, world.number, world.dataset or recipe.world, recipe.cut, registry)
    else:
        store_face_folder(at, world.number, world.kind, world.amount)


def make_network(folder: Path, world: DrawnWorld, seed: int, recipe: DrawnRecipe, registry: Registry) -> None:
    """Train the network of a world on faces that exist, and extract the features of all others of use.

    Args:
        folder: Where worlds are kept.
        world: The world.
        seed: Random seed of the split into recordings and of the network.
        recipe: How networks are trained.
        registry: Builds the backbone.
    """
    at = world.below(folder)
    to = at / network_folder(world, seed)
    settings = replace(recipe.training[world.training], seed=seed)
    faces = read_faces(at / face_folder_name(world.number, world.kind, world.amount))
    families, unseen = families_of(read_methods(at, world.number), recipe.unknown, settings)
    part = split_recordings(recordings(faces.group, faces.key), seed)
    known = faces.category.isin(list(families))
    traced = known | faces.category.isin(unseen)
    weights = network_path(folder, world, seed)
    to.mkdir(parents=True, exist_ok=True)
    size = int(registry.build("backbone", recipe.backbone).size)
    plan = MergePlan(families)
    fit = Pixels(faces.take(known & (part == FIT)), size)
    train(recipe.backbone, fit, plan, settings, registry, weights)
    for which, rows in ((FIT, known), (CALIBRATE, known), (TRACED, traced)):
        # Those that were trained on are decoded already.
        pixels = fit if which == FIT else Pixels(faces.take(rows & (part == which)), size)
        extract_features(pixels, weights, registry, to / _FEATURES, _TABLES[which])


def load_drawn_trial(folder: Path, world: DrawnWorld, seed: int, unknown: tuple[str, ...]) -> Trial:
    """Load the features that ``make_network`` made; `unknown` as in the recipe."""
    at = world.below(folder)
    path = at / network_folder(world, seed) / _FEATURES
    tables = [in_memory(StoredRows.all_of(open_table(path, name))) for name in _TABLES]
    part = np.repeat((FIT, CALIBRATE, TRACED), [len(table) for table in tables])
    methods, rows = read_methods(at, world.number), join_rows(tables)
    unseen = {methods[name] for name in unknown if name in rows.categories}
    method = ["" if methods[label] == REAL else methods[label] for label in rows.label.tolist()]
    return Trial(rows, np.array(method, np.str_), part, tuple(sorted(unseen)))


def families_of(
    methods: Mapping[str, str], unknown: Sequence[str], settings: TrainSettings
) -> tuple[dict[str, str], list[str]]:
    """Category -> class of the network, and the categories of unseen methods.

    Classes are the true methods; with the loss that has rivals, the reals of each dataset are one more. A category that
    is held out, but whose method is behind a known one too, is neither.
    """
    forged = {name: method for name, method in methods.items() if method != REAL and name not in unknown}
    unseen = [name for name in unknown if name in methods and methods[name] not in forged.values()]
    reals = [name for name, method in methods.items() if method == REAL] if settings.loss == "within-dataset" else []
    return {**forged, **{name: name for name in reals}}, unseen


def prepare_drawn_worlds(
    folder: Path,
    wanted: Sequence[tuple[DrawnWorld, int]],
    recipe: DrawnRecipe,
    registry: Registry,
    workers: int,
    progress: Progress,
) -> None:
    """Make all faces and networks that some cells need, each once; what exists is reused.

    Args:
        folder: Where worlds are kept.
        wanted: Worlds and seeds.
        recipe: How they are made.
        registry: Where components are looked up.
        workers: Number of processes, of one thread each.
        progress: Called for every face folder and every network.

    Raises:
        BadData: If one of them cannot be made.
    """
    plain = [replace(world, kind=UNIFORM, amount=0.0) for world, _ in wanted]
    faces = [replace(world, training="") for world in [*plain, *(world for world, _ in wanted)]]
    arguments = (str(registry.folder.absolute()), str(folder.absolute()), recipe)
    uniform = [world for world in dict.fromkeys(faces) if world.kind == UNIFORM]
    stored = [world for world in dict.fromkeys(faces) if world.kind != UNIFORM]
    shared = {
        world.dataset: world for world in reversed(uniform) if shares_root(world.dataset or recipe.world, registry)
    }
    batches: list[tuple[str, Sequence[Any]]] = [("worlds", [world]) for world in shared.values()]
    batches.append(("worlds", [world for world in uniform if world not in shared.values()]))
    batches += [("storage", stored), ("networks", list(dict.fromkeys(wanted)))]
    # A third party's component may get a process of its own, so workers may start processes.
    with Workers(workers, _make_preparer, arguments, tries=1, parents=True) as pool:
        for what, tasks in batches:
            for done, (_, outcome) in enumerate(pool.map_ahead(tasks)):
                if isinstance(outcome, TaskLost):
                    failed = BadData(
                        f"a world could not be made: {outcome.reason}", "check that there is memory and disk"
                    )
                    raise lost_fault(outcome, "a world could not be made") or failed
                progress(what, done + 1, len(tasks))


def _make_preparer(registry_folder: str, folder: str, recipe: DrawnRecipe) -> Callable[[Any], None]:
    """Build the function that a worker calls for a face folder, or for a network if a seed is given."""
    registry = Registry.load(Path(registry_folder))

    def work(task: DrawnWorld | tuple[DrawnWorld, int]) -> None:
        if isinstance(task, DrawnWorld):
            make_drawn_faces(Path(folder), task, recipe, registry)
        else:
            make_network(Path(folder), *task, recipe, registry)

    return work
