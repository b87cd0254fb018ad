"""The work of cutting, as processes do it: guarded processes on this machine, and a piece of files as an engine's job.

A piece is a list of files. An engine's worker, on whatever machine, cuts it with processes that have the same limits as
those of a local cut, and returns the pictures; only the process that hands out the pieces writes the face folder.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from kce.data.limits import MEMORY_LIMIT, TIME_LIMIT, TIME_PER_FRAME
from kce.errors import MachineFault
from kce.faces.crop import make_cropper
from kce.system.machine_faults import read_fault
from kce.system.regular import NotRegular, open_regular
from kce.system.worker_pool import Workers

_log = logging.getLogger("kce.faces.cut")

CropperArguments = tuple[str, str, int, float]
"""Detector, folder whose registry knows it, frames per video, margin."""

_LOOK = 0.5  # seconds between two looks for files that are not there
_ANSWER = 60.0  # seconds in which a disk must answer


class Unseen(NamedTuple):
    """Takes the place of the result of a file that the machine at work could not open, with the fault of opening it."""

    fault: MachineFault


class PieceResult(NamedTuple):
    """What became of a piece.

    Attributes:
        host: The machine it was done on.
        results: For each file what ``Workers.take`` returns, or ``Unseen``.
        error: What prevented the whole piece; `results` is empty then.
    """

    host: str
    results: Sequence[Any]
    error: Exception | None = None


def start_workers(count: int, arguments: CropperArguments) -> Workers:
    """Start processes that crop the faces of files, with the limits of ``kce.data.limits``."""
    limit = TIME_LIMIT + TIME_PER_FRAME * arguments[2]

    def tell(path: str, seconds: float) -> None:
        _log.info("%s has taken %.0f seconds so far; it may take %.0f", path, seconds, limit)

    return Workers(count, make_cropper, arguments, limit=limit, memory=MEMORY_LIMIT, on_slow=tell)


def cut_piece(
    paths: Sequence[str],
    detector: str,
    registry_folder: str,
    frames: int,
    margin: float,
    needs: Sequence[str] = (),
    wait_seconds: float = 0.0,
) -> PieceResult:
    """Crop the faces of some files; the function of an engine's job.

    It has as many processes as the job has threads. They are kept for the next piece, since starting them and the
    detector takes seconds; they end with the process that they belong to.

    Args:
        paths: The files. Without any, the detector is built, and that is all.
        detector: As in ``make_cropper``; so are the next three.
        registry_folder: The folder whose registry knows the detector.
        frames: Frames per video.
        margin: Side of the crop.
        needs: Other files that the machine must see.
        wait_seconds: Time to wait for files that are not there: a machine without the shared folder would otherwise be
            the first to be free for the next piece, and fail at that, too.
    """
    host = socket.gethostname()
    unseen = wait_for_files([*needs, *paths], wait_seconds)
    for path in needs:
        if path in unseen:
            return PieceResult(host, [Unseen(unseen[path])] * len(paths))
    try:
        pool = _kept_workers((detector, registry_folder, frames, margin))
        seen = [path for path in paths if path not in unseen]
        results = _take_all(pool, seen)
    except MachineFault as fault:
        _end_workers()
        return PieceResult(host, [fault] * len(paths), None if paths else fault)
    except Exception as error:  # whatever it is: an engine's own exceptions mean that the worker was lost
        _end_workers()
        return PieceResult(host, [], error)
    except BaseException:
        _end_workers()
        raise
    return PieceResult(host, [Unseen(unseen[path]) if path in unseen else results[path] for path in paths])


def wait_for_files(paths: Iterable[str], wait_seconds: float) -> dict[str, MachineFault]:
    """Wait until files can be opened; return the faults of those that still cannot after `wait_seconds` seconds.

    A disk that does not answer would block this process for ever, so another thread looks.
    """
    until = time.monotonic() + wait_seconds
    left = list(dict.fromkeys(paths))
    while True:
        faults = {path: MachineFault(f"{path}: its disk does not answer", "is it mounted?") for path in left}
        looking = threading.Thread(target=_look, args=(left, faults), daemon=True)
        looking.start()
        looking.join(_ANSWER)
        if looking.is_alive() or not faults or time.monotonic() >= until:
            return dict(faults)
        left = list(faults)
        time.sleep(_LOOK)


def _look(paths: Sequence[str], faults: dict[str, MachineFault]) -> None:
    """Remove the files that can be opened, and say of the others why they cannot."""
    for path in paths:
        try:
            with open_regular(path) as file:
                file.read(1)
        except NotRegular:  # whoever reads it says so
            pass
        except OSError as error:
            faults[path] = read_fault(error, path)
            continue
        del faults[path]


_kept: dict[CropperArguments, Workers] = {}


def _kept_workers(arguments: CropperArguments) -> Workers:
    if arguments not in _kept:
        _end_workers()
        _kept[arguments] = start_workers(int(os.environ.get("OMP_NUM_THREADS", "1")), arguments)  # the job's threads
    return _kept[arguments]


def _end_workers() -> None:
    while _kept:
        _kept.popitem()[1].close()


def _take_all(pool: Workers, paths: Sequence[str]) -> dict[str, Any]:
    for path in paths:
        pool.submit(path)
    return {path: pool.take() for path in paths}
