"""The engine `ray`: jobs on a Ray cluster of many machines, or of workers on this one."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from kce import Job, KCEError, hookimpl

if TYPE_CHECKING:
    from concurrent.futures import Future


class Ray:
    """Runs jobs as Ray tasks; needs the extra `kce-toolkit[ray]`.

    All machines must see the same folders under the same paths (the dataset, the faces, the study, your registry), and
    have the same KCE installed. Each run of a study requests one GPU if the cluster has any; cutting requests none.

    Args:
        address: Address of an existing cluster ("auto", or "ray://host:10001"); empty = a new one on this machine,
            which ends with the command and listens on 127.0.0.1 only.
        runs: Jobs at a time, on a new cluster; 0 = one for each GPU, or for each core.
        threads: Cores that a job requests; a job that cuts faces has as many processes.
        retries: How often a job is started again if its worker or machine is lost; a run continues from its folder.

    Attributes:
        slots: Jobs at a time.
    """

    requires: ClassVar = {"ray": "kce-toolkit[ray]"}

    def __init__(self, address: str = "", runs: int = 0, threads: int = 1, retries: int = 3) -> None:
        if runs < 0 or threads < 1 or retries < 0:
            raise ValueError("runs and retries are numbers from 0, threads from 1")
        import logging
        import tempfile

        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # otherwise Ray sends usage statistics to its makers
        import ray

        self._ray, self._retries, self._threads = ray, retries, threads
        own: dict[str, Any] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        if not address:
            # It holds sockets, whose paths must be short: the system's temporary folder, not the study's.
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
                f"no Ray cluster at {address or 'this machine'}: {error}",
                "check it with `ray status`; a cluster that wants a token needs RAY_AUTH_MODE=token here, too",
            ) from error
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        self._gpus = bool(resources.get("GPU"))
        self.slots = max(int(resources["GPU"] if self._gpus else resources.get("CPU", 1) // threads), 1)
        # A worker process runs one job after another, as those of the local engine do. Ray refers to the function by
        # its module, so only the job's name and parameters are sent.
        options: dict[str, Any] = {"num_cpus": threads, "max_retries": retries}
        self._remote = ray.remote(**options)(Job.__call__)
        self._running: dict[Future[Any], Any] = {}

    def submit(self, job: Job) -> Future[Any]:
        """Hand a job to the cluster; see ``kce.types.Engine``."""
        gpus = job.gpus if self._gpus else 0
        reference = self._remote.options(name=job.name, num_gpus=gpus).remote(replace(job, threads=self._threads))
        from concurrent.futures import Future

        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        ray_future = reference.future()
        self._running[future] = reference

        def settle(done: Future[Any]) -> None:
            self._running.pop(future, None)
            error = done.exception()
            if error is None:
                future.set_result(done.result())
            else:
                future.set_exception(self._unwrapped(error, job))

        ray_future.add_done_callback(settle)
        return future

    def _unwrapped(self, error: BaseException, job: Job) -> BaseException:
        """The error that the job raised, without Ray's wrapper."""
        exceptions = self._ray.exceptions
        if isinstance(error, exceptions.TaskCancelledError):
            return KeyboardInterrupt()
        if isinstance(error, exceptions.RayTaskError):
            return error.cause if isinstance(error.cause, Exception) else error
        if isinstance(error, exceptions.RayError):
            return KCEError(
                f"the worker of {job.name} was lost {self._retries + 1} times: {str(error).splitlines()[0]}",
                "check that its machine has enough memory; the same command continues",
            )
        return error

    def stop(self) -> None:
        """Interrupt all jobs and wait for them; see ``kce.types.Engine``."""
        if not self._ray.is_initialized():
            return
        waiting = list(self._running.items())
        for _, reference in waiting:
            self._ray.cancel(reference, force=False)  # as Ctrl-C would: the run saves its state
        if waiting:
            self._ray.wait([reference for _, reference in waiting], num_returns=len(waiting), timeout=60)
        self._ray.shutdown()
        if self._folder is not None:
            self._folder.cleanup()


@hookimpl
def kce_engines() -> dict[str, Callable[..., Any]]:
    return {"ray": Ray}
