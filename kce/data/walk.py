"""The walk that adapters share: every file below a folder, in a fixed order, as a stream."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kce.data.links import count_media, hint_to_follow, is_inside
from kce.data.names import Parts, fold_name, is_utf8, nfc
from kce.data.suffixes import PICTURES, UNDECODED, VIDEOS
from kce.system.regular import is_within
from kce.system.text import printable
from kce.types import FolderRemark, Remark

NOT_MEDIA = "not a media file of this dataset"

ARCHIVES = frozenset({".7z", ".bz2", ".gz", ".rar", ".tar", ".tgz", ".xz", ".zip", ".zst"})

_KNOWN_MEDIA = PICTURES | VIDEOS | UNDECODED
_DIGITS = re.compile(r"[0-9]+")
_SUFFIX = re.compile(r".\.(?![0-9]+$)[A-Za-z0-9]{1,5}$")
_AS_GOOD_AS_EMPTY = frozenset({".ds_store", "._.ds_store", "thumbs.db", "desktop.ini"})
_OF_THE_SYSTEM = frozenset({"__macosx", "lost+found", "system volume information", "$recycle.bin", "@eadir"})
_TWINS = "there twice: in composed and in decomposed Unicode form"
_RENAME = "rename one of the two, or remove it"
_MOUNTED = "check that the disk it is on is mounted, and that you may read it"


class MediaFile(NamedTuple):
    """A file with a suffix of the dataset's media.

    Attributes:
        parts: Its path below the root, in Unicode's composed form.
        path: Its path on disk where that differs from root/parts; else empty.
    """

    parts: Parts
    path: str


class OtherMedia(NamedTuple):
    """A picture, video or archive with a suffix that is not of the dataset's media; `parts` as in ``MediaFile``."""

    parts: Parts


class _Folder(NamedTuple):
    parts: Parts
    path: str
    ignored: str  # the reason why its files are not samples; empty = they may be
    followed: tuple[str, ...] = ()  # resolved folders that links on the way here led to


Found = MediaFile | OtherMedia | Remark


