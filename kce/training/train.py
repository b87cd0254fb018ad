"""Trains a backbone on faces labelled by a merge plan, and writes its weights: the training loop."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xxhash

from kce.errors import BadData, KCEError, MachineFault
from kce.registry.specs import format_spec
from kce.training.augment import apply_augmentations
from kce.training.batches import order_of_epoch, pair_faces, split_batches
from kce.training.device import resolve_precision, sum_over_processes
from kce.training.history import HISTORY_COLUMNS, TensorBoardLog, log_epoch, read_history, write_history
from kce.training.launch import run_on_devices
from kce.training.provenance import weights_provenance
from kce.training.sampling import choose_examples, within_dataset_mask
from kce.training.state import TrainingState
from kce.training.steps import Accuracy, measure_accuracy, training_step
from kce.training.weights import (
    TRAIN_AGAIN,
    read_weights_metadata,
    reuse_weights,
    weights_exist,
    write_weights_file,
)

if TYPE_CHECKING:
    import numpy as np
    import torch
    from lightning_fabric import Fabric
    from numpy.typing import NDArray
    from torch import nn

    from kce.faces.loader import Pixels
    from kce.registry.registry import Registry
    from kce.training.sampling import ClassMask, Examples
    from kce.training.settings import TrainSettings
    from kce.types import Image, MergePlan, Progress

LOG_STEPS = 50
"""Steps between two rows of ``train.csv``; there is also one at the end of each epoch."""


def train(
    backbone: str,
    pixels: Pixels,
    plan: MergePlan,
    settings: TrainSettings,
    registry: Registry,
    to: Path,
    reuse_from: Sequence[Path] = (),
    devices: int = 1,
    progress: Progress = lambda *_: None,
) -> dict[str, Any]:
    """Train a backbone to classify faces into the classes of a plan, and write its weights.

    With ``settings.epochs`` = 0 these are the weights that it begins with, under a classifier of chance.

    Every class contributes ``settings.per_class`` images, or its share of ``settings.images``, in equal shares from its
    members (see ``kce.training.sampling.draw_training_set``), each once an epoch. The history is written to
    ``train.csv`` beside the weights. A training that was killed resumes from `to` + ".resume" when started again; with
    one device on the same machine it ends with the same weights, bit by bit.

    Args:
        backbone: Its name and parameters, such as "xception:size=299".
        pixels: The faces of the plan's categories and of no others; all that are not held out may be trained on.
        plan: Category -> class.
        settings: All other choices.
        registry: Builds the backbone.
        to: The ``.safetensors`` file to write.
        reuse_from: Folders whose weights are reused if they were made in exactly this way.
        devices: GPUs, or processes on the CPU. Each takes its share of every batch, so the result is that of one device
            except for rounding.
        progress: Called with the images done and to do.

    Returns:
        The metadata of the weights: "provenance", "backbone", "architecture" (the backbone's spec without its initial
        weights), "size" and "dim" of the backbone, "classes", "images" and "history".

    Raises:
        Refused: If `to` was made with different settings.
        BadData: If a class has too few images, or a face can no longer be read.
        KCEError: If the loss is not finite, memory runs out, or a setting is wrong.
    """
    settings = replace(settings, precision=resolve_precision(settings.precision))
    examples, held_out = choose_examples(pixels.faces, plan, settings)
    smallest = min(map(len, split_batches(len(examples.rows), settings.batch_size)))
    if devices > smallest:
        raise KCEError(
            f"cannot split a batch of {smallest} faces over {devices} devices", "use fewer devices: each needs a face"
        )
    provenance = weights_provenance(backbone, pixels.faces, examples, held_out, settings, registry)
    if not (weights_exist(to, provenance) or reuse_weights(to, provenance, reuse_from)):
        part = registry.resolve("backbone", backbone)
        # The initial weights are replaced by the trained ones.
        parameters = {name: value for name, value in part.parameters.items() if name != "weights"}
        metadata: dict[str, Any] = {
            "provenance": provenance,
            "backbone": part.spec,
            "architecture": format_spec(part.entry.name, parameters),
            "classes": plan.names,
            "plan": dict(sorted(plan.classes.items())),
            "images": len(examples.rows) if settings.epochs else 0,
        }
        class_mask = within_dataset_mask(pixels.faces, plan, settings)
        faces = pixels.faces
        pair = pair_faces(faces.category, faces.group, faces.key) if settings.batches == "paired" else None
        arguments = (metadata, pixels, examples, held_out, class_mask, pair, settings, registry, to)
        run_on_devices(_training_loop, arguments, settings.precision, devices, progress)
    metadata = read_weights_metadata(to)
    if not read_history(to.with_name("train.csv"), to.stem):  # the weights were reused, or nothing was trained
        write_history(to.with_name("train.csv"), to.stem, _history_rows(metadata, to))
    return metadata


def _history_rows(metadata: Mapping[str, Any], path: Path) -> list[dict[str, Any]]:
    rows = metadata.get("history")
    if not isinstance(rows, list) or not all(isinstance(row, dict) and {*row} <= {*HISTORY_COLUMNS} for row in rows):
        raise BadData(
            f"{path} does not hold the history of its training",
            TRAIN_AGAIN,
        )
    return rows


def _training_loop(  # noqa: PLR0915 - one straight loop reads better than its pieces
    fabric: Fabric,
    metadata: dict[str, Any],
    pixels: Pixels,
    examples: Examples,
    held_out: Examples,
    class_mask: ClassMask | None,
    pair: NDArray[np.int64] | None,
    settings: TrainSettings,
    registry: Registry,
    to: Path,
    progress: Progress,
    stopped: Callable[[], bool],
) -> None:
    """Train in one of the processes: all make the same batches, and each rank processes its slice of each batch."""
    import torch

    from kce.training.sync_batchnorm import with_sync_batchnorm  # it loads torch

    share = slice(fabric.global_rank, None, fabric.world_size)
    batches = split_batches(len(examples.rows), settings.batch_size)
    pair_of_example = None if pair is None else pair[examples.rows]
    total = len(batches) * settings.epochs
    task = f"training {to.stem}"
    # The caller's random state is left as it is; ours depends on the seed alone.
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        component = registry.build("backbone", metadata["backbone"])
        network = build_classifier(component, len(metadata["classes"]))
        network = with_sync_batchnorm(network.to(memory_format=torch.channels_last), fabric)
        adam = torch.optim.AdamW(network.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
        model, optimizer = fabric.setup(network, adam)
        state = TrainingState(to.with_name(to.name + ".resume"), metadata["provenance"], fabric, network, optimizer)
        state.restore()
        board = TensorBoardLog(to.parent, to.stem, state.step) if fabric.is_global_zero else None
        # Loss, correct answers, interrupted processes; kept on the device, since reading them forces a sync.
        sums = torch.tensor([state.loss, state.correct, 0.0], dtype=torch.float64, device=fabric.device)
        if total:
            progress(task, state.step * settings.batch_size, total * settings.batch_size)
        saved = since = time.monotonic()
        for epoch in range(state.epoch, settings.epochs):
            model.train()
            first_step = epoch * len(batches)
            order = order_of_epoch(len(examples.rows), settings.seed, epoch, pair_of_example)
            remaining = [examples.take(order[batch]) for batch in batches[state.step - first_step :]]
            augment_image = (
                partial(_augmented, pixels, pair, settings, epoch) if settings.augment != ("none",) else None
            )
            read = pixels.prefetch((batch.rows[share] for batch in remaining), augment_image)
            for batch, (_, images) in zip(
                remaining, _saving_on_bad_data(read, partial(_save, state, sums)), strict=True
            ):
                _prepare_step(optimizer, settings, state.step, total, fabric.global_rank)
                allowed = class_mask.for_rows(batch.rows[share]) if class_mask else None
                result = training_step(fabric, model, optimizer, images, batch.targets[share], len(batch.rows), allowed)
                sums += sum_over_processes(fabric, torch.cat((result, result.new_tensor([float(stopped())]))))
                state.step += 1
                state.images += len(batch.rows)
                now = time.monotonic()
                state.seconds, since = state.seconds + now - since, now
                progress(task, state.step * settings.batch_size, total * settings.batch_size)
                if state.step % LOG_STEPS == 0 and state.step - first_step < len(batches):
                    _add_row(state, sums, settings, total, board, to, epoch)
                # Network, optimizer and counters agree only here, between two steps.
                halt = bool(sums[2]) if fabric.world_size > 1 else stopped()
                if halt or now - saved > settings.save_every:
                    _save(state, sums)
                    saved = since = time.monotonic()
                if halt:
                    raise KeyboardInterrupt
            accuracy = measure_accuracy(fabric, network, pixels, held_out, settings.batch_size, class_mask)
            _add_row(state, sums, settings, total, board, to, epoch, accuracy)
            log_epoch(to.stem, state.rows[-1], settings.epochs)
            if settings.checkpoint == "best" and accuracy is not None:
                state.keep_if_best(accuracy.balanced)
            state.epoch += 1
            since = time.monotonic()
        if board:
            board.close()
            tensors = state.best_weights if settings.checkpoint == "best" else network.state_dict()
            # Without times, so that the same training always writes the same file; they are in train.csv.
            history = [{name: row[name] for name in row if name != "images_per_second"} for row in state.rows]
            shape = {"size": int(component.size), "dim": int(component.dim)}
            write_weights_file(to, tensors, {**metadata, **shape, "history": history})
            state.remove()


def _prepare_step(optimizer: Any, settings: TrainSettings, step: int, total: int, process: int) -> None:
    """Set a step's learning rate and seed its random numbers, so that resuming needs no earlier state of either."""
    import torch

    torch.manual_seed(xxhash.xxh3_64_intdigest(f"{settings.seed} {step} {process}".encode()))
    for group in optimizer.param_groups:
        group["lr"] = settings.lr * lr_factor(step, total)


