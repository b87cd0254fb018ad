"""What all versions of Celeb-DF share: a list of test videos, in which 1 is real and 0 is fake."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping
from typing import ClassVar

from kce import Remark, Tree, Unparsed

LIST = "List_of_testing_videos.txt"
LINE = re.compile(r"([01])\s+(\S.*)")


class Listed(Tree):
    """Base of all versions. The folder decides what a video is; a line of the list that disagrees is a conflict.

    Attributes:
        folders: Folder below the root, in lower case -> what it contains; several folders may be spellings of one.
        test: What the folder contains and the stem of the name, of each video of the official test split.
    """

    media = Tree.pictures | {".mp4"}
    folders: ClassVar[Mapping[str, Hashable]]

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.test: set[tuple[Hashable, str]] = set()
        self._existing: dict[Hashable, list[tuple[str, ...]]] = {}  # content -> its folders on disk

    def content_and_stem(self, parts: tuple[str, ...]) -> tuple[Hashable, str]:
        """What a video's folder contains, and the stem of the video's name. Raises Unparsed."""
        raise NotImplementedError

    def is_real(self, content: Hashable) -> bool:
        """Whether a folder contains reals."""
        raise NotImplementedError

    def read_lists(self) -> Iterator[Remark]:
        """Read the list of test videos."""
        self.test, self._existing = set(), {}
        file = self.find(LIST)
        for number, line in self.read_lines(file) if file else ():
            match = LINE.fullmatch(line)
            try:
                if not match:
                    raise Unparsed(f"{line[:80]!r} is not 0 or 1 and a path")
                parts = self.listed_parts(match[2])
                content, stem = self.content_and_stem(parts)
                exists = any(
                    self.find_exact((*folder, parts[-1])) or self.has_frames(folder, stem)
                    for folder in self._existing_folders(content)
                )
            except Unparsed as error:
                yield Remark("conflict", LIST, f"line {number}: {error}")
                continue
            self.test.add((content, stem))
            if match[1] != ("1" if self.is_real(content) else "0"):
                label = "real" if match[1] == "1" else "fake"
                yield Remark(
                    "conflict", match[2], f"{label} in line {number} of {LIST}, unlike its folder, which decides"
                )
            if not exists:
                yield Remark("missing", match[2], f"named in line {number} of {LIST}")

    def _existing_folders(self, content: Hashable) -> list[tuple[str, ...]]:
        if content not in self._existing:
            spellings = [folder.split("/") for folder, known in self.folders.items() if known == content]
            folders = [self.find(*folder, *level) for folder in spellings for level in ((), ("videos",))]
            self._existing[content] = [folder.relative_to(self.root).parts for folder in folders if folder]
        return self._existing[content]
