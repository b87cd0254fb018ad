"""The base that dataset adapters share.

It finds the root, walks it as a stream in a fixed order, leaves out what is no sample, and hands each media file to the
adapter's one parse. An adapter is then a table of facts and that parse.
"""

from __future__ import annotations

import json
import os
import re
import stat
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal

from kce.data.walk import File, Parts, escaped, fold, nfc, walk, within
from kce.errors import BadData, KCEError
from kce.types import Remark, Sample

MAX_LIST = 2**30  # bytes of a list, which is read line by line; the longest known has 250 MB
MAX_JSON = 2**26  # bytes of a json, which is read as a whole
MAX_LOOKED_INTO = 1000  # folders looked into on each level below, when the root is sought
NAMED = 12  # folders named in a message about a root that was not found

_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


class Unparsed(Exception):
    """Raised by an adapter about one file whose name or place it cannot read; the message says why."""


class WrongRoot(KCEError):
    """A folder that is not the dataset's; it may well be another's."""


class Tree:
    """Base of an adapter that reads one dataset from a folder, as its publishers ship it.

    A subclass states the facts below, overrides `parse`, and may override `lists`. Iterating yields samples and remarks
    as a stream: of each file below the root exactly one, then what `beside` was told of it; before all, the remarks
    about the dataset's own lists. Keys and the paths of remarks are relative to the root that was found, with "/", in
    Unicode's composed form (NFC).

    name      the dataset's name, as in its categories
    aliases   names its root folder is known by; they decide where several folders could be it
    strangers names of a look-alike's root, which is never taken for this one
    marks     names of folders that show a root, in tiers: a tier counts when any one of its names is there, and the
              first tier found within two levels down or up decides. None: the root is the folder given
    media     suffixes of its media, with the dot, in lower case
    ignored   path parts (folders, in lower case) below which nothing is a sample
    expected  published number of samples per category; empty = not known
    method_count  number of forgery methods; 0 = as many as `expected` has categories of fakes
    licence   one line

    Raises KCEError when the root is missing, is a file or is empty; WrongRoot when it does not look like this dataset.
    """

    pictures: ClassVar[frozenset[str]] = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
    videos: ClassVar[frozenset[str]] = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpg", ".webm"})

    name: str = ""
    aliases: ClassVar[Parts] = ()
    strangers: ClassVar[Parts] = ()
    marks: ClassVar[tuple[Parts, ...]] = ()
    media: ClassVar[frozenset[str]] = pictures | videos
    ignored: ClassVar[frozenset[str]] = frozenset({"masks", "models", "landmarks", "spatial_localize", "target_mask"})
    expected: Mapping[str, int] = {}
    method_count: ClassVar[int] = 0
    licence: ClassVar[str] = ""

    def __init__(self, root: str | Path) -> None:
        self.root = find_root(self, Path(root))
        self._prefix = os.path.join(self.root, "")  # noqa: PTH118 - a string, since a million paths are made from it
        self._real_root = os.path.realpath(self.root)
        self._folder = lru_cache(maxsize=64)(self.root.joinpath)  # to make a Path is a quarter of a scan's time
        self._has_no_link = lru_cache(maxsize=4096)(self._look_for_links)
        self._beside: list[Remark] = []

    def parse(self, parts: Parts) -> Sample | Remark:
        """What the media file at this path below the root is: a sample, or a remark (ignored, with the reason).

        `parts` are the folders and the file name, in Unicode's composed form. Raises Unparsed when they say nothing.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how to parse {parts}")

    def lists(self) -> Iterator[Remark]:
        """Reads the lists the dataset ships, before the walk; yields what is missing and what disagrees."""
        return iter(())

    def beside(self, kind: Literal["conflict", "extra"], parts: Parts, reason: str) -> None:
        """Called while parsing: a remark about the file that does not take the place of its sample."""
        self._beside.append(Remark(kind, "/".join(parts), reason))

    def sample(
        self,
        parts: Parts,
        method: str,
        *,
        group: str = "",
        identities: Parts = (),
        split: str = "",
        frame: int | None = None,
    ) -> Sample:
        """The sample at this path; the method "real" makes it a real."""
        key = "/".join(parts)
        path = self._folder(*parts[:-1]) / parts[-1]
        return Sample(key, path, self.name, method, method == "real", group, identities, split, frame)

    def __iter__(self) -> Iterator[Sample | Remark]:
        self._beside.clear()  # of a walk that was left
        yield from self.lists()
        for found in walk(self._prefix, self._real_root, self.ignored, self.media):
            yield found if isinstance(found, Remark) else self._read(found)
            if self._beside:
                yield from self._beside
                self._beside.clear()

    def _read(self, file: File) -> Sample | Remark:
        try:
            said = self.parse(file.parts)
        except Unparsed as error:
            return Remark("unparsed", "/".join(file.parts), str(error))
        if isinstance(said, Sample) and file.disk:
            return replace(said, path=Path(file.disk))  # on disk the name is not in composed form
        return said

    # What the dataset's lists need.

    def inside(self, entry: str) -> Parts:
        """The parts of a path that a list names. Raises Unparsed if it would lead out of the root or names nothing."""
        path = PurePosixPath(nfc(entry.replace("\\", "/")))
        if path.is_absolute() or _DRIVE.match(entry) or ".." in path.parts:
            raise Unparsed("leads out of the root; only relative paths without '..' are read")
        if not path.parts or "\0" in entry:
            raise Unparsed("names no file")
        return path.parts

    def locate(self, parts: Parts) -> Path | None:
        """The file with exactly this path below the root, or None. Raises Unparsed if a link leads out of the root."""
        key = "/".join(parts)
        for form in (key,) if key.isascii() else (key, unicodedata.normalize("NFD", key)):
            path = self._prefix + form  # a string, no Path: a list may have millions of lines
            try:
                mode = os.lstat(path).st_mode
            except OSError:
                continue
            plain = not stat.S_ISLNK(mode) and self._has_no_link(parts[:-1])
            if not plain and not within(os.path.realpath(path), self._real_root):
                raise Unparsed("a link leads out of the root; it is not followed")
            if stat.S_ISREG(mode) or os.path.isfile(path):  # noqa: PTH113
                return Path(path)
        return None

    def _look_for_links(self, folders: Parts) -> bool:
        """Whether no folder on this way is a link; much quicker than to resolve the path of each file."""
        link = os.path.islink(self._prefix + "/".join(folders))  # noqa: PTH114
        return not folders or (not link and self._has_no_link(folders[:-1]))

    def find(self, *parts: str) -> Path | None:
        """The file or folder at this path below the root, upper and lower case and Unicode form aside, or None.

        Raises BadData if a link to a file leads out of the root; a folder's link is named by the walk.
        """
        here = Path(self.root)
        for part in parts:
            wanted = fold(part)
            names = sorted(name for name in _names(here) if fold(name) == wanted)
            if not names:
                return None
            here = here / (part if part in names else names[0])
        inside = within(os.path.realpath(here), self._real_root)
        if here.is_file() and not inside:
            raise BadData(f"{here} is a link that leads out of the root", "put the file itself there")
        return here if inside and (here.is_dir() or here.is_file()) else None

    def lines(self, path: Path) -> Iterator[tuple[int, str]]:
        """The lines of a list with their numbers from 1, blank ones left out. Raises BadData if it is too large."""
        _bounded(path, MAX_LIST)
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            number = 0
            while line := file.readline(2**16):
                number += 1
                if text := line.strip():
                    yield number, text

    def json(self, path: Path) -> Any:
        """The content of a json. Raises BadData if it is too large or is no json."""
        _bounded(path, MAX_JSON)
        try:
            return json.loads(path.read_text(encoding="utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise BadData(f"{path} is not a readable json: {error}", "fetch the file again, or remove it") from error


def _bounded(path: Path, limit: int) -> None:
    size = path.stat().st_size
    if size > limit:
        raise BadData(f"{path} has {size} bytes, more than the {limit} that a list may have", "is it the right file?")


def find_root(tree: Tree | type[Tree], given: Path) -> Path:
    """The dataset's root: the folder given, or one within two levels below or above it. Raises as `Tree` does."""
    if not given.exists():
        raise KCEError(f"no folder {given}", f"give the folder that {tree.name} was unpacked to")
    if not given.is_dir():
        raise KCEError(f"{given} is a file, not a folder", f"give the folder that {tree.name} was unpacked to")
    try:
        found = sorted(os.listdir(given))  # noqa: PTH208 - names are what is wanted
    except OSError as error:
        raise KCEError(f"{given} cannot be read: {error.strerror}", "check the rights of the folder") from error
    if not found:
        raise KCEError(f"{given} is empty", f"unpack {tree.name} there, or give the folder it was unpacked to")
    if not tree.marks:
        return given
    for tier in tree.marks:
        for ring in _rings(given):
            if root := _choose(tree, ring, tier):
                return root
    raise WrongRoot(
        f"{given} does not look like {tree.name}: none of the folders {_some([m for t in tree.marks for m in t])} is "
        f"in it, two levels below or two levels above it; it holds {_some([escaped(name) for name in found])}",
        f"give the folder of {tree.name} that holds {tree.marks[0][0]}",
    )


