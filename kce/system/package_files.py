"""The metadata of installed packages as files, any of which may be broken."""

from __future__ import annotations

import importlib.metadata
from importlib.metadata import Distribution, EntryPoints
from pathlib import Path
from typing import Any

_MAX_SIZE = 2**24  # bytes; the largest RECORD of a package in use is a quarter of that


def read_metadata(distribution: Distribution, name: str) -> str:
    """Read one of the files of a package's metadata; empty if it is missing, no regular file, or of no sane size.

    What is not UTF-8 in it becomes U+FFFD.
    """
    path: Any = getattr(distribution, "_path", None)  # only with it can a pipe be told from a file, before it is opened
    try:
        if path is None:
            return distribution.read_text(name) or ""
        file = path / name
        if not file.is_file() or (isinstance(file, Path) and file.stat().st_size > _MAX_SIZE):
            return ""
        return str(file.read_bytes().decode("utf-8-sig", "replace"))
    except Exception:  # archives and finders of others raise anything
        return ""


def tolerate_broken_packages() -> None:
    """Have the standard library skip, in this process, the entry points of a package whose file of them is broken.

    torch, Lightning and numba look for theirs when they are imported, and end with whatever the worst of all installed
    packages raises. Call it in processes that are ours alone.
    """
    parse = Distribution.entry_points.fget  # type: ignore[attr-defined]
    if parse.__module__ == __name__:
        return

    def entry_points(self: Distribution) -> EntryPoints:
        if read_metadata(self, "entry_points.txt"):
            try:
                return parse(self)  # type: ignore[no-any-return]
            except Exception:  # noqa: S110 - it raises anything, and differs from one Python to the next
                pass
        return EntryPoints(())

    importlib.metadata.Distribution.entry_points = property(entry_points)  # type: ignore[assignment,method-assign]
