"""The base class of dataset adapters: subclass ``Tree`` to read a dataset in the layout of its publishers."""

from __future__ import annotations

import json
import os
import re
import stat
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal, NamedTuple

from kce.data.finished_tables import check_finished_table
from kce.data.links import allowed_folders, hint_to_follow, is_inside
from kce.data.names import Parts, fold_name, nfc
from kce.data.root import RootRules, find_root, names_in
from kce.data.suffixes import PICTURES, VIDEOS
from kce.data.walk import ARCHIVES, NOT_MEDIA, Found, MediaFile, walk
from kce.errors import BadData
from kce.types import Remark, Sample

MAX_LIST = 2**30  # bytes of a list, which is read line by line; the longest known has 250 MB
MAX_JSON = 2**26  # bytes of a JSON file, which is read as a whole

VIDEO_LEVEL = "videos"

_FRAME_NUMBER = re.compile(r"[0-9]{1,9}")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


class Unparsed(Exception):
    """Raised by an adapter for a file whose name or folder it cannot interpret; the message says why.

    Example:
        >>> def parse(parts: tuple[str, ...]) -> int:
        ...     if not parts[-1].startswith("frame"):
        ...         raise Unparsed("the name is not frameNUMBER.png")
        ...     return int(parts[-1][5:-4])
        >>> parse(("fake", "frame12.png"))
        12
        >>> parse(("fake", "cover.png"))
        Traceback (most recent call last):
        kce.data.adapter.Unparsed: the name is not frameNUMBER.png
    """


class Clip(NamedTuple):
    """A video, or one frame of it.

    Attributes:
        folders: The folders that say what it is, without levels such as ``videos/`` or ``frames/``.
        stem: The name of the video, without its suffix.
        frame: The number of the frame; None for the video itself.

    Example:
        >>> clip = Clip(("real",), "000", frame=12)
        >>> clip.stem, clip.frame
        ('000', 12)
    """

    folders: Parts
    stem: str
    frame: int | None


