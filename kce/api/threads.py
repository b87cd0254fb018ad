"""How many threads numeric libraries use while a call works."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from kce.errors import KCEError
from kce.system.worker_pool import preserved_environment

_VARIABLE = "OMP_NUM_THREADS"


@contextmanager
def limited_threads(threads: int | None) -> Iterator[None]:
    """Have torch, BLAS and OpenMP use so many threads inside the block, in this process and those it starts.

    Args:
        threads: Number of threads; None = as they are.

    Raises:
        KCEError: If `threads` is below 1.
    """
    if threads is None:
        yield
        return
    if threads < 1:
        raise KCEError(f"{threads} threads", "use 1 or more")
    import torch  # before the variable is set: torch reads it once, and would never have more threads again
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    with preserved_environment(_VARIABLE), threadpool_limits(threads):
        os.environ[_VARIABLE] = str(threads)
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)
