"""Cutting on the machines of an engine: the interface of ``Workers``, with the files handed out in pieces."""

from __future__ import annotations

import logging
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from kce.errors import KCEError, MachineFault
from kce.faces.cut_worker import PieceResult, Unseen, wait_for_files
from kce.system.job import Job
from kce.system.machine_faults import AGAIN
from kce.system.worker_pool import TaskLost, lost_fault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kce.faces.cut_worker import CropperArguments
    from kce.types import Engine

_log = logging.getLogger("kce.faces.cut")

_FILES, _FRAMES = 8, 80  # of a piece at most; one video may have more frames. The pictures of a piece are sent at once
_PIECES = 2  # for each slot: one at work and one that waits for it
_ATTEMPTS = 4  # at a file that fails for no fault of its own, on whatever machine the engine chooses
_WAIT = 5.0  # seconds to wait for a file that is not there, times the number of the attempt


class LostMachine(MachineFault):
    """A machine was lost, or does not see the files: whatever they are like, nothing may be recorded about them."""


class _Piece(NamedTuple):
    tasks: Sequence[tuple[int, str]]  # number in the order of submission, and path
    attempt: int


class EnginePool:
    """Crops the faces of files on the machines of an engine.

    A piece whose worker is lost is done again by the engine. A file that a machine cannot read is tried again, on
    whichever machine is free then; a machine that sees none of the files waits a while before it says so, and others
    are free in the meantime.

    Args:
        engine: Does the pieces; it is stopped when the context is left.
        arguments: What ``make_cropper`` takes.
        needs: Files beside the media files that every machine must see.

    Attributes:
        ahead: How many files to keep submitted so that no worker waits.

    Raises:
        KCEError: The detector cannot be built; one worker tries before the pool is ready.
    """

    def __init__(self, engine: Engine, arguments: CropperArguments, needs: Sequence[str] = ()) -> None:
        self._engine, self._needs = engine, list(needs)
        self._parameters = dict(zip(("detector", "registry_folder", "frames", "margin"), arguments, strict=True))
        self._size = max(min(_FILES, _FRAMES // arguments[2]), 1)
        self.ahead = _PIECES * self._size * engine.slots
        self._submitted = self._taken = 0
        self._unsent: list[tuple[int, str]] = []
        self._running: dict[Future[Any], _Piece] = {}
        self._results: dict[int, Any] = {}
        self._named: set[str] = set()  # machines whose faults were logged
        try:
            self._send(_Piece((), 1))
            while self._running:
                self._wait()
        except BaseException:
            engine.stop()
            raise

    def submit(self, path: str) -> None:
        """Queue a file. ``take`` returns the results in this order."""
        self._unsent.append((self._submitted, path))
        self._submitted += 1
        if len(self._unsent) == self._size:
            self._send_unsent()

    def take(self) -> Any:
        """Wait for the oldest result that was not taken yet, and return it, as ``Workers.take`` does."""
        while self._taken not in self._results:
            if self._unsent and len(self._running) < self._engine.slots:
                self._send_unsent()  # less than a whole piece, but a worker is free for it
            self._wait()
        self._taken += 1
        return self._results.pop(self._taken - 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.stop()

    def _send_unsent(self) -> None:
        self._send(_Piece(self._unsent, 1))
        self._unsent = []

    def _send(self, piece: _Piece) -> None:
        numbers = [number + 1 for number, _ in piece.tasks]
        name = f"cutting files {numbers[0]} to {numbers[-1]}" if numbers else "building the detector"
        parameters = {
            "paths": [path for _, path in piece.tasks],
            "needs": self._needs,
            "wait_seconds": _WAIT * piece.attempt,
            **self._parameters,
        }
        job = Job(name, "kce.faces.cut_worker:cut_piece", parameters, gpus=0)
        self._running[self._engine.submit(job)] = piece

    def _wait(self) -> None:
        """Wait for a piece, and sort out what became of its files."""
        for future in wait(self._running, return_when=FIRST_COMPLETED).done:
            piece = self._running.pop(future)
            error = future.exception()
            if error is None:
                self._receive(piece, future.result())
            elif isinstance(error, Exception) and piece.tasks:
                for number, path in piece.tasks:
                    self._results[number] = _lost(path, error)
            else:
                raise error

    def _receive(self, piece: _Piece, done: PieceResult) -> None:
        if isinstance(done.error, KCEError):
            raise done.error.prefixed(f"on {done.host}")
        if done.error is not None:
            done.error.add_note(f"on {done.host}")
            raise done.error
        again = []
        for (number, path), result in zip(piece.tasks, done.results, strict=True):
            fault, may_pass = _fault(result, path, done.host)
            if fault is not None and may_pass and piece.attempt < _ATTEMPTS:
                self._tell(done.host, fault)
                again.append((number, path))
            else:
                self._results[number] = fault or result
        if again:
            self._send(_Piece(again, piece.attempt + 1))

    def _tell(self, host: str, fault: MachineFault) -> None:
        """Say once of each machine that something is wrong with it."""
        if host not in self._named:
            self._named.add(host)
            _log.warning("%s has a fault, and its files are tried again: %s", host, fault.message)


def _fault(result: Any, path: str, host: str) -> tuple[MachineFault | None, bool]:
    """The fault of the machine behind a result, if there is one; and whether it is worth another attempt."""
    if isinstance(result, Unseen):
        if path in wait_for_files([path], 0.0):
            return result.fault, False  # nobody sees it
        hint = f"mount the folder on {host}, under the same path as here, or go on without that machine; {AGAIN}"
        return LostMachine(f"{host}: {result.fault.message}", hint), True
    fault = result if isinstance(result, MachineFault) else lost_fault(result, path)
    if fault is None:
        return None, False
    waited = isinstance(result, TaskLost) and result.waited  # another attempt would take as long
    return MachineFault(fault.message, f"on {host}: {fault.hint}"), not waited


def _lost(path: str, error: Exception) -> LostMachine:
    hint = error.hint if isinstance(error, KCEError) and error.hint else "look at the log of the engine"
    message = error.message if isinstance(error, KCEError) else f"{type(error).__name__}: {error}"
    return LostMachine(f"{path}: {message}", f"{hint}; {AGAIN}")
