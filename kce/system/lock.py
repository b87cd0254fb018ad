"""Locks between processes. A lock is released when the process that holds it is killed."""

from __future__ import annotations

import json
import logging
import os
import socket
import stat
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from kce.errors import BadData, KCEError
from kce.system.atomic import remove_leftovers, write_atomic
from kce.system.os_errors import NO_LOCKS, error_number, system_failure
from kce.system.regular import NotRegular, read_regular_text, require_inside

_HELD: set[tuple[Path, int]] = set()  # folders whose locks a thread of this process holds
_HOLDER = ".lock.holder"  # a file of its own: on Windows a locked file cannot be read
_SOFT = ".soft"

_log = logging.getLogger("kce.system.lock")
_warned: set[Path] = set()


@contextmanager
def file_lock(path: Path, busy: Callable[[], KCEError] | None) -> Iterator[None]:
    """Hold a lock file inside the block.

    Works across machines if the file system's locks do. Where it has none (some NFS, Lustre, FUSE), a file with the
    name of the process and its machine is the lock, ``<path>.soft``. On one machine it is as good; what a process that
    was killed on another machine left must be removed by hand, as the error says.

    Args:
        path: The lock file; its folder must exist.
        busy: Makes the error to raise if another process holds the lock; None = wait for it.

    Raises:
        KCEError: What `busy` returns.
        NotRegular: If a link, a named pipe or the like is in the place of the lock file.
        MachineFault: If the lock file cannot be opened.
    """
    _refuse_special(path)
    try:
        lock = _acquire(path, wait=busy is None)
    except Timeout as timeout:
        if busy is None:
            raise  # it does not come to that: it waits as long as it takes
        error = busy()
        if timeout.lock_file.endswith(_SOFT):
            error.hint += f"; if it was killed on another machine, remove {timeout.lock_file}"
        raise error from timeout
    except OSError as error:
        raise system_failure(f"{path.parent} cannot be locked", error) from error
    try:
        yield
    finally:
        with suppress(OSError):  # of a folder that was moved or a disk that is gone; the process ends soon
            lock.release()


def _refuse_special(path: Path) -> None:
    with suppress(OSError):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise NotRegular(
                f"{path} is a link or a special file, not a lock file", "remove it, if you did not make it"
            )


def _acquire(path: Path, *, wait: bool) -> BaseFileLock:
    def take(lock: BaseFileLock) -> BaseFileLock:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if not wait:
                raise
            _log.warning("another process is at work in %s: this one waits for it", path.parent)
            lock.acquire(timeout=-1)
        return lock

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # filelock warns where a system call is missing; we warn below
            return take(FileLock(path))
    except (OSError, NotImplementedError) as error:
        if isinstance(error, Timeout) or (isinstance(error, OSError) and error_number(error) not in NO_LOCKS):
            raise
    soft = path.with_name(f"{path.name}{_SOFT}")
    _refuse_special(soft)
    if path.parent not in _warned:
        _warned.add(path.parent)
        _log.warning(
            "the file system of %s has no locks; the file %s takes their place",
            path.parent,
            soft.name,
        )
    return take(SoftFileLock(soft))


@contextmanager
def folder_lock(folder: Path, what: str) -> Iterator[None]:
    """Hold the lock of a folder inside the block, and record which process holds it.

    A block inside that asks for the same folder shares the lock, such as a report at the end of a demo.

    Args:
        folder: The folder; it is created if it does not exist.
        what: What is running in it, for the message to others: "run", "study".

    Raises:
        KCEError: If another process holds the lock; the message names that process.
        MachineFault: If the folder cannot be made or locked.
    """
    make_folder(folder)
    require_inside(folder, ".lock", _HOLDER)

    def busy() -> KCEError:
        return KCEError(
            f"another kce is writing in {folder}{_describe_holder(folder)}", "wait for it, or use another folder"
        )

    held = (folder.resolve(), threading.get_ident())
    if held in _HELD:
        yield
        return
    with file_lock(folder / ".lock", busy), _registered(held):
        since = f"{datetime.now():%Y-%m-%d %H:%M:%S}"
        holder = {"what": what, "process": os.getpid(), "machine": socket.gethostname(), "since": since}
        remove_leftovers(folder)
        try:
            write_atomic(folder / _HOLDER, json.dumps(holder).encode())
            yield
        finally:
            with suppress(OSError):
                (folder / _HOLDER).unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder that a command writes into, if it is not there.

    Raises:
        KCEError: If its name is not valid UTF-8, so that no document could name it.
        MachineFault: If it cannot be made.
    """
    try:
        str(folder).encode()
    except UnicodeEncodeError as error:
        raise KCEError(
            f"the name of {os.fsencode(folder)!r} is not valid UTF-8", "choose another name, or rename the folder"
        ) from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise system_failure(f"{folder} cannot be made", error) from error


@contextmanager
def _registered(held: tuple[Path, int]) -> Iterator[None]:
    _HELD.add(held)
    try:
        yield
    finally:
        _HELD.discard(held)


def _describe_holder(folder: Path) -> str:
    try:
        holder = json.loads(read_regular_text(folder / _HOLDER))
        return f": {holder['what']}, process {holder['process']} on {holder['machine']}, since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError, BadData):  # the holder is just starting or ending
        return ""
