"""Train, validation and test splits with nobody in two of them: samples in, names of splits out.

People are told apart by their names alone, across datasets by namespace ("ffpp:000"). This has two limits. Where a
dataset names nobody, a split by identity is one by recording; and where it does not name recordings either, one by
file, and the report counts such samples. And one person with two names counts as two people; known here are only the
videos of which FaceForensics++ took several clips (``kce.data.leaks``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

from kce.data.leaks import NONE, SAME_VIDEO
from kce.errors import KCEError
from kce.system.rng import hash_rank

if TYPE_CHECKING:
    from kce.types import Sample

SHARES: Mapping[str, float] = MappingProxyType({"train": 0.8, "val": 0.1, "test": 0.1})


@dataclass(frozen=True)
class SplitReport:
    """How a split came about.

    Attributes:
        mode: "official", as the dataset ships it; "identity", where all samples that are connected by an identity or
            a group are in one split; "target", where too many were connected and some had to be dropped.
        counts: Split -> category -> number of samples.
        dropped: Number of samples that were left out.
        seed: Seed of a split that was made; None for an official one, as for all below.
        shares: Split -> its share of the samples; they add up to 1.
        dropped_by_category: Category -> number of samples that were left out.
        components: Number of sets of samples that nothing connects with each other.
        largest: Share of the samples that the largest of these sets has.
        unknown: Number of samples that name neither a recording nor a person. Where they were placed says nothing of
            whether frames of one recording are in two splits.
    """

    mode: Literal["official", "identity", "target"]
    counts: Mapping[str, Mapping[str, int]]
    dropped: int = 0
    seed: int | None = None
    shares: Mapping[str, float] | None = None
    dropped_by_category: Mapping[str, int] | None = None
    components: int | None = None
    largest: float | None = None
    unknown: int = 0


@dataclass(frozen=True)
class Split:
    """The split of each sample.

    Attributes:
        by_key: Key -> split, of the samples that are in a split.
        dropped: Keys of the samples that must be left out, since they show people of two splits.
        report: How the split came about.
    """

    by_key: Mapping[str, str]
    dropped: frozenset[str]
    report: SplitReport


def official_split(samples: Iterable[Sample]) -> Split:
    """The split that the dataset ships. Samples without one count as "none" and are not in `by_key`."""
    by_key: dict[str, str] = {}
    counts: dict[str, Counter[str]] = {}
    unknown = 0
    for sample in samples:
        unknown += not (sample.group or sample.identities)
        counts.setdefault(sample.split or NONE, Counter())[sample.category] += 1
        if sample.split:
            by_key[sample.key] = sample.split
    return Split(by_key, frozenset(), SplitReport("official", _sorted_counts(counts), unknown=unknown))


def disjoint_split(samples: Iterable[Sample], shares: Mapping[str, float] = SHARES, seed: int = 0) -> Split:
    """Split samples so that no identity and no group is in two splits; a sample without either may be in any.

    Samples that share an identity or a group are connected, and connected samples go to one split. If one connected
    component has more of the samples than the largest share, as in Celeb-DF or FakeAVCeleb, where nearly everybody is
    swapped with everybody, it is divided by target (the first identity, with its groups); a person who is only a donor
    goes to the split with most of that donor's fakes; and samples that then show people of two splits are dropped. At
    the default shares such a dataset loses about a third of its fakes, and the small splits lose most.

    The result depends on the samples and the seed, not on the order of the samples. Before dropping, each split has its
    share to within the size of the largest set of samples that must stay together; in small datasets a split may be
    empty. Memory: about 350 bytes per sample.

    Args:
        samples: The samples, with different keys.
        shares: Split -> its share of the samples, above 0; only the ratios count.
        seed: Seed of the random order in which splits are filled.

    Raises:
        KCEError: For shares that are not positive numbers.
        ValueError: If two samples have one key.
    """
    shares = _normalised(shares)
    pool = _Pool(samples)
    components = _DisjointSets()
    for people in pool.people:
        components.join(people.names)
    weights: Counter[str] = Counter()
    for people, count in pool.sizes():
        weights[components.root(people.names[0])] += count
    total = weights.total() + len(pool.anonymous)
    too_large = {root for root, weight in weights.items() if weight > max(shares.values()) * total * (1 + 1e-9)}

    units = _DisjointSets()  # names that go to one split together
    for people in pool.people:
        divided = components.root(people.names[0]) in too_large
        units.join(people.targets if divided else people.names)
    missing = {name: share * total for name, share in shares.items()}
    split_of_unit = _assign_units(pool, units, missing, seed)
    assigned = [_common_split(people, units, split_of_unit) for people in pool.people]

    by_key = {key: split for key, number in pool.keys.items() if (split := assigned[number])}
    dropped = frozenset(key for key, number in pool.keys.items() if not assigned[number])
    counts: dict[str, Counter[str]] = {name: Counter() for name in ("", *shares)}
    for split, categories in zip(assigned, pool.categories, strict=True):
        counts[split].update(categories)
    for key in sorted(pool.anonymous, key=lambda key: (hash_rank(seed, key), key)):  # last, to fill up the splits
        by_key[key] = _fill(missing, 1)
        counts[by_key[key]][pool.anonymous[key]] += 1
    dropped_by_category = counts.pop("")
    report = SplitReport(
        mode="target" if too_large else "identity",
        counts=_sorted_counts(counts),
        dropped=len(dropped),
        seed=seed,
        shares=shares,
        dropped_by_category=dict(sorted(dropped_by_category.items())),
        components=len(weights) + len(pool.anonymous),
        largest=max(weights.values(), default=min(total, 1)) / max(total, 1),
        unknown=len(pool.anonymous),
    )
    return Split(by_key, dropped, report)


class _People(NamedTuple):
    """Everybody in a sample, each under the first clip where a video has several."""

    names: tuple[str, ...]  # identities and group
    targets: tuple[str, ...]  # the target and the group


class _Pool:
    """What matters of the samples: their keys, and the number of samples by people and category."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self.anonymous: dict[str, str] = {}  # key -> category, of the samples that name nobody
        self.keys: dict[str, int] = {}  # key -> index into `people`, of all others
        self.categories: list[Counter[str]] = []  # by index into `people`
        indices: dict[_People, int] = {}
        for sample in samples:
            if sample.key in self.keys or sample.key in self.anonymous:
                raise ValueError(f"two samples have the key {sample.key!r}")
            people = _people(sample)
            if not people.names:
                self.anonymous[sample.key] = sample.category
                continue
            index = indices.setdefault(people, len(indices))
            if index == len(self.categories):
                self.categories.append(Counter())
            self.keys[sample.key] = index
            self.categories[index][sample.category] += 1
        self.people = list(indices)

    def sizes(self) -> Iterator[tuple[_People, int]]:
        return ((people, counts.total()) for people, counts in zip(self.people, self.categories, strict=True))


