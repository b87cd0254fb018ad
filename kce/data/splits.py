"""Who trains, validates and tests, with nobody on two sides. Pure: samples in, names of splits out.

People are told apart by their names alone, across datasets by namespace ("ffpp:000"). Two limits follow. Where a
dataset names nobody, a split by identity is one by recording, or by file. And one person under two names is two: known
here are only the 22 videos of which FaceForensics++ took several clips, after dataset/conversion_dict.json of its
repository.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import xxhash

from kce.errors import KCEError

if TYPE_CHECKING:
    from kce.types import Sample

SHARES: Mapping[str, float] = MappingProxyType({"train": 0.8, "val": 0.1, "test": 0.1})
NONE = "none"  # how reports call the split of a sample that has none

_VIDEOS = (  # clips of one video of the web
    "331 332|524 525|566 567|605 606|614 615|618 619|639 640|685 686 687|755 756|766 767|769 770|787 788|837 838|"
    "875 876|883 884|937 938|942 943|954 955|967 968|973 974|982 983|993 994"
)
SAME_VIDEO: Mapping[str, str] = MappingProxyType(
    {f"ffpp:{clip}": f"ffpp:{clips[:3]}" for clips in _VIDEOS.split("|") for clip in clips.split()}
)
"""Clip -> the first clip of the same video. In the official split seven of the videos stand on two sides:
605/606, 639/640, 755/756, 837/838, 875/876, 954/955 and 982/983."""


@dataclass(frozen=True)
class Split:
    """Which sample is where.

    by_key   key -> split, of the samples that are in one
    dropped  keys of those that must be left out, since they show people of two splits
    report   `mode` (official, identity or target), `counts` {split: {category: number}} and `dropped` (number); of a
             split that was made here also `seed`, `shares`, `dropped_by_category`, `components` (sets of people that no
             sample connects) and `largest` (share of the samples that the largest of them has)
    """

    by_key: Mapping[str, str]
    dropped: frozenset[str]
    report: dict[str, Any]


def official(samples: Iterable[Sample]) -> Split:
    """The split the dataset ships, as it is. Samples without one are counted as "none" and are not in `by_key`."""
    by_key: dict[str, str] = {}
    counts: dict[str, Counter[str]] = {}
    for sample in samples:
        counts.setdefault(sample.split or NONE, Counter())[sample.category] += 1
        if sample.split:
            by_key[sample.key] = sample.split
    return Split(by_key, frozenset(), {"mode": "official", "counts": _sorted(counts), "dropped": 0})


def disjoint(samples: Iterable[Sample], shares: Mapping[str, float] = SHARES, seed: int = 0) -> Split:
    """A split in which no identity and no group stands on two sides.

    shares  split -> its part of the samples, > 0; only their ratio counts

    Samples that share an identity or a group hang together, and what hangs together goes to one side. Where one such
    component has more of the samples than the largest share, as in Celeb-DF or FakeAVCeleb where nearly everybody is
    swapped with everybody, it is taken apart by target (the first identity, with its groups); whoever is only a donor
    goes where most of the donor's fakes are; and the samples that then show people of two sides are dropped. Of the
    fakes of such a dataset about a third is lost at the default shares, and the small splits lose most.

    What is in a split depends on the samples and the seed, not on their order. Each split has its share of the samples
    (before dropping) to within the size of the largest thing that goes to one side whole; small datasets may leave a
    split empty. Memory: some 350 bytes per sample.

    Raises KCEError for shares that are none; ValueError when two samples have one key.
    """
    shares = _normal(shares)
    crowd = _Crowd(samples)
    parts = _Sets()
    for cast in crowd.casts:
        parts.join(cast.names)
    weights: Counter[str] = Counter()
    for cast, count in crowd.sizes():
        weights[parts.of(cast.names[0])] += count
    total = weights.total() + len(crowd.alone)
    giants = {part for part, weight in weights.items() if weight > max(shares.values()) * total * (1 + 1e-9)}

    units = _Sets()  # what goes to one side whole
    for cast in crowd.casts:
        units.join(cast.core if parts.of(cast.names[0]) in giants else cast.names)
    lacking = {name: share * total for name, share in shares.items()}
    place = _place(crowd, units, lacking, seed)
    fate = [_side(cast, units, place) for cast in crowd.casts]

    by_key = {key: side for key, number in crowd.keys.items() if (side := fate[number])}
    dropped = frozenset(key for key, number in crowd.keys.items() if not fate[number])
    counts: dict[str, Counter[str]] = {name: Counter() for name in ("", *shares)}
    for side, categories in zip(fate, crowd.categories, strict=True):
        counts[side].update(categories)
    for key in sorted(crowd.alone, key=lambda key: (_lot(seed, key), key)):  # last: they fill what is lacking
        by_key[key] = _neediest(lacking, 1)
        counts[by_key[key]][crowd.alone[key]] += 1
    lost = counts.pop("")
    report = {
        "mode": "target" if giants else "identity",
        "seed": seed,
        "shares": shares,
        "counts": _sorted(counts),
        "dropped": len(dropped),
        "dropped_by_category": dict(sorted(lost.items())),
        "components": len(weights) + len(crowd.alone),
        "largest": max(weights.values(), default=min(total, 1)) / max(total, 1),
    }
    return Split(by_key, dropped, report)


class Sides:
    """Notes who stands on which side, sample by sample, and tells who stands on two.

    Memory: by the number of different identities and groups.
    """

    def __init__(self) -> None:
        self._seen: dict[str, set[tuple[str, str]]] = {}  # name -> (split, dataset)
        self._people: set[str] = set()
        self._with_split: set[str] = set()  # datasets

    def see(self, dataset: str, sample: Sample) -> None:
        """Note a sample that will be used."""
        side = (sample.split or NONE, dataset)
        if sample.split:
            self._with_split.add(dataset)
        self._people.update(sample.identities)
        for name in (*sample.identities, sample.group):
            if name:
                self._seen.setdefault(name, set()).add(side)

    def leaks(self) -> list[dict[str, Any]]:
        """As the function `leaks` returns them."""
        found = []
        videos: dict[str, dict[str, dict[str, set[str]]]] = {}
        for name in sorted(self._seen):
            sides = self._sides(name)
            if len(sides) > 1:
                found.append(_leak("identity" if name in self._people else "recording", [name], sides))
            if name in SAME_VIDEO:
                videos.setdefault(SAME_VIDEO[name], {})[name] = sides
        for clips in videos.values():
            together: dict[str, set[str]] = {}
            for sides in clips.values():
                for split, datasets in sides.items():
                    together.setdefault(split, set()).update(datasets)
            if len(clips) > 1 and len(together) > 1:
                found.append(_leak("video", list(clips), together))
        return found

    def _sides(self, name: str) -> dict[str, set[str]]:
        sides: dict[str, set[str]] = {}
        for split, dataset in self._seen[name]:
            if split != NONE or dataset in self._with_split:
                sides.setdefault(split, set()).add(dataset)
        return sides


def leaks(samples_by_dataset: Mapping[str, Iterable[Sample]]) -> list[dict[str, Any]]:
    """Who stands in more than one split, within a dataset or across several of one namespace.

    Each leak is {"kind": ..., "names": [..], "splits": {split: [dataset, ..]}}, of kind "identity", "recording" (a
    group that is nobody's name) or "video" (clips of FaceForensics++ with different names that come from one video).
    What a dataset puts into no split, while it puts other samples into one, is the split "none": Celeb-DF lists its
    test part alone, and the rest is what people train on. A dataset without any split leaks nothing.
    """
    sides = Sides()
    for dataset, samples in samples_by_dataset.items():
        for sample in samples:
            sides.see(dataset, sample)
    return sides.leaks()


# ------------------------------------------------------------------------------------------------------- what follows


class _Cast(NamedTuple):
    """Everybody that a sample needs on its side, by the first clip where a video has several."""

    names: tuple[str, ...]  # identities and group
    core: tuple[str, ...]  # the target and the group


class _Crowd:
    """The samples, as far as they matter: their keys, and the number of samples of each cast by category."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self.alone: dict[str, str] = {}  # key -> category, of the samples that name nobody
        self.keys: dict[str, int] = {}  # key -> number of its cast, of all others
        self.categories: list[Counter[str]] = []  # by number of the cast
        numbers: dict[_Cast, int] = {}
        for sample in samples:
            if sample.key in self.keys or sample.key in self.alone:
                raise ValueError(f"two samples have the key {sample.key!r}")
            cast = _cast(sample)
            if not cast.names:
                self.alone[sample.key] = sample.category
                continue
            number = numbers.setdefault(cast, len(numbers))
            if number == len(self.categories):
                self.categories.append(Counter())
            self.keys[sample.key] = number
            self.categories[number][sample.category] += 1
        self.casts = list(numbers)

    def sizes(self) -> Iterator[tuple[_Cast, int]]:
        return ((cast, counts.total()) for cast, counts in zip(self.casts, self.categories, strict=True))


def _cast(sample: Sample) -> _Cast:
    people = tuple(dict.fromkeys(SAME_VIDEO.get(name, name) for name in sample.identities if name))
    group = (SAME_VIDEO.get(sample.group, sample.group),) if sample.group else ()
    return _Cast(tuple(dict.fromkeys((*people, *group))), tuple(dict.fromkeys((*people[:1], *group))))


class _Sets:
    """Names that hang together. Each set goes by its smallest name, so that the order of joining does not show."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def of(self, name: str) -> str:
        above = self._above
        above.setdefault(name, name)
        while above[name] != name:
            above[name] = name = above[above[name]]
        return name

    def join(self, names: Iterable[str]) -> None:
        first, *others = sorted({self.of(name) for name in names})
        for other in others:
            self._above[other] = first


def _place(crowd: _Crowd, units: _Sets, lacking: dict[str, float], seed: int) -> dict[str, str]:
    """Unit -> split: in the order of a lot, each to where most is lacking; mere donors to most of their fakes."""
    weights: Counter[str] = Counter()
    for cast, count in crowd.sizes():
        weights[units.of(cast.core[0])] += count
    place: dict[str, str] = {}
    for unit in sorted(weights, key=lambda unit: (_lot(seed, unit), unit)):
        place[unit] = _neediest(lacking, weights[unit])
    votes: dict[str, Counter[str]] = {}
    for cast, count in crowd.sizes():
        for name in cast.names:
            if (unit := units.of(name)) not in weights:
                votes.setdefault(unit, Counter())[place[units.of(cast.core[0])]] += count
    return place | {unit: max(lacking, key=ballot.__getitem__) for unit, ballot in votes.items()}


def _neediest(lacking: dict[str, float], weight: int) -> str:
    """The split that lacks most, which then lacks so much less."""
    split = max(lacking, key=lacking.__getitem__)
    lacking[split] -= weight
    return split


def _side(cast: _Cast, units: _Sets, place: Mapping[str, str]) -> str:
    sides = {place[units.of(name)] for name in cast.names}
    return sides.pop() if len(sides) == 1 else ""


def _lot(seed: int, name: str) -> int:
    return xxhash.xxh3_64_intdigest(f"{seed}\0{name}".encode("utf-8", "surrogatepass"))


def _normal(shares: Mapping[str, float]) -> dict[str, float]:
    total = sum(shares.values())
    if not shares or not all(name and share > 0 for name, share in shares.items()) or total == float("inf"):
        raise KCEError(f"no shares of a split: {dict(shares)}", "give each split a name and a part above 0")
    return {name: share / total for name, share in shares.items()}


def _sorted(counts: Mapping[str, Counter[str]]) -> dict[str, dict[str, int]]:
    return {split: dict(sorted(its.items())) for split, its in counts.items()}


def _leak(kind: str, names: list[str], sides: Mapping[str, set[str]]) -> dict[str, Any]:
    return {"kind": kind, "names": names, "splits": {split: sorted(sides[split]) for split in sorted(sides)}}
