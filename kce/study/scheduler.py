"""Which job of a study is done when: each after those it needs, as many at a time as the engine has room for."""

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
    """A job, what it needs to be done before, and how it stands.

    alone  of tasks with an equal answer one is at work at a time, so that the next finds what that one made; it is
           asked when the task could start
    """

    job: Job
    needs: Sequence[str] = ()
    alone: Callable[[], Hashable] = lambda: None
    state: State = "waiting"
    seconds: float = 0.0
    error: str = ""
    result: Any = None  # what the job returned
    started: float = field(default=0.0, repr=False)


def carry_out(
    tasks: Mapping[str, Task], engine: Engine, told: Callable[[Mapping[str, Task]], None], every: float = 0.5
) -> None:
    """Do all tasks; what fails stops only those that need it. `told` hears of every change, and every so often.

    Raises KeyboardInterrupt when interrupted, after every job has saved where it stands.
    """
    at_work: dict[Future[Any], str] = {}
    held: dict[str, Hashable] = {}
    try:
        while True:
            _give_up(tasks)
            for name, task in tasks.items():
                if len(at_work) >= engine.slots:
                    break
                if task.state == "waiting" and all(tasks[need].state == "done" for need in task.needs):
                    key = task.alone()
                    if key is None or key not in held.values():
                        held[name] = key
                        task.state, task.started = "running", time.monotonic()
                        at_work[engine.submit(task.job)] = name
            told(tasks)
            if not at_work:
                return
            for future in wait(at_work, timeout=every, return_when=FIRST_COMPLETED).done:
                name = at_work.pop(future)
                held.pop(name)
                _finish(tasks[name], future)
    except BaseException:
        engine.stop()
        for name in at_work.values():
            tasks[name].state = "waiting"
        told(tasks)
        raise


def _finish(task: Task, future: Future[Any]) -> None:
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


def _give_up(tasks: Mapping[str, Task]) -> None:
    """Mark what needs a failed task, and what needs that."""
    while doomed := [
        (task, need)
        for task in tasks.values()
        if task.state == "waiting"
        for need in task.needs
        if tasks[need].state == "failed"
    ]:
        for task, need in doomed:
            task.state, task.error = "failed", f"needs {need}, which failed"


def seconds_left(tasks: Mapping[str, Task], expected: Mapping[str, float]) -> float:
    """How long the tasks will yet take with as many at a time as now: what was expected, as far as it came true so far.

    expected  name of a task -> seconds; the others are taken to be as those of them that are done
    """
    done = [name for name, task in tasks.items() if task.state == "done"]
    told = sum(expected[name] for name in done if name in expected)
    slower = sum(tasks[name].seconds for name in done if name in expected) / told if told else 1.0
    others = [tasks[name].seconds for name in done if name not in expected]
    usual = sum(others) / max(len(others), 1)
    left = 0.0
    for name, task in tasks.items():
        if task.state in ("running", "waiting"):
            spent = time.monotonic() - task.started if task.state == "running" else 0.0
            left += max((expected[name] * slower if name in expected else usual) - spent, 0.0)
    return left / max(sum(task.state == "running" for task in tasks.values()), 1)
