"""How many threads numeric libraries use while a call works."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from kce.errors import KCEError
from kce.system.threads import choose_threads, measure_load, user_chose_threads
from kce.system.worker_pool import preserved_environment

AUTO = "auto"
_VARIABLE = "OMP_NUM_THREADS"
_log = logging.getLogger("kce.api.threads")


@contextmanager
def limited_threads(threads: int | str) -> Iterator[None]:
    """Have torch, BLAS and OpenMP use so many threads inside the block, in this process and those it starts.

    Args:
        threads: Number of threads; "auto" = one for each core that no other program uses, and with OMP_NUM_THREADS as
            many as that says.

    Raises:
        KCEError: If `threads` is neither "auto" nor a number from 1.
    """
    count = _free_cores() if threads == AUTO else parse_threads(threads)
    if count is None:
        yield
        return
    import torch  # before the variable is set: torch reads it once, and would never have more threads again

    _limits.enter(count, torch)
    try:
        yield
    finally:
        _limits.leave(torch)


class _Limits:
    """What blocks of several threads share: each leaves behind what the first found, and the last resets the variable.

    torch and OpenMP keep a number for every thread, so each thread restores its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._torch = 0
        self._pools: dict[str, int] = {}
        self._variable = ExitStack()

    def enter(self, count: int, torch: Any) -> None:
        from threadpoolctl import threadpool_info, threadpool_limits

        with self._lock:
            if not self._inside:
                self._torch = torch.get_num_threads()
                self._pools = {pool["prefix"]: pool["num_threads"] for pool in threadpool_info()}
                self._variable.enter_context(preserved_environment(_VARIABLE))
            self._inside += 1
            os.environ[_VARIABLE] = str(count)
            threadpool_limits(count)
            torch.set_num_threads(count)

    def leave(self, torch: Any) -> None:
        from threadpoolctl import threadpool_limits

        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._variable.close()
            threadpool_limits(self._pools)
            torch.set_num_threads(self._torch)


_limits = _Limits()


def parse_threads(threads: int | str) -> int:
    """Read a number of threads.

    >>> parse_threads("4")
    4

    Raises:
        KCEError: It is not a number from 1.
    """
    text = str(threads)
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise KCEError(f"{text} threads", "use a number from 1, or auto")
    return int(text)


def _free_cores() -> int | None:
    """The number of threads, which the log explains; None = there is no need to change it."""
    if user_chose_threads():
        return None
    choice = choose_threads(measure_load())
    if not choice.reason:
        return None
    _log.info("%s: threads per process: %s; --threads sets another number", choice.reason, choice.threads)
    return choice.threads
