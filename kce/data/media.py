"""The limits of media files that are decoded, and the errors of the file system.

Files may be damaged or hostile: sizes are limited before anything is decoded, and every fault is a BadData error.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kce.errors import BadData
from kce.system.machine_faults import read_fault

MAX_PIXELS = 2**26  # 8192 x 8192, of a picture or a video frame; below Pillow's own limit


def media_size(path: str | os.PathLike[str]) -> int:
    """The size of a media file in bytes, at least 1.

    Raises:
        MachineFault: The file is missing or cannot be read.
        BadData: The file is empty, or not an ordinary file, from which one could read forever.
    """
    with reading(path):
        status = Path(path).stat()
    if not stat.S_ISREG(status.st_mode):
        raise BadData(f"{path}: cannot be read (not a file)", "leave it out")
    if not status.st_size:
        raise BadData(f"{path}: empty file", "get the file again")
    return status.st_size


@contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turns an OSError about the file into a MachineFault: nothing is known of what the file contains."""
    try:
        yield
    except OSError as error:
        raise read_fault(error, path) from error
