"""Pictures and videos of which nothing is known: a dataset without labels, for tracing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from kce.data.adapter import Tree
from kce.data.suffixes import PICTURES, VIDEOS
from kce.errors import KCEError
from kce.types import FolderRemark, Remark, Sample

DATASET, METHOD = "input", "unlabelled"


class _Folder(Tree):
    """Every picture and video below a folder."""

    name = DATASET
    media: ClassVar = frozenset({*PICTURES, *VIDEOS})
    ignored: ClassVar = frozenset()

    def parse(self, parts: Sequence[str]) -> Sample:
        """Make a sample of a file; its own recording is all that is known."""
        key = "/".join(parts)
        return Sample(key, self.root.joinpath(*parts), DATASET, METHOD, group=f"{DATASET}:{key}")


class UnlabelledMedia:
    """Pictures and videos, as files and in folders, all of one category ``input_unlabelled``.

    The key of a sample is its path below the folder that was given, after that folder's name where several inputs were.

    Args:
        inputs: Files and folders.

    Raises:
        KCEError: One does not exist, or is neither a folder nor a file that KCE decodes.
    """

    name = DATASET

    def __init__(self, inputs: Sequence[Path]) -> None:
        for path in inputs:
            if not path.exists():
                raise KCEError(f"there is no {path}", "check the path")
            if path.is_file() and path.suffix.lower() not in {*PICTURES, *VIDEOS}:
                raise KCEError(f"{path} is no picture or video that KCE decodes", "see `kce docs datasets`")
        self._inputs = list(inputs)
        self.root = inputs[0] if len(inputs) == 1 else Path()

    def __iter__(self) -> Iterator[Sample | Remark]:
        taken: set[str] = set()
        for path in self._inputs:
            if path.is_dir() and (remark := _why_nothing(path)):
                yield remark
                continue
            prefix = f"{path.name}/" if len(self._inputs) > 1 and path.is_dir() else ""
            samples = _Folder(str(path)) if path.is_dir() else [_sample(path.name, path)]
            for one in samples:
                if not isinstance(one, Sample):
                    yield one
                    continue
                key = f"{prefix}{one.key}"
                while key in taken:  # two inputs of one name
                    key = f"{path.parent.name}/{key}" if path.parent.name else f"again/{key}"
                taken.add(key)
                yield _sample(key, one.path)


def _why_nothing(folder: Path) -> Remark | None:
    """A remark on a folder that is empty or unreadable: it stops no other input."""
    try:
        return None if any(folder.iterdir()) else FolderRemark("missing", str(folder), "the folder is empty")
    except OSError as error:
        return FolderRemark("unparsed", str(folder), f"the folder cannot be read: {error.strerror}", files=None)


def _sample(key: str, path: Path) -> Sample:
    return Sample(key, path, DATASET, METHOD, group=f"{DATASET}:{key}")
