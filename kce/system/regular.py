"""Opening files: only regular ones, and none that a link leads to outside the folder it should be in.

A named pipe or a device where a file is due would block for ever or never end. A folder that somebody sent may hold
links to any file of the machine. All that KCE reads is opened here, or looked at here before a library opens it.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import IO, BinaryIO, cast

from kce.errors import BadData

MAX_DOCUMENT = 2**28
"""Bytes of a document that is read as a whole; the longest that KCE writes have some 10 MB."""

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


class NotRegular(BadData):
    """Something other than a regular file where a file is due, or a link that leads out of its folder."""


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file for reading bytes.

    Raises:
        NotRegular: It is a folder, a named pipe, a device or a socket.
        OSError: As ``open`` does.
    """
    return cast("BinaryIO", _open(path, os.O_RDONLY, "rb"))


def append_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file for appending bytes, and create it if need be; raises as ``open_regular`` does."""
    return cast("BinaryIO", _open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, "ab"))


def open_in_place(path: str | os.PathLike[str], *, create: bool = False) -> FileIO:
    """Open a file for reading and writing bytes where they are, unbuffered: for a file that several processes share.

    Args:
        path: The file.
        create: Whether it is made if it is not there.

    Raises:
        NotRegular: It is a link, or has another name elsewhere (a hard link), or as ``open_regular`` does.
        OSError: As ``open`` does.
    """
    with suppress(FileNotFoundError):
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode) or status.st_nlink > 1:
            raise NotRegular(f"{os.fspath(path)} is a link, and is not written to", "remove it")
    flags = os.O_RDWR | (os.O_CREAT if create else 0) | getattr(os, "O_NOFOLLOW", 0)
    return cast("FileIO", _open(path, flags, "r+b", buffering=0))


def read_regular(path: str | os.PathLike[str], limit: int | None = None) -> bytes:
    """The bytes of a file; BadData if it has more than `limit`. Raises as ``open_regular`` does, too."""
    with open_regular(path) as file:
        data = file.read() if limit is None else file.read(limit + 1)
    if limit is not None and len(data) > limit:
        raise BadData(f"{path} is too large (over {limit} bytes)", "is it the right file?")
    return data


def read_regular_text(path: str | os.PathLike[str], limit: int = MAX_DOCUMENT) -> str:
    """The text of a file in UTF-8, lines ending in a line feed. Raises as ``read_regular``, and UnicodeDecodeError."""
    return read_regular(path, limit).decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


def require_regular(path: str | os.PathLike[str]) -> None:
    """Raise as ``open_regular`` does, for a file that a library is going to open by its path."""
    open_regular(path).close()


def is_within(path: str, root: str) -> bool:
    """Whether a resolved path is the resolved root or below it."""
    return path == root or path.startswith(os.path.join(root, ""))  # noqa: PTH118


def require_inside(folder: Path, *names: str) -> None:
    """Raise NotRegular if one of these paths below a folder leads out of it through links.

    The folder itself may be a link, and the paths need not exist.
    """
    root = os.path.realpath(folder)
    for name in names:
        real = os.path.realpath(folder / name)  # Path.resolve raises where links go in a circle
        if not is_within(real, root):
            raise NotRegular(
                f"{folder / name} leads out of {folder} through a link; nothing is read or written there",
                "put the file or folder itself there, or remove the link",
            )


def require_file_inside(folder: Path, name: str) -> None:
    """The same for one of many files, whose folders are known to be inside: quick unless the file is a link."""
    with suppress(OSError):
        if stat.S_ISLNK(os.lstat(folder / name).st_mode):
            require_inside(folder, name)


def make_folder_inside(folder: Path, name: str) -> Path:
    """Make a folder below another, if it is not there, and return it.

    Raises:
        NotRegular: It leads out of that one, or is not a folder.
    """
    require_inside(folder, name)
    path = folder / name
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotRegular(f"{path} is not a folder", "move it away") from error
    return path


def _open(path: str | os.PathLike[str], flags: int, mode: str, buffering: int = -1) -> IO[bytes]:
    with suppress(FileNotFoundError):
        _require_regular_mode(path, os.stat(path).st_mode)  # noqa: PTH116 - opening a device may already do something
    # O_NONBLOCK: opening a named pipe would wait for its other end. On regular files it does nothing.
    number = os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0), 0o666)
    try:
        _require_regular_mode(path, os.fstat(number).st_mode)
        return os.fdopen(number, mode, buffering)
    except BaseException:
        os.close(number)
        raise


def _require_regular_mode(path: str | os.PathLike[str], mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((name for test, name in _KINDS if test(mode)), "something else")
        raise NotRegular(f"{os.fspath(path)} is {kind}, not a file", "name a file, or put one there")
