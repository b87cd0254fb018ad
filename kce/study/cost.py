"""Estimates what a study will cost before it starts: networks, images, time, disk and memory."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.errors import KCEError
from kce.faces.loader import BUDGET
from kce.study.decoding import Decoding, RunKeys, estimate_decoding
from kce.study.grid import count_trainings, sum_counts, unmerged_images

if TYPE_CHECKING:
    from kce.registry.registry import Registry
    from kce.study.grid import StudyRun
    from kce.training.settings import Precision

_FEW, _TRIAL = 2, 4  # faces of a first try and of a measurement; times are nearly proportional to their number
_LONG = 1.0  # seconds of a call that is not repeated
_PROCESS = 700 * 2**20  # bytes of a process with its libraries
_COPIES = 3  # of the known features while they are reduced


Network = tuple[str, "Precision"]
"""A backbone, by name and parameters, and the precision it runs in."""


@dataclass(frozen=True)
class BackboneSpeed:
    """Measurements of one backbone in one precision on this machine.

    Attributes:
        training: Faces per second.
        extraction: Faces per second.
        weights: Bytes of its weights.
        dim: Features of a face.
        size: Side of its input in pixels.
    """

    training: float
    extraction: float
    weights: int
    dim: int
    size: int


@dataclass(frozen=True)
class Output:
    """One thing a study makes: a model, or a table of features.

    Attributes:
        job: Name of the job that makes it.
        key: Identifies it among the outputs of all runs.
        seconds: Seconds to make it on one device.
        disk: Bytes.
        images: Images that a network is trained on, over all epochs; 0 for features.
    """

    job: str
    key: Any
    seconds: float
    disk: float
    images: int = 0


@dataclass(frozen=True)
class StudyCost:
    """The cost of what is left of a study.

    Attributes:
        runs: Runs of the whole study.
        trainings: Networks of the whole study.
        left: Networks that are still to be trained.
        images: Images they are trained on, over all epochs.
        seconds: Seconds it takes with `slots` runs at a time on this machine, without the time for reducing and
            clustering.
        slots: Runs at a time.
        disk: Bytes that will be written.
        memory: Bytes that `slots` runs need.
        disk_free: Bytes.
        memory_free: Bytes.
        jobs: Name of a job -> its seconds, for jobs that make something.
        decoding: What is decoded; its cache is part of `disk`.
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
    decoding: Decoding

    def summary(self) -> dict[str, Any]:
        """Return everything but the jobs, for ``report.json``."""
        return {name: value for name, value in asdict(self).items() if name != "jobs"}


def measure_backbone(backbone: str, precision: Precision, registry: Registry) -> BackboneSpeed:
    """Time a training step and a forward pass on random faces, on this process's device, after a warm-up.

    Args:
        backbone: Its name and parameters.
        precision: One of ``kce.training.settings.PRECISIONS``.
        registry: Builds it.

    Raises:
        KCEError: If this machine has not the hardware for the precision.
    """
    import torch

    from kce.training.device import make_fabric, resolve_precision
    from kce.training.train import build_classifier

    fabric = make_fabric(resolve_precision(precision))
    with torch.random.fork_rng():
        component = registry.build("backbone", backbone)
        network = build_classifier(component, 2).to(memory_format=torch.channels_last).to(fabric.device)
        faces = torch.rand(_TRIAL, 3, component.size, component.size, device=fabric.device)
    optimizer = torch.optim.AdamW(network.parameters())
    target = torch.arange(_TRIAL, device=fabric.device) % 2

    def train_step(count: int) -> None:
        optimizer.zero_grad(set_to_none=True)
        with fabric.autocast():
            loss = torch.nn.functional.cross_entropy(network(faces[:count]), target[:count])
        torch.autograd.backward(loss)
        optimizer.step()

    def forward(count: int) -> None:
        with torch.inference_mode(), fabric.autocast():
            network(faces[:count])

    training = _faces_per_second(train_step)
    network.eval()
    extraction = _faces_per_second(forward)
    weights = sum(p.numel() * p.element_size() for p in network.state_dict().values())
    return BackboneSpeed(training, extraction, weights, int(component.dim), int(component.size))