def lr_factor(step: int, total: int) -> float:
    """Compute the share of the full learning rate at a step: linear warm-up over a tenth of all steps, then a cosine.

    >>> [round(lr_factor(step, 20), 2) for step in (0, 1, 2, 11, 19)]
    [0.5, 1.0, 1.0, 0.5, 0.01]
    """
    warm_up = max(total // 10, 1)
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(total - warm_up, 1)))


def build_classifier(backbone: nn.Module, classes: int) -> nn.Module:
    """Put one linear layer on a backbone's features; the two submodules are called ``backbone`` and ``head``."""
    from torch import nn

    head = nn.Linear(int(backbone.dim), classes)  # type: ignore[arg-type] # every backbone has its `dim`
    return nn.Sequential(OrderedDict(backbone=backbone, head=head))


def _augmented(
    pixels: Pixels, pair: NDArray[np.int64] | None, settings: TrainSettings, epoch: int, image: Image, row: int
) -> Image:
    alike = pixels.faces.key[row] if pair is None else pair[row]
    return apply_augmentations(image, settings.augment, settings.seed, epoch, str(alike))


def _saving_on_bad_data(read: Iterator[Any], save: Callable[[], None]) -> Iterator[Any]:
    """Yield the same batches; if a face can no longer be read, save the state before the error is raised."""
    try:
        yield from read
    except (BadData, MachineFault) as error:
        save()
        raise type(error)(error.message, f"{error.hint}; the same command continues where it stopped") from error


