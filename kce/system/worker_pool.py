"""A pool of worker processes that survives crashes: results come in the order of the tasks, whichever worker dies.

A decoder that crashes takes its process down. `concurrent.futures` then breaks the whole pool without saying which
task it was, and its workers outlive a parent that was killed; here each worker has a pipe of its own.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple, Self, cast

from kce.errors import KCEError

THREADS = ("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM", "NUMBA_NUM_THREADS")
"""Environment variables with the number of threads, which numeric libraries read when they are loaded."""

_START = 60.0  # extra seconds that a new process has under a time limit, to start and to import

Make = Callable[..., Callable[[Any], Any]]


class StartFailed(KCEError):
    """The worker processes end before they can take a task."""


class TaskLost(NamedTuple):
    """Takes the place of the result of a task whose process died at every try, or that exceeded its time limit.

    Attributes:
        reason: What happened, in words for the user.
        timed_out: Whether it was the time limit.
    """

    reason: str
    timed_out: bool = False


class InlineWorkers:
    """The interface of ``Workers`` without processes: each task is done when its result is taken.

    Attributes:
        ahead: How many tasks to keep submitted.
    """

    ahead = 1

    def __init__(self, make: Make, arguments: tuple[Any, ...]) -> None:
        self._work = make(*arguments)
        self._tasks: deque[Any] = deque()

    def submit(self, task: Any) -> None:
        """Queue a task."""
        self._tasks.append(task)

    def take(self) -> Any:
        """Do the oldest queued task and return its result; raises what the task raises."""
        return self._work(self._tasks.popleft())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class _Worker(NamedTuple):
    process: BaseProcess
    pipe: Connection


class Workers:
    """A pool of spawned processes; each builds its worker function once and then calls it for each task.

    What a task raises is raised by ``take``. A task whose process dies is tried again, and then its result is a
    ``TaskLost``.

    Args:
        count: How many processes.
        make: Called as `make(*arguments)` in each process; returns the function that is called with each task. `make`,
            the arguments, tasks and results must be picklable.
        arguments: Arguments for `make`.
        limit: Seconds a task may take; a task that takes longer is lost, its process is killed, and it is not retried.
        tries: How many times a task is tried if its process dies.
        threads: Threads of the numeric libraries in each process; None leaves that to the environment.
        parents: Whether tasks may start processes of their own.

    Attributes:
        ahead: How many tasks to keep submitted so that no worker waits.

    Raises:
        StartFailed: If the processes cannot start.
        Exception: Whatever `make` raises; one process calls it before the pool is ready.
    """

    def __init__(
        self,
        count: int,
        make: Make,
        arguments: tuple[Any, ...],
        *,
        limit: float | None = None,
        tries: int = 2,
        threads: int | None = 1,  # the processes share the cores
        parents: bool = False,
    ) -> None:
        self.ahead = 4 * count  # so that no worker waits while the oldest result is awaited
        self._make, self._threads = (make, arguments), threads
        self._limit, self._tries, self._daemon = limit, tries, not parents
        self._since: dict[Connection, float] = {}
        self._context = multiprocessing.get_context("spawn")  # OpenCV and onnxruntime hang in forked children
        self._submitted = self._taken = 0
        self._queued: deque[tuple[int, Any]] = deque()
        self._results: dict[int, Any] = {}
        self._deaths: dict[int, int] = {}
        self._busy: dict[Connection, tuple[int, Any] | None] = {}  # None: still starting
        self._workers: dict[Connection, _Worker] = {}
        self._idle: list[Connection] = []
        try:
            self._start_worker()
            while not self._idle:
                self._listen()
            for _ in range(count - 1):
                self._start_worker()
        except BaseException:
            self.close()
            raise

    def submit(self, task: Any) -> None:
        """Queue a task. ``take`` returns the results in this order."""
        self._queued.append((self._submitted, task))
        self._submitted += 1
        self._hand_out()

    def take(self) -> Any:
        """Wait for the oldest result that was not taken yet, and return it; raises what the task raised."""
        while self._taken not in self._results:
            self._listen()
        self._taken += 1
        return self._results.pop(self._taken - 1)

    def close(self) -> None:
        """Kill all processes; results that were not taken are lost."""
        for worker in self._workers.values():
            worker.process.kill()
            worker.pipe.close()
        for worker in self._workers.values():
            worker.process.join()
            worker.process.close()
        self._workers.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start_worker(self) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, *self._make), daemon=self._daemon)
        with _blocking_interrupts(), _threads(self._threads):
            process.start()
        theirs.close()
        self._workers[ours] = _Worker(process, ours)
        self._busy[ours] = None
        self._since[ours] = time.monotonic() + _START

    def _hand_out(self) -> None:
        while self._idle and self._queued:
            pipe = self._idle.pop()
            self._busy[pipe] = self._queued.popleft()
            self._since[pipe] = time.monotonic()
            try:
                pipe.send(self._busy[pipe][1])  # type: ignore[index]
            except OSError:
                self._replace_worker(pipe)

    def _listen(self) -> None:
        """Wait until a worker sends a result or dies, or the first time limit is reached."""
        busy = [pipe for pipe in self._busy if pipe not in self._idle]
        for pipe in cast("list[Connection]", wait(busy, self._time_left(busy))):
            try:
                fault, result = pipe.recv()
            except (EOFError, OSError):
                self._replace_worker(pipe)
                continue
            if fault:
                raise result
            task = self._busy[pipe]
            if task is not None:
                self._results[task[0]] = result
            self._idle.append(pipe)
        for pipe in [pipe for pipe in busy if pipe in self._busy and self._time_left([pipe]) == 0]:
            self._workers[pipe].process.kill()
            self._replace_worker(pipe, timed_out=True)
        self._hand_out()

    def _time_left(self, pipes: list[Connection]) -> float | None:
        """Seconds until the first of these reaches its time limit; None if there is no limit."""
        started = [self._since[pipe] for pipe in pipes if pipe not in self._idle]
        if self._limit is None or not started:
            return None
        return max(min(started) + self._limit - time.monotonic(), 0)

    def _replace_worker(self, pipe: Connection, *, timed_out: bool = False) -> None:
        """Start a new worker for a dead one, whose task is retried first if it has tries left."""
        process = self._workers.pop(pipe).process
        pipe.close()
        process.join()
        code = process.exitcode or 0
        process.close()
        task = self._busy.pop(pipe)
        if task is None:
            raise StartFailed(
                f"the worker processes do not start (exit status {code})",
                "use one worker; in a script of your own, put the call under `if __name__ == '__main__':`",
            )
        number = task[0]
        self._deaths[number] = self._deaths.get(number, 0) + 1
        if timed_out:
            self._results[number] = TaskLost(f"it took longer than {self._limit:g} seconds", timed_out=True)
        elif self._deaths[number] < self._tries:
            self._queued.appendleft(task)
        else:
            name = signal.Signals(-code).name if code < 0 else f"exit status {code}"
            self._results[number] = TaskLost(f"its process died ({name})")
        self._start_worker()


def start_workers(count: int, make: Make, arguments: tuple[Any, ...]) -> Workers | InlineWorkers:
    """Start `count` workers; for a count of one, do the tasks in the calling process."""
    return InlineWorkers(make, arguments) if count == 1 else Workers(count, make, arguments)


def _serve(pipe: Connection, make: Make, arguments: tuple[Any, ...]) -> None:
    """Run a worker, until the parent closes the pipe or ends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of a terminal; the parent decides
    fault, work = _call(make, *arguments)
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


def _call(call: Callable[..., Any], *arguments: Any) -> tuple[bool, Any]:
    """Return (False, result), or (True, exception) for the parent to raise."""
    try:
        return False, call(*arguments)
    except Exception as error:
        return True, _portable(error)


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


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Set the number of threads for child processes: libraries read it when they are loaded, before our code runs."""
    with preserved_environment(*THREADS):
        if count is not None:
            os.environ.update(dict.fromkeys(THREADS, str(count)))
        yield


@contextmanager
def preserved_environment(*names: str) -> Iterator[None]:
    """Restore these environment variables after the block, whatever is set or removed inside."""
    previous = {name: os.environ.get(name) for name in names}
    try:
        yield
    finally:
        for name, value in previous.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _blocking_interrupts() -> Iterator[None]:
    """Block SIGINT while a child starts, which inherits that; a Ctrl-C reaches the parent a moment later."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)