def _faces_per_second(work: Callable[[int], None]) -> float:
    """The rate of a call after a warm-up with as many faces; of one that takes so long that a warm-up hardly shows."""
    import torch

    for count in (_FEW, _TRIAL, _TRIAL):
        start = time.perf_counter()
        work(count)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds = time.perf_counter() - start
        if seconds > _LONG:
            break
    return count / max(seconds, 1e-6)


def list_outputs(
    grid: Sequence[StudyRun], counts: Mapping[str, int], speeds: Mapping[Network, BackboneSpeed]
) -> list[Output]:
    """List everything the runs make, each thing once.

    Where a plan's number of classes is not known, the number of known categories is used, which is its maximum.

    Args:
        grid: The runs.
        counts: Category -> faces in the face folder.
        speeds: Network -> its measurements; runs of other networks are left out.
    """
    runs = _measured(grid, speeds)
    outputs: dict[Any, Output] = {}

    def training(job: str, key: Any, speed: BackboneSpeed, images: int, epochs: int) -> None:
        outputs.setdefault(key, Output(job, key, images * epochs / speed.training, speed.weights, images * epochs))

    def extraction(job: str, key: Any, speed: BackboneSpeed, faces: int) -> None:
        outputs.setdefault(key, Output(job, key, faces / speed.extraction, faces * speed.dim * 4))

    # First models before final ones: a run whose final model is the first model of another run waits for that run.
    for run in runs:
        if run.extracts:
            speed, is_first = speeds[first_network(run)], run.extracts not in outputs
            job = f"{run.name}: known features"
            training(job, run.extracts, speed, unmerged_images(run, counts), run.recipe.train.epochs)
            extraction(job, known_features_key(run), speed, sum_counts(counts, run.known))
            for table, faces in run.aligner_tables:
                at = job if is_first else f"{run.name}: plan"
                extraction(at, aligner_table_key(run, table), speed, faces)
    for run in runs:
        speed = speeds[final_network(run)]
        training(run.name, run.trains, speed, run.images or unmerged_images(run, counts), run.recipe.train.epochs)
        extraction(run.name, unknown_features_key(run), speed, sum_counts(counts, run.recipe.unknown))
    return list(outputs.values())


def first_network(run: StudyRun) -> Network:
    """Return what a run's known features are made with."""
    return run.recipe.first, run.recipe.train.precision


def final_network(run: StudyRun) -> Network:
    """Return what a run trains on its plan."""
    return run.recipe.backbone, run.recipe.train.precision


def _measured(grid: Sequence[StudyRun], speeds: Mapping[Network, BackboneSpeed]) -> list[StudyRun]:
    return [run for run in grid if {first_network(run), final_network(run)} <= speeds.keys()]


def known_features_key(run: StudyRun) -> Any:
    """Return the key of the known features that a run clusters; its models have `run.extracts` and `run.trains`."""
    return ("known", run.extracts)


def aligner_table_key(run: StudyRun, table: str) -> Any:
    """Return the key of a table of reals or of a view, which a run's aligner needs; runs share those, too."""
    return (table, run.extracts)


def unknown_features_key(run: StudyRun) -> Any:
    """Return the key of a run's features of the unknown categories."""
    return ("unknown", run.name)


