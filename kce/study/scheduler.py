"""Runs the jobs of a study on an engine: each after those it needs, as many at a time as the engine has slots."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from kce.errors import KCEError

if TYPE_CHECKING:
    from kce.system.job import Job
    from kce.types import Engine

State = Literal["waiting", "running", "done", "failed"]


@dataclass
class Task:
    """A job and its state.

    Attributes:
        job: The work.
        needs: Names of the tasks that must be done before.
        exclusive: Called when the task could start. Tasks with equal keys never run concurrently, so that the next one
            finds what the first made; None means no restriction.
        state: "waiting", "running", "done" or "failed".
        seconds: How long it took.
        error: Why it failed; empty if it did not.
        result: What the job returned.
        started: ``time.monotonic()`` at its start.
        machine: The machine that does it or did it, as far as it is known.
    """

    job: Job
    needs: Sequence[str] = ()
    exclusive: Callable[[], Hashable] = lambda: None
    state: State = "waiting"
    seconds: float = 0.0
    error: str = ""
    result: Any = None
    started: float = field(default=0.0, repr=False)
    machine: str = ""


def run_tasks(
    tasks: Mapping[str, Task], engine: Engine, report: Callable[[Mapping[str, Task]], None], every: float = 0.5
) -> None:
    """Run all tasks; a failure stops only the tasks that need the failed one.

    Args:
        tasks: Name -> task; they are updated in place.
        engine: Runs the jobs.
        report: Called with the tasks after every change and at least every `every` seconds.
        every: Seconds between reports, at most.

    Raises:
        KeyboardInterrupt: When interrupted, after every job has saved its state.
    """
    running: dict[Future[Any], str] = {}
    keys: dict[str, Hashable] = {}
    try:
        while True:
            _fail_dependents(tasks)
            for name, task in tasks.items():
                if len(running) >= engine.slots:
                    break
                if task.state == "waiting" and all(tasks[need].state == "done" for need in task.needs):
                    key = task.exclusive()
                    if key is None or key not in keys.values():
                        keys[name] = key
                        task.state, task.started = "running", time.monotonic()
                        running[engine.submit(task.job)] = name
            report(tasks)
            if not running:
                return
            for future in wait(running, timeout=every, return_when=FIRST_COMPLETED).done:
                name = running.pop(future)
                keys.pop(name)
                _record(tasks[name], future)
    except BaseException:
        engine.stop()
        for name in running.values():
            tasks[name].state = "waiting"
        report(tasks)
        raise


def _record(task: Task, future: Future[Any]) -> None:
    """Store the outcome of a finished job."""
    task.seconds = time.monotonic() - task.started
    error = future.exception()
    if isinstance(error, KeyboardInterrupt):
        raise error
    task.state = "failed" if error else "done"
    if isinstance(error, KCEError):
        task.error = str(error)
    elif error is None:
        task.result = future.result()
    else:
        task.error = f"{type(error).__name__}: {error}"


def _fail_dependents(tasks: Mapping[str, Task]) -> None:
    """Mark tasks that need a failed task as failed, and the tasks that need those."""
    while blocked := [
        (task, need)
        for task in tasks.values()
        if task.state == "waiting"
        for need in task.needs
        if tasks[need].state == "failed"
    ]:
        for task, need in blocked:
            task.state, task.error = "failed", f"needs {need}, which failed"


def seconds_left(tasks: Mapping[str, Task], expected: Mapping[str, float]) -> float:
    """Estimate how long the tasks will take, at the present number of running tasks.

    Expected times are scaled by how the finished tasks compared with theirs.

    Args:
        tasks: Name -> task.
        expected: Name -> expected seconds; tasks with no estimate get the mean duration of the finished tasks with
            none.
    """
    done = [name for name, task in tasks.items() if task.state == "done"]
    predicted = sum(expected[name] for name in done if name in expected)
    slowdown = sum(tasks[name].seconds for name in done if name in expected) / predicted if predicted else 1.0
    others = [tasks[name].seconds for name in done if name not in expected]
    typical = sum(others) / max(len(others), 1)
    left = 0.0
    for name, task in tasks.items():
        if task.state in ("running", "waiting"):
            elapsed = time.monotonic() - task.started if task.state == "running" else 0.0
            left += max((expected[name] * slowdown if name in expected else typical) - elapsed, 0.0)
    return left / max(sum(task.state == "running" for task in tasks.values()), 1)
