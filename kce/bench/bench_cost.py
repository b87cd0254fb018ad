"""What a benchmark on faces costs before it starts: what is left to make, and how long the networks take."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.bench.aligner_cells import network_of, run_recipe, runs_of_network, same_networks
from kce.bench.drawn_faces import UNIFORM, build_world, face_folder_name, read_truth
from kce.bench.drawn_networks import families_of, network_path
from kce.bench.drawn_worlds import (
    DrawnWorld,
    is_drawn_world,
    parse_drawn_world,
)
from kce.bench.tracers import WORLDS
from kce.errors import KCEError
from kce.faces.degrade import has_faces
from kce.labels import REAL
from kce.registry.registry import Registry
from kce.system.text import counted
from kce.system.worker_pool import TaskLost, Workers
from kce.training.settings import TrainSettings  # noqa: TC001 - the document is read by it

if TYPE_CHECKING:
    from kce.bench.aligner_cells import AlignCell, AlignerBench, AlignSetting
    from kce.bench.drawn_worlds import DrawnRecipe
    from kce.bench.tracers import TracerCell

_MOST, _STEPS, _BATCH = 0.6, 20, 64  # seconds, steps and faces of a step of a measurement
_LIMIT = 60.0  # seconds after which a measurement is given up


@dataclass(frozen=True)
class Trainings:
    """Networks that are trained in one way.

    Attributes:
        name: Name of the training in the recipe.
        networks: How many are left to train.
        faces: Faces that each sees in an epoch; without epochs, those that it makes features of; None = the dataset
            does not say.
        backbone: The network.
        settings: How it is trained.
    """

    name: str
    networks: int
    faces: int | None
    backbone: str
    settings: TrainSettings


@dataclass(frozen=True)
class BenchCost:
    """What is left to make of a benchmark on faces.

    Attributes:
        worlds: Worlds to draw, and to cut faces of.
        folders: Face folders to store in ways of their own.
        cells: Plans to make, or tracers to try.
        trainings: Networks to train.
        workers: Number of processes that do it.
    """

    worlds: int
    folders: int
    cells: int
    trainings: tuple[Trainings, ...] = ()
    workers: int = 1

    @property
    def networks(self) -> int:
        """Networks to train: without epochs, they keep the weights that they begin with."""
        return sum(one.networks for one in self.trainings if one.settings.epochs)


def aligner_cost(
    folder: Path, cells: Sequence[AlignCell], bench: AlignerBench, registry: Registry, workers: int
) -> BenchCost:
    """Count what a benchmark of aligners has left to make.

    Args:
        folder: Folder of the benchmark, which need not exist.
        cells: Those without a result.
        bench: The recipe.
        registry: Builds the dataset.
        workers: Number of processes.
    """
    settings = dict.fromkeys(cell.setting for cell in cells)
    same = same_networks(bench)
    named: dict[AlignSetting, str] = {}  # networks to train, each named by the first training that asks for it
    for one in settings:
        if not any((run / "first.safetensors").exists() for run in runs_of_network(folder, one, same)):
            named.setdefault(network_of(one, same), one.training)
    left = Counter(named.values())
    trainings = []
    if left:
        world = build_world(bench.world, registry, min(one.world for one in settings), Path("world"))
        truth = read_truth(world, bench.world)
        forged = {category for category, method in truth.items() if method != REAL}
        reals = truth.keys() - forged
    for name, networks in left.items():
        recipe = run_recipe(bench, name)
        known = forged - {*recipe.unknown}
        only_known = recipe.train.epochs and recipe.train.loss == "softmax"
        classes = known if only_known else known | reals  # those of each dataset are a class, or what aligners need
        faces = _faces(len(classes), recipe.train, _pictures(world, bench.cut.per_category))
        trainings.append(Trainings(name, networks, faces, recipe.first, recipe.train))
    made = {(folder, one.world, one.kind, one.amount) for one in settings}
    return BenchCost(*_count_folders(made), len(cells), tuple(trainings), workers)


def drawn_cost(
    folder: Path | None, cells: Sequence[TracerCell], recipe: DrawnRecipe, registry: Registry, workers: int
) -> BenchCost:
    """Count what a benchmark of tracers has left to make of drawn worlds.

    Args:
        folder: Folder of the benchmark, which need not exist; None = a new one.
        cells: Those without a result.
        recipe: How worlds are made, and networks trained on them.
        registry: Builds the datasets.
        workers: Number of processes.
    """
    drawn = [(parse_drawn_world(cell.world), cell.seed) for cell in cells if is_drawn_world(cell.world)]
    folder, wanted = (folder or Path()) / WORLDS, list(dict.fromkeys(drawn))
    left = [(world, seed) for world, seed in wanted if not network_path(folder, world, seed).is_file()]
    kinds: dict[tuple[str, str], list[DrawnWorld]] = {}
    for world, _ in left:
        kinds.setdefault((world.dataset or recipe.world, world.training), []).append(world)
    trainings = []
    for (dataset, name), worlds in kinds.items():
        settings = recipe.training[name]
        world = build_world(dataset, registry, worlds[0].number, Path("world"))
        truth = read_truth(world, dataset)
        pictures = _pictures(world, recipe.cut.per_category)
        classes = set(truth)
        if settings.epochs:
            classes = set(families_of(truth, recipe.unknown, settings)[0].values())
            pictures = pictures and pictures // 2  # the others calibrate, or are traced
        faces = _faces(len(classes), settings, pictures)
        trainings.append(Trainings(name, len(worlds), faces, recipe.backbone, settings))
    made = {(world.below(folder), world.number, world.kind, world.amount) for world, _ in wanted}
    return BenchCost(*_count_folders(made), len(drawn), tuple(trainings), workers)


def _count_folders(made: Set[tuple[Path, int, str, float]]) -> tuple[int, int]:
    """The worlds and the face folders of other storage that do not exist yet."""
    plain = {(folder, number, UNIFORM, 0.0) for folder, number, _, _ in made}

    def missing(folders: Set[tuple[Path, int, str, float]]) -> int:
        return sum(not has_faces(one[0] / face_folder_name(*one[1:])) for one in folders)

    return missing(plain), missing(made - plain)


def _pictures(world: Any, most: int | None) -> int | None:
    """Faces of a category, if the dataset says it."""
    images = getattr(world, "images", None)
    return min(images, most or images) if type(images) is int else None


def _faces(classes: int, settings: TrainSettings, pictures: int | None) -> int | None:
    """Faces of an epoch: as many of each class as the smallest has. Features are made of all faces."""
    if pictures is None:
        return None
    if not settings.epochs:
        return classes * pictures
    each = min(pictures, settings.per_class or pictures)
    return round(classes * each * (1 - settings.held_out))


# ------------------------------------------------------------------------------------------------- time


def describe_bench_cost(cost: BenchCost, registry: Registry) -> list[str]:
    """Say in lines of text what is left to make, and about how long the networks take on this machine.

    A few steps of each training are timed for it, in a process like those of the benchmark; without epochs, a few
    batches of features.

    Args:
        cost: What is left.
        registry: Builds the backbones.
    """
    worlds, networks = counted(cost.worlds, "world"), counted(cost.networks, "network")
    folders, cells = counted(cost.folders, "face folder"), counted(cost.cells, "cell")
    lines = [f"{worlds} to draw, {folders} to store differently, {networks} to train, {cells}"]
    if not cost.trainings:
        return lines
    ways = [(one.backbone, one.settings) for one in cost.trainings]
    with Workers(1, _make_meter, (str(registry.folder.absolute()),), limit=_LIMIT, tries=1) as pool:
        rates = [rate for _, rate in pool.map_ahead(ways)]
    seconds = 0.0
    for one, rate in zip(cost.trainings, rates, strict=True):
        if not isinstance(rate, float):
            lines.append(f"{one.name}: a step could not be timed: {rate.reason}")
            continue
        epochs = one.settings.epochs
        speed = f"{1000 / rate:.1f} s for each 1,000 faces" + (" of an epoch" if epochs else "")
        if one.faces is None:
            lines.append(f"{one.name}: {speed}; the dataset does not say how many it has (an attribute images)")
            continue
        each = one.faces * (epochs or 1) / rate
        seconds += each * one.networks
        seen = f"{counted(epochs, 'epoch')} of" if epochs else "not trained, features of"
        lines.append(
            f"{one.name}: {counted(one.networks, 'network')} of about {_duration(each)}, "
            f"{seen} about {one.faces:,} faces, {speed}"
        )
    if seconds:
        workers = counted(cost.workers, "process", "processes")
        lines.append(
            f"about {_duration(seconds / cost.workers)} for networks with {workers}, from a few steps timed on "
            "this machine; drawing, cutting, features of trained networks and clustering come on top"
        )
    return lines


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"


def _make_meter(registry_folder: str) -> Callable[[tuple[str, TrainSettings]], float | TaskLost]:
    """Build the function that times a training in a worker process."""
    registry = Registry.load(Path(registry_folder))

    def work(way: tuple[str, TrainSettings]) -> float | TaskLost:
        try:
            return faces_per_second(*way, registry)
        except Exception as error:  # its networks fail too, and then a cell says so
            return TaskLost(error.message if isinstance(error, KCEError) else f"{type(error).__name__}: {error}")

    return work


def faces_per_second(backbone: str, settings: TrainSettings, registry: Registry) -> float:
    """Time steps of a training on faces of noise, augmentation included, after a step that is not counted.

    Without epochs, features are made of them instead.

    Args:
        backbone: Its name and parameters.
        settings: How it is trained.
        registry: Builds it.
    """
    import torch

    from kce.training.augment import apply_augmentations
    from kce.training.device import make_fabric, resolve_precision, to_network_input
    from kce.training.steps import training_step
    from kce.training.train import build_classifier

    fabric = make_fabric(resolve_precision(settings.precision))
    component = registry.build("backbone", backbone)
    network = build_classifier(component, 2).to(memory_format=torch.channels_last)
    model, optimizer = fabric.setup(network, torch.optim.AdamW(network.parameters()))
    count, size = min(settings.batch_size, _BATCH), int(component.size)
    faces = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), np.uint8)
    targets = np.arange(count) % 2

    def step(number: int) -> float:
        start = time.perf_counter()
        if not settings.epochs:
            with torch.inference_mode(), fabric.autocast():
                network.eval()(to_network_input(fabric, faces)).cpu()  # waits for the device
            return time.perf_counter() - start
        images = [apply_augmentations(face, settings.augment, 0, number, str(row)) for row, face in enumerate(faces)]
        training_step(fabric, model, optimizer, np.stack(images), targets, count).tolist()  # waits for the device
        return time.perf_counter() - start

    if (first := step(0)) > _MOST:
        return count / first
    spent: list[float] = []
    while len(spent) < _STEPS and sum(spent) < _MOST:
        spent.append(step(len(spent) + 1))
    return count / float(np.median(spent))