def walk(
    prefix: str, real_root: str, ignored: frozenset[str], media: frozenset[str], allowed: tuple[str, ...] = ()
) -> Iterator[Found]:
    """Visit every file below a folder.

    Keeps in memory the names of one folder on each level, and does not recurse: a tree may be arbitrarily deep. A link
    to a folder is followed where it leads to one of the allowed folders, or into a part of the tree that is not read
    otherwise. No folder is entered twice on one way down, so loops of links end.

    Args:
        prefix: The folder, with a separator at its end.
        real_root: Its resolved path. Links that lead out of it, and not into an allowed folder, are reported and not
            followed.
        ignored: Names of folders, in lower case, whose files are reported as ignored.
        media: Suffixes of media files, with the dot, in lower case.
        allowed: Resolved folders that links may lead into.

    Yields:
        The media files, in natural order (9 before 10), and for every other file what it is.
    """
    list_folder = _Lister(prefix, real_root, ignored, media, (real_root, *allowed))
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
    tops: tuple[str, ...]  # what may be read

    def __call__(self, folder: _Folder) -> Iterator[Found | _Folder]:
        try:
            names, special = _sorted_names(folder.path)
        except OSError as error:
            key, reason = printable("/".join(folder.parts)), f"the folder cannot be read: {error.strerror}"
            yield (
                Remark("ignored", key, reason)
                if folder.ignored
                else FolderRemark("unparsed", key, reason, _MOUNTED, files=None)
            )
            return
        if folder.parts and not folder.ignored and all(name.lower() in _AS_GOOD_AS_EMPTY for name in names):
            reason, hint = "the folder is empty", "get its files, or remove it"
            yield FolderRemark("missing", "/".join(folder.parts), reason, hint)
        previous = ""
        for disk_name in names:
            name = nfc(disk_name)
            path = os.path.join(folder.path, disk_name)  # noqa: PTH118 - a string, a million times
            parts = (*folder.parts, name)
            kind = special.get(disk_name, "file")
            is_twin, previous = name == previous, name
            if kind == "folder" and (folder.ignored or is_utf8(name)):
                if is_twin:
                    yield Remark("conflict", "/".join(parts), f"a folder {_TWINS}; both are read", _RENAME)
                yield _Folder(parts, path, folder.ignored or self._why_ignored(name), folder.followed)
            elif folder.ignored:
                yield Remark("ignored", printable("/".join(parts)), folder.ignored)
            elif not is_utf8(name):
                key, reason = printable("/".join(parts)), "the name is not valid UTF-8"
                yield (
                    FolderRemark("unparsed", key, reason, "rename it", files=self._count(path))
                    if kind == "folder"
                    else Remark("unparsed", key, reason, "rename it")
                )
            elif kind == "link":
                yield self._link(folder, parts, path)
            elif kind == "other":
                yield Remark("ignored", "/".join(parts), "neither a file nor a folder")
            else:
                file = self._file(parts, path)
                if is_twin and not isinstance(file, Remark):
                    file = Remark("conflict", "/".join(parts), f"a file {_TWINS}; the first is kept", _RENAME)
                yield file

    def _why_ignored(self, folder_name: str) -> str:
        folded = fold_name(folder_name)
        if folded.startswith("."):
            return "hidden"
        if folded in _OF_THE_SYSTEM:
            return "a folder of the system"
        return f"in a folder {folder_name}" if folded in self.ignored else ""

    def _file(self, parts: Parts, path: str) -> Found:
        name = parts[-1]
        if name.startswith("."):
            return Remark("ignored", "/".join(parts), "hidden")
        dot = name.rfind(".")
        suffix = name[dot:].lower() if dot >= 0 else ""
        if suffix in self.media:
            return MediaFile(parts, "" if path.isascii() or path == self.prefix + "/".join(parts) else path)
        return (
            OtherMedia(parts)
            if suffix in _KNOWN_MEDIA or suffix in ARCHIVES
            else Remark("ignored", "/".join(parts), NOT_MEDIA)
        )

    def _link(self, folder: _Folder, parts: Parts, path: str) -> Found | _Folder:
        key, file = "/".join(parts), self._file(parts, path)
        hidden = self._why_ignored(parts[-1])
        try:
            mode = os.stat(path).st_mode  # noqa: PTH116
        except OSError as error:
            return _broken(key, error, hidden, file)
        real = os.path.realpath(path)
        if stat.S_ISDIR(mode):
            return Remark("ignored", key, hidden) if hidden else self._folder_link(folder, parts, path, real)
        if isinstance(file, Remark):
            return file
        if not stat.S_ISREG(mode):
            return Remark("ignored", key, "neither a file nor a folder")
        if not is_inside(real, self.tops):
            reason = "a link that leads out of the root; it is not followed"
            return Remark("unparsed", key, reason, hint_to_follow(os.path.dirname(real)))  # noqa: PTH120
        return file

    def _folder_link(self, folder: _Folder, parts: Parts, path: str, real: str) -> Remark | _Folder:
        key, read = "/".join(parts), (self.real_root, *folder.followed)
        if is_inside(real, read) and not self._is_hidden(real, read):
            return FolderRemark("ignored", key, "a link to a folder inside the root, which is read there")
        if any(is_within(above, real) for above in (os.path.realpath(folder.path), *read)):
            return FolderRemark("ignored", key, "a link to a folder that it is itself in")
        if is_inside(real, self.tops):
            return _Folder(parts, path, "", (*folder.followed, real))
        files = self._count(real)
        if files == 0:
            return FolderRemark("ignored", key, "a link that leads out of the root, to a folder without media files")
        content = "whose files cannot be counted" if files is None else f"with {files} files"
        reason = f"a link that leads out of the root, to a folder {content}; it is not followed"
        return FolderRemark("unparsed", key, reason, hint_to_follow(real), files=files)

    def _count(self, folder: str) -> int | None:
        return count_media(folder, self.media | _KNOWN_MEDIA)

    def _is_hidden(self, real: str, tops: tuple[str, ...]) -> bool:
        """Whether a resolved path is in a folder that the walk ignores."""
        top = next(top for top in tops if is_within(real, top))
        return any(self._why_ignored(part) for part in Path(real).relative_to(top).parts)


def _broken(key: str, error: OSError, hidden: str, file: Found) -> Remark:
    """What a link is whose target cannot be looked at."""
    reason = f"a link to something that cannot be reached: {error.strerror}"
    if hidden:
        return Remark("ignored", key, hidden)
    if not isinstance(file, Remark):
        return Remark("unparsed", key, reason, _MOUNTED)
    if _SUFFIX.search(key):  # of something else than media; without a suffix it may have been a folder
        return file
    return FolderRemark("unparsed", key, reason, _MOUNTED, files=None)


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
        names.sort()  # decomposed names before composed ones
        names.sort(key=nfc)
        names.sort(key=_natural_key)
    return names, special


def _natural_key(name: str) -> str:
    return _DIGITS.sub(lambda digits: digits[0].zfill(20), nfc(name))
