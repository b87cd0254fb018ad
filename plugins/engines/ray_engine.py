"""The runs of a study on a Ray cluster: many machines, or several workers of this one."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce import Job, KCEError, hookimpl

if TYPE_CHECKING:
    from concurrent.futures import Future


class Ray:
    """Runs as Ray tasks; needs the extra `kce-toolkit[ray]`.

    address  of a cluster that is there ("auto", or "ray://host:10001"); empty = one of this machine's own, which ends
             with the study and listens on 127.0.0.1 alone
    runs     at a time, of a cluster of our own; 0 = one for each GPU, or for each core
    threads  cores a run asks the cluster for
    retries  how often a run is started again whose worker or machine was lost; it continues from its folder

    All machines must see the face folder and the study's folder under the same paths, and have KCE installed. Each run
    asks for one GPU where the cluster has any.
    """

    def __init__(self, address: str = "", runs: int = 0, threads: int = 1, retries: int = 3) -> None:
        if runs < 0 or threads < 1 or retries < 0:
            raise ValueError("runs and retries are numbers from 0, threads from 1")
        import logging
        import tempfile

        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report to its makers
        try:
            import ray
        except ImportError as error:
            raise KCEError(
                "Ray is not installed", 'pip install "kce-toolkit[ray]", or take the engine local'
            ) from error
        self._ray, self._retries, self._threads = ray, retries, threads
        own: dict[str, Any] = {}
        if not address:
            # Sockets lie below it, and their paths must be short: the system's temporary folder, not the study's.
            self._folder = tempfile.TemporaryDirectory(prefix="kce-ray-", ignore_cleanup_errors=True)
            own = {
                "include_dashboard": False,
                "_node_ip_address": "127.0.0.1",
                "_temp_dir": str(Path(self._folder.name).resolve()),
                **({"num_cpus": runs * threads} if runs else {}),
            }
        try:
            ray.init(address or "local", log_to_driver=False, logging_level=logging.ERROR, **own)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise KCEError(
                f"no Ray cluster at {address or 'this machine'}: {error}", "`ray status` tells whether it is there"
            ) from error
        there: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        self._gpus = bool(there.get("GPU"))
        self.slots = max(int(there["GPU"] if self._gpus else there.get("CPU", 1) // threads), 1)
        # A worker is a process of one job after the other, as the local engine's are; Ray names the function by its
        # module, so that nothing of ours travels but the job's name and parameters.
        how: dict[str, Any] = {"num_cpus": threads, "max_retries": retries}
        self._remote = ray.remote(**how)(Job.__call__)
        self._at_work: dict[Future[Any], Any] = {}

    def submit(self, job: Job) -> Future[Any]:
        gpus = job.gpus if self._gpus else 0
        reference = self._remote.options(name=job.name, num_gpus=gpus).remote(replace(job, threads=self._threads))
        from concurrent.futures import Future

        ours: Future[Any] = Future()
        ours.set_running_or_notify_cancel()
        theirs = reference.future()
        self._at_work[ours] = reference

        def settle(done: Future[Any]) -> None:
            self._at_work.pop(ours, None)
            error = done.exception()
            if error is None:
                ours.set_result(done.result())
            else:
                ours.set_exception(self._plain(error, job))

        theirs.add_done_callback(settle)
        return ours

    def _plain(self, error: BaseException, job: Job) -> BaseException:
        """What the job raised, without Ray's wrapping."""
        exceptions = self._ray.exceptions
        if isinstance(error, exceptions.TaskCancelledError):
            return KeyboardInterrupt()
        if isinstance(error, exceptions.RayTaskError):
            return error.cause if isinstance(error.cause, Exception) else error
        if isinstance(error, exceptions.RayError):
            return KCEError(
                f"the worker of {job.name} was lost {self._retries + 1} times: {str(error).splitlines()[0]}",
                "see that its machine has memory enough; the same command continues",
            )
        return error

    def stop(self) -> None:
        if not self._ray.is_initialized():
            return
        waiting = list(self._at_work.items())
        for _, reference in waiting:
            self._ray.cancel(reference, force=False)  # as Ctrl-C would: the run saves where it stands
        if waiting:
            self._ray.wait([reference for _, reference in waiting], num_returns=len(waiting), timeout=60)
        self._ray.shutdown()


@hookimpl
def kce_engines() -> dict[str, Callable[..., Any]]:
    return {"ray": Ray}
