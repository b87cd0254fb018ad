"""Where the samples of a dataset are, and where files are lost: does a whole category lack?"""

from __future__ import annotations

from collections.abc import Hashable

from kce.types import FolderRemark, Remark

MAX_DEPTH = 6  # folders below the root; what lies deeper counts for the folder above
MAX_PLACES = 20_000  # different folders that are kept; with more, the depth shrinks
MAX_SHOWN = 1000

_SEVERAL = "\0"  # more than one category


class _Place:
    """What is in a folder, or below it.

    Attributes:
        category: The category of its samples; None if there is none.
        lost: Number of files that are lost in it, 0 for an empty folder; -1 if nothing is.
        ignored: Number of other files that are not samples.
        why: The first reason for either.
        hint: What to do about the first loss.
        folders: Lines on whole folders that are lost.
    """

    __slots__ = ("category", "folders", "hint", "ignored", "lost", "why")

    def __init__(self) -> None:
        self.category: Hashable = None
        self.lost = -1
        self.ignored = 0
        self.why = ""
        self.hint = ""
        self.folders: list[str] = []

    def lose(self, files: int) -> None:
        self.lost = max(self.lost, 0) + files

    def merge(self, other: _Place) -> None:
        if other.category:
            self.category = other.category if self.category in (None, other.category) else _SEVERAL
        if other.lost >= 0:
            self.why = self.why if self.lost >= 0 else other.why
            self.hint = self.hint or other.hint
            self.lose(other.lost)
        self.ignored += other.ignored
        self.why = self.why or other.why
        self.folders += other.folders[: MAX_SHOWN - len(self.folders)]


class Places:
    """Collects, sample by sample and remark by remark, what is where. Memory: by the number of folders."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, ...], _Place] = {}
        self._depth = MAX_DEPTH
        self._folder: str | None = None  # of the last file; the next one is mostly in the same
        self._last = _Place()

    def add_sample(self, key: str, category: Hashable) -> None:
        """Count a sample."""
        folder = key.rpartition("/")[0]
        if folder != self._folder:
            self._last = self._place(folder)
        place = self._last
        if place.category != category:
            place.category = _SEVERAL if place.category else category

    def add_remark(self, remark: Remark, files: int | None) -> None:
        """Count a remark that stands for this number of files; None = unknown."""
        whole = isinstance(remark, FolderRemark)
        folder = remark.path if whole else remark.path.rpartition("/")[0]
        if folder != self._folder:
            self._last = self._place(folder)
        place = self._last
        lost = remark.kind == "unparsed" or (whole and (remark.kind == "missing" or files != 0))
        if not lost:
            place.ignored += remark.kind == "ignored"
            place.why = place.why or remark.reason
            return
        if place.lost < 0:
            place.why = remark.reason
        place.hint = place.hint or remark.hint
        place.lose(files or 0)
        if whole and len(place.folders) < MAX_SHOWN:
            place.folders.append(f"{remark.path}: {remark.reason}")

    def _place(self, folder: str) -> _Place:
        self._folder = folder
        parts = tuple(folder.split("/", self._depth)[: self._depth]) if folder else ()
        place = self._places.get(parts)
        if place is None:
            if len(self._places) >= MAX_PLACES and self._depth > 1:
                self._depth -= 1
                self._places = self._merged(self._depth)
                return self._place(folder)
            place = self._places[parts] = _Place()
        return place

    def _merged(self, depth: int) -> dict[tuple[str, ...], _Place]:
        merged: dict[tuple[str, ...], _Place] = {}
        for parts, place in self._places.items():
            merged.setdefault(parts[:depth], _Place()).merge(place)
        return merged

    def without_samples(self) -> tuple[tuple[str, ...], tuple[str, ...], str]:
        """Folders without a sample that are where categories are.

        Categories are at the first level at which no folder has several of them, and which has two folders or more.

        Returns:
            The folders in which files are lost, those in which all files are ignored, both as lines "folder: why", and
            what to do about the first loss.
        """
        for depth in range(1, self._depth + 1):
            merged = {parts: place for parts, place in self._merged(depth).items() if parts}
            categories = {place.category for place in merged.values() if place.category}
            relevant = sum(bool(place.category) or place.lost >= 0 for place in merged.values())
            if categories and _SEVERAL not in categories and relevant > 1:
                break
        else:
            return (), (), ""
        lost, ignored, hint = [], [], ""
        for parts, place in sorted(merged.items()):
            folder = "/".join(parts)
            if place.category:
                continue
            if place.lost >= 0:
                hint = hint or place.hint
                lost += place.folders or [f"{folder}: {place.lost} files are lost ({place.why})"]
            elif place.ignored:
                ignored.append(f"{folder}: {place.ignored} files are ignored ({place.why})")
        return tuple(lost[:MAX_SHOWN]), tuple(ignored[:MAX_SHOWN]), hint
