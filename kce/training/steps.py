"""What is done to one batch: forward and backward, right answers counted, and what is said when memory runs out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kce.errors import KCEError
from kce.training.device import is_out_of_memory, largest_fitting_batch, sum_over_processes, to_network_input

if TYPE_CHECKING:
    import numpy as np
    import torch
    from lightning_fabric import Fabric
    from numpy.typing import NDArray
    from torch import nn

    from kce.faces.loader import Pixels
    from kce.training.sampling import ClassMask, Examples


def training_step(
    fabric: Fabric,
    model: Any,
    optimizer: Any,
    images: NDArray[np.uint8],
    targets: NDArray[np.int64],
    whole: int,
    rivals: NDArray[np.bool_] | None = None,
) -> torch.Tensor:
    """One step of training on this process's share of a batch of `whole` faces.

    rivals  (n, classes): the classes each face is told from, its own among them; None = all

    Returns (2,) float64 on the device: the share's sum of losses and its right answers, as they were before the step.
    Raises KCEError, with the batch that would fit, where memory runs out.
    """
    import torch

    wanted = fabric.to_device(torch.from_numpy(targets))
    among = None if rivals is None else fabric.to_device(torch.from_numpy(rivals))
    told = None
    try:
        optimizer.zero_grad(set_to_none=True)
        told = _backward(fabric, model, images, wanted, whole, among)
        optimizer.step()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        told = None
    if told is None:  # only after the `except` nothing holds the tensors of the step any more
        raise _out_of_memory(fabric, model, optimizer, images, wanted)
    return told


def _backward(
    fabric: Fabric,
    model: Any,
    images: NDArray[np.uint8],
    targets: torch.Tensor,
    whole: int,
    among: torch.Tensor | None = None,
) -> torch.Tensor:
    import torch

    scores = _among(model(to_network_input(fabric, images)), among)
    loss = torch.nn.functional.cross_entropy(scores, targets, reduction="sum")
    # Gradients are averaged over processes, whose shares of a batch may differ by one face.
    fabric.backward(loss * (fabric.world_size / whole))
    return torch.stack((loss.detach().double(), (scores.argmax(1) == targets).sum().double()))


def _among(scores: torch.Tensor, among: torch.Tensor | None) -> torch.Tensor:
    """Scores of classes that are out of the question are as low as can be: they get no gradient."""
    return scores if among is None else scores.masked_fill(~among, float("-inf"))


def _out_of_memory(
    fabric: Fabric, model: Any, optimizer: Any, images: NDArray[np.uint8], targets: torch.Tensor
) -> KCEError:
    def attempt(size: int) -> None:
        optimizer.zero_grad(set_to_none=True)
        _backward(fabric, model, images[:size], targets[:size], size)

    # One process of several cannot try alone: a step needs them all.
    fits = largest_fitting_batch(attempt, len(images)) if fabric.world_size == 1 else len(images) // 2
    tried = f"a batch of {fits * fabric.world_size} faces may fit" if fits else "not even one face fits"
    return KCEError(
        f"memory ran out at {len(images)} faces of {images.shape[1]} px a step on {fabric.device}",
        f"{tried}: choose it with --batch-size and train again; where memory is free again, the same command goes on",
    )


def balanced_accuracy(
    fabric: Fabric, network: nn.Module, pixels: Pixels, held: Examples, batch: int, rivals: ClassMask | None = None
) -> float | None:
    """The mean over classes of the share of faces that is told right, from its rivals; None where there are none."""
    import torch

    if not len(held.rows):
        return None
    right = torch.zeros(2, int(held.targets.max()) + 1, dtype=torch.float64, device=fabric.device)
    mine = held.take(slice(fabric.global_rank, None, fabric.world_size))
    pieces = [mine.take(slice(start, start + batch)) for start in range(0, len(mine.rows), batch)]
    read = pixels.ahead(piece.rows for piece in pieces)
    network.eval()
    # Not the wrapped network: processes may have unlike numbers of pieces, and it would have them wait for each other.
    with torch.inference_mode(), fabric.autocast():
        for piece, (_, images) in zip(pieces, read, strict=True):
            targets = fabric.to_device(torch.from_numpy(piece.targets))
            among = fabric.to_device(torch.from_numpy(rivals.of(piece.rows))) if rivals else None
            hits = (_among(network(to_network_input(fabric, images)), among).argmax(1) == targets).double()
            right[0].index_add_(0, targets, hits)
            right[1].index_add_(0, targets, torch.ones_like(hits))
    told, there = sum_over_processes(fabric, right)
    return float((told[there > 0] / there[there > 0]).mean())
