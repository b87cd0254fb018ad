"""Leaks: people and recordings that are in more than one split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from kce.types import Sample

NONE = "none"  # what reports call the split of a sample that has none

_VIDEOS = (  # clips that were cut from one video of the web
    "331 332|524 525|566 567|605 606|614 615|618 619|639 640|685 686 687|755 756|766 767|769 770|787 788|837 838|"
    "875 876|883 884|937 938|942 943|954 955|967 968|973 974|982 983|993 994"
)
SAME_VIDEO: Mapping[str, str] = MappingProxyType(
    {f"ffpp:{clip}": f"ffpp:{clips[:3]}" for clips in _VIDEOS.split("|") for clip in clips.split()}
)
"""Clip of FaceForensics++ -> the first clip of the same video, for the 22 videos with several clips.

From dataset/conversion_dict.json of its repository. In the official split seven of the videos are in two splits:
605/606, 639/640, 755/756, 837/838, 875/876, 954/955 and 982/983."""


@dataclass(frozen=True)
class Leak:
    """People or recordings in several splits.

    Attributes:
        kind: "identity"; "recording", a group that is not also an identity; or "video", clips of FaceForensics++ with
            different names that come from one video.
        names: The identity, the group or the clips.
        splits: Split -> the datasets that have samples of it there.
    """

    kind: Literal["identity", "recording", "video"]
    names: tuple[str, ...]
    splits: Mapping[str, tuple[str, ...]]


class LeakFinder:
    """Collects sample by sample who is in which split, to find who is in several.

    Memory: by the number of different identities and groups.
    """

    def __init__(self) -> None:
        self._seen: dict[str, set[tuple[str, str]]] = {}  # name -> (split, dataset)
        self._identities: set[str] = set()
        self._with_split: set[str] = set()  # datasets

    def add(self, dataset: str, sample: Sample) -> None:
        """Add a sample that will be used."""
        if sample.split:
            self._with_split.add(dataset)
        self._identities.update(sample.identities)
        for name in (*sample.identities, sample.group):
            if name:
                self._seen.setdefault(name, set()).add((sample.split or NONE, dataset))

    def leaks(self) -> list[Leak]:
        """The leaks among the samples added so far; see ``find_leaks``."""
        leaks = []
        videos: dict[str, dict[str, dict[str, set[str]]]] = {}
        for name in sorted(self._seen):
            splits = self._splits(name)
            if len(splits) > 1:
                leaks.append(_leak("identity" if name in self._identities else "recording", [name], splits))
            if name in SAME_VIDEO:
                videos.setdefault(SAME_VIDEO[name], {})[name] = splits
        for clips in videos.values():
            together: dict[str, set[str]] = {}
            for splits in clips.values():
                for split, datasets in splits.items():
                    together.setdefault(split, set()).update(datasets)
            if len(clips) > 1 and len(together) > 1:
                leaks.append(_leak("video", list(clips), together))
        return leaks

    def _splits(self, name: str) -> dict[str, set[str]]:
        splits: dict[str, set[str]] = {}
        for split, dataset in self._seen[name]:
            if split != NONE or dataset in self._with_split:
                splits.setdefault(split, set()).add(dataset)
        return splits


def find_leaks(samples_by_dataset: Mapping[str, Iterable[Sample]]) -> list[Leak]:
    """Find who is in more than one split, within a dataset or across several that share a namespace.

    Samples without a split, in a dataset where others have one, are in the split "none": Celeb-DF lists its test part
    alone, and the rest is what people train on. A dataset without any split has no leaks.
    """
    finder = LeakFinder()
    for dataset, samples in samples_by_dataset.items():
        for sample in samples:
            finder.add(dataset, sample)
    return finder.leaks()


def _leak(kind: Literal["identity", "recording", "video"], names: list[str], splits: Mapping[str, set[str]]) -> Leak:
    return Leak(kind, tuple(names), {split: tuple(sorted(splits[split])) for split in sorted(splits)})
