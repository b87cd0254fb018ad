"""Locks between processes. A lock is released when the process that holds it is killed."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from kce.errors import KCEError

_HELD: set[tuple[Path, int]] = set()  # folders whose locks a thread of this process holds
_HOLDER = ".lock.holder"  # a file of its own: on Windows a locked file cannot be read


@contextmanager
def file_lock(path: Path, busy: Callable[[], KCEError]) -> Iterator[None]:
    """Hold a lock file inside the block, without waiting for it.

    Works across machines if the file system's locks do.

    Args:
        path: The lock file; its folder must exist.
        busy: Makes the error to raise if another process holds the lock.

    Raises:
        KCEError: What `busy` returns.
        OSError: If the lock file cannot be opened.
    """
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout as timeout:
        raise busy() from timeout
    try:
        yield
    finally:
        lock.release()


@contextmanager
def folder_lock(folder: Path, what: str) -> Iterator[None]:
    """Hold the lock of a folder inside the block, and record which process holds it.

    A block inside that asks for the same folder shares the lock, such as a report at the end of a demo.

    Args:
        folder: The folder; it is created if it does not exist.
        what: What is running in it, for the message to others: "run", "study".

    Raises:
        KCEError: If another process holds the lock; the message names that process.
    """
    folder.mkdir(parents=True, exist_ok=True)

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
        try:
            (folder / _HOLDER).write_text(json.dumps(holder), encoding="utf-8")
            yield
        finally:
            (folder / _HOLDER).unlink(missing_ok=True)


@contextmanager
def _registered(held: tuple[Path, int]) -> Iterator[None]:
    _HELD.add(held)
    try:
        yield
    finally:
        _HELD.discard(held)


def _describe_holder(folder: Path) -> str:
    try:
        holder = json.loads((folder / _HOLDER).read_text(encoding="utf-8"))
        return f": {holder['what']}, process {holder['process']} on {holder['machine']}, since {holder['since']}"
    except (OSError, ValueError, KeyError, TypeError):  # the holder is just starting or ending
        return ""
