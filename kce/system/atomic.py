"""Atomic writes: a reader sees either the old file or the complete new one, never half of it.

The new content is first written to a temporary file beside it, whose name nobody can know before: so two processes
never write to one, and a link that somebody planted is not followed. A link in the place of the file is replaced.
"""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from kce.system.regular import NotRegular

_PART = ".kce-*.part"


@contextmanager
def atomic_replace(path: Path, folder: Path | None = None, *, sync: bool = True) -> Iterator[Path]:
    """Yield a new, empty temporary file to write to; it replaces `path` when the block ends without an exception.

    If the block raises, the temporary file is removed and `path` stays as it was. What a killed process leaves is
    removed by ``remove_leftovers``.

    Args:
        path: The file to write.
        folder: Where the temporary file is, on the same file system; default: beside `path`.
        sync: Whether the file and its folder are flushed to disk, so that the new file survives a power cut.

    Yields:
        The temporary path.

    Raises:
        NotRegular: If `path` is a device or a folder.
        OSError: If the file cannot be written or renamed.
    """
    _refuse_other(path)
    part, number = _new_file(path.parent if folder is None else folder)
    os.close(number)
    with _moving_to(path, part, sync=sync):
        yield part
        if sync:
            with part.open("r+b") as file:
                os.fsync(file.fileno())


@contextmanager
def _moving_to(path: Path, part: Path, *, sync: bool) -> Iterator[None]:
    try:
        yield
        part.replace(path)
        if sync:
            sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


_NAMES = count()
_SECRET = secrets.token_hex(4)  # of this process, so that nobody can plant a link in the place of the next file


def _new_file(folder: Path) -> tuple[Path, int]:
    """A new, empty file, open for writing."""
    while True:
        part = folder / _PART.replace("*", f"{os.getpid()}-{_SECRET}-{next(_NAMES)}")
        with suppress(FileExistsError):
            # O_EXCL does not follow a link either.
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
            return part, os.open(part, flags, 0o666)


def _refuse_other(path: Path) -> None:
    """Renaming a file to /dev/null would replace that for the whole machine; to a folder, it fails after the work."""
    with suppress(OSError):
        mode = path.stat().st_mode
        if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            raise NotRegular(f"{path} is a device, not a file", "give the name of a file")
        if stat.S_ISDIR(mode) and not path.is_symlink():
            raise NotRegular(f"{path} is a folder, not a file", "give the name of a file, or move the folder away")


def remove_leftovers(folder: Path, pattern: str = _PART) -> None:
    """Remove temporary files that killed processes left in a folder; only for who holds the lock of the folder.

    Args:
        folder: The folder.
        pattern: Pattern of their names below it; default: those in the folder itself.
    """
    for part in folder.glob(pattern):
        with suppress(OSError):
            part.unlink()


def write_atomic(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Write a file atomically; a file that already has this content is not touched.

    Args:
        path: The file.
        data: Its content.
        sync: As in ``atomic_replace``.

    Raises:
        NotRegular, OSError: As ``atomic_replace`` does.
    """
    if _holds(path, data):
        return
    _refuse_other(path)
    part, number = _new_file(path.parent)
    with _moving_to(path, part, sync=sync), os.fdopen(number, "wb") as file:
        file.write(data)
        if sync:
            file.flush()
            os.fsync(number)


def _holds(path: Path, data: bytes) -> bool:
    with suppress(OSError):
        status = path.lstat()
        return stat.S_ISREG(status.st_mode) and status.st_size == len(data) and path.read_bytes() == data
    return False


def write_json(path: Path, document: Any) -> None:
    """Write a document as indented JSON, atomically."""
    write_atomic(path, json.dumps(document, indent=1, ensure_ascii=False).encode())


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, so that a rename survives a power cut; does nothing on Windows."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
