"""What work takes: time, memory, threads."""

from __future__ import annotations

import os
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil


def seconds(call: Callable[[], Any]) -> float:
    """Of processor time, since others may be at work here; the least of a few tries."""
    tries: list[float] = []
    while len(tries) < 5 and sum(tries) < 0.5:
        start = time.process_time()
        call()
        tries.append(time.process_time() - start)
    return min(tries)


def memory(call: Callable[[], Any]) -> float:
    """Bytes that Python's allocator handed out at most, numpy's arrays included; those of C libraries are not seen."""
    tracemalloc.start()
    try:
        call()
        return float(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


_LIMITERS = {
    "torch": ("get_num_threads", "set_num_threads"),
    "cv2": ("getNumThreads", "setNumThreads"),
    "numba": ("get_num_threads", "set_num_threads"),
}


@contextmanager
def one_thread() -> Iterator[None]:
    """Numeric libraries that are loaded use one thread inside."""
    from threadpoolctl import threadpool_limits

    before = {name: getattr(sys.modules[name], ask)() for name, (ask, _) in _LIMITERS.items() if name in sys.modules}

    def tell(name: str, count: int) -> None:
        getattr(sys.modules[name], _LIMITERS[name][1])(count)

    try:
        with threadpool_limits(1):
            for name in before:
                tell(name, 1)
            yield
    finally:  # after the pools have theirs back: numba, asked above, may have given them another number
        for name, count in reversed(before.items()):
            tell(name, count)


def spent() -> float:
    """Seconds of processor time of this process and of those it started."""
    times = os.times()
    spent = times.user + times.system + times.children_user + times.children_system
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has just ended
            used = child.cpu_times()
            spent += used.user + used.system
    return spent
