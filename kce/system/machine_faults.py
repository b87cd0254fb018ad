"""Whose fault is a failure: that of the file which was read, or that of the machine?

The rule: only what was read and is wrong is the file's fault. Whatever the operating system refuses (memory, processes,
threads, open files, a disk that went away) is the machine's, however the library at work words it. Many decoders only
say that they failed; then the machine is asked whether it has what they need.
"""

from __future__ import annotations

import errno
import mmap
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from kce.errors import KCEError, MachineFault
from kce.system.os_errors import describe_os_error, system_failure

T = TypeVar("T")

AGAIN = "the same command tries again"

_MEMORY = "free some memory, or use fewer workers"
_THREADS = "allow more processes (`ulimit -u`; in a container, its limit of pids), or use fewer workers"
_FILES = "allow more open files (`ulimit -n`), or use fewer workers"
_LACKING = {
    errno.ENOMEM: ("there is too little memory", _MEMORY),
    errno.EAGAIN: ("too few processes and threads are allowed", _THREADS),
    errno.EMFILE: ("too few open files are allowed", _FILES),
    errno.ENFILE: ("the machine has too many open files", "end other programs"),
}
_AWAY = {
    errno.EIO,
    errno.ESTALE,
    errno.ENOTCONN,
    errno.ETIMEDOUT,
    errno.ENODEV,
    errno.ENXIO,
    errno.ENOSPC,
    errno.EDQUOT,
}
_WORDS = (  # how libraries word it whose exceptions have no type of their own
    ("can't start new thread", errno.EAGAIN),
    ("Resource temporarily unavailable", errno.EAGAIN),
    ("Insufficient memory", errno.ENOMEM),
    ("std::bad_alloc", errno.ENOMEM),
    ("bad allocation", errno.ENOMEM),
    ("Failed to allocate memory", errno.ENOMEM),
    ("out of memory", errno.ENOMEM),
    ("Cannot allocate memory", errno.ENOMEM),
    ("failed to map segment", errno.ENOMEM),
    ("Too many open files", errno.EMFILE),
)
_SPARE = 2**26  # bytes that a decoder may need beside the picture


def fault_of(error: BaseException, what: str = "") -> MachineFault | None:
    """Return the fault of the machine that an exception stands for; None if it is none.

    Args:
        error: The exception, or one that it was raised from.
        what: What was being done, such as the path of a file, for the message.

    Example:
        >>> fault_of(RuntimeError("can't start new thread"), "a.mp4").message
        'a.mp4: too few processes and threads are allowed'
        >>> fault_of(ValueError("no picture")) is None
        True
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, KCEError):  # it says itself what is wrong
            return seen if isinstance(seen, MachineFault) else None
        number = _error_number(seen)
        if number in _LACKING:
            return _lacking(number, what)
        if number in _AWAY:
            return system_failure(what or "the work cannot go on", seen)
        seen = seen.__cause__ or seen.__context__
    return None


def done_or_fault(work: Callable[[], T], what: str) -> T | MachineFault:
    """Do some work and return its result, or the fault of the machine that prevented it; other errors are raised.

    For workers: after a fault of one file, others may still succeed.

    Args:
        work: What to do.
        what: As in ``fault_of``.
    """
    try:
        return work()
    except Exception as error:
        if fault := fault_of(error, what):
            return fault
        raise


def read_fault(error: OSError, path: str | os.PathLike[str]) -> MachineFault:
    """Return the fault of the machine for a file that the operating system does not let us read."""
    if error.errno in _LACKING and error.errno != errno.EAGAIN:  # which is a lock, of a file
        return _lacking(error.errno, str(path))
    if isinstance(error, FileNotFoundError):
        return MachineFault(f"{path}: is missing", f"was it moved, or is its disk not there? {AGAIN.capitalize()}")
    words, hint = describe_os_error(error)
    return MachineFault(f"{path}: cannot be read ({words})", hint)


def lacking(path: str | os.PathLike[str] = "", memory: int = 0) -> MachineFault | None:
    """Ask the machine whether it has what a decoder needs; called when one has failed without a clear reason.

    Args:
        path: The file that could not be decoded, for the message; empty = none.
        memory: Bytes that decoding it takes.

    Returns:
        What is lacking; None if nothing is, so that the fault is the file's.
    """
    try:
        mmap.mmap(-1, memory + _SPARE).close()
    except (OSError, ValueError, OverflowError):
        return _lacking(errno.ENOMEM, str(path))
    if not _can_start_threads(min(os.cpu_count() or 1, 64)):  # FFmpeg starts one for each core
        return _lacking(errno.EAGAIN, str(path))
    try:
        with Path(path or os.devnull).open("rb"), Path(path or os.devnull).open("rb"):
            pass
    except OSError as error:
        return read_fault(error, path)
    return None


def summarize_faults(faults: Sequence[MachineFault], shown: int = 5) -> MachineFault:
    """One fault that names the files of several, the first ones of many."""
    if len(faults) == 1:
        return faults[0]
    lines = [f"{len(faults)} files could not be read, and nothing was recorded about them:"]
    lines += [f"  {fault.message}" for fault in faults[:shown]]
    if len(faults) > shown:
        lines.append(f"  and {len(faults) - shown} more")
    return MachineFault("\n".join(lines), faults[0].hint)


def decoder_fault(error: Exception, path: str | os.PathLike[str]) -> MachineFault | None:
    """Return the fault of the machine behind an error of FFmpeg; None if the file is wrong.

    FFmpeg has the numbers of the operating system for its own purposes too: "too little memory" for a table that claims
    to be huge, "input/output error" for one that is cut short. So the machine is asked.
    """
    number = _error_number(error)
    if number == errno.EIO:
        return _read_to_the_end(path)
    return lacking(path) if number else None


def _can_start_threads(count: int) -> bool:
    end = threading.Event()
    threads = [threading.Thread(target=end.wait) for _ in range(count)]
    started = 0
    try:
        for thread in threads:
            thread.start()
            started += 1
    except RuntimeError:
        return False
    finally:
        end.set()
        for thread in threads[:started]:
            thread.join()
    return True


def _read_to_the_end(path: str | os.PathLike[str]) -> MachineFault | None:
    try:
        with Path(path).open("rb", buffering=0) as file:
            while file.read(2**22):
                pass
    except OSError as error:
        return read_fault(error, path)
    return None


def _error_number(error: BaseException) -> int:
    if isinstance(error, MemoryError):
        return errno.ENOMEM
    if isinstance(error, OSError):
        return error.errno or 0
    text = str(error)
    return next((number for word, number in _WORDS if word in text), 0)


def _lacking(number: int, what: str) -> MachineFault:
    message, hint = _LACKING[number]
    return MachineFault(f"{what}: {message}" if what else message, f"{hint}; {AGAIN}")
