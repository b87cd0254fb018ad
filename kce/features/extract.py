"""Faces + backbone -> rows in the store."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.errors import KCEError
from kce.features.store import write_table
from kce.features.table import has_table
from kce.training.device import (
    gather_rows,
    is_out_of_memory,
    largest_fitting_batch,
    sum_over_processes,
    to_network_input,
)
from kce.training.launch import run_on_devices
from kce.training.weights import file_sha256, load_backbone, read_weights_metadata

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from lightning_fabric import Fabric
    from numpy.typing import NDArray

    from kce.faces.folder import Faces
    from kce.faces.loader import Pixels
    from kce.registry.registry import Registry
    from kce.types import Progress

DEFAULT_BATCH_SIZE = 32


def extract_features(
    pixels: Pixels,
    network: Path,
    registry: Registry,
    to: Path,
    table: str,
    batch: int = DEFAULT_BATCH_SIZE,
    devices: int = 1,
    progress: Progress = lambda *_: None,
) -> None:
    """Write the features of every face of `pixels` into the table `table` of the feature file `to`.

    network  weights written by ``kce.training.train.train``; its backbone is built anew by name. Features are taken in
             evaluation mode, pooled, without the classifier's head: float32 (n, dim), in the order of the faces.
    batch    faces at a time on each device
    devices  GPUs, or processes on the CPU, that take the batches in turn; one of them writes
    Goes on where a killed extraction stopped. Raises Refused where `to` holds rows made another way, KCEError where
    memory runs out.
    """
    provenance = features_provenance(pixels.faces, network, pixels.view)
    if not has_table(to, table, provenance):
        run_on_devices(_loop, (pixels, network, registry, to, table, provenance, batch), devices, progress)


def features_provenance(faces: Faces, network: Path, view: str = "") -> dict[str, str]:
    """All that makes the rows: which faces, in which view, which network."""
    about = read_weights_metadata(network)
    provenance = {"faces": faces.mark(), "backbone": about["backbone"], "weights": file_sha256(network)}
    return provenance | ({"view": view} if view else {})


def _loop(
    fabric: Fabric,
    pixels: Pixels,
    network: Path,
    registry: Registry,
    to: Path,
    table: str,
    provenance: dict[str, str],
    batch: int,
    progress: Progress,
    stopped: Callable[[], bool],
) -> None:
    """What every process does: of each round of batches it computes its own, and the first process writes them all."""
    import torch

    faces, what = pixels.faces, f"features /{table}"
    with ExitStack() as stack:
        # Rows are written by the first process alone, and only it knows how many are there.
        writer = stack.enter_context(write_table(to, table, provenance)) if fabric.global_rank == 0 else None
        there = torch.tensor([writer.done, int(writer.finished)] if writer else [0, 0])
        done, finished = sum_over_processes(fabric, fabric.to_device(there)).tolist()
        if finished:
            return
        backbone = fabric.to_device(load_backbone(network, registry)).eval().to(memory_format=torch.channels_last)
        rounds = range(done, len(faces), batch * fabric.world_size)
        mine = (_span(first + fabric.global_rank * batch, batch, len(faces)) for first in rounds)
        progress(what, done, len(faces))
        for start, (_, images) in zip(rounds, pixels.ahead(mine), strict=True):
            x = None
            try:
                x = _forward(fabric, backbone, images)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            if x is None:  # only here nothing holds the batch's tensors any more
                raise _out_of_memory(fabric, backbone, images)
            for number, part in enumerate(gather_rows(fabric, x, batch)):
                rows = _span(start + number * batch, batch, len(faces))
                if writer and len(rows):
                    writer.append(faces.key[rows], faces.category[rows], faces.group[rows], part[: len(rows)])
                    progress(what, int(rows[-1]) + 1, len(faces))
            if sum_over_processes(fabric, fabric.to_device(torch.tensor(float(stopped())))) > 0:
                raise KeyboardInterrupt
        if writer:
            writer.publish()


def _span(start: int, batch: int, end: int) -> NDArray[np.int64]:
    return np.arange(min(start, end), min(start + batch, end))


def _forward(fabric: Fabric, backbone: Any, images: NDArray[np.uint8]) -> torch.Tensor:
    """Features (n, dim) on the device, float32; n may be 0."""
    import torch

    with torch.inference_mode(), fabric.autocast():
        if not len(images):
            return torch.zeros(0, backbone.dim, device=fabric.device)
        x: torch.Tensor = backbone(to_network_input(fabric, images))
        return x.float()


def _out_of_memory(fabric: Fabric, backbone: Any, images: NDArray[np.uint8]) -> KCEError:
    fits = largest_fitting_batch(lambda size: _forward(fabric, backbone, images[:size]), len(images))
    return KCEError(
        f"memory ran out at {len(images)} faces of {images.shape[1]} px at a time on {fabric.device}",
        (f"a batch of {fits} would fit" if fits else "not even one face fits") + "; rows that are done are kept",
    )
