"""One batch: forward and backward pass, correct answers counted, and a clear error when memory runs out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

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
    batch_size: int,
    allowed: NDArray[np.bool_] | None = None,
) -> torch.Tensor:
    """Do one optimizer step on this process's share of a batch.

    Args:
        fabric: Fabric of this process.
        model: The wrapped network.
        optimizer: Optimizer of the network's parameters.
        images: uint8 (n, size, size, 3), this process's share.
        targets: (n,), class numbers.
        batch_size: Faces of the whole batch, over all processes.
        allowed: (n, classes), the classes that take part in each face's softmax, its own among them; None = all.

    Returns:
        (2,) float64 on the device: the share's sum of losses, and its number of correct answers, both from before the
        step.

    Raises:
        KCEError: If memory runs out; the hint names a batch size that would fit.
    """
    import torch

    classes = fabric.to_device(torch.from_numpy(targets))
    mask = None if allowed is None else fabric.to_device(torch.from_numpy(allowed))
    sums = None
    try:
        optimizer.zero_grad(set_to_none=True)
        sums = _backward(fabric, model, images, classes, batch_size, mask)
        optimizer.step()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        sums = None
    if sums is None:  # only after the `except` block does nothing refer to the step's tensors any more
        raise _out_of_memory(fabric, model, optimizer, images, classes)
    return sums


def _backward(
    fabric: Fabric,
    model: Any,
    images: NDArray[np.uint8],
    targets: torch.Tensor,
    batch_size: int,
    allowed: torch.Tensor | None = None,
) -> torch.Tensor:
    import torch

    logits = _masked(model(to_network_input(fabric, images)), allowed)
    loss = torch.nn.functional.cross_entropy(logits, targets, reduction="sum")
    # Gradients are averaged over processes, whose shares of a batch may differ by one face.
    fabric.backward(loss * (fabric.world_size / batch_size))
    return torch.stack((loss.detach().double(), (logits.argmax(1) == targets).sum().double()))


def _masked(logits: torch.Tensor, allowed: torch.Tensor | None) -> torch.Tensor:
    """Logits with -inf for classes that are not allowed, which then get no gradient."""
    return logits if allowed is None else logits.masked_fill(~allowed, float("-inf"))


def _out_of_memory(
    fabric: Fabric, model: Any, optimizer: Any, images: NDArray[np.uint8], targets: torch.Tensor
) -> KCEError:
    def attempt(size: int) -> None:
        optimizer.zero_grad(set_to_none=True)
        _backward(fabric, model, images[:size], targets[:size], size)

    # One process of several cannot try on its own: a step needs them all.
    fits = largest_fitting_batch(attempt, len(images)) if fabric.world_size == 1 else len(images) // 2
    advice = f"a batch of {fits * fabric.world_size} faces may fit" if fits else "not even one face fits"
    return KCEError(
        f"memory ran out at {len(images)} faces of {images.shape[1]} px a step on {fabric.device}",
        f"{advice}: train again with --batch-size; or, once memory is free, resume with the same command",
    )


class Accuracy(NamedTuple):
    """How many faces are classified correctly.

    Attributes:
        share: The share of all faces, in [0, 1]: what "accuracy" means everywhere.
        balanced: The mean over the classes that occur of the share of each, in [0, 1].
    """

    share: float
    balanced: float


def measure_accuracy(
    fabric: Fabric,
    network: nn.Module,
    pixels: Pixels,
    examples: Examples,
    batch_size: int,
    class_mask: ClassMask | None = None,
) -> Accuracy | None:
    """Measure how many faces are classified correctly.

    Every process measures its own share of the faces, and each must call this.

    Args:
        fabric: Fabric of this process.
        network: Not wrapped; it is left in evaluation mode.
        pixels: Where the faces are read from.
        examples: The faces to classify, with their classes.
        batch_size: Faces at a time in each process.
        class_mask: The classes each face may be assigned to; None = all.

    Returns:
        Both accuracies; None if there are no examples.
    """
    import torch

    if not len(examples.rows):
        return None
    counts = torch.zeros(2, int(examples.targets.max()) + 1, dtype=torch.float64, device=fabric.device)
    own = examples.take(slice(fabric.global_rank, None, fabric.world_size))
    batches = [own.take(slice(start, start + batch_size)) for start in range(0, len(own.rows), batch_size)]
    read = pixels.prefetch(batch.rows for batch in batches)
    network.eval()
    # Not the wrapped network, whose forward passes wait for each other: processes may have unequal numbers of batches.
    with torch.inference_mode(), fabric.autocast():
        for batch, (_, images) in zip(batches, read, strict=True):
            targets = fabric.to_device(torch.from_numpy(batch.targets))
            allowed = fabric.to_device(torch.from_numpy(class_mask.for_rows(batch.rows))) if class_mask else None
            correct = (_masked(network(to_network_input(fabric, images)), allowed).argmax(1) == targets).double()
            counts[0].index_add_(0, targets, correct)
            counts[1].index_add_(0, targets, torch.ones_like(correct))
    correct_per_class, faces_per_class = sum_over_processes(fabric, counts)
    occurring = faces_per_class > 0
    balanced = (correct_per_class[occurring] / faces_per_class[occurring]).mean()
    return Accuracy(float(correct_per_class.sum() / faces_per_class.sum()), float(balanced))
