"""How a training goes, row by row: to ``train.csv``, to the log, and to TensorBoard where it is installed."""

from __future__ import annotations

import csv
import io
import logging
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from kce.system.atomic import write_atomic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

HISTORY_COLUMNS = ("model", "epoch", "step", "loss", "accuracy", "held_out_accuracy", "lr", "images_per_second")
"""model is the weights' name (first, final); loss and accuracy are those of the training faces since the row before;
held_out_accuracy is there at the end of an epoch, where faces are held out: the mean over classes of the share that is
right; lr is the learning rate; images_per_second counts training alone."""

_log = logging.getLogger("kce.training.train")


def write_history(path: Path, model: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put the rows of one model into the file; those of other models stay."""
    others = [row for row in read_history(path) if row["model"] != model]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, HISTORY_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows([*others, *({"model": model, **row} for row in rows)])
    write_atomic(path, text.getvalue().encode())


def read_history(path: Path, model: str = "") -> list[dict[str, str]]:
    """The rows as text, of one model or of all, in the order they were written; none if there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if model in ("", row["model"])]


def log_epoch(model: str, row: Mapping[str, Any], epochs: int) -> None:
    """One line of the log for an epoch."""
    held = row.get("held_out_accuracy")
    _log.info(
        "%s, epoch %d of %d: loss %.4f, accuracy %.1f %%%s, lr %.2g, %.1f images/s",
        model,
        row["epoch"],
        epochs,
        row["loss"],
        100 * row["accuracy"],
        "" if held is None else f", on held-out faces {100 * held:.1f} %",
        row["lr"],
        row["images_per_second"],
    )


class TensorBoardLog:
    """The same rows for TensorBoard, below ``tensorboard/`` beside the weights; nothing happens without it."""

    def __init__(self, folder: Path, model: str, step: int) -> None:
        self._writer: Any = None
        if find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            # Rows after the step that a killed training goes on from are drawn over.
            self._writer = SummaryWriter(str(folder / "tensorboard" / model), purge_step=step)

    def show(self, row: Mapping[str, Any]) -> None:
        """Draw the row's figures at its step."""
        if self._writer is not None:
            for name in HISTORY_COLUMNS[3:]:
                if row.get(name) is not None:
                    self._writer.add_scalar(name, row[name], row["step"])

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
