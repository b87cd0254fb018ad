"""Running one function in several processes, one for each device: start, progress, errors, Ctrl-C."""

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
"""``work(fabric, *arguments, progress=..., stopped=...)``, called in every process.

``stopped()`` says whether Ctrl-C reached this process, so processes that use collective operations must agree on it.
"""


def run_on_devices(work: Work, arguments: Sequence[Any], precision: str, devices: int, progress: Progress) -> Any:
    """Run `work` in one process for each device, and return the result of the first.

    With one device it runs in this process. Otherwise processes are spawned; the progress and the log of the first and
    the errors of all are passed on to this process, and the failure of one ends all.

    Args:
        work: See ``Work``; picklable if there is more than one device.
        arguments: Arguments of `work` after the fabric; picklable likewise.
        precision: The fabric's, as for ``make_fabric``.
        devices: GPUs, or processes on the CPU.
        progress: Called in this process.

    Raises:
        KeyboardInterrupt: After Ctrl-C, once `work` has ended.
        KCEError: If a process was killed.
        BaseException: What `work` raised.
    """
    if devices == 1:
        with deferred_interrupts() as interrupted:
            return work(make_fabric(precision), *arguments, progress=progress, stopped=interrupted)

    from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

    context = multiprocessing.get_context("spawn")
    # Pipes and a raw value: a queue and an event have locks that a process killed at the wrong moment never releases.
    receivers, senders = zip(*(context.Pipe(duplex=False) for _ in range(devices)), strict=True)
    stop: Any = context.RawValue("b", 0)
    errors: list[BaseException] = []
    result: Any = None
    failure: ProcessRaisedException | ProcessExitedException | None = None
    listener = threading.Thread(target=_listen, args=(receivers, progress, errors))
    listener.start()
    try:
        # The launcher leaves its port in the environment, where the next launcher would look for its own.
        preserved = preserved_environment("MASTER_ADDR", "MASTER_PORT")
        with deferred_interrupts(lambda: setattr(stop, "value", 1)), preserved:
            # Bound by partial: the launcher searches its arguments for networks, and fails on frozen dataclasses.
            fabric = make_fabric(precision, devices)
            result = fabric.launch(partial(_run_process, work, tuple(arguments)), senders, stop)
    except (ProcessRaisedException, ProcessExitedException) as error:
        failure = error
    finally:
        for sender in senders:  # now that all processes have ended, the last open ends
            sender.close()
        listener.join()
    if errors:
        raise errors[0]
    if stop.value and (failure is not None or result == _STOPPED):  # a process that was starting dies of the signal
        raise KeyboardInterrupt
    if failure is not None:
        if isinstance(failure, ProcessRaisedException):
            raise failure
        raise KCEError(
            f"a process on one of {devices} devices was killed: {failure}",
            "run the same command again: it continues from the last saved state; if memory ran out, use fewer devices",
        ) from failure
    return result


_STOPPED = "stopped"


class _Sender:
    """Sends objects to the parent process, from any thread."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._lock = pipe, threading.Lock()

    def put(self, message: Any) -> None:
        with self._lock:
            self._pipe.send(message)

    put_nowait = put  # the name a log handler calls


def _run_process(work: Work, arguments: tuple[Any, ...], fabric: Fabric, pipes: Sequence[Connection], stop: Any) -> Any:
    is_first = fabric.global_rank == 0
    sender = _Sender(pipes[fabric.global_rank])
    log = logging.getLogger("kce")
    if is_first:
        log.setLevel(logging.INFO)
        log.addHandler(logging.handlers.QueueHandler(sender))  # type: ignore[arg-type] # it only calls put_nowait

    def progress(*state: Any) -> None:
        if is_first:
            sender.put(state)

    with deferred_interrupts() as interrupted:
        try:
            return work(fabric, *arguments, progress=progress, stopped=lambda: bool(stop.value) or interrupted())
        except KeyboardInterrupt:
            return _STOPPED
        except (KCEError, OSError) as error:
            sender.put(error)
            raise
        finally:
            _leave_process_group()


def _leave_process_group() -> None:
    """Destroy the process group.

    Threads of gloo may still hold Python objects, and one that drops them while the interpreter shuts down aborts the
    process (SIGABRT) after all its work is done.
    """
    from torch import distributed

    if distributed.is_initialized():
        distributed.destroy_process_group()


def _listen(receivers: Sequence[Connection], progress: Progress, errors: list[BaseException]) -> None:
    """Receive messages until every process has closed its end."""
    open_pipes = list(receivers)
    while open_pipes:
        for pipe in cast("list[Connection]", wait(open_pipes)):
            try:
                message = pipe.recv()
            except (EOFError, OSError):  # a killed process may leave half a message
                open_pipes.remove(pipe)
                pipe.close()
                continue
            if isinstance(message, logging.LogRecord):
                logging.getLogger(message.name).handle(message)
            elif isinstance(message, BaseException):
                errors.append(message)
            else:
                try:
                    progress(*message)
                except Exception as error:  # kept for later: processes would block if nobody read their pipes
                    errors.append(error)


@contextmanager
def deferred_interrupts(notify: Callable[[], None] = lambda: None) -> Iterator[Callable[[], bool]]:
    """Record Ctrl-C inside the block instead of raising KeyboardInterrupt.

    Args:
        notify: Called when Ctrl-C arrives.

    Yields:
        A function that says whether it has arrived.
    """
    interrupted = False

    def handle(*_: object) -> None:
        nonlocal interrupted
        interrupted = True
        notify()

    with handling_signal(signal.SIGINT, handle):
        yield lambda: interrupted
