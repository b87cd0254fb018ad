"""What all versions of Celeb-DF share: a list of test videos, in which 1 is a real and 0 is a fake."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping
from typing import ClassVar

from kce import Remark, Tree, Unparsed

LIST = "List_of_testing_videos.txt"
LINE = re.compile(r"([01])\s+(\S.*)")


class Listed(Tree):
    """Base of the versions. The folder decides what a video is; a line of the list that disagrees is a conflict.

    places  folder below the root, in lower case -> what lies there; several folders may be spellings of one place
    """

    media = frozenset({".mp4"})
    places: ClassVar[Mapping[str, Hashable]]

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.test: set[tuple[Hashable, str]] = set()  # place, stem
        self._folders: dict[Hashable, list[tuple[str, ...]]] = {}  # where the files of a place may lie

    def place(self, parts: tuple[str, ...]) -> tuple[Hashable, str]:
        """The place of a video, and its stem. Raises Unparsed."""
        raise NotImplementedError

    def is_real(self, place: Hashable) -> bool:
        """Whether reals lie there."""
        raise NotImplementedError

    def read_lists(self) -> Iterator[Remark]:
        self.test, self._folders = set(), {}
        file = self.find(LIST)
        for number, line in self.read_lines(file) if file else ():
            match = LINE.fullmatch(line)
            try:
                if not match:
                    raise Unparsed(f"{line[:80]!r} is not 0 or 1 and a path")
                parts = self.listed_parts(match[2])
                place, stem = self.place(parts)
                there = any(self.find_exact((*above, parts[-1])) for above in self._above(place))
            except Unparsed as error:
                yield Remark("conflict", LIST, f"line {number}: {error}")
                continue
            self.test.add((place, stem))
            if match[1] != ("1" if self.is_real(place) else "0"):
                said = "real" if match[1] == "1" else "fake"
                yield Remark("conflict", match[2], f"line {number} of {LIST} calls it {said}; its folder is kept")
            if not there:
                yield Remark("missing", match[2], f"named in line {number} of {LIST}")

    def _above(self, place: Hashable) -> list[tuple[str, ...]]:
        if place not in self._folders:
            spelled = [folder.split("/") for folder, known in self.places.items() if known == place]
            found = [self.find(*folder, *level) for folder in spelled for level in ((), ("videos",))]
            self._folders[place] = [folder.relative_to(self.root).parts for folder in found if folder]
        return self._folders[place]
