"""Ctrl-C at a chosen moment of the work of this process."""

from __future__ import annotations

import itertools
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kce.types import Progress


def interrupt_at(call: int) -> Progress:
    """Build a function of progress that raises SIGINT when it is called for the `call`-th time, counted from 0."""
    calls = itertools.count()

    def interrupt(*_: object) -> None:
        if next(calls) == call:
            signal.raise_signal(signal.SIGINT)

    return interrupt
