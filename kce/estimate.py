"""What a study will cost, before it starts: networks, images, time, disk and memory, measured here and added up."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.errors import KCEError
from kce.grid import trainings
from kce.pixels import BUDGET

if TYPE_CHECKING:
    from kce.grid import Run
    from kce.registry import Registry

_TRY = 4  # faces that are tried; times grow in proportion, or nearly
_BASE = 700 * 2**20  # bytes of a process with its libraries
_COPIES = 3  # of the known features while they are reduced
_PACKED = 0.95  # of float32 features, as the store keeps them


@dataclass(frozen=True)
class Speed:
    """Of one backbone on this machine: faces a second, bytes of its weights, features of a face, side of its input."""

    training: float
    extraction: float
    weights: int
    dim: int
    size: int


@dataclass(frozen=True)
class Cost:
    """Of a whole study. seconds are for `slots` runs at a time as fast as this machine; reducing is not in them."""

    runs: int
    trainings: int
    images: int
    seconds: float
    slots: int
    disk: int
    memory: int
    disk_free: int
    memory_free: int

    def told(self) -> dict[str, Any]:
        return asdict(self)


def measure(backbone: str, registry: Registry) -> Speed:
    """Two steps of training and two forward passes on random faces, on this process's device; the second is timed."""
    import torch

    from kce.device import fabric
    from kce.train import classifier

    machine = fabric()
    with torch.random.fork_rng():
        part = registry.build("backbone", backbone)
        network = classifier(part, 2).to(memory_format=torch.channels_last).to(machine.device)
        faces = torch.rand(_TRY, 3, part.size, part.size, device=machine.device)
    optimizer = torch.optim.AdamW(network.parameters())
    target = torch.arange(_TRY, device=machine.device) % 2

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with machine.autocast():
            loss = torch.nn.functional.cross_entropy(network(faces), target)
        torch.autograd.backward(loss)
        optimizer.step()

    def look() -> None:
        with torch.inference_mode(), machine.autocast():
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


def cost(grid: Sequence[Run], counts: Mapping[str, int], speeds: Mapping[str, Speed], slots: int, to: Path) -> Cost:
    """Add up what the runs take.

    counts  category -> faces in the folder
    speeds  component -> its speed here; runs of one that has none are left out
    Where a plan's number of classes is open, it is taken as that of the known categories: at most so much.
    """
    import psutil

    seconds = disk = 0.0
    images = 0
    seen: set[Any] = set()
    most = 0.0
    for run in grid:
        if not {run.recipe.backbone, run.recipe.first} <= speeds.keys():
            continue
        train = run.recipe.train
        unknown = sum(counts.get(category, 0) for category in run.recipe.unknown)
        known = sum(counts.get(category, 0) for category in run.known)
        per_class = train.per_class or 0
        models = [(run.trains, run.recipe.backbone, run.images or len(run.known) * per_class)]
        if run.extracts:
            models.append((run.extracts, run.recipe.first, len(run.known) * per_class))
        speed = speeds[run.recipe.backbone]
        for made, backbone, count in models:
            if made not in seen:
                seen.add(made)
                images += count * train.epochs
                seconds += count * train.epochs / speeds[backbone].training
                disk += speeds[backbone].weights
        its = speeds[run.recipe.first]
        if run.extracts and ("known", run.extracts) not in seen:
            seen.add(("known", run.extracts))
            seconds += known / its.extraction
            disk += known * its.dim * 4 * _PACKED
        seconds += unknown / speed.extraction
        disk += unknown * speed.dim * 4 * _PACKED
        decoded = min(len(run.known) * per_class * speed.size**2 * 3, BUDGET)
        reducing = known * its.dim * 4 * _COPIES if run.extracts else 0
        most = max(most, _BASE + max(decoded + 4 * speed.weights, reducing))
    disk += 3 * max((speed.weights for speed in speeds.values()), default=0) * slots  # where trainings stand
    there = next(place for place in (to, *to.absolute().parents) if place.is_dir())
    return Cost(
        len(grid), trainings(grid), images, seconds / slots, slots, math.ceil(disk), math.ceil(most * slots),
        psutil.disk_usage(str(there)).free, psutil.virtual_memory().available,
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
    return [
        f"{found.runs} runs, {found.trainings} networks to train on {found.images:,} images in all",
        f"about {hours} h {minutes:02} min, {found.slots} at a time on this machine",
        f"about {_size(found.disk)} of disk ({_size(found.disk_free)} free) and {_size(found.memory)} of memory "
        f"({_size(found.memory_free)} free)",
    ]


def _size(count: float) -> str:
    return f"{count / 2**30:.1f} GB" if count >= 2**29 else f"{count / 2**20:.0f} MB"
