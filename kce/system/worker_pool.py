"""Processes that do one kind of task, in the order asked, and survive the death of any of them.

A decoder that crashes takes its process along. `concurrent.futures` then breaks the whole pool without saying which
task it was, and its processes outlive a parent that was killed; here each worker has a pipe of its own.
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
"""The variables that numeric libraries read when they are loaded."""

_START = 60.0  # seconds that a process under a time limit has besides, to start and to import

Make = Callable[..., Callable[[Any], Any]]


class Died(NamedTuple):
    """The result of a task whose process died over it as often as it was tried, or that was past its time limit."""

    reason: str
    late: bool = False


class Inline:
    """The same, without processes: the task is done when its result is taken."""

    ahead = 1

    def __init__(self, make: Make, arguments: tuple[Any, ...]) -> None:
        self._work = make(*arguments)
        self._tasks: deque[Any] = deque()

    def submit(self, task: Any) -> None:
        self._tasks.append(task)

    def take(self) -> Any:
        return self._work(self._tasks.popleft())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class _Worker(NamedTuple):
    process: BaseProcess
    pipe: Connection


class Workers:
    """`count` spawned processes. Each calls `make(*arguments)` once, and what that returns once for each task.

    `make`, its arguments, tasks and results must be picklable. `make` is tried before the first task: what it raises
    is raised here. So is what a task raises; a task whose process dies is done once more, and then is `Died`.

    limit    seconds a task may take; one that takes longer is `Died`, its process killed, and not done once more
    tries    how often a task is given out
    threads  of the numeric libraries in each process; None leaves that to the environment
    parents  whether tasks may start processes of their own
    """

    def __init__(
        self,
        count: int,
        make: Make,
        arguments: tuple[Any, ...],
        *,
        limit: float | None = None,
        tries: int = 2,
        threads: int | None = 1,  # the processes share the processors among them
        parents: bool = False,
    ) -> None:
        self.ahead = 4 * count  # tasks to keep submitted, so that nobody waits while the oldest result is awaited
        self._start, self._threads = (make, arguments), threads
        self._limit, self._tries, self._daemon = limit, tries, not parents
        self._since: dict[Connection, float] = {}
        self._context = multiprocessing.get_context("spawn")  # OpenCV and onnxruntime hang in forked children
        self._submitted = self._taken = 0
        self._open: deque[tuple[int, Any]] = deque()  # not yet given to a worker
        self._results: dict[int, Any] = {}
        self._deaths: dict[int, int] = {}
        self._busy: dict[Connection, tuple[int, Any] | None] = {}  # None: still starting
        self._workers: dict[Connection, _Worker] = {}
        self._idle: list[Connection] = []
        try:
            self._hire()
            while not self._idle:
                self._listen()
            for _ in range(count - 1):
                self._hire()
        except BaseException:
            self.close()
            raise

    def submit(self, task: Any) -> None:
        """Have a task done. Results come by `take`, in this order."""
        self._open.append((self._submitted, task))
        self._submitted += 1
        self._give()

    def take(self) -> Any:
        """The oldest result that was not taken yet."""
        while self._taken not in self._results:
            self._listen()
        self._taken += 1
        return self._results.pop(self._taken - 1)

    def close(self) -> None:
        """End all processes at once; what was not taken is lost."""
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

    def _hire(self) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, *self._start), daemon=self._daemon)
        with _deaf_to_interrupts(), _threads(self._threads):
            process.start()
        theirs.close()
        self._workers[ours] = _Worker(process, ours)
        self._busy[ours] = None
        self._since[ours] = time.monotonic() + _START

    def _give(self) -> None:
        while self._idle and self._open:
            pipe = self._idle.pop()
            self._busy[pipe] = self._open.popleft()
            self._since[pipe] = time.monotonic()
            try:
                pipe.send(self._busy[pipe][1])  # type: ignore[index]
            except OSError:
                self._bury(pipe)

    def _listen(self) -> None:
        """Wait until a worker says something, or dies."""
        busy = [pipe for pipe in self._busy if pipe not in self._idle]
        for pipe in cast("list[Connection]", wait(busy, self._patience(busy))):
            try:
                fault, result = pipe.recv()
            except (EOFError, OSError):
                self._bury(pipe)
                continue
            if fault:
                raise result
            task = self._busy[pipe]
            if task is not None:
                self._results[task[0]] = result
            self._idle.append(pipe)
        for pipe in [pipe for pipe in busy if pipe in self._busy and self._patience([pipe]) == 0]:
            self._workers[pipe].process.kill()
            self._bury(pipe, late=True)
        self._give()

    def _patience(self, pipes: list[Connection]) -> float | None:
        """Seconds until the first of these is past its time limit; None if there is none."""
        at_work = [self._since[pipe] for pipe in pipes if pipe not in self._idle]
        if self._limit is None or not at_work:
            return None
        return max(min(at_work) + self._limit - time.monotonic(), 0)

    def _bury(self, pipe: Connection, *, late: bool = False) -> None:
        """Put another in place of a dead worker. Its task is done once more, at once, if it may be."""
        process = self._workers.pop(pipe).process
        pipe.close()
        process.join()
        code = process.exitcode or 0
        process.close()
        task = self._busy.pop(pipe)
        if task is None:
            raise KCEError(
                f"the worker processes do not start (exit status {code})",
                "take one worker; in a script of your own, put the call under `if __name__ == '__main__':`",
            )
        number = task[0]
        self._deaths[number] = self._deaths.get(number, 0) + 1
        if late:
            self._results[number] = Died(f"it took longer than {self._limit:g} seconds", late=True)
        elif self._deaths[number] < self._tries:
            self._open.appendleft(task)
        else:
            name = signal.Signals(-code).name if code < 0 else f"exit status {code}"
            self._results[number] = Died(f"the process that read it died ({name})")
        self._hire()


def crew(count: int, make: Make, arguments: tuple[Any, ...]) -> Workers | Inline:
    """Workers, or for one of them none: the caller does it all."""
    return Inline(make, arguments) if count == 1 else Workers(count, make, arguments)


def _serve(pipe: Connection, make: Make, arguments: tuple[Any, ...]) -> None:
    """A worker's life: until the parent closes the pipe, or is no more."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; the parent decides
    fault, work = _answer(make, *arguments)
    with suppress(EOFError, OSError):  # the parent is no more
        pipe.send((fault, work if fault else None))
        while not fault:
            pipe.send(_answer(work, pipe.recv()))