def _save(state: TrainingState, sums: torch.Tensor) -> None:
    state.loss, state.correct = sums[:2].tolist()
    # If the loss is not finite, the next row raises an error, and the last good state stays.
    if state.fabric.is_global_zero and math.isfinite(state.loss):
        state.save()


def _add_row(
    state: TrainingState,
    sums: torch.Tensor,
    settings: TrainSettings,
    total: int,
    board: TensorBoardLog | None,
    to: Path,
    epoch: int,
    held_out: Accuracy | None = None,
) -> None:
    """Turn the sums since the last row into a new one; only this reads the loss from the device."""
    loss, correct = sums[:2].tolist()
    if not math.isfinite(loss):
        raise KCEError(
            f"the loss became NaN or infinite in epoch {epoch + 1}, at step {state.step} or shortly before",
            f"train with a lower --lr than {settings.lr:g}, in another folder; this one keeps the last good state",
        )
    row = {"epoch": epoch + 1, "step": state.step, "loss": loss / state.images, "accuracy": correct / state.images}
    share, balanced = held_out or (None, None)
    row |= {"held_out_accuracy": share, "held_out_balanced_accuracy": balanced}
    row |= {"lr": settings.lr * lr_factor(state.step - 1, total)}
    state.rows.append({**row, "images_per_second": state.images / max(state.seconds, 1e-9)})
    state.images, state.seconds = 0, 0.0
    sums[:2] = 0
    if board:  # the first process
        board.add_row(state.rows[-1])
        write_history(to.with_name("train.csv"), to.stem, state.rows)
