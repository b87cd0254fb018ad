"""The history of a training, row by row: ``train.csv``, the log, and TensorBoard where it is installed."""

from __future__ import annotations

import csv
import io
import logging
import math
import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from kce.system.atomic import write_atomic
from kce.system.regular import NotRegular, read_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

HISTORY_COLUMNS = (
    "model",
    "epoch",
    "step",
    "loss",
    "accuracy",
    "held_out_accuracy",
    "held_out_balanced_accuracy",
    "lr",
    "images_per_second",
)
"""Columns of ``train.csv``.

``model`` is the stem of the weights file (first, final). ``loss`` and ``accuracy`` are means over the training faces
since the previous row. Accuracy is the share of faces classified correctly, of held-out faces too
(``held_out_accuracy``); ``held_out_balanced_accuracy`` is the mean over classes of the share of each, by which
``checkpoint = "best"`` chooses weights. Both are there at the end of an epoch only. ``images_per_second`` counts
training alone, without saving and measuring.
"""

_log = logging.getLogger("kce.training.train")


def write_history(path: Path, model: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Replace the rows of one model in the file; rows of other models stay."""
    others = [row for row in read_history(path) if row["model"] != model]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, HISTORY_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows([*others, *({"model": model, **row} for row in rows)])
    write_atomic(path, text.getvalue().encode())


def read_history(path: Path, model: str = "") -> list[dict[str, str]]:
    """Read the rows of one model, or of all, as text and in the order they were written.

    Lines that are not such rows are left out, and there are none if there is no such file: nothing needs it, and it is
    written again from the weights.
    """
    try:
        text = read_regular(path).decode("utf-8", "replace")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except (FileNotFoundError, NotRegular, csv.Error):
        return []
    return [row for row in rows if _is_row(row) and model in ("", row["model"])]


def _is_row(row: Mapping[Any, Any]) -> bool:
    if tuple(row) != HISTORY_COLUMNS or not row["model"]:
        return False
    try:
        values = [float(row[name] or 0) for name in HISTORY_COLUMNS[1:]]
    except (ValueError, TypeError):
        return False
    return all(map(math.isfinite, values))


def log_epoch(model: str, row: Mapping[str, Any], epochs: int) -> None:
    """Write one line to the log for a finished epoch."""
    accuracy = row.get("held_out_accuracy")
    _log.info(
        "%s, epoch %d of %d: loss %.4f, accuracy %.1f %%%s, lr %.2g, %.1f images/s",
        model,
        row["epoch"],
        epochs,
        row["loss"],
        100 * row["accuracy"],
        "" if accuracy is None else f", on held-out faces {100 * accuracy:.1f} %",
        row["lr"],
        row["images_per_second"],
    )


def _quiet_about_lost_folders(before: Callable[[threading.ExceptHookArgs], object]) -> Callable[..., object]:
    """A hook for threads: TensorBoard's raises the errors of the system again where the next row is written."""

    def hook(failed: threading.ExceptHookArgs) -> None:
        if not (issubclass(failed.exc_type, OSError) and type(failed.thread).__module__.startswith("tensorboard")):
            before(failed)

    return hook


class TensorBoardLog:
    """Writes the same rows to ``tensorboard/`` beside the weights; does nothing without the package tensorboard."""

    def __init__(self, folder: Path, model: str, step: int) -> None:
        self._writer: Any = None
        if find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._hook = threading.excepthook
            threading.excepthook = _quiet_about_lost_folders(self._hook)
            # Discards what a killed training wrote after the step it now resumes from.
            self._writer = SummaryWriter(str(folder / "tensorboard" / model), purge_step=step)

    def add_row(self, row: Mapping[str, Any]) -> None:
        """Add the numbers of a row at its step."""
        if self._writer is not None:
            for name in HISTORY_COLUMNS[3:]:
                if row.get(name) is not None:
                    self._writer.add_scalar(name, row[name], row["step"])

    def close(self) -> None:
        """Flush and close the files."""
        if self._writer is not None:
            self._writer.close()
            threading.excepthook = self._hook
