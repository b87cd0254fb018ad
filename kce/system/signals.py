"""What a process hears while it works: signals, and what KCE logs. Both for a while, and then as it was before."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def answered(number: int, answer: Callable[[int, Any], Any]) -> Iterator[None]:
    """A signal gets this answer inside. Nothing changes in a thread that is not the main one: it hears of none."""
    try:
        before = signal.signal(number, answer)
    except ValueError:
        yield
        return
    try:
        yield
    finally:
        signal.signal(number, before)


@contextmanager
def logged(tell: Callable[[str], None], level: int) -> Iterator[None]:
    """`tell` gets what KCE logs inside, at this level or above."""

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            tell(record.getMessage())

    log, lines = logging.getLogger("kce"), Lines(level)
    before = log.level
    log.setLevel(level)
    log.addHandler(lines)
    try:
        yield
    finally:
        log.removeHandler(lines)
        log.setLevel(before)
