"""What no family explains, grouped by any clusterer: which one is built, and how many groups it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xxhash

from kce.errors import BadData, BadValue, KCEError
from kce.registry import isolation
from kce.tracing.group_count import MOST_GROUPS, count_groups, principal_components
from kce.tracing.groups import NewGroup, group_unexplained

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from kce.registry.registry import Registry

MOST_GROUPED = 20_000
"""Unexplained faces that are grouped, at most: clusterers compare all pairs."""
_NUMBER = "n_clusters"


class Unexplained:
    """Faces that no family explains: all, or a random sample of as many as are grouped. It depends on their keys alone.

    Args:
        most: Faces that are kept.

    Attributes:
        count: How many there were.
    """

    def __init__(self, most: int = MOST_GROUPED) -> None:
        self.count = 0
        self._most = most
        self._order: list[tuple[int, int, str]] = []  # hash, place, key
        self._x: dict[int, NDArray[np.float32]] = {}  # place -> features

    def add(self, key: Iterable[str], x: NDArray[np.float32]) -> None:
        """Add faces by their keys (n,) and features (n, dim)."""
        for name, row in zip(key, x, strict=True):
            self._order.append((xxhash.xxh64_intdigest(name.encode()), self.count, name))
            self._x[self.count] = row.copy()  # the rest of the batch is forgotten
            self.count += 1
        if len(self._order) > self._most * 5 // 4:
            self._prune()

    def _prune(self) -> None:
        self._order.sort()
        for _, place, _ in self._order[self._most :]:
            del self._x[place]
        del self._order[self._most :]

    def sample(self) -> tuple[list[str], NDArray[np.float32]]:
        """The keys (n,) and features (n, dim) of those that are kept, in the order in which they came."""
        self._prune()
        places = sorted((place, name) for _, place, name in self._order)
        rows = [self._x[place] for place, _ in places]
        return [name for _, name in places], np.stack(rows) if rows else np.zeros((0, 0), np.float32)


class Grouped(NamedTuple):
    """Faces in groups.

    Attributes:
        names: The group of each face, such as "new-1"; empty for one that is in none.
        groups: The groups, the largest first.
        spec: The clusterer with all its parameters; empty if there was nothing to cluster.
        remarks: What a reader must know.
    """

    names: list[str]
    groups: list[NewGroup]
    spec: str = ""
    remarks: tuple[str, ...] = ()


def check_clusterer(registry: Registry, clusterer: str, seed: int) -> None:
    """Raise KCEError for a clusterer that cannot be used, before any work."""
    number = {_NUMBER: 2} if registry.takes("clusterer", clusterer, _NUMBER) else {}
    part = registry.resolve_seeded("clusterer", clusterer, seed, **number)
    if part.built_in:  # those of others are built in a process of their own, once there is something to cluster
        part.build()


def group_faces(
    registry: Registry,
    clusterer: str,
    key: Sequence[str],
    x: NDArray[np.float32],
    seed: int,
    *,
    timeout: float = 0,
    isolate: bool = True,
) -> Grouped:
    """Group faces by their features.

    The clusterer sees their first principal components. One that takes a number of clusters and was not given one gets
    an estimate. Faces that are too few, or too much alike, for the clusterer are in no group.

    Args:
        registry: Builds the clusterer.
        clusterer: NAME or NAME:key=value.
        key: (n,) their keys.
        x: (n, dim) their features.
        seed: Random seed of the clusterer.
        timeout: Seconds for a clusterer of others; 0 = no limit.
        isolate: Whether a clusterer of others gets a process of its own.

    Raises:
        KCEError: The clusterer fails for another reason than the faces it was given.
    """
    if not len(key):
        return Grouped([], [], remarks=("no face is unexplained: there was nothing to group",))
    try:
        components, given = principal_components(x), dict[str, Any]()
        if registry.takes("clusterer", clusterer, _NUMBER):
            given[_NUMBER] = count_groups(components)
        part = registry.resolve_seeded("clusterer", clusterer, seed, **given)
        with isolation.component(part, registry, timeout, isolate=isolate) as component:
            names, groups = group_unexplained(key, x, lambda _: component.fit_predict(components))
    except (BadData, BadValue) as error:
        return ungrouped(len(key), error)
    remarks = []
    if _NUMBER in given:
        remarks.append(f"the number of groups, {given[_NUMBER]}, was estimated (of 1 to {MOST_GROUPS})")
    if not groups:
        remarks.append(f"no groups were found among the unexplained faces ({len(key):,})")
    return Grouped(names, groups, part.spec, tuple(remarks))


def ungrouped(count: int, error: KCEError) -> Grouped:
    """So many faces that could not be grouped, and why."""
    hint = f" ({error.hint})" if error.hint else ""
    return Grouped(
        [""] * count, [], remarks=(f"the unexplained faces ({count:,}) were not grouped: {error.message}{hint}",)
    )
