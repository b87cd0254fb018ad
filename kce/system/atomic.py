"""Atomic writes: a reader sees either the old file or the complete new one, never half of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


@contextmanager
def atomic_replace(path: Path, part: Path | None = None, *, sync: bool = True) -> Iterator[Path]:
    """Yield a temporary path to write to; it replaces `path` when the block ends without an exception.

    If the block raises, the temporary file is removed and `path` stays as it was.

    Args:
        path: The file to write.
        part: The temporary file, on the same file system; default: `path` with ".part" appended.
        sync: Whether the file and its folder are flushed to disk, so that the new file survives a power cut.

    Yields:
        The temporary path.

    Raises:
        OSError: If the file cannot be written or renamed.
    """
    part = path.with_name(path.name + ".part") if part is None else part
    try:
        yield part
        if sync:
            with part.open("r+b") as file:
                os.fsync(file.fileno())
        part.replace(path)
        if sync:
            sync_folder(path.parent)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file atomically; a file that already has this content is not touched."""
    if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
        return
    with atomic_replace(path) as part:
        part.write_bytes(data)


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
