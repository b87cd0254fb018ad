"""One loop: backbone + faces + plan -> weights."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from kce.errors import BadData, KCEError
from kce.registry.specs import format_spec
from kce.training.augment import apply_augmentations
from kce.training.device import sum_over_processes
from kce.training.history import TensorBoardLog, log_epoch, read_history, write_history
from kce.training.launch import run_on_devices
from kce.training.sampling import choose_examples, split_batches, weights_provenance, within_dataset_mask
from kce.training.state import TrainingState
from kce.training.steps import balanced_accuracy, training_step
from kce.training.sync_batchnorm import with_sync_batchnorm
from kce.training.weights import read_weights_metadata, reuse_weights, weights_exist, write_weights_file

if TYPE_CHECKING:
    import torch
    from lightning_fabric import Fabric
    from torch import nn

    from kce.faces.loader import Pixels
    from kce.registry.registry import Registry
    from kce.training.sampling import ClassMask, Examples
    from kce.training.settings import TrainSettings
    from kce.types import Image, MergePlan, Progress

LOG_STEPS = 50  # a row of train.csv at least so often, and one at the end of each epoch


def train(
    backbone: str,
    pixels: Pixels,
    plan: MergePlan,
    settings: TrainSettings,
    registry: Registry,
    to: Path,
    places: Sequence[Path] = (),
    devices: int = 1,
    progress: Progress = lambda *_: None,
) -> dict[str, Any]:
    """Train `backbone` to tell the plan's classes apart, write its weights to `to`, and return what made them.

    pixels   the faces of the plan's categories and of no other: what is not held out may be trained on
    places   folders whose weights are taken over if they were made in exactly this way
    devices  GPUs, or processes on the CPU: each takes its share of every batch, so the result is that of one but for
             rounding
    Every class gives `per_class` images, its members equal shares of them (``kce.training.sampling.draw``), each once
    an epoch.
    How it went stands in ``train.csv`` beside the weights. Killed and started again, it goes on from `to` + ".resume"
    and, with one device on the same machine, ends with the very same weights.
    Raises Refused where `to` was made another way, BadData where a class has too few images or a face cannot be read
    any more, KCEError where the loss is no number any more, memory runs out, or a choice cannot be.
    """
    shown, held = choose_examples(pixels.faces, plan, settings)
    least = min(map(len, split_batches(len(shown.rows), settings.batch_size)))
    if devices > least:
        raise KCEError(f"{devices} devices for batches of {least} faces", "each needs a face a step: use fewer devices")
    provenance = weights_provenance(backbone, pixels.faces, shown, held, settings, registry)
    if not (weights_exist(to, provenance) or reuse_weights(to, provenance, places)):
        part = registry.resolve("backbone", backbone)
        own = {name: value for name, value in part.parameters.items() if name != "weights"}  # which these will replace
        told = {
            "provenance": provenance,
            "backbone": part.spec,
            "architecture": format_spec(part.entry.name, own),
            "classes": plan.names,
            "images": len(shown.rows),
        }
        told_from = within_dataset_mask(pixels.faces, plan, settings)
        run_on_devices(_loop, (told, pixels, shown, held, told_from, settings, registry, to), devices, progress)
    about = read_weights_metadata(to)
    if not read_history(to.with_name("train.csv"), to.stem):  # taken over
        write_history(to.with_name("train.csv"), to.stem, about["history"])
    return about


def _loop(  # noqa: PLR0915 - one straight loop reads better than its pieces
    fabric: Fabric,
    about: dict[str, Any],
    pixels: Pixels,
    shown: Examples,
    held: Examples,
    told_from: ClassMask | None,
    settings: TrainSettings,
    registry: Registry,
    to: Path,
    progress: Progress,
    stopped: Callable[[], bool],
) -> None:
    """What every process does. All draw the same batches, and each takes its own part of every one."""
    import torch

    part = slice(fabric.global_rank, None, fabric.world_size)
    batches = split_batches(len(shown.rows), settings.batch_size)
    total = len(batches) * settings.epochs
    what = f"training {to.stem}"
    # Whoever called us keeps their random numbers; ours start from the seed alone.
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        network = build_classifier(registry.build("backbone", about["backbone"]), len(about["classes"]))
        network = with_sync_batchnorm(network.to(memory_format=torch.channels_last), fabric)
        adam = torch.optim.AdamW(network.parameters(), lr=settings.lr, weight_decay=settings.weight_decay)
        model, optimizer = fabric.setup(network, adam)
        state = TrainingState(to.with_name(to.name + ".resume"), about["provenance"], fabric, network, optimizer)
        state.restore()
        board = TensorBoardLog(to.parent, to.stem, state.step) if fabric.is_global_zero else None
        # Loss, right answers, and whether anybody was told to stop; on the device, since to look at them is to wait.
        sums = torch.tensor([state.loss, state.right, 0.0], dtype=torch.float64, device=fabric.device)
        progress(what, state.step * settings.batch_size, total * settings.batch_size)
        saved = since = time.monotonic()
        for epoch in range(state.epoch, settings.epochs):
            model.train()
            before = epoch * len(batches)
            order = np.random.default_rng([settings.seed, epoch]).permutation(len(shown.rows))
            todo = [shown.take(order[batch]) for batch in batches[state.step - before :]]
            change = partial(_augmented, pixels, settings, epoch) if settings.augment != ("none",) else None
            read = pixels.ahead((batch.rows[part] for batch in todo), change)
            for batch, (_, images) in zip(todo, _keeping(read, partial(_save, state, sums)), strict=True):
                _prepare(optimizer, settings, state.step, total, fabric.global_rank)
                among = told_from.of(batch.rows[part]) if told_from else None
                told = training_step(fabric, model, optimizer, images, batch.targets[part], len(batch.rows), among)
                sums += sum_over_processes(fabric, torch.cat((told, told.new_tensor([float(stopped())]))))
                state.step += 1
                state.images += len(batch.rows)
                now = time.monotonic()
                state.seconds, since = state.seconds + now - since, now
                progress(what, state.step * settings.batch_size, total * settings.batch_size)
                if state.step % LOG_STEPS == 0 and state.step - before < len(batches):
                    _finish_row(state, sums, settings, total, board, to, epoch)
                # Only here, between two steps, do network, optimizer and counters agree with each other.
                halt = bool(sums[2]) if fabric.world_size > 1 else stopped()
                if halt or now - saved > settings.save_every:
                    _save(state, sums)
                    saved = since = time.monotonic()
                if halt:
                    raise KeyboardInterrupt
            accuracy = balanced_accuracy(fabric, network, pixels, held, settings.batch_size, told_from)
            _finish_row(state, sums, settings, total, board, to, epoch, accuracy)
            log_epoch(to.stem, state.rows[-1], settings.epochs)
            if settings.checkpoint == "best" and accuracy is not None:
                state.see(accuracy)
            state.epoch += 1
            since = time.monotonic()
        if board:
            board.close()
            result = state.best_weights if settings.checkpoint == "best" else network.state_dict()
            # Times are left to train.csv: the file is the same whenever it is provenance.
            history = [{name: row[name] for name in row if name != "images_per_second"} for row in state.rows]
            write_weights_file(to, result, {**about, "history": history})
            state.path.unlink(missing_ok=True)


def _prepare(optimizer: Any, settings: TrainSettings, step: int, total: int, process: int) -> None:
    """The learning rate of a step, and its own random numbers: a training that goes on needs none from before."""
    import torch

    torch.manual_seed(xxhash.xxh3_64_intdigest(f"{settings.seed} {step} {process}".encode()))
    for group in optimizer.param_groups:
        group["lr"] = settings.lr * lr_factor(step, total)


def lr_factor(step: int, total: int) -> float:
    """The share of the full learning rate at a step: a rise over the first tenth, then a cosine to zero."""
    rise = max(total // 10, 1)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(total - rise, 1)))


def build_classifier(backbone: nn.Module, classes: int) -> nn.Module:
    """A backbone and one linear layer on its features, under the names ``backbone`` and ``head``."""
    from torch import nn

    head = nn.Linear(int(backbone.dim), classes)  # type: ignore[arg-type] # every backbone has its `dim`
    return nn.Sequential(OrderedDict(backbone=backbone, head=head))


def _augmented(pixels: Pixels, settings: TrainSettings, epoch: int, image: Image, row: int) -> Image:
    return apply_augmentations(image, settings.augment, settings.seed, epoch, str(pixels.faces.key[row]))


def _keeping(read: Iterator[Any], keep: Callable[[], None]) -> Iterator[Any]:
    """The same batches; where a face cannot be read any more, what was trained so far is kept."""
    try:
        yield from read
    except BadData as error:
        keep()
        raise BadData(error.message, f"{error.hint}; the same command goes on where it stopped") from error


def _save(state: TrainingState, sums: torch.Tensor) -> None:
    state.loss, state.right = sums[:2].tolist()
    # Where the loss is no number, the next row says so, and the last good state stays.
    if state.fabric.is_global_zero and math.isfinite(state.loss):
        state.save()


def _finish_row(
    state: TrainingState,
    sums: torch.Tensor,
    settings: TrainSettings,
    total: int,
    board: TensorBoardLog | None,
    to: Path,
    epoch: int,
    accuracy: float | None = None,
) -> None:
    """Turn what was summed up since the last row into one more: here alone the loss is looked at."""
    loss, right = sums[:2].tolist()
    if not math.isfinite(loss):
        raise KCEError(
            f"the loss is no number any more in epoch {epoch + 1}, at step {state.step} or shortly before",
            f"train with a lower --lr than {settings.lr:g}, in another folder: the last good state stays in this one",
        )
    row = {"epoch": epoch + 1, "step": state.step, "loss": loss / state.images, "accuracy": right / state.images}
    row |= {"held_out_accuracy": accuracy, "lr": settings.lr * lr_factor(state.step - 1, total)}
    state.rows.append({**row, "images_per_second": state.images / max(state.seconds, 1e-9)})
    state.images, state.seconds = 0, 0.0
    sums[:2] = 0
    if board:  # the first process
        board.show(state.rows[-1])
        write_history(to.with_name("train.csv"), to.stem, state.rows)
