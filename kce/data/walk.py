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

_DIGITS = re.compile(r"[0-9]+")


def fold(name: str) -> str:
    """A name for comparison: upper and lower case and Unicode form do not count."""
    return name.lower() if name.isascii() else nfc(nfc(name).casefold())


def nfc(name: str) -> str:
    """A name in Unicode's composed form, which some systems take apart."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


class File(NamedTuple):
    """A file that may be a sample."""

    parts: Parts
    disk: str  # its path on disk where that is not root/parts; else empty


class _Folder(NamedTuple):
    parts: Parts
    disk: str
    why: str  # why nothing below is a sample; empty = samples may be there


def walk(prefix: str, real_root: str, ignored: frozenset[str], media: frozenset[str]) -> Iterator[File | Remark]:
    """Every file below a folder, in a fixed order; those that can be no sample as a remark.

    `prefix` is the folder with a trailing separator, `real_root` where it really lies: links that lead out of that are
    named and not followed. Holds the names of one folder on each level and nothing else, and is no recursion: the tree
    may be hostile.
    """
    entries = _Entries(prefix, real_root, ignored, media)
    stack = [entries(_Folder((), prefix, ""))]
    while stack:
        for found in stack[-1]:
            if isinstance(found, _Folder):
                stack.append(entries(found))
                break
            yield found
        else:
            stack.pop()


class _Entries(NamedTuple):
    prefix: str
    real_root: str
    ignored: frozenset[str]
    media: frozenset[str]

    def __call__(self, folder: _Folder) -> Iterator[File | _Folder | Remark]:
        try:
            names, special = _sorted_names(folder.disk)
        except OSError as error:
            why = f"the folder cannot be read: {error.strerror}"
            yield Remark("ignored" if folder.why else "unparsed", "/".join(folder.parts), why)
            return
        if not names and folder.parts and not folder.why:
            yield Remark("missing", "/".join(folder.parts), "the folder is empty")
        for disk_name in names:
            name = nfc(disk_name)
            disk = os.path.join(folder.disk, disk_name)  # noqa: PTH118 - a string, a million times
            parts = (*folder.parts, name)
            kind = special.get(disk_name, "file")
            if kind == "folder" and (folder.why or _is_text(name)):
                yield _Folder(parts, disk, folder.why or self._why_folder(name))
            elif folder.why:
                yield Remark("ignored", escaped("/".join(parts)), folder.why)
            elif not _is_text(name):
                yield Remark("unparsed", escaped("/".join(parts)), "the name is not valid UTF-8")
            elif kind == "link":
                yield self._link(parts, disk)
            elif kind == "other":
                yield Remark("ignored", "/".join(parts), "neither file nor folder")
            else:
                yield self._file(parts, disk)

    def _why_folder(self, name: str) -> str:
        folded = fold(name)
        if folded.startswith(".") or folded == "__macosx":
            return "hidden"
        return f"below {name}" if folded in self.ignored else ""

    def _file(self, parts: Parts, disk: str) -> File | Remark:
        name = parts[-1]
        if name.startswith("."):
            return Remark("ignored", "/".join(parts), "hidden")
        dot = name.rfind(".")
        if dot < 0 or name[dot:].lower() not in self.media:
            return Remark("ignored", "/".join(parts), "no medium of this dataset")
        return File(parts, "" if disk.isascii() or disk == self.prefix + "/".join(parts) else disk)

    def _link(self, parts: Parts, disk: str) -> File | Remark:
        path, real = "/".join(parts), os.path.realpath(disk)
        folder = Path(real).is_dir()
        file = self._file(parts, disk)
        if isinstance(file, Remark) and not folder:
            return file
        if not within(real, self.real_root):
            return Remark("unparsed", path, "a link that leads out of the root; it is not followed")
        if folder:
            return Remark("ignored", path, "a link to a folder of the root, which is read in its own place")
        return file if Path(real).is_file() else Remark("missing", path, "a link to a file that is not there")


def _sorted_names(folder: str) -> tuple[list[str], dict[str, str]]:
    """Names in natural order (9 before 10), and of those that are no plain file what they are."""
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
        names.sort(key=_natural)
    return names, special


def _natural(name: str) -> str:
    return _DIGITS.sub(lambda digits: digits[0].zfill(20), nfc(name))


def _is_text(name: str) -> bool:
    if name.isascii():
        return True
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def escaped(name: str) -> str:
    """A name that can be printed, whatever bytes it has on disk."""
    return name.encode("utf-8", "backslashreplace").decode()


def within(path: str, root: str) -> bool:
    """Whether a real path is the real root or lies below it."""
    return path == root or path.startswith(os.path.join(root, ""))  # noqa: PTH118
