"""How many threads numeric libraries use while a call works."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

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
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    with preserved_environment(_VARIABLE), threadpool_limits(count):
        os.environ[_VARIABLE] = str(count)
        torch.set_num_threads(count)
        try:
            yield
        finally:
            torch.set_num_threads(before)


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
