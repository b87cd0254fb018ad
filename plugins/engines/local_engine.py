"""The runs of a study on this machine."""

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
    """As many runs at a time as this machine has GPUs, one process each; without a GPU, as many as it has cores.

    runs     at a time; 0 = one for each GPU, or for each core
    threads  of each run; 0 = the cores shared out between the runs
    retries  how often a run is started again whose process was killed (by the system, when memory ran out, say)
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
        return self._waiting.submit(self._do, job)

    def _do(self, job: Job) -> Any:
        from concurrent.futures.process import BrokenProcessPool

        worker = self._free.get()
        try:
            for _ in range(self._retries + 1):
                try:
                    return worker.do(replace(job, threads=self._threads))
                except BrokenProcessPool:
                    worker.begin_anew()
            raise KCEError(
                f"the process of {job.name} was killed {self._retries + 1} times",
                "if memory ran out, do fewer at a time: --engine local:runs=1",
            )
        finally:
            self._free.put(worker)

    def stop(self) -> None:
        self._waiting.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.interrupt()
        while not all(worker.idle(5.0) for worker in self._workers):
            for worker in self._workers:  # a job that was only just beginning has not heard of it
                worker.interrupt()
        self._waiting.shutdown()
        for worker in self._workers:
            worker.stop()


class _Worker:
    """One process that does one job after the other, so that its libraries are loaded once."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._pool: ProcessPoolExecutor | None = None
        self._process = 0
        self._idle = threading.Event()
        self._idle.set()
        self._stopped = False

    def do(self, job: Job) -> Any:
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        if self._stopped:
            raise KeyboardInterrupt
        if self._pool is None:  # spawned: CUDA and OpenCV's threads do not live through a fork
            self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
            self._process = self._pool.submit(Job("worker", "kce.jobs:begin", {})).result()
        self._idle.clear()
        try:
            if self._stopped:  # meanwhile
                raise KeyboardInterrupt
            return self._pool.submit(replace(job, environment={**job.environment, **self._environment})).result()
        finally:
            self._idle.set()

    def begin_anew(self) -> None:
        self.stop()
        self._pool = None

    def interrupt(self) -> None:
        self._stopped = True
        if not self._idle.is_set():
            with suppress(OSError):  # it has ended by itself
                os.kill(self._process, signal.SIGINT)

    def idle(self, seconds: float) -> bool:
        """Whether no job is at work, after so many seconds at the latest."""
        return self._idle.wait(seconds)

    def stop(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def _gpus() -> int:
    import torch

    return torch.cuda.device_count()


@hookimpl
def kce_engines() -> dict[str, Callable[..., Any]]:
    return {"local": Local}
