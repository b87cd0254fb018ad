"""Standard streams that cannot fail for what is written to them.

The encoding of standard output is the system's business: cp1252 on Windows, ASCII under some batch systems. What it
does not have is written as an escape, so that no command fails over its last line after hours of work.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import Any


def prepare_streams() -> None:
    """Let standard output and error write anything; a stream that the caller has closed leads nowhere.

    Otherwise the next file that is opened would get the number of the closed stream, and whatever some library prints.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            _open_nowhere(number)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def flush_or_drop(stream: Any) -> None:
    """Write what is buffered. If that fails, what is left goes nowhere, so that Python does not try again as it ends.

    Raises:
        OSError: It could not be written.
    """
    try:
        stream.flush()
    except OSError:
        with suppress(OSError, ValueError):  # not a stream of the system
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
        raise


def _open_nowhere(number: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        nowhere = os.open(os.devnull, os.O_RDWR)
        if nowhere != number:
            os.dup2(nowhere, number)
            os.close(nowhere)