def _rings(given: Path) -> Iterator[list[Path]]:
    """Where the root may be, nearest first and below before above."""
    yield [given]
    below = _folders(given)
    yield below
    yield [folder for child in below for folder in _folders(child)][:MAX_LOOKED_INTO]
    above = Path(os.path.abspath(given)).parents  # noqa: PTH100 - as the user wrote it, not where links lead
    yield from ([parent] for parent in above[:2])


def _choose(tree: Tree | type[Tree], ring: list[Path], tier: Parts) -> Path | None:
    marks, strangers = {fold(mark) for mark in tier}, {fold(name) for name in tree.strangers}
    hits = [folder for folder in ring if _holds(folder, marks)]
    own = [folder for folder in hits if _folded_name(folder) not in strangers]
    if hits and not own:
        raise WrongRoot(
            f"{hits[0]} is by its name not {tree.name}", "ask for the dataset it is, or rename the folder if it is"
        )
    for alias in map(fold, tree.aliases):
        if named := [folder for folder in own if _folded_name(folder) == alias]:
            own = named
            break
    if len(own) > 1:
        raise KCEError(
            f"several folders look like {tree.name}: {_some([str(f) for f in own])}", "give one of them as root"
        )
    return own[0] if own else None


def _folded_name(folder: Path) -> str:
    return fold(os.path.basename(os.path.abspath(folder)))  # noqa: PTH100, PTH119 - Path(".") has no name


def _holds(folder: Path, marks: set[str]) -> bool:
    return any(fold(name) in marks and (folder / name).is_dir() for name in _names(folder))


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names are what is wanted
    except OSError:
        return []


def _folders(folder: Path) -> list[Path]:
    """The folders in a folder, sorted, links and hidden ones left out."""
    try:
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if e.is_dir(follow_symlinks=False) and not e.name.startswith(".")]
    except OSError:
        return []
    return [folder / name for name in sorted(names)[:MAX_LOOKED_INTO]]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