def estimate_study_cost(
    grid: Sequence[StudyRun],
    counts: Mapping[str, int],
    speeds: Mapping[Network, BackboneSpeed],
    slots: int,
    to: Path,
    existing: Collection[Any],
    rows: int,
    cache: int = 0,
) -> StudyCost:
    """Add up the cost of what is left to make.

    Args:
        grid: Grid of the study, as for ``list_outputs``; so are `counts` and `speeds`.
        counts: Category -> faces.
        speeds: Network -> its measurements.
        slots: Runs at a time.
        to: The study's folder.
        existing: Keys of the outputs that exist.
        rows: Bytes of the face folder's table, which every run reads.
        cache: Bytes that decoded faces may take on the disk.
    """
    import psutil

    left = [output for output in list_outputs(grid, counts, speeds) if output.key not in existing]
    jobs: dict[str, float] = {}
    for output in left:
        jobs[output.job] = jobs.get(output.job, 0.0) + output.seconds
    largest, making = 0.0, {output.key for output in left}
    for run in _measured(grid, speeds):
        tables = {aligner_table_key(run, table) for table, _ in run.aligner_tables}
        if making & {run.trains, run.extracts, known_features_key(run), unknown_features_key(run), *tables}:
            speed = speeds[final_network(run)]
            known = sum_counts(counts, run.known)
            decoded = min(unmerged_images(run, counts) * speed.size**2 * 3, BUDGET)
            reducing = known * speeds[first_network(run)].dim * 4 * _COPIES if run.extracts else 0
            largest = max(largest, _PROCESS + rows + max(decoded + 4 * speed.weights, reducing))
    keys = [
        (run, RunKeys(run.extracts, known_features_key(run), run.trains, unknown_features_key(run)))
        for run in _measured(grid, speeds)
    ]
    sizes = {backbone: speed.size for (backbone, _), speed in speeds.items()}
    decoding = estimate_decoding(keys, counts, sizes, making, cache)
    trained = [output for output in left if output.images]
    states = 3 * max((output.disk for output in trained), default=0) * slots  # of interrupted trainings
    parent = next(folder for folder in (to, *to.absolute().parents) if folder.is_dir())
    return StudyCost(
        runs=len(grid),
        trainings=count_trainings(grid),
        left=len(trained),
        images=sum(output.images for output in trained),
        seconds=sum(jobs.values()) / slots,
        slots=slots,
        disk=math.ceil(sum(output.disk for output in left) + states) + decoding.cache,
        memory=math.ceil(largest * slots),
        disk_free=psutil.disk_usage(str(parent)).free,
        memory_free=psutil.virtual_memory().available,
        jobs=jobs,
        decoding=decoding,
    )


def check_resources(cost: StudyCost) -> None:
    """Raise KCEError, with both numbers, if the study does not fit on the disk or into memory."""
    if cost.disk > cost.disk_free:
        raise KCEError(
            f"the study needs about {_size(cost.disk)} of disk, and {_size(cost.disk_free)} are free",
            "free some space, use a folder on another disk, or run fewer plans, groups or seeds",
        )
    if cost.memory > cost.memory_free:
        raise KCEError(
            f"{cost.slots} runs at a time need about {_size(cost.memory)} of memory, and "
            f"{_size(cost.memory_free)} are free",
            "run fewer at a time (--engine local:runs=1), or use fewer faces of each category",
        )


def describe_cost(cost: StudyCost) -> list[str]:
    """Return the estimate as lines of text."""
    hours, minutes = divmod(round(cost.seconds / 60), 60)
    count = f"{cost.trainings}" if cost.left == cost.trainings else f"{cost.left} of {cost.trainings}"
    return [
        f"{cost.runs} runs, {count} networks to train on {cost.images:,} images in total",
        f"about {hours} h {minutes:02} min, {cost.slots} at a time on this machine",
        f"about {_size(cost.disk)} of disk ({_size(cost.disk_free)} free) and {_size(cost.memory)} of memory "
        f"({_size(cost.memory_free)} free)",
        *_describe_decoding(cost.decoding),
    ]


def _describe_decoding(decoding: Decoding) -> list[str]:
    if not decoding.faces:
        return []
    text = f"{decoding.faces:,} faces to decode, each {decoding.times / decoding.faces:.1f} times on average"
    if decoding.cache:
        return [f"{text}; with the cache {decoding.cached_times / decoding.faces:.1f} times"]
    whole = max(math.ceil(decoding.whole_cache / 2**20), 1)
    once = f"--cache {whole}MB" if whole < 2**10 else f"--cache {math.ceil(whole / 2**10)}GB"
    return [f"{text}; with {once} once"] if decoding.times > decoding.faces else [text]


def _size(count: float) -> str:
    return f"{count / 2**30:.1f} GB" if count >= 2**29 else f"{count / 2**20:.0f} MB"
