"""A file that grows at its end: what was appended survives the process, and, once it is closed, a power cut."""

from __future__ import annotations

import os
from pathlib import Path

from kce.system.atomic import sync_folder
from kce.system.regular import append_regular


class GrowingFile:
    """A file that is appended to, from a given length on; what was behind it is cut off.

    Nothing is buffered: what ``append`` has written is there for others, and if this process is killed.

    Args:
        path: The file; it is created if it does not exist.
        length: Its length in bytes before anything is appended.

    Attributes:
        length: Its length in bytes.

    Raises:
        NotRegular, OSError: As ``append_regular`` does.
    """

    def __init__(self, path: Path, length: int) -> None:
        self.path = path
        self.length = length
        self._file = append_regular(path)
        try:
            self._file.truncate(length)
        except BaseException:
            self._file.close()
            raise

    def append(self, data: bytes) -> None:
        """Write all bytes at the end; raises OSError if that is not possible, and then some of them may be there."""
        left = memoryview(data)
        while left:
            left = left[os.write(self._file.fileno(), left) :]
        self.length += len(data)

    def flush_and_close(self) -> None:
        """Flush the file and its folder to the disk, and close it."""
        os.fsync(self._file.fileno())
        self._file.close()
        sync_folder(self.path.parent)

    def close(self) -> None:
        """Close the file as it is, such as after an error."""
        self._file.close()
