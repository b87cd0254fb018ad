"""Extraction: a trained backbone turns faces into the rows of a feature table."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.errors import KCEError
from kce.features.pieces import PieceWriter
from kce.features.store import write_table
from kce.features.table import has_table
from kce.training.device import (
    gather_rows,
    is_out_of_memory,
    largest_fitting_batch,
    resolve_precision,
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
    from kce.features.store import TableWriter
    from kce.registry.registry import Registry
    from kce.training.settings import Precision
    from kce.types import Progress

DEFAULT_BATCH_SIZE = 32
"""Faces at a time on each device."""


def extract_features(
    pixels: Pixels,
    weights: Path,
    registry: Registry,
    to: Path,
    table: str,
    batch_size: int = DEFAULT_BATCH_SIZE,
    precision: Precision = "auto",
    devices: int = 1,
    rows: range | None = None,
    progress: Progress = lambda *_: None,
) -> None:
    """Write the features of every face into a table; resumes an extraction that was killed.

    Features are the backbone's pooled output in evaluation mode, without the classifier: float32 (n, dim), in the order
    of the faces.

    Args:
        pixels: The faces.
        weights: File written by ``kce.training.train.train``; its backbone is built by name.
        registry: Builds the backbone.
        to: The feature file.
        table: Its table.
        batch_size: Faces at a time on each device.
        precision: One of ``kce.training.settings.PRECISIONS``; the rows are float32 in each of them.
        devices: GPUs, or processes on the CPU, which take the batches in turn; the first of them writes.
        rows: Only these, one of ``kce.features.pieces.split_rows``, while other processes do others; an extraction
            without it publishes the table. None = all.
        progress: Called with the faces done and to do.

    Raises:
        Refused: If `to` holds rows made with different settings.
        KCEError: If memory runs out; the hint names a batch size that would fit.
    """
    precision = resolve_precision(precision)
    provenance = features_provenance(pixels.faces, weights, precision, pixels.view)
    if not has_table(to, table, provenance):
        arguments = (pixels, weights, registry, to, table, provenance, batch_size, rows)
        run_on_devices(_extraction_loop, arguments, precision, devices, progress)


def features_provenance(faces: Faces, weights: Path, precision: str, view: str = "") -> dict[str, str]:
    """Collect everything that decides the rows: the faces, the view they are seen in, the network, the precision.

    The precision is the one that is used, not "auto" or "fast".
    """
    metadata = read_weights_metadata(weights)
    provenance = {
        "faces": faces.content_hash(),
        "backbone": metadata["backbone"],
        "weights": file_sha256(weights),
        "precision": precision,
    }
    return provenance | ({"view": view} if view else {})


def _extraction_loop(
    fabric: Fabric,
    pixels: Pixels,
    weights: Path,
    registry: Registry,
    to: Path,
    table: str,
    provenance: dict[str, str],
    batch_size: int,
    piece: range | None,
    progress: Progress,
    stopped: Callable[[], bool],
) -> None:
    """Run in every process. Each computes its own batch of every round; the first process writes them all."""
    import torch

    faces, task = pixels.faces, f"features /{table}"
    first, end = (piece.start, piece.stop) if piece is not None else (0, len(faces))
    with ExitStack() as stack:
        writer: TableWriter | None = None
        if fabric.global_rank == 0:  # only the first process writes, so only it knows how many rows there are
            own_rows = piece and PieceWriter(to, table, provenance, piece, batch_size)
            writer = stack.enter_context(own_rows or write_table(to, table, provenance))
        state = torch.tensor([writer.done, int(writer.finished)] if writer else [0, 0])
        done, finished = sum_over_processes(fabric, fabric.to_device(state)).tolist()
        if finished:
            return
        backbone = fabric.to_device(load_backbone(weights, registry)).eval().to(memory_format=torch.channels_last)
        rounds = range(done, end, batch_size * fabric.world_size)
        own = (_span(start + fabric.global_rank * batch_size, batch_size, end) for start in rounds)
        progress(task, done - first, end - first)
        for start, (_, images) in zip(rounds, pixels.prefetch(own), strict=True):
            x = None
            try:
                x = _forward(fabric, backbone, images)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            if x is None:  # only after the `except` block does nothing refer to the batch's tensors any more
                raise _out_of_memory(fabric, backbone, images)
            for number, part in enumerate(gather_rows(fabric, x, batch_size)):
                rows = _span(start + number * batch_size, batch_size, end)
                if writer and len(rows):
                    writer.append(faces.key[rows], faces.category[rows], faces.group[rows], part[: len(rows)])
                    progress(task, int(rows[-1]) + 1 - first, end - first)
            if sum_over_processes(fabric, fabric.to_device(torch.tensor(float(stopped())))) > 0:
                raise KeyboardInterrupt
        if writer:
            writer.publish()


def _span(start: int, length: int, end: int) -> NDArray[np.int64]:
    """Row numbers from `start`, `length` of them, as far as they are below `end`."""
    return np.arange(min(start, end), min(start + length, end))


def _forward(fabric: Fabric, backbone: Any, images: NDArray[np.uint8]) -> torch.Tensor:
    """Compute features (n, dim) float32 on the device; n may be 0."""
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
        (f"a batch of {fits} would fit" if fits else "not even one face fits") + "; finished rows are kept",
    )
