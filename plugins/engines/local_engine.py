"""The engine `local`: jobs in processes of this machine."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from kce import Job, KCEError, hookimpl

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor


class Local:
    """Runs jobs in processes of this machine, one for each GPU or, without a GPU, for each core.

    Args:
        runs: Jobs at a time; 0 = one for each GPU, or for each core.
        threads: Threads of each job; 0 = the cores divided by the number of jobs.
        retries: How often a job is started again if its process is killed, for example because memory ran out.

    Attributes:
        slots: Jobs at a time.
    """

    def __init__(self, runs: int = 0, threads: int = 0, retries: int = 2) -> None:
        if min(runs, threads, retries) < 0:
            raise ValueError("runs, threads and retries are numbers from 0")
        from concurrent.futures import ThreadPoolExecutor

        gpus, cores = _gpus(), os.cpu_count() or 1
        self.slots = runs or gpus or cores
        self._threads = threads or max(cores // self.slots, 1)
        self._retries = retries
        self._free: SimpleQueue[_Worker] = SimpleQueue()
        self._workers = [_Worker({"CUDA_VISIBLE_DEVICES": str(n % gpus)} if gpus else {}) for n in range(self.slots)]
        for worker in self._workers:
            self._free.put(worker)
        self._waiting = ThreadPoolExecutor(self.slots)

    def submit(self, job: Job) -> Future[Any]:
        """Queue a job; see ``kce.types.Engine``."""
        return self._waiting.submit(self._run, job)

    def _run(self, job: Job) -> Any:
        from concurrent.futures.process import BrokenProcessPool

        worker = self._free.get()
        try:
            for _ in range(self._retries + 1):
                try:
                    return worker.run(replace(job, threads=self._threads))
                except BrokenProcessPool:
                    worker.restart()
            raise KCEError(
                f"the process of {job.name} was killed {self._retries + 1} times",
                "if memory ran out, run fewer at a time: --engine local:runs=1",
            )
        finally:
            self._free.put(worker)

    def stop(self) -> None:
        """Interrupt all jobs and wait for them; see ``kce.types.Engine``."""
        self._waiting.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.interrupt()
        while not all(worker.idle(5.0) for worker in self._workers):
            for worker in self._workers:  # a job that was just starting missed it
                worker.interrupt()
        self._waiting.shutdown()
        for worker in self._workers:
            worker.stop()


class _Worker:
    """One process that runs one job after another, so that libraries are loaded once."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._pool: ProcessPoolExecutor | None = None
        self._process = 0
        self._idle = threading.Event()
        self._idle.set()
        self._stopped = False

    def run(self, job: Job) -> Any:
        """Run a job and return its result."""
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        if self._stopped:
            raise KeyboardInterrupt
        if self._pool is None:  # spawned: CUDA and OpenCV's threads do not survive a fork
            self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
            self._process = self._pool.submit(Job("worker", "kce.jobs:begin", {})).result()
        self._idle.clear()
        try:
            if self._stopped:  # since the check above
                raise KeyboardInterrupt
            return self._pool.submit(replace(job, environment={**job.environment, **self._environment})).result()
        finally:
            self._idle.set()

    def restart(self) -> None:
        """Replace the process before the next job."""
        self.stop()
        self._pool = None

    def interrupt(self) -> None:
        """Send Ctrl-C to the running job, if any, and accept no more jobs."""
        self._stopped = True
        if not self._idle.is_set():
            with suppress(OSError):  # the process has already ended
                os.kill(self._process, signal.SIGINT)

    def idle(self, seconds: float) -> bool:
        """Wait up to so many seconds for the running job; return whether none is running."""
        return self._idle.wait(seconds)

    def stop(self) -> None:
        """End the process."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def _gpus() -> int:
    import torch

    return torch.cuda.device_count()


@hookimpl
def kce_engines() -> dict[str, Callable[..., Any]]:
    return {"local": Local}
