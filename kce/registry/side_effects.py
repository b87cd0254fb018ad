"""What a component does to the process around it: what it prints, and what of the process's own state it changes."""

from __future__ import annotations

import io
import os
import random
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kce.errors import BrokenPromise

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass
class Seen:
    """What was seen of a stretch of work, once it is over: promise -> what breaks it."""

    breaches: dict[str, str]

    def complain(self, *promises: str) -> None:
        """Raise BrokenPromise for the first of these promises that was broken, or of all."""
        for promise, text in self.breaches.items():
            if not promises or promise in promises:
                raise BrokenPromise(promise, text)


@contextmanager
def watched(*, pools: bool = True) -> Iterator[Seen]:
    """Notes what the work inside prints and changes; its standard output goes nowhere, and changes are taken back.

    pools  also ask the numeric libraries how many threads each would use, which takes a few milliseconds
    The promises are "silent", "random-state", "warnings" and "threads". Work that also imports libraries is given the
    benefit of the doubt over random state and warnings, since some libraries touch them when they are imported: what
    they changed is put back and not held against the component. ``kce check`` asks a component before it looks.
    """
    seen = Seen({})
    states, filters, threads = _random_states(), list(warnings.filters), _threads(pools)
    environment = {name: os.environ.get(name) for name in _THREADS}
    show, loaded = warnings.showwarning, len(sys.modules)
    try:
        with _stdout() as printed:
            yield seen
    finally:
        if said := "".join(printed):
            seen.breaches["silent"] = f"it prints to standard output: {said[:80]!r}"
        _restore_random(states, seen)
        if warnings.filters != filters or warnings.showwarning is not show:
            seen.breaches["warnings"] = "it changes which warnings others see"
            warnings.filters[:] = filters  # type: ignore[index] # typeshed calls it a Sequence
            warnings.showwarning = show
        _restore_threads(threads, environment, pools, seen)
        if len(sys.modules) > loaded:
            for doubtful in ("random-state", "warnings"):
                seen.breaches.pop(doubtful, None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raises BrokenPromise ("in-time") in the work inside after so many seconds.

    Only in the main thread and where the system has SIGALRM; what does not come back to Python is not interrupted.
    """
    if seconds <= 0 or threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def ring(*_: object) -> None:
        raise _Rang

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except _Rang:
        raise BrokenPromise("in-time", f"it gives no answer in {seconds:g} seconds") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class _Rang(BaseException):
    """Not an Exception: a component that catches those must not catch this one."""


@contextmanager
def _stdout() -> Iterator[list[str]]:
    """Keeps standard output to itself, what C libraries write too; what it was is in the list afterwards."""
    said: list[str] = []
    text = io.StringIO()
    with tempfile.TemporaryFile() as raw:
        kept = None
        with suppress(OSError):  # there may be no such file
            if sys.__stdout__ is not None:
                sys.__stdout__.flush()
            kept = os.dup(1)
            os.dup2(raw.fileno(), 1)
        try:
            with redirect_stdout(text):
                yield said
        finally:
            if kept is not None:
                os.dup2(kept, 1)
                os.close(kept)
            raw.seek(0)
            said += [text.getvalue(), raw.read().decode(errors="replace")]


def _random_states() -> dict[str, Any]:
    """Of every library that is loaded; numpy's comes as a tuple with an array in it."""
    states: dict[str, Any] = {"random": random.getstate()}
    if "numpy" in sys.modules:
        import numpy as np

        states["numpy"] = np.random.get_state()
    if "torch" in sys.modules:
        import torch

        states["torch"] = torch.get_rng_state()
    return states


def _restore_random(before: dict[str, Any], seen: Seen) -> None:
    after = _random_states()
    moved = [name for name, state in before.items() if not _same(state, after[name])]
    if not moved:
        return
    seen.breaches["random-state"] = f"it changes the random state that others share: {', '.join(moved)}"
    if "random" in moved:
        random.setstate(before["random"])
    if "numpy" in moved:
        import numpy as np

        np.random.set_state(before["numpy"])
    if "torch" in moved:
        import torch

        torch.set_rng_state(before["torch"])


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, tuple):
        return a == b if len(a) > 9 else all(_same(one, other) for one, other in zip(a, b, strict=True))
    return bool((a == b).all()) if hasattr(a, "all") else bool(a == b)


def _threads(pools: bool) -> dict[str, int]:
    found = {}
    if pools:
        from threadpoolctl import threadpool_info

        found = {pool["filepath"]: int(pool["num_threads"]) for pool in threadpool_info()}
    for module, ask in (
        ("torch", "get_num_threads"),
        ("cv2", "getNumThreads"),
    ):  # numba starts threads when it is asked
        there = sys.modules.get(module)
        if there is not None and hasattr(there, ask):
            found[module] = int(getattr(there, ask)())
    return found


def _restore_threads(before: dict[str, int], environment: dict[str, str | None], pools: bool, seen: Seen) -> None:
    after = _threads(pools)
    moved = [name for name, count in before.items() if after.get(name, count) != count]
    for name, value in environment.items():
        if os.environ.get(name) != value:
            moved.append(name)
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
    if not moved:
        return
    names = ", ".join(Path(name).name for name in moved)
    seen.breaches["threads"] = f"it changes how many threads others use: {names}"
    if "torch" in moved:
        import torch

        torch.set_num_threads(before["torch"])
