"""A pool of worker processes that survives crashes: results come in the order of the tasks, whichever worker dies.

A decoder that crashes takes its process down. `concurrent.futures` then breaks the whole pool without saying which
task it was, and its workers outlive a parent that was killed; here each worker has a pipe of its own.

Why did a process die? A signal that it gave itself (a segmentation fault, an abort) is the fault of its task, if it
comes again when the task is done alone, in a fresh process. Any other signal came from outside: the system kills when
memory runs out, batch systems and people do too. That says nothing about the task.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple, Self, TypeVar, cast

from kce.errors import KCEError, MachineFault
from kce.system.machine_faults import AGAIN, fault_of, lacking
from kce.system.memory import available_memory
from kce.system.threads import usable_cores
from kce.system.worker_process import Make, serve

T = TypeVar("T")

THREADS = ("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM", "NUMBA_NUM_THREADS")
"""Environment variables with the number of threads, which numeric libraries read when they are loaded."""

_START = 60.0  # extra seconds that a new process has under a time limit, to start and to import
_LOOK = 0.5  # seconds between two looks at what the processes do
_SLOW, _STILL = 10.0, 60.0  # seconds after which a task is called slow, and is called so again
_KEPT = 4  # a process that keeps this part of its memory limit from task to task is replaced
_JOIN = 10.0  # seconds for a killed process to end; one that waits for a dead disk cannot

_OWN_SIGNALS = frozenset(
    getattr(signal, name, None) for name in ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGSYS")
)


class StartFailed(KCEError):
    """The worker processes end before they can take a task."""


class TaskLost(NamedTuple):
    """Takes the place of the result of a task whose process died at every try, or that exceeded a limit.

    Attributes:
        reason: What happened, in words for the user.
        timed_out: Whether it was the time limit.
        waited: Whether it had mostly waited when its time was up, as for a disk that does not answer.
        passing: Whether the cause lies outside of the task, which may succeed another time.
    """

    reason: str
    timed_out: bool = False
    waited: bool = False
    passing: bool = False


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


@dataclass
class _Look:
    """What was seen of a task: its number, the processor seconds of its process before it, and when it is slow."""

    task: int
    worked: float
    slow_at: float


class Workers:
    """A pool of spawned processes; each builds its worker function once and then calls it for each task.

    What a task raises is raised by ``take``. A task whose process dies is tried again, alone: nothing else is at work
    then. If its process dies at every try, its result is a ``TaskLost``.

    Args:
        count: How many processes.
        make: Called as `make(*arguments)` in each process; returns the function that is called with each task. `make`,
            the arguments, tasks and results must be picklable.
        arguments: Arguments for `make`.
        limit: Seconds a task may take; a task that takes longer is lost, its process is killed, and it is not retried.
        memory: Bytes that a process may use beyond what it used before the task; the same happens. A process that keeps
            a quarter of it from one task to the next is replaced between two tasks: libraries leak, and that is no
            fault of the task at which it shows.
        on_slow: Called with a task and its seconds so far after 10 seconds, and then every minute.
        tries: How many times a task is tried if its process dies.
        threads: Threads of the numeric libraries in each process; None leaves that to the environment.
        parents: Whether tasks may start processes of their own.

    Attributes:
        ahead: How many tasks to keep submitted so that no worker waits.

    Raises:
        StartFailed: If the processes cannot start.
        MachineFault: If there are too few processes, threads, open files or memory for them.
        Exception: Whatever `make` raises; one process calls it before the pool is ready.
    """

    def __init__(
        self,
        count: int,
        make: Make,
        arguments: tuple[Any, ...],
        *,
        limit: float | None = None,
        memory: int | None = None,
        on_slow: Callable[[Any, float], None] = lambda *_: None,
        tries: int = 2,
        threads: int | None = 1,  # the processes share the cores
        parents: bool = False,
    ) -> None:
        self.ahead = 4 * count  # so that no worker waits while the oldest result is awaited
        # Pickled here, and unpickled where an import that fails is reported as any other error.
        self._make, self._threads = pickle.dumps((make, arguments)), threads
        self._limit, self._memory, self._on_slow = limit, memory, on_slow
        self._tries, self._daemon = tries, not parents
        self._since: dict[Connection, float] = {}
        self._next_look = 0.0
        self._looks: dict[Connection, _Look] = {}
        self._fresh: dict[Connection, int] = {}  # bytes that a process used before its first task
        self._base: dict[Connection, int] = {}  # bytes that it used before the task it is at
        self._suspects: deque[tuple[int, Any]] = deque()  # tasks whose process died, to be done alone
        self._alone = False
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

    def map_ahead(self, tasks: Iterable[T]) -> Iterator[tuple[T, Any]]:
        """Do tasks, with as many submitted as keeps every process busy; yield each with its result, in order."""
        following, waiting = iter(tasks), deque[T]()
        while True:
            for task in islice(following, self.ahead - len(waiting)):
                self.submit(task)
                waiting.append(task)
            if not waiting:
                return
            yield waiting.popleft(), self.take()

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
        try:
            self._start_process()
        except OSError as error:
            raise fault_of(error, "starting a worker process") or error from error

    def _start_process(self) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=serve, args=(theirs, self._make), daemon=self._daemon)
        with _blocking_interrupts(), _threads(self._threads):
            process.start()
        theirs.close()
        self._workers[ours] = _Worker(process, ours)
        self._busy[ours] = None
        self._since[ours] = time.monotonic() + _START

    def _hand_out(self) -> None:
        working = sum(task is not None for pipe, task in self._busy.items() if pipe not in self._idle)
        self._alone = self._alone and working > 0
        while self._idle and (self._queued or self._suspects) and not self._alone:
            if self._suspects and working:
                return  # until the others are done
            self._alone = bool(self._suspects)
            pipe = self._idle.pop()
            self._busy[pipe] = (self._suspects or self._queued).popleft()
            working += 1
            self._since[pipe] = time.monotonic()
            try:
                pipe.send(self._busy[pipe][1])  # type: ignore[index]
            except OSError:
                self._replace_worker(pipe)

    def _listen(self) -> None:
        """Wait until a worker sends a result or dies, reaches a limit, or it is time to look at what they do."""
        busy = [pipe for pipe in self._busy if pipe not in self._idle]
        left = self._time_left(busy)
        for pipe in cast("list[Connection]", wait(busy, _LOOK if left is None else min(left, _LOOK))):
            try:
                fault, result = pipe.recv()
            except (EOFError, OSError):
                self._replace_worker(pipe)
                continue
            if fault:
                raise fault_of(result) or result
            task = self._busy[pipe]
            if task is not None:
                self._results[task[0]] = result
            if self._memory is None or self._keeps_little(pipe, self._memory):
                self._idle.append(pipe)
            else:
                self._workers[pipe].process.kill()
                self._forget(pipe)
                self._start_worker()
        for pipe in [pipe for pipe in busy if pipe in self._busy and self._time_left([pipe]) == 0]:
            self._stop_task(pipe, self._late(pipe))
        if time.monotonic() >= self._next_look:
            self._look([pipe for pipe in busy if pipe in self._busy])
        self._hand_out()

    def _keeps_little(self, pipe: Connection, memory: int) -> bool:
        """Whether a process between two tasks has little more memory than it began with."""
        used = self._base[pipe] = _usage(self._workers[pipe].process.pid)[0]
        return used <= self._fresh.setdefault(pipe, used) + memory // _KEPT

    def _look(self, pipes: list[Connection]) -> None:
        """Look at the memory and the time of what is at work."""
        self._next_look = time.monotonic() + _LOOK
        for pipe in pipes:
            task, process = self._busy[pipe], self._workers[pipe].process
            if task is None or pipe in self._idle:
                continue
            memory, worked = _usage(process.pid)
            look = self._looks.get(pipe)
            if look is None or look.task != task[0]:
                look = self._looks[pipe] = _Look(task[0], worked, _SLOW)
            seconds = time.monotonic() - self._since[pipe]
            if seconds >= look.slow_at:
                look.slow_at = seconds + _STILL
                self._on_slow(task[1], seconds)
            if self._memory is not None and memory > self._base[pipe] + self._memory:
                self._stop_task(pipe, TaskLost(f"it took more than {self._memory / 2**30:.3g} GiB of memory"))

    def _late(self, pipe: Connection) -> TaskLost:
        """The result of a task whose time is up."""
        look = self._looks.get(pipe)
        worked = _usage(self._workers[pipe].process.pid)[1] - (look.worked if look else 0)
        reason = f"it took longer than {self._limit:g} seconds"
        return TaskLost(reason, timed_out=True, waited=worked < (self._limit or 0) / 2)

    def _stop_task(self, pipe: Connection, lost: TaskLost) -> None:
        """Kill the process of a task, which is lost."""
        self._workers[pipe].process.kill()
        self._replace_worker(pipe, lost)

    def _time_left(self, pipes: list[Connection]) -> float | None:
        """Seconds until the first of these reaches its time limit; None if there is no limit."""
        started = [self._since[pipe] for pipe in pipes if pipe not in self._idle]
        if self._limit is None or not started:
            return None
        return max(min(started) + self._limit - time.monotonic(), 0)

    def _replace_worker(self, pipe: Connection, lost: TaskLost | None = None) -> None:
        """Start a new worker for a dead one, whose task is retried if it has tries left and was not stopped by us."""
        task, code = self._busy[pipe], self._forget(pipe)
        if task is None:
            raise lacking() or StartFailed(
                f"the worker processes do not start ({_exit_name(code)})",
                "in a script of your own, put the call under `if __name__ == '__main__':`, or use workers=0",
            )
        number = task[0]
        self._deaths[number] = self._deaths.get(number, 0) + 1
        if lost is None and self._deaths[number] < self._tries:
            self._suspects.append(task)
        else:
            self._results[number] = lost or _lost(code)
        self._start_worker()

    def _forget(self, pipe: Connection) -> int:
        """Remove a process that is dead or killed; return its exit code."""
        process = self._workers.pop(pipe).process
        pipe.close()
        process.join(_JOIN)
        code = process.exitcode or 0
        if process.exitcode is not None:
            process.close()
        for records in (self._busy, self._looks, self._fresh, self._base, self._since):
            records.pop(pipe, None)
        return code


def default_worker_count(memory: int) -> int:
    """One process for each usable core, at most 8, and no more than there is memory for, `memory` bytes each."""
    count = min(usable_cores(), 8)
    return max(min(count, available_memory() // memory), 1)


def lost_fault(result: Any, what: str) -> MachineFault | None:
    """Return the fault of the machine if a result was lost for a reason outside of its task; else None.

    Args:
        result: What ``Workers.take`` returned.
        what: What the task was, for the message.
    """
    if not isinstance(result, TaskLost) or not (result.passing or result.waited):
        return None
    if result.waited:
        hint = "does its disk answer? Is the machine overloaded?"
    else:
        hint = "the system does that when memory runs out: free some, or use fewer workers"
    return MachineFault(f"{what}: {result.reason}{', waiting' if result.waited else ''}", f"{hint}; {AGAIN}")


def _exit_name(code: int) -> str:
    """Name what a process ended with.

    >>> _exit_name(-11), _exit_name(3)
    ('SIGSEGV', 'exit status 3')
    """
    return signal.Signals(-code).name if code < 0 else f"exit status {code}"


def _lost(code: int) -> TaskLost:
    """The result of a task whose processes died, the last one with this exit code."""
    if code < 0 and -code not in _OWN_SIGNALS:
        return TaskLost(f"its process was killed from outside ({_exit_name(code)})", passing=True)
    if fault := lacking():  # libraries abort when they cannot start a thread
        return TaskLost(f"its process died ({_exit_name(code)}): {fault.message}", passing=True)
    return TaskLost(f"its process died ({_exit_name(code)})")


def _usage(process: int | None) -> tuple[int, float]:
    """Bytes of memory and seconds of the processor that a process has used; (0, 0) if it has ended."""
    import psutil

    try:
        found = psutil.Process(process)
        return found.memory_info().rss, sum(found.cpu_times()[:2])
    except psutil.Error:
        return 0, 0.0


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
