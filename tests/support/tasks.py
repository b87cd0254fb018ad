"""Tasks for worker processes that end in every way."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def make_task(folder: str) -> Callable[[tuple[str, Any]], Any]:
    """The function that a worker calls with what to do and a value; `folder` records which tasks are at work."""
    leaked = []

    def work(task: tuple[str, Any]) -> Any:
        what, value = task
        mark = Path(folder) / f"{os.getpid()}"
        mark.touch()
        beside = len(list(Path(folder).iterdir())) - 1
        try:
            if what == "signal" or (what == "signal unless alone" and beside):
                mark.unlink()
                os.kill(os.getpid(), value)
            elif what == "sleep":
                time.sleep(value)
            elif what == "spin":
                end = time.process_time() + value
                while time.process_time() < end:
                    pass
            elif what == "memory":
                kept = bytearray(b"x") * value
                time.sleep(20)
                return len(kept)
            elif what == "leak":
                leaked.append(bytearray(b"x") * value)
                time.sleep(0.6)  # long enough to be looked at
                return os.getpid()
            elif what == "raise":
                raise value
            return "done"
        finally:
            mark.unlink(missing_ok=True)

    return work


def make_nothing() -> Callable[[Any], Any]:
    raise MemoryError
