"""What a study will cost, before it starts: networks, images, time, disk and memory, measured here and added up."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.errors import KCEError
from kce.faces.loader import BUDGET
from kce.study.grid import trainings

if TYPE_CHECKING:
    from kce.registry.registry import Registry
    from kce.study.grid import Run

_TRY = 4  # faces that are tried; times grow in proportion, or nearly
_BASE = 700 * 2**20  # bytes of a process with its libraries
_COPIES = 3  # of the known features while they are reduced
_PACKED = 0.95  # of float32 features, as the store keeps them


@dataclass(frozen=True)
class Speed:
    """Of one backbone on this fabric: faces a second, bytes of its weights, features of a face, side of its input."""

    training: float
    extraction: float
    weights: int
    dim: int
    size: int


@dataclass(frozen=True)
class Piece:
    """One thing a study makes: which of its jobs makes it, what stands for it, and what it takes on one device."""

    job: str
    made: Any
    seconds: float
    disk: float
    images: int = 0  # that a network is trained on, over all epochs; 0 where none is


@dataclass(frozen=True)
class Cost:
    """Of what is left of a study.

    trainings  networks of the whole study; `left` of them are to be trained, on `images`
    seconds    for `slots` runs at a time as fast as this machine; reducing is not in them
    jobs       name of a job -> its seconds, of those that make something
    """

    runs: int
    trainings: int
    left: int
    images: int
    seconds: float
    slots: int
    disk: int
    memory: int
    disk_free: int
    memory_free: int
    jobs: Mapping[str, float]

    def told(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if name != "jobs"}


def measure(backbone: str, registry: Registry) -> Speed:
    """Two steps of training and two forward passes on random faces, on this process's device; the second is timed."""
    import torch

    from kce.training.device import make_fabric
    from kce.training.train import build_classifier

    fabric = make_fabric()
    with torch.random.fork_rng():
        part = registry.build("backbone", backbone)
        network = build_classifier(part, 2).to(memory_format=torch.channels_last).to(fabric.device)
        faces = torch.rand(_TRY, 3, part.size, part.size, device=fabric.device)
    optimizer = torch.optim.AdamW(network.parameters())
    target = torch.arange(_TRY, device=fabric.device) % 2

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with fabric.autocast():
            loss = torch.nn.functional.cross_entropy(network(faces), target)
        torch.autograd.backward(loss)
        optimizer.step()

    def look() -> None:
        with torch.inference_mode(), fabric.autocast():
            network(faces)

    training = _TRY / _seconds(step)
    network.eval()
    extraction = _TRY / _seconds(look)
    held = sum(p.numel() * p.element_size() for p in network.state_dict().values())
    return Speed(training, extraction, held, int(part.dim), int(part.size))


def _seconds(work: Callable[[], None]) -> float:
    import torch

    work()
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return max(time.perf_counter() - start, 1e-6)


def pieces(grid: Sequence[Run], counts: Mapping[str, int], speeds: Mapping[str, Speed]) -> list[Piece]:
    """Everything the runs make, each thing once.

    counts  category -> faces in the folder
    speeds  component -> its speed here; runs of one that has none are left out
    Where a plan's number of classes is open, it is taken as that of the known categories: at most so much.
    """
    runs = _measured(grid, speeds)
    found: dict[Any, Piece] = {}

    def training(job: str, made: Any, backbone: str, images: int, epochs: int) -> None:
        seconds = images * epochs / speeds[backbone].training
        found.setdefault(made, Piece(job, made, seconds, speeds[backbone].weights, images * epochs))

    def extraction(job: str, made: Any, backbone: str, categories: Iterable[str]) -> None:
        faces, its = sum(counts.get(category, 0) for category in categories), speeds[backbone]
        found.setdefault(made, Piece(job, made, faces / its.extraction, faces * its.dim * 4 * _PACKED))

    # First models before final ones: a run whose final model is some run's first one waits for that run.
    for run in runs:
        if run.extracts:
            job, train = f"{run.name}: known features", run.recipe.train
            training(job, run.extracts, run.recipe.first, _unmerged(run), train.epochs)
            extraction(job, known_of(run), run.recipe.first, run.known)
    for run in runs:
        training(run.name, run.trains, run.recipe.backbone, run.images or _unmerged(run), run.recipe.train.epochs)
        extraction(run.name, unknown_of(run), run.recipe.backbone, run.recipe.unknown)
    return list(found.values())


