"""Whose turn it is to use torch, where several threads of a process would."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_log = logging.getLogger("kce.training.turns")
_turn = threading.RLock()


@contextmanager
def torch_turn() -> Iterator[None]:
    """Wait inside the block until no other thread is in one.

    torch has one random state for a process: two trainings at once would take each other's random numbers, and neither
    could be repeated.
    """
    if not _turn.acquire(blocking=False):
        _log.warning("another thread of this process trains or extracts; this one waits for it")
        _turn.acquire()
    try:
        yield
    finally:
        _turn.release()
