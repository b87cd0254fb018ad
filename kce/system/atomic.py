"""Files that appear whole or not at all: whoever reads one finds the old one or the new one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a path beside `path` to write to; what is there at the end takes its place, down to the disk.

    If writing fails, nothing is left behind and `path` stays as it was.
    """
    part = path.with_name(path.name + ".part")
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; one that holds the same already is left alone."""
    if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
        return
    with replacing(path) as part:
        part.write_bytes(data)


def write_json(path: Path, document: Any) -> None:
    """Write a document people may read as well, whole or not at all."""
    write_whole(path, json.dumps(document, indent=1, ensure_ascii=False).encode())
