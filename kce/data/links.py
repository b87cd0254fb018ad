"""Links of a dataset to files and folders elsewhere: which are followed, and how much is lost with the others.

A link that leads out of a dataset's root is followed only where the user has said so, by naming the folder that it may
lead to (``kce scan --follow-links FOLDER``). All others are reported with the number of files behind them.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from kce.errors import KCEError
from kce.system.regular import is_within
from kce.system.text import printable

MAX_COUNTED = 10_000  # media files behind a link; more are not counted
MAX_VISITED = 200_000  # names that are looked at to count them

_ALLOWED: ContextVar[tuple[str, ...]] = ContextVar("allowed", default=())


@contextmanager
def following_links(folders: Iterable[str | os.PathLike[str]]) -> Iterator[None]:
    """Have datasets that are built in this block follow links that lead into these folders.

    Args:
        folders: The folders that links may lead to, or below.

    Raises:
        KCEError: One of them does not exist, or is not a folder.

    Example:
        >>> with following_links(["/"]):
        ...     allowed_folders()
        ('/',)
    """
    resolved = []
    for folder in folders:
        if not Path(folder).is_dir():
            raise KCEError(f"no folder {folder}", "name a folder that links of the dataset lead into")
        resolved.append(os.path.realpath(folder))
    token = _ALLOWED.set(tuple(resolved))
    try:
        yield
    finally:
        _ALLOWED.reset(token)


def allowed_folders() -> tuple[str, ...]:
    """The resolved folders that links may lead into now, besides the dataset's own root."""
    return _ALLOWED.get()


def hint_to_follow(target: str) -> str:
    """What the user can do about a link to this resolved path."""
    return f"add `--follow-links {shlex.quote(printable(target))}` to follow it, or put the files themselves there"


def count_media(folder: str, media: frozenset[str]) -> int | None:
    """The number of files below a folder that could be samples: media files, and those without a suffix.

    Links to folders inside it, folders that cannot be read, and more files than are counted make it None.
    """
    count = visited = 0
    folders = [folder]
    try:
        while folders:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    visited += 1
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif entry.is_dir():
                        return None
                    elif not entry.name.startswith("."):
                        dot = entry.name.rfind(".")
                        count += dot < 0 or entry.name[dot:].lower() in media
                    if count > MAX_COUNTED or visited > MAX_VISITED:
                        return None
    except OSError:
        return None
    return count


def is_inside(real: str, tops: Iterable[str]) -> bool:
    """Whether a resolved path is one of these folders, or below one."""
    return any(is_within(real, top) for top in tops)
