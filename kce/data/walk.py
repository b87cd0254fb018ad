"""The walk that adapters share: every file below a folder, in a fixed order, as a stream."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kce.types import Remark

Parts = tuple[str, ...]
"""A path below a root: its folders and the file name."""

_DIGITS = re.compile(r"[0-9]+")


def fold_name(name: str) -> str:
    """A name for comparisons: upper and lower case and Unicode form do not count."""
    return name.lower() if name.isascii() else nfc(nfc(name).casefold())


def nfc(name: str) -> str:
    """A name in Unicode's composed form; some file systems store decomposed names."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def printable(name: str) -> str:
    """A name that can be printed: bytes that are not UTF-8 are escaped."""
    return name.encode("utf-8", "backslashreplace").decode()


def is_within(path: str, root: str) -> bool:
    """Whether a resolved path is the resolved root or below it."""
    return path == root or path.startswith(os.path.join(root, ""))  # noqa: PTH118


class MediaFile(NamedTuple):
    """A file with a suffix of the dataset's media.

    Attributes:
        parts: Its path below the root, in Unicode's composed form.
        path: Its path on disk where that differs from root/parts; else empty.
    """

    parts: Parts
    path: str


class _Folder(NamedTuple):
    parts: Parts
    path: str
    ignored: str  # the reason why its files are not samples; empty = they may be


def walk(prefix: str, real_root: str, ignored: frozenset[str], media: frozenset[str]) -> Iterator[MediaFile | Remark]:
    """Visit every file below a folder.

    Keeps in memory the names of one folder on each level, and does not recurse: a tree may be arbitrarily deep.

    Args:
        prefix: The folder, with a separator at its end.
        real_root: Its resolved path. Links that lead out of it are reported and not followed.
        ignored: Names of folders, in lower case, whose files are reported as ignored.
        media: Suffixes of media files, with the dot, in lower case.

    Yields:
        The media files, in natural order (9 before 10), and a remark for every other file.
    """
    list_folder = _Lister(prefix, real_root, ignored, media)
    stack = [list_folder(_Folder((), prefix, ""))]
    while stack:
        for item in stack[-1]:
            if isinstance(item, _Folder):
                stack.append(list_folder(item))
                break
            yield item
        else:
            stack.pop()


class _Lister(NamedTuple):
    prefix: str
    real_root: str
    ignored: frozenset[str]
    media: frozenset[str]

    def __call__(self, folder: _Folder) -> Iterator[MediaFile | _Folder | Remark]:
        try:
            names, special = _sorted_names(folder.path)
        except OSError as error:
            reason = f"the folder cannot be read: {error.strerror}"
            yield Remark("ignored" if folder.ignored else "unparsed", "/".join(folder.parts), reason)
            return
        if not names and folder.parts and not folder.ignored:
            yield Remark("missing", "/".join(folder.parts), "the folder is empty")
        for disk_name in names:
            name = nfc(disk_name)
            path = os.path.join(folder.path, disk_name)  # noqa: PTH118 - a string, a million times
            parts = (*folder.parts, name)
            kind = special.get(disk_name, "file")
            if kind == "folder" and (folder.ignored or _is_utf8(name)):
                yield _Folder(parts, path, folder.ignored or self._why_ignored(name))
            elif folder.ignored:
                yield Remark("ignored", printable("/".join(parts)), folder.ignored)
            elif not _is_utf8(name):
                yield Remark("unparsed", printable("/".join(parts)), "the name is not valid UTF-8")
            elif kind == "link":
                yield self._link(parts, path)
            elif kind == "other":
                yield Remark("ignored", "/".join(parts), "neither a file nor a folder")
            else:
                yield self._file(parts, path)

    def _why_ignored(self, folder_name: str) -> str:
        folded = fold_name(folder_name)
        if folded.startswith(".") or folded == "__macosx":
            return "hidden"
        return f"in a folder {folder_name}" if folded in self.ignored else ""

    def _file(self, parts: Parts, path: str) -> MediaFile | Remark:
        name = parts[-1]
        if name.startswith("."):
            return Remark("ignored", "/".join(parts), "hidden")
        dot = name.rfind(".")
        if dot < 0 or name[dot:].lower() not in self.media:
            return Remark("ignored", "/".join(parts), "not a media file of this dataset")
        return MediaFile(parts, "" if path.isascii() or path == self.prefix + "/".join(parts) else path)

    def _link(self, parts: Parts, path: str) -> MediaFile | Remark:
        key, real = "/".join(parts), os.path.realpath(path)
        is_folder = Path(real).is_dir()
        file = self._file(parts, path)
        if isinstance(file, Remark) and not is_folder:
            return file
        if not is_within(real, self.real_root):
            return Remark("unparsed", key, "a link that leads out of the root; it is not followed")
        if is_folder:
            return Remark("ignored", key, "a link to a folder inside the root, which is read there")
        return file if Path(real).is_file() else Remark("missing", key, "a link to a file that does not exist")


def _sorted_names(folder: str) -> tuple[list[str], dict[str, str]]:
    """Names in natural order (9 before 10), and the kind of each that is not an ordinary file."""
    names: list[str] = []
    special: dict[str, str] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            names.append(entry.name)
            if not entry.is_file(follow_symlinks=False):
                is_folder = entry.is_dir(follow_symlinks=False)
                special[entry.name] = "folder" if is_folder else "link" if entry.is_symlink() else "other"
    if len(names) > 1:
        names.sort(key=nfc)
        names.sort(key=_natural_key)
    return names, special


def _natural_key(name: str) -> str:
    return _DIGITS.sub(lambda digits: digits[0].zfill(20), nfc(name))


def _is_utf8(name: str) -> bool:
    if name.isascii():
        return True
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
