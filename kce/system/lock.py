"""One at a time in a folder: a lock that says who holds it, and that is let go when its holder is killed."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from kce.errors import KCEError

_HOLDER = ".lock.holder"  # beside the lock, for Windows lets nobody read a file that is locked


@contextmanager
def held(folder: Path, what: str) -> Iterator[None]:
    """Hold the folder while inside. Raises KCEError, naming the holder, if another process does.

    what  what is at work in it: "run", "study"
    Works across machines where the file system's locks do.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as busy:
        raise KCEError(
            f"another {what} is at work in {folder}{_holder(folder)}", "wait for it, or name another folder"
        ) from busy
    try:
        told = {"process": os.getpid(), "machine": socket.gethostname(), "since": f"{datetime.now():%Y-%m-%d %H:%M:%S}"}
        (folder / _HOLDER).write_text(json.dumps(told), encoding="utf-8")
        yield
    finally:
        (folder / _HOLDER).unlink(missing_ok=True)
        lock.release()


def _holder(folder: Path) -> str:
    try:
        told = json.loads((folder / _HOLDER).read_text(encoding="utf-8"))
        return f": process {told['process']} on {told['machine']}, since {told['since']}"
    except (OSError, ValueError, KeyError, TypeError):  # it is just beginning, or just going
        return ""
