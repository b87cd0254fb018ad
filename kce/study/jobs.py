"""The work of a study's jobs: a worker makes one run, up to a stage, in its own folder, or a piece of its features."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.faces.pixel_cache import PixelCache
from kce.pipeline.recipe import recipe_from_table
from kce.pipeline.run import extract_piece, run
from kce.pipeline.run_features import FEATURES
from kce.registry.registry import Registry
from kce.system.atomic import write_atomic
from kce.system.signals import capturing_log

if TYPE_CHECKING:
    from kce.types import Progress

PROGRESS = "progress.json"
_INTERVAL = 1.0  # seconds between two writes of the progress


@dataclass(frozen=True)
class JobResult:
    """What a job returns.

    Attributes:
        machine: The host name of the machine that did it.
        warnings: The warnings of the run.
    """

    machine: str
    warnings: tuple[str, ...] = ()


def run_job(
    folder: str,
    recipe_table: Mapping[str, Any],
    registry: str,
    until: str,
    other_runs: Sequence[str],
    cache: tuple[str, int] | None = None,
    command: str | None = None,
) -> JobResult:
    """Carry out a run in its folder, up to a stage.

    Args:
        folder: Folder of the run.
        recipe_table: The recipe, as plain tables.
        registry: The folder whose registry.toml applies.
        until: The last stage to do.
        other_runs: Folders of runs whose models, features and plans may be reused.
        cache: The folder for decoded faces, and the bytes that they may take; None = they are not stored.
        command: The command of the study as it was typed.

    Returns:
        The machine, and the warnings of the run.

    Raises:
        KCEError: As ``kce.pipeline.run.run`` does.
        KeyboardInterrupt: When interrupted, after everything is saved.
    """
    with _watched(Path(folder) / PROGRESS) as (progress, warnings):
        chosen = recipe_from_table(recipe_table, f"the study's recipe of {folder}")
        others = [Path(other) for other in other_runs]
        pixels = _pixel_cache(cache)
        run(Path(folder), chosen, Registry.load(registry), until, others, 1, progress, pixels, command)
    return JobResult(socket.gethostname(), tuple(warnings))


def piece_job(
    folder: str, registry: str, table: str, rows: Sequence[int], cache: tuple[str, int] | None = None
) -> JobResult:
    """Extract some rows of a run's table, beside other jobs that extract others.

    Args:
        folder: Folder of the run.
        registry: The folder whose registry.toml applies.
        table: "known" or "unknown".
        rows: The first row, and the one after the last.
        cache: As for ``run_job``.

    Returns:
        The machine, and the warnings.

    Raises:
        KCEError: As ``kce.pipeline.run.extract_piece`` does.
        KeyboardInterrupt: When interrupted, after whole shards are saved.
    """
    with _watched(progress_path({"folder": folder, "table": table, "rows": rows})) as (progress, warnings):
        extract_piece(Path(folder), Registry.load(registry), table, range(*rows), progress, _pixel_cache(cache))
    return JobResult(socket.gethostname(), tuple(warnings))


def _pixel_cache(cache: tuple[str, int] | None) -> PixelCache | None:
    return PixelCache(Path(cache[0]), cache[1]) if cache else None


def progress_path(parameters: Mapping[str, Any]) -> Path:
    """Return the file with the progress of a job, by its parameters; that of a piece is removed with its shards."""
    folder = Path(parameters["folder"])
    if "rows" not in parameters:
        return folder / PROGRESS
    return folder / f"{FEATURES}.parts" / str(parameters["table"]) / f"progress-{parameters['rows'][0]}.json"


@contextmanager
def _watched(path: Path) -> Iterator[tuple[Progress, list[str]]]:
    """Report the progress of a job in a file, and collect its warnings.

    Warnings on standard error would be overwritten: the study's progress board has the screen.
    """
    warnings: list[str] = []
    with capturing_log(warnings.append, logging.WARNING), _writing_progress(path) as progress:
        yield progress, warnings


@contextmanager
def _writing_progress(path: Path) -> Iterator[Progress]:
    """Write the progress of a run to a file that the study reads, so that engines need not report it."""
    last, machine = 0.0, socket.gethostname()

    def note(what: str, done: int, total: int | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > _INTERVAL and path.parent.is_dir():
            last = now
            state = {"machine": machine, "what": what, "done": done, "total": total}
            write_atomic(path, json.dumps(state).encode())

    try:
        yield note
    finally:
        path.unlink(missing_ok=True)
