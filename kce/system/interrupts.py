"""Ctrl-C before a command begins. This imports next to nothing, to be there before anything else is loaded."""

from __future__ import annotations

import os
import signal
import sys

_ANSWERED: list[bool] = []


class EndingWhenInterrupted:
    """A block in which Ctrl-C ends the process at once, with status 130 and no traceback: there is nothing to save yet.

    Nothing changes where somebody else handles or ignores Ctrl-C.
    """

    def __enter__(self) -> None:
        self._previous = signal.getsignal(signal.SIGINT)
        _replace(signal.default_int_handler, end_now)

    def __exit__(self, *_: object) -> None:
        if self._previous is signal.default_int_handler:
            _replace(end_now, signal.default_int_handler)


class RaisingWhenInterrupted:
    """Inside ``EndingWhenInterrupted``, a block in which Ctrl-C raises KeyboardInterrupt again."""

    def __enter__(self) -> None:
        self._previous = signal.getsignal(signal.SIGINT)
        _replace(end_now, signal.default_int_handler)

    def __exit__(self, *_: object) -> None:
        if self._previous is end_now:
            _replace(signal.default_int_handler, end_now)


def answer_given() -> None:
    """Note that the command has answered: what is interrupted from now on has no answer of its own."""
    _ANSWERED.append(True)


def end_now(*_: object) -> None:
    """The handler of the first of the two blocks."""
    try:
        os.write(2, b"interrupted\n")
        if "--json" in sys.argv and not _ANSWERED:
            os.write(1, b'{"error": "interrupted", "hint": "nothing was begun; start the same command again"}\n')
    finally:
        os._exit(130)


def _replace(present: object, wanted: object) -> None:
    if signal.getsignal(signal.SIGINT) is present:
        try:
            signal.signal(signal.SIGINT, wanted)  # type: ignore[arg-type]
        except ValueError:  # not in the main thread, which alone receives signals
            return
