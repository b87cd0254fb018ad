"""What the processes of a study do: one run, up to a stage, in its own folder."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kce.pipeline.recipe import recipe_from_table
from kce.pipeline.run import run
from kce.registry.registry import Registry
from kce.system.atomic import write_atomic
from kce.system.signals import capturing_log

PROGRESS = "progress.json"
_EVERY = 1.0  # seconds between two notes of progress


def do(folder: str, chosen: Mapping[str, Any], registry: str, until: str, places: Sequence[str]) -> list[str]:
    """Do a run in its folder up to a stage, and return what it warned of.

    chosen    the recipe, as a document
    registry  the folder whose registry.toml counts
    Raises whatever ``kce.pipeline.run.run`` raises; KeyboardInterrupt after an interrupt, when all is saved.
    """
    here, warned = Path(folder), list[str]()
    # On standard error it would be lost: the screen is the board's of the study.
    with capturing_log(warned.append, logging.WARNING), _progress(here / PROGRESS) as progress:
        told = recipe_from_table(chosen, f"the study's recipe of {folder}")
        run(here, told, Registry.load(registry), until, [Path(place) for place in places], progress=progress)
    return warned


def begin() -> int:
    """Make a worker of this process; returns its number. It hears of Ctrl-C from its engine alone, and ends with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setpgrp"):
        os.setpgrp()
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    return os.getpid()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)  # what runs is saved every so often; nobody is there to end it well


@contextmanager
def _progress(path: Path) -> Iterator[Any]:
    """Where the run stands, in a file that the study reads: engines need not carry it."""
    last = 0.0

    def note(what: str, done: int, total: int | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > _EVERY and path.parent.is_dir():
            last = now
            write_atomic(path, json.dumps({"what": what, "done": done, "total": total}).encode())

    try:
        yield note
    finally:
        path.unlink(missing_ok=True)
