"""Temporary handlers, for a signal and for what KCE logs; the previous state is restored afterwards."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import logging

FROM_OUTSIDE = (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM))
"""Signals that others send to end a process, as the system does when memory runs out."""


@contextmanager
def handling_signal(number: int, handler: Callable[[int, Any], Any]) -> Iterator[None]:
    """Install a signal handler inside the block. Does nothing outside the main thread, which alone receives signals."""
    try:
        previous = signal.signal(number, handler)
    except ValueError:
        yield
        return
    try:
        yield
    finally:
        signal.signal(number, previous)


@contextmanager
def capturing_log(receive: Callable[[str], None], level: int) -> Iterator[None]:
    """Pass every message that KCE logs at this level or above inside the block to `receive`."""
    import logging  # late: most commands log nothing

    class Receiver(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            receive(record.getMessage())

    logger, receiver = logging.getLogger("kce"), Receiver(level)
    previous = logger.level
    logger.setLevel(level)
    logger.addHandler(receiver)
    try:
        yield
    finally:
        logger.removeHandler(receiver)
        logger.setLevel(previous)