def _unmerged(run: Run) -> int:
    """Images of a training on all known categories with nothing merged."""
    return len(run.known) * (run.recipe.train.per_class or 0)


def _measured(grid: Sequence[Run], speeds: Mapping[str, Speed]) -> list[Run]:
    return [run for run in grid if {run.recipe.backbone, run.recipe.first} <= speeds.keys()]


def known_of(run: Run) -> Any:
    """What stands for the known features a run clusters; its models are `run.extracts` and `run.trains`."""
    return ("known", run.extracts)


def unknown_of(run: Run) -> Any:
    """What stands for a run's features of the unknown categories."""
    return ("unknown", run.name)


def cost(
    grid: Sequence[Run],
    counts: Mapping[str, int],
    speeds: Mapping[str, Speed],
    slots: int,
    to: Path,
    there: Collection[Any],
    rows: int,
) -> Cost:
    """Add up what is left to make. The rest as for `pieces`.

    there  what stands for the things that are made
    rows   bytes of the face folder's rows, of which every run has a copy, and another while it takes them apart
    """
    import psutil

    left = [piece for piece in pieces(grid, counts, speeds) if piece.made not in there]
    jobs: dict[str, float] = {}
    for piece in left:
        jobs[piece.job] = jobs.get(piece.job, 0.0) + piece.seconds
    most, making = 0.0, {piece.made for piece in left}
    for run in _measured(grid, speeds):
        if making & {run.trains, run.extracts, known_of(run), unknown_of(run)}:
            speed = speeds[run.recipe.backbone]
            known = sum(counts.get(category, 0) for category in run.known)
            decoded = min(_unmerged(run) * speed.size**2 * 3, BUDGET)
            reducing = known * speeds[run.recipe.first].dim * 4 * _COPIES if run.extracts else 0
            most = max(most, _BASE + 2 * rows + max(decoded + 4 * speed.weights, reducing))
    trained = [piece for piece in left if piece.images]
    standing = 3 * max((piece.disk for piece in trained), default=0) * slots  # where trainings stand
    place = next(place for place in (to, *to.absolute().parents) if place.is_dir())
    return Cost(
        len(grid), trainings(grid), len(trained), sum(piece.images for piece in trained),
        sum(jobs.values()) / slots, slots,
        math.ceil(sum(piece.disk for piece in left) + standing), math.ceil(most * slots),
        psutil.disk_usage(str(place)).free, psutil.virtual_memory().available, jobs,
    )  # fmt: skip


def refuse(found: Cost) -> None:
    """Raises KCEError, with both numbers, where disk or memory cannot hold the study."""
    if found.disk > found.disk_free:
        raise KCEError(
            f"the study takes about {_size(found.disk)} of disk, and {_size(found.disk_free)} are free",
            "make room, name a folder on another disk, or take fewer plans, groups or seeds",
        )
    if found.memory > found.memory_free:
        raise KCEError(
            f"{found.slots} runs at a time take about {_size(found.memory)} of memory, and "
            f"{_size(found.memory_free)} are free",
            "do fewer at a time (--engine local:runs=1), or give fewer faces of each category",
        )


def lines(found: Cost) -> list[str]:
    """The estimate in words."""
    hours, minutes = divmod(round(found.seconds / 60), 60)
    count = f"{found.trainings}" if found.left == found.trainings else f"{found.left} of {found.trainings}"
    return [
        f"{found.runs} runs, {count} networks to train on {found.images:,} images in all",
        f"about {hours} h {minutes:02} min, {found.slots} at a time on this machine",
        f"about {_size(found.disk)} of disk ({_size(found.disk_free)} free) and {_size(found.memory)} of memory "
        f"({_size(found.memory_free)} free)",
    ]


def _size(count: float) -> str:
    return f"{count / 2**30:.1f} GB" if count >= 2**29 else f"{count / 2**20:.0f} MB"