def _end_with_parent() -> None:
    """Nobody waits for a task whose parent was killed, and who starts anew needs its places."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _answer(call: Callable[..., Any], *arguments: Any) -> tuple[bool, Any]:
    """(False, result), or (True, what was raised): whatever it is, it is the parent's to raise."""
    try:
        return False, call(*arguments)
    except Exception as error:
        return True, _portable(error)


def _portable(error: Exception) -> Exception:
    """The error itself if it survives the way, else what can be said of it; with the place it came from."""
    told = "".join(traceback.format_exception(error))
    try:
        again = pickle.loads(pickle.dumps(error))  # noqa: S301 - made in this very line
    except Exception:  # pickling fails in any way
        return RuntimeError(told)
    if not isinstance(again, KCEError):
        error.add_note(f"in a worker process:\n{told}")
    return error


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """The environment as a child is to find it: libraries read it when they are loaded, before any word of ours."""
    with environment_kept(*THREADS):
        if count is not None:
            os.environ.update(dict.fromkeys(THREADS, str(count)))
        yield


@contextmanager
def environment_kept(*names: str) -> Iterator[None]:
    """These variables are afterwards as they were, whatever is set or removed inside."""
    before = {name: os.environ.get(name) for name in names}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Children inherit what is blocked: a Ctrl-C while they start is the parent's alone, a moment later."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
