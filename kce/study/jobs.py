"""The work of a study's jobs: a worker process makes one run, up to a stage, in its own folder."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kce.faces.pixel_cache import PixelCache
from kce.pipeline.recipe import recipe_from_table
from kce.pipeline.run import run
from kce.registry.registry import Registry
from kce.system.atomic import write_atomic
from kce.system.signals import capturing_log

PROGRESS = "progress.json"
_INTERVAL = 1.0  # seconds between two writes of the progress


def run_job(
    folder: str,
    recipe_table: Mapping[str, Any],
    registry: str,
    until: str,
    other_runs: Sequence[str],
    cache: tuple[str, int] | None = None,
) -> list[str]:
    """Carry out a run in its folder, up to a stage.

    Args:
        folder: Folder of the run.
        recipe_table: The recipe, as plain tables.
        registry: The folder whose registry.toml applies.
        until: The last stage to do.
        other_runs: Folders of runs whose models, features and plans may be reused.
        cache: The folder for decoded faces, and the bytes that they may take; None = they are not stored.

    Returns:
        The warnings of the run.

    Raises:
        KCEError: As ``kce.pipeline.run.run`` does.
        KeyboardInterrupt: When interrupted, after everything is saved.
    """
    path, warnings = Path(folder), list[str]()
    # Warnings on standard error would be overwritten: the study's progress board has the screen.
    with capturing_log(warnings.append, logging.WARNING), _writing_progress(path / PROGRESS) as progress:
        chosen = recipe_from_table(recipe_table, f"the study's recipe of {folder}")
        others = [Path(other) for other in other_runs]
        pixels = PixelCache(Path(cache[0]), cache[1]) if cache else None
        run(path, chosen, Registry.load(registry), until, others, progress=progress, cache=pixels)
    return warnings


@contextmanager
def _writing_progress(path: Path) -> Iterator[Any]:
    """Write the progress of a run to a file that the study reads, so that engines need not report it."""
    last = 0.0

    def note(what: str, done: int, total: int | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > _INTERVAL and path.parent.is_dir():
            last = now
            write_atomic(path, json.dumps({"what": what, "done": done, "total": total}).encode())

    try:
        yield note
    finally:
        path.unlink(missing_ok=True)