class Tree:
    """Base class of an adapter: reads one dataset from the folder that its publishers ship.

    A subclass sets the attributes below and overrides `parse`, which turns a path into a sample; where the dataset
    ships lists (splits, labels), it also overrides `read_lists`. Everything else is done here: the root is found,
    upper and lower case aside, up to two levels below or above the folder given; every file below it is visited as a
    stream and in a fixed order (naturally sorted: 9 before 10); what is not a sample is counted as ignored; and links
    that lead out of the root are followed only into folders that the user has named (`--follow-links`).

    Iterating yields the remarks of `read_lists` and then, for each file below the root, exactly one sample or remark,
    followed by the remarks that `parse` added with `add_remark`. Keys of samples and paths of remarks are relative to
    the root, with "/", in Unicode's composed form (NFC).

    Args:
        root: The dataset's root folder, or one up to two levels below or above it.

    Attributes:
        name: The dataset's name, as in its categories.
        root_names: Names of its root folder; they decide where several folders could be the root.
        excluded_root_names: Names of root folders of similar datasets, which are never taken for this one.
        root_contains: Names of folders that the root contains, in tiers. A folder matches a tier if it contains any
            one of the tier's folders; the first tier that some folder matches decides. Empty: the folder given is the
            root.
        media: Suffixes of the dataset's media files, with the dot, in lower case.
        ignored: Names of folders, in lower case, whose files are not samples, at any depth.
        expected: Published number of samples per category; empty = not known.
        several_faces: Of a face folder that was read, the number of faces that were the largest of several.
        method_count: Number of forgery methods; 0 = as many as `expected` has categories of fakes.
        licence: The dataset's licence, in one line.
        pictures: Suffixes of all pictures that KCE decodes, to build `media` from.
        videos: Suffixes of all videos that KCE decodes, to build `media` from.
        frame_levels: Folders in which people keep the frames of videos, see `clip`; the first is preferred.

    Raises:
        WrongRoot: The folder does not look like this dataset.
        KCEError: The folder is missing, a file, empty or unreadable, or several folders could be the root.

    Example:
        A dataset of pictures ``real/0001.png`` and ``fake/0001.png``, where fakes and reals of one number show one
        person:

        >>> class Pairs(Tree):
        ...     name = "Pairs"
        ...     root_contains = (("real", "fake"),)
        ...     media = frozenset({".png"})
        ...     licence = "CC BY 4.0"
        ...
        ...     def parse(self, parts):
        ...         if len(parts) != 2 or parts[0] not in ("real", "fake"):
        ...             raise Unparsed("in neither real/ nor fake/")
        ...         person = f"pairs:{parts[1].removesuffix('.png')}"
        ...         method = "real" if parts[0] == "real" else "FaceSwap"
        ...         return self.sample(parts, method, group=person, identities=(person,))

        >>> import tempfile
        >>> root = Path(tempfile.mkdtemp()) / "download" / "Pairs"
        >>> for path in ("real/0001.png", "fake/0001.png", "fake/deep/2.png", "README.txt"):
        ...     (root / path).parent.mkdir(parents=True, exist_ok=True)
        ...     _ = (root / path).write_bytes(b"")
        >>> for item in Pairs(root.parent):
        ...     if isinstance(item, Sample):
        ...         print(item.key, item.category, item.group)
        ...     else:
        ...         print(item.path, item.kind, item.reason)
        README.txt ignored not a media file of this dataset
        fake/0001.png Pairs_FaceSwap pairs:0001
        fake/deep/2.png unparsed in neither real/ nor fake/
        real/0001.png Pairs_real pairs:0001
    """

    pictures: ClassVar[frozenset[str]] = PICTURES
    videos: ClassVar[frozenset[str]] = VIDEOS

    frame_levels: ClassVar[Parts] = ("images", "frames")

    name: str = ""
    root_names: ClassVar[Parts] = ()
    excluded_root_names: ClassVar[Parts] = ()
    root_contains: ClassVar[tuple[Parts, ...]] = ()
    media: ClassVar[frozenset[str]] = pictures | videos
    ignored: ClassVar[frozenset[str]] = frozenset({"masks", "models", "landmarks", "spatial_localize", "target_mask"})
    expected: Mapping[str, int] = {}
    method_count: ClassVar[int] = 0
    several_faces: int | None = None
    licence: ClassVar[str] = ""

    def __init__(self, root: str | Path) -> None:
        self.root = self.find_root(root)
        self._prefix = os.path.join(self.root, "")  # noqa: PTH118 - a string, since a million paths are made from it
        self._real_root = os.path.realpath(self.root)
        self._readable = (self._real_root, *allowed_folders())  # what links may lead into
        self._suffixes = tuple(
            sorted(kind & self.media)[0] for kind in (self.pictures, self.videos) if kind & self.media
        )
        self._folder = lru_cache(maxsize=64)(self.root.joinpath)  # making a Path takes a quarter of a scan's time
        self._has_no_link = lru_cache(maxsize=4096)(self._look_for_links)
        self._frames_in = lru_cache(maxsize=64)(self._look_at_frames)  # one folder has many frames
        self._video_stems = lru_cache(maxsize=4096)(self._list_videos)
        self._stems_of_images = lru_cache(maxsize=64)(self._list_images)
        self._remarks: list[Remark] = []

    @classmethod
    def find_root(cls, folder: str | Path) -> Path:
        """The dataset's root in or around this folder; raises as the class does."""
        return find_root(RootRules(cls.name, cls.root_contains, cls.root_names, cls.excluded_root_names), Path(folder))

    def parse(self, parts: Parts) -> Sample | Remark:
        """Interpret the path of a media file; to be overridden.

        Args:
            parts: The folders below the root and the file name, in Unicode's composed form (NFC).

        Returns:
            The sample, made with `sample`, or a remark of the kind "ignored" with the reason.

        Raises:
            Unparsed: The path does not tell what the file is. It becomes a remark of the kind "unparsed".
        """
        raise NotImplementedError(f"{type(self).__name__} has no method parse, which would interpret {parts}")

    def read_lists(self) -> Iterator[Remark]:
        """Read the lists that the dataset ships, before the walk; may be overridden.

        Yields:
            Remarks on listed files that are missing, and on lists that contradict each other.
        """
        return iter(())

    def add_remark(self, kind: Literal["conflict", "extra"], parts: Parts, reason: str) -> None:
        """To be called in `parse`: a remark on the file, in addition to its sample."""
        self._remarks.append(Remark(kind, "/".join(parts), reason))

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
        """Make the sample of a path; the fields are those of ``Sample``.

        Args:
            parts: The path, as `parse` gets it.
            method: The forgery method; "real" for a real.
            group: The real recording it derives from, with its namespace ("ffpp:000"); empty = unknown.
            identities: Everyone in it, with their namespace, the altered person first.
            split: The official split; empty = none.
            frame: The frame number where the file is one frame of a video.
        """
        key = "/".join(parts)
        path = self._folder(*parts[:-1]) / parts[-1]
        return Sample(key, path, self.name, method, method == "real", group, identities, split, frame)

    def __iter__(self) -> Iterator[Sample | Remark]:
        self._remarks.clear()  # of an iteration that was not finished
        for looked_up in (self._frames_in, self._video_stems, self._stems_of_images):
            looked_up.cache_clear()
        yield from self.read_lists()
        for item in walk(self._prefix, self._real_root, self.ignored, self.media, self._readable[1:]):
            yield self._parse(item) if isinstance(item, MediaFile) else self._no_sample(item)
            if self._remarks:
                yield from self._remarks
                self._remarks.clear()

    def _no_sample(self, item: Found) -> Remark:
        if isinstance(item, Remark):
            return item
        *folders, name = item.parts
        stem, _, suffix = name.rpartition(".")
        suffix = f".{suffix.lower()}"
        reason, hint = f"files {suffix} are not read", "convert them, or rename those whose suffix is wrong"
        if suffix in ARCHIVES:
            folders, stem = [*folders, stem.removesuffix(".tar")], "0"
            reason, hint = "an archive: unpack it", "unpack archives where they are"
        for readable in self._suffixes:
            with suppress(Unparsed):
                sample = self.parse((*folders, stem + readable))
                if isinstance(sample, Sample):
                    self._remarks.clear()
                    return Remark("unread", "/".join(item.parts), reason, hint, sample.category)
        self._remarks.clear()
        if suffix in ARCHIVES and not os.path.isdir(self._prefix + "/".join(folders)):  # noqa: PTH112
            return Remark("unread", "/".join(item.parts), reason, hint)
        return Remark("ignored", "/".join(item.parts), NOT_MEDIA)

    def _parse(self, file: MediaFile) -> Sample | Remark:
        try:
            item = self.parse(file.parts)
        except Unparsed as error:
            return Remark("unparsed", "/".join(file.parts), str(error))
        if isinstance(item, Sample) and file.path:
            return replace(item, path=Path(file.path))  # on disk the name is not in composed form
        return item

    # For trees of frames that people cut from the videos.

    def clip(self, parts: Parts) -> Clip:
        """Which video a file is, or is a frame of.

        People cut videos into frames and keep them beside or instead of the videos: in ``frames/`` or ``images/``, or
        without such a level, with one folder for each video and the number of the frame as the name of the file. All of
        these are the clip (("fake",), "0000"), and the second is its frame 131::

            fake/0000.mp4                 fake/videos/0000.mp4
            fake/frames/0000/131.png      fake/images/0000/131.png      fake/0000/131.png

        Args:
            parts: The path, as `parse` gets it.

        Raises:
            Unparsed: It is a picture, but not a numbered frame in the folder of its video.
        """
        folders = parts[:-1]
        stem, _, suffix = parts[-1].rpartition(".")
        if f".{suffix.lower()}" in self.videos:
            return Clip(folders[:-1] if folders and fold_name(folders[-1]) == VIDEO_LEVEL else folders, stem, None)
        if not _FRAME_NUMBER.fullmatch(stem) or len(folders) < 2:
            raise Unparsed("not a numbered frame in the folder of its video")
        above, video, _ = self._frames_in(folders)
        return Clip(above, video, int(stem))

    def why_repeated(self, parts: Parts, clip: Clip) -> str:
        """Why a frame is not a sample: its video is there too, or the frame in ``images/``; empty if it is none."""
        return "" if clip.frame is None else self._frames_in(parts[:-1])[2]

    def _look_at_frames(self, folders: Parts) -> tuple[Parts, str, str]:
        """The folders of the video whose frames are in this folder, its stem, and why the frames are no samples."""
        *above, video = folders
        level = fold_name(above[-1])
        where = tuple(above[:-1] if level in self.frame_levels else above)
        why = ""
        if video in self._video_stems(where):
            why = "a frame of a video that is there too"
        elif level == self.frame_levels[1] and video in self._stems_of_images(where):
            why = f"{self.frame_levels[0]}/ has frames of this video too"
        return where, video, why

    def has_frames(self, folders: Parts, stem: str) -> bool:
        """Whether there is a folder of frames of the video with this name, where `clip` would find it."""
        levels = ((*folders, *level, stem) for level in ((), *((name,) for name in self.frame_levels)))
        return any(os.path.isdir(self._prefix + "/".join(path)) for path in levels)  # noqa: PTH112

    def _list_videos(self, folders: Parts) -> frozenset[str]:
        found = (self.find(*folders, *level) for level in ((), (VIDEO_LEVEL,)))
        names = [nfc(name).rpartition(".") for folder in found if folder for name in names_in(folder)]
        readable = self.videos & self.media
        return frozenset(stem for stem, _, suffix in names if f".{suffix.lower()}" in readable and stem[:1] != ".")

    def _list_images(self, folders: Parts) -> frozenset[str]:
        folder = self.find(*folders, self.frame_levels[0])
        if not folder:
            return frozenset()
        below = ((name, names_in(folder / name)) for name in names_in(folder))
        return frozenset(
            nfc(stem) for stem, frames in below if any(Path(name).suffix.lower() in self.pictures for name in frames)
        )

    # For reading the dataset's lists.

    def list_folders(self, wanted: Callable[[Parts], bool]) -> Iterator[tuple[Parts, list[str]]]:
        """The root and the folders below it in which lists may be, with the names of the files in each, sorted.

        Links to folders are followed as in the walk. Folders that cannot be read are left out; the walk reports them.

        Args:
            wanted: Whether to look into a folder; called with its path below the root.
        """
        stack: list[tuple[Parts, frozenset[str]]] = [((), frozenset({self._real_root}))]
        while stack:
            parts, above = stack.pop()
            files, below = [], []
            with suppress(OSError), os.scandir(self._prefix + "/".join(parts)) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name, reverse=True):
                    if not entry.is_dir():
                        files.append(entry.name)
                    elif wanted((*parts, nfc(entry.name))):
                        real = os.path.realpath(entry.path) if entry.is_symlink() else ""
                        if not real or (is_inside(real, self._readable) and real not in above):
                            below.append(((*parts, entry.name), above | {real}))
            yield parts, files[::-1]
            stack += below

    def listed_parts(self, entry: str) -> Parts:
        """The parts of a relative path that a list names. Raises Unparsed if it is empty or leads out of the root."""
        path = PurePosixPath(nfc(entry.replace("\\", "/")))
        if path.is_absolute() or _DRIVE.match(entry) or ".." in path.parts:
            raise Unparsed("leads out of the root; only relative paths without '..' are read")
        if not path.parts or "\0" in entry:
            raise Unparsed("not the name of a file")
        return path.parts

    def find_exact(self, parts: Parts) -> Path | None:
        """The file with exactly this path below the root, or None. Raises Unparsed if a link leads out of the root."""
        key = "/".join(parts)
        for form in (key,) if key.isascii() else (key, unicodedata.normalize("NFD", key)):
            path = self._prefix + form  # a string, not a Path: a list may have millions of lines
            try:
                mode = os.lstat(path).st_mode
            except OSError:
                continue
            plain = not stat.S_ISLNK(mode) and self._has_no_link(parts[:-1])
            if not plain and not is_inside(os.path.realpath(path), self._readable):
                raise Unparsed("a link leads out of the root; it is not followed")
            if stat.S_ISREG(mode) or os.path.isfile(path):  # noqa: PTH113
                return Path(path)
        return Path(self._prefix + key) if self._is_packed(key) else None

    def _is_packed(self, key: str) -> bool:
        """Whether this is a face that a shard has, instead of a file."""
        from kce.data.packed import is_packed

        return is_packed(self._prefix + key)

    def _look_for_links(self, folders: Parts) -> bool:
        """Whether none of these nested folders is a link; much quicker than resolving the path of each file."""
        link = os.path.islink(self._prefix + "/".join(folders))  # noqa: PTH114
        return not folders or (not link and self._has_no_link(folders[:-1]))

    def find(self, *parts: str) -> Path | None:
        """The file or folder at this path below the root, upper and lower case and Unicode form aside, or None.

        Raises BadData if it is a link to a file outside the root; links to folders are reported by the walk.
        """
        path = Path(self.root)
        for part in parts:
            wanted = fold_name(part)
            names = sorted(name for name in names_in(path) if fold_name(name) == wanted)
            if not names:
                return None
            path = path / (part if part in names else names[0])
        real = os.path.realpath(path)
        inside = is_inside(real, self._readable)
        if path.is_file() and not inside:
            raise BadData(f"{path} is a link that leads out of the root", hint_to_follow(os.path.dirname(real)))  # noqa: PTH120
        return path if inside and (path.is_dir() or path.is_file()) else None

    def check_table(self, path: Path) -> None:
        """Check that a table of a face folder is as ``kce cut`` finished it; any other file is fine, and so is none.

        Raises KCEError, or BadData if it was cut off, damaged, edited or lost since.
        """
        check_finished_table(path)

    def read_lines(self, path: Path) -> Iterator[tuple[int, str]]:
        """The lines of a text file, stripped and without blank ones, with their numbers from 1.

        Raises BadData if the file is too large.
        """
        _check_size(path, MAX_LIST)
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            number = 0
            while line := file.readline(2**16):
                number += 1
                if text := line.strip():
                    yield number, text

    def read_json(self, path: Path) -> Any:
        """The content of a JSON file. Raises BadData if it is too large or not JSON."""
        _check_size(path, MAX_JSON)
        try:
            return json.loads(path.read_text(encoding="utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise BadData(f"{path} is not readable JSON: {error}", "get the file again, or remove it") from error


def _check_size(path: Path, limit: int) -> None:
    size = path.stat().st_size
    if size > limit:
        raise BadData(f"{path} has {size} bytes; a list may have {limit}", "is it the right file?")
