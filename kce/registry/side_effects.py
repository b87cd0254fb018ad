"""Observes what a component does to its process besides answering, and undoes it: output, global states, threads."""

from __future__ import annotations

import builtins
import io
import json
import os
import random
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kce.errors import CheckFailed

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass
class SideEffects:
    """The side effects of some work, complete once it is over.

    Attributes:
        failures: Check ("silent", "random-state", "warnings" or "threads") -> what the work did.
        output: What it printed to standard output.
    """

    failures: dict[str, str] = field(default_factory=dict)
    output: str = ""

    def raise_for(self, *checks: str) -> None:
        """Raise CheckFailed for the first of these checks that failed, by default of all."""
        for check, text in self.failures.items():
            if not checks or check in checks:
                raise CheckFailed(check, text)


@contextmanager
def observed(*, pools: bool = True) -> Iterator[SideEffects]:
    """Observe the side effects of the work inside, and undo them when it is over.

    Standard output is captured, also that of C libraries. Work that imports a module is not blamed for a changed random
    state or changed warnings, since some libraries change them when they are imported; both are restored all the same.

    Args:
        pools: Also ask the thread pools of numeric libraries for their sizes, which takes a few milliseconds.
    """
    effects = SideEffects()
    states, filters, threads = _random_states(), list(warnings.filters), _thread_counts(pools)
    environment = {name: os.environ.get(name) for name in _THREADS}
    show, modules = warnings.showwarning, len(sys.modules)
    try:
        with _captured_output() as output:
            yield effects
    finally:
        effects.output = "".join(output)
        if effects.output:
            effects.failures["silent"] = f"it prints to standard output: {effects.output[:80]!r}"
        _restore_random(states, effects)
        if warnings.filters != filters or warnings.showwarning is not show:
            effects.failures["warnings"] = "it changes the filters of `warnings` or how warnings are shown"
            warnings.filters[:] = filters  # type: ignore[index] # typeshed calls it a Sequence
            warnings.showwarning = show
        _restore_threads(threads, environment, pools, effects)
        if len(sys.modules) > modules:
            for doubtful in ("random-state", "warnings"):
                effects.failures.pop(doubtful, None)


@contextmanager
def preserved_process() -> Iterator[None]:
    """Restore what belongs to everybody and a plugin may replace while it is imported.

    Restored are the standard streams, the working folder, the answers to Ctrl-C and SIGTERM, the limit of recursion,
    and the functions of ``builtins`` and ``json``, with the methods of its encoder and decoder.
    """
    streams, limit = (sys.stdin, sys.stdout, sys.stderr), sys.getrecursionlimit()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    functions = [(owner, dict(vars(owner))) for owner in (builtins, json, json.JSONEncoder, json.JSONDecoder)]
    folder = Path.cwd()
    try:
        yield
    finally:
        for owner, before in functions:
            for name, value in before.items():
                if vars(owner).get(name) is not value:
                    setattr(owner, name, value)
        sys.stdin, sys.stdout, sys.stderr = streams
        sys.setrecursionlimit(limit)
        os.chdir(folder)
        for number, handler in handlers.items():
            if signal.getsignal(number) is not handler and handler is not None:
                signal.signal(number, handler)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise CheckFailed ("time-limit") in the work inside after so many seconds.

    Works only in the main thread and where the system has SIGALRM, and only if the work returns to Python.
    """
    if seconds <= 0 or threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def interrupt(*_: object) -> None:
        raise _TimeIsUp

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    except _TimeIsUp:
        raise CheckFailed("time-limit", f"it does not answer in {seconds:g} seconds") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class _TimeIsUp(BaseException):
    """Not an Exception: a component that catches those must not catch this one."""


@contextmanager
def _captured_output() -> Iterator[list[str]]:
    """Capture standard output, also of C libraries; the list holds the text once the work is over."""
    output: list[str] = []
    text = io.StringIO()
    with tempfile.TemporaryFile() as raw:
        original = None
        with suppress(OSError):  # the process may have no file 1
            if sys.__stdout__ is not None:
                sys.__stdout__.flush()
            original = os.dup(1)
            os.dup2(raw.fileno(), 1)
        try:
            with redirect_stdout(text):
                yield output
        finally:
            if original is not None:
                os.dup2(original, 1)
                os.close(original)
            raw.seek(0)
            output += [text.getvalue(), raw.read().decode(errors="replace")]


def _random_states() -> dict[str, Any]:
    """The global random states of the libraries that are loaded; numpy's is a tuple with an array in it."""
    states: dict[str, Any] = {"random": random.getstate()}
    if "numpy" in sys.modules:
        import numpy as np

        states["numpy"] = np.random.get_state()
    if "torch" in sys.modules:
        import torch

        states["torch"] = torch.get_rng_state()
    return states


def _restore_random(before: dict[str, Any], effects: SideEffects) -> None:
    after = _random_states()
    moved = [name for name, state in before.items() if not _equal_states(state, after[name])]
    if not moved:
        return
    effects.failures["random-state"] = f"it changes the global random state of {', '.join(moved)}"
    if "random" in moved:
        random.setstate(before["random"])
    if "numpy" in moved:
        import numpy as np

        np.random.set_state(before["numpy"])
    if "torch" in moved:
        import torch

        torch.set_rng_state(before["torch"])


def _equal_states(a: Any, b: Any) -> bool:
    if isinstance(a, tuple):
        return a == b if len(a) > 9 else all(_equal_states(one, other) for one, other in zip(a, b, strict=True))
    return bool((a == b).all()) if hasattr(a, "all") else bool(a == b)


def _thread_counts(pools: bool) -> dict[str, int]:
    counts = {}
    if pools:
        from threadpoolctl import threadpool_info

        counts = {pool["filepath"]: int(pool["num_threads"]) for pool in threadpool_info()}
    # numba is not asked: asking it starts its threads.
    for name, getter in (("torch", "get_num_threads"), ("cv2", "getNumThreads")):
        module = sys.modules.get(name)
        if module is not None and hasattr(module, getter):
            counts[name] = int(getattr(module, getter)())
    return counts


def _restore_threads(
    before: dict[str, int], environment: dict[str, str | None], pools: bool, effects: SideEffects
) -> None:
    after = _thread_counts(pools)
    moved = [name for name, count in before.items() if after.get(name, count) != count]
    if pools and any(name not in ("torch", "cv2") for name in moved):
        _restore_pools(before)
    if "torch" in moved:
        import torch

        torch.set_num_threads(before["torch"])
    if "cv2" in moved:
        import cv2

        cv2.setNumThreads(before["cv2"])
    for name, value in environment.items():
        if os.environ.get(name) != value:
            moved.append(name)
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
    if moved:
        names = ", ".join(Path(name).name for name in moved)
        effects.failures["threads"] = f"it changes the number of threads of numeric libraries: {names}"


def _restore_pools(before: dict[str, int]) -> None:
    from threadpoolctl import ThreadpoolController

    for pool in ThreadpoolController().lib_controllers:
        if pool.filepath in before:
            pool.set_num_threads(before[pool.filepath])