def _people(sample: Sample) -> _People:
    identities = tuple(dict.fromkeys(SAME_VIDEO.get(name, name) for name in sample.identities if name))
    group = (SAME_VIDEO.get(sample.group, sample.group),) if sample.group else ()
    return _People(tuple(dict.fromkeys((*identities, *group))), tuple(dict.fromkeys((*identities[:1], *group))))


class _DisjointSets:
    """Union-find over names. The root of a set is its smallest name, so that the order of joining does not matter."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}

    def root(self, name: str) -> str:
        parents = self._parents
        parents.setdefault(name, name)
        while parents[name] != name:
            parents[name] = name = parents[parents[name]]
        return name

    def join(self, names: Iterable[str]) -> None:
        first, *others = sorted({self.root(name) for name in names})
        for other in others:
            self._parents[other] = first


def _assign_units(pool: _Pool, units: _DisjointSets, missing: dict[str, float], seed: int) -> dict[str, str]:
    """Unit -> split: in random order, each to the split that misses most; mere donors to most of their fakes."""
    weights: Counter[str] = Counter()
    for people, count in pool.sizes():
        weights[units.root(people.targets[0])] += count
    splits: dict[str, str] = {}
    for unit in sorted(weights, key=lambda unit: (hash_rank(seed, unit), unit)):
        splits[unit] = _fill(missing, weights[unit])
    votes: dict[str, Counter[str]] = {}
    for people, count in pool.sizes():
        for name in people.names:
            if (unit := units.root(name)) not in weights:
                votes.setdefault(unit, Counter())[splits[units.root(people.targets[0])]] += count
    return splits | {unit: max(missing, key=ballot.__getitem__) for unit, ballot in votes.items()}


def _fill(missing: dict[str, float], weight: int) -> str:
    """The split that misses most samples, which then misses `weight` fewer."""
    split = max(missing, key=missing.__getitem__)
    missing[split] -= weight
    return split


def _common_split(people: _People, units: _DisjointSets, split_of_unit: Mapping[str, str]) -> str:
    """The split that everybody is in; empty if there are several."""
    splits = {split_of_unit[units.root(name)] for name in people.names}
    return splits.pop() if len(splits) == 1 else ""


def _normalised(shares: Mapping[str, float]) -> dict[str, float]:
    total = sum(shares.values())
    if not shares or not all(name and share > 0 for name, share in shares.items()) or total == float("inf"):
        raise KCEError(f"shares of a split must be above 0: {dict(shares)}", "give each split a name and a share")
    return {name: share / total for name, share in shares.items()}


def _sorted_counts(counts: Mapping[str, Counter[str]]) -> dict[str, dict[str, int]]:
    return {split: dict(sorted(by_category.items())) for split, by_category in counts.items()}
