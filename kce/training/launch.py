"""The same work in several processes, one for each device: started, heard, and ended together."""

from __future__ import annotations

import logging
import logging.handlers
import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, cast

from kce.errors import KCEError
from kce.system.signals import handling_signal
from kce.system.worker_pool import preserved_environment
from kce.training.device import make_fabric

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from kce.types import Progress

Work = Callable[..., Any]
"""work(fabric, *arguments, progress=..., stopped=...), in every process; `stopped` tells whether Ctrl-C came to this
process, so processes that meet in collective operations must agree on it."""


def run_on_devices(work: Work, arguments: Sequence[Any], devices: int, progress: Progress) -> Any:
    """Do `work` in one process for each device, and return what the first of them returns.

    With one device it is done right here. Otherwise `work` and its arguments must be picklable; processes are spawned,
    progress and log of the first one and errors of all come back here, and the failure of one ends all.
    Raises KeyboardInterrupt after Ctrl-C, when `work` has ended by itself, and KCEError where a process was killed.
    """
    if devices == 1:
        with deferred_interrupts() as interrupted:
            return work(make_fabric(), *arguments, progress=progress, stopped=interrupted)

    from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

    context = multiprocessing.get_context("spawn")
    # Neither a queue nor an event: both have a lock that one who is killed at the wrong moment never gives back.
    heard, told = zip(*(context.Pipe(duplex=False) for _ in range(devices)), strict=True)
    stop: Any = context.RawValue("b", 0)
    errors: list[BaseException] = []
    result: Any = None
    failed: ProcessRaisedException | ProcessExitedException | None = None
    listener = threading.Thread(target=_listen, args=(heard, progress, errors))
    listener.start()
    try:
        # The launcher leaves its port in the environment, where the next one's would have to be.
        kept = preserved_environment("MASTER_ADDR", "MASTER_PORT")
        with deferred_interrupts(lambda: setattr(stop, "value", 1)), kept:
            # Bound, since the launcher takes arguments apart in search of networks, and stumbles over frozen ones.
            result = make_fabric(devices).launch(partial(_one, work, tuple(arguments)), told, stop)
    except (ProcessRaisedException, ProcessExitedException) as error:
        failed = error
    finally:
        for pipe in told:  # the last ends to write into, now that all processes are gone
            pipe.close()
        listener.join()
    if errors:
        raise errors[0]
    if stop.value and (failed is not None or result == _STOPPED):  # one that is just starting ends by the signal
        raise KeyboardInterrupt
    if failed is not None:
        if isinstance(failed, ProcessRaisedException):
            raise failed
        raise KCEError(
            f"a process on one of {devices} devices was killed: {failed}",
            "the same command goes on from the last saved state; if memory ran out, use fewer devices",
        ) from failed
    return result


_STOPPED = "stopped"


class _Line:
    """One process's way to tell the parent things, from any of its threads."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._lock = pipe, threading.Lock()

    def put(self, said: Any) -> None:
        with self._lock:
            self._pipe.send(said)

    put_nowait = put  # as a log handler calls it


def _one(work: Work, arguments: tuple[Any, ...], fabric: Fabric, pipes: Sequence[Connection], stop: Any) -> Any:
    first = fabric.global_rank == 0
    told = _Line(pipes[fabric.global_rank])
    log = logging.getLogger("kce")
    if first:
        log.setLevel(logging.INFO)
        log.addHandler(logging.handlers.QueueHandler(told))  # type: ignore[arg-type] # it only puts

    def progress(*said: Any) -> None:
        if first:
            told.put(said)

    with deferred_interrupts() as interrupted:
        try:
            return work(fabric, *arguments, progress=progress, stopped=lambda: bool(stop.value) or interrupted())
        except KeyboardInterrupt:
            return _STOPPED
        except (KCEError, OSError) as error:
            told.put(error)
            raise
        finally:
            _part()


def _part() -> None:
    """Let go of the other processes. gloo's threads may still hold Python's objects, and one that drops them while the
    interpreter ends aborts the process (SIGABRT) after all its work was done."""
    from torch import distributed

    if distributed.is_initialized():
        distributed.destroy_process_group()


def _listen(heard: Sequence[Connection], progress: Progress, errors: list[BaseException]) -> None:
    """Until nobody is left who could say anything."""
    open_ = list(heard)
    while open_:
        for pipe in cast("list[Connection]", wait(open_)):
            try:
                said = pipe.recv()
            except (EOFError, OSError):  # one that was killed may leave half a message
                open_.remove(pipe)
                pipe.close()
                continue
            if isinstance(said, logging.LogRecord):
                logging.getLogger(said.name).handle(said)
            elif isinstance(said, BaseException):
                errors.append(said)
            else:
                try:
                    progress(*said)
                except Exception as error:  # kept, since who is not listened to stops at a full pipe
                    errors.append(error)


@contextmanager
def deferred_interrupts(tell: Callable[[], None] = lambda: None) -> Iterator[Callable[[], bool]]:
    """Ctrl-C is noted (and told), not raised, inside; gives a function that says whether it came."""
    came = False

    def note(*_: object) -> None:
        nonlocal came
        came = True
        tell()

    with handling_signal(signal.SIGINT, note):
        yield lambda: came
