"""What runs in a worker process of ``kce.system.worker_pool``."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from kce.errors import KCEError
from kce.system.machine_faults import fault_of
from kce.system.package_files import tolerate_broken_packages

Make = Callable[..., Callable[[Any], Any]]


def serve(pipe: Connection, make: bytes) -> None:
    """Run a worker, until the parent closes the pipe or ends."""
    try:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    except RuntimeError as error:
        pipe.send(_failed(error))
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal; the parent decides
    tolerate_broken_packages()
    fault, work = _call(_made, make)
    with suppress(EOFError, OSError):  # the parent has ended
        pipe.send((fault, work if fault else None))
        while not fault:
            pipe.send(_call(work, pipe.recv()))


def _end_with_parent() -> None:
    """End this process with its parent: nobody waits for the results, and a restarted parent needs the cores."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _made(pickled: bytes) -> Callable[[Any], Any]:
    make, arguments = pickle.loads(pickled)  # noqa: S301 - the parent pickled it
    return make(*arguments)  # type: ignore[no-any-return]


def _call(call: Callable[..., Any], *arguments: Any) -> tuple[bool, Any]:
    """Return (False, result), or (True, exception) for the parent to raise."""
    try:
        return False, call(*arguments)
    except Exception as error:
        return _failed(error)


def _failed(error: Exception) -> tuple[bool, Exception]:
    return True, fault_of(error) or _portable(error)


def _portable(error: Exception) -> Exception:
    """Return the exception with its traceback as a note, or a RuntimeError with the text if it cannot be pickled."""
    text = "".join(traceback.format_exception(error))
    try:
        copied = pickle.loads(pickle.dumps(error))  # noqa: S301 - pickled on this line
    except Exception:  # pickling can raise anything
        return RuntimeError(text)
    if not isinstance(copied, KCEError):
        error.add_note(f"in a worker process:\n{text}")
    return error
