"""Measures what a call takes: time, memory, threads."""

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
    """Return the processor time of a call: the least of a few tries, since other programs disturb it."""
    tries: list[float] = []
    while len(tries) < 5 and sum(tries) < 0.5:
        start = time.process_time()
        call()
        tries.append(time.process_time() - start)
    return min(tries)


def memory(call: Callable[[], Any]) -> float:
    """Return the peak memory of a call in bytes, of Python's allocator and numpy; that of C libraries is not seen."""
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
    """Limit the numeric libraries that are loaded to one thread."""
    from threadpoolctl import threadpool_limits

    before = {
        name: getattr(sys.modules[name], getter)() for name, (getter, _) in _LIMITERS.items() if name in sys.modules
    }

    def set_threads(name: str, count: int) -> None:
        getattr(sys.modules[name], _LIMITERS[name][1])(count)

    try:
        with threadpool_limits(1):
            for name in before:
                set_threads(name, 1)
            yield
    finally:  # after the pools are restored: asking numba above may have changed their sizes
        for name, count in reversed(before.items()):
            set_threads(name, count)


def processor_seconds() -> float:
    """Return the seconds of processor time of this process and its children."""
    times = os.times()
    total = times.user + times.system + times.children_user + times.children_system
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has just ended
            used = child.cpu_times()
            total += used.user + used.system
    return total
