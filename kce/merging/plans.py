"""Labels x clusters -> merge plan; by name; at random."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kce.errors import BadData, KCEError
from kce.merging.class_count import count_classes, same_dataset_pairs
from kce.registry.validation import takes_cannot_link
from kce.system.rng import generator
from kce.types import MergePlan

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.types import Clusterer, Features


def unmerged_plan(categories: Iterable[str]) -> MergePlan:
    """Every category a class of its own, under its own name."""
    return MergePlan({category: category for category in sorted(set(categories))}, made="unmerged")


def plan_by_name(methods: Mapping[str, str], rules: Sequence[Sequence[str]] = ()) -> MergePlan:
    """Join what bears the same name. A class is called as most of its members' methods are, or as the first.

    methods  category -> the name of its method
    rules    which categories to join: exactly these, whatever their names; members that are not among `methods` are
             passed over. Without rules, methods whose names agree but for case, spaces and punctuation are joined.
    Raises KCEError if a category stands in two rules.
    """
    if rules:
        places = Counter(member for rule in rules for member in set(rule))
        twice = sorted(member for member, count in places.items() if count > 1)
        if twice:
            raise KCEError(f"in more than one rule: {', '.join(twice)}", "name each category in one rule only")
        joined = [[member for member in dict.fromkeys(rule) if member in methods] for rule in rules]
        alone = [[category] for category in sorted(methods) if category not in places]
        groups = [group for group in [*joined, *alone] if group]
        made = f"by name: {len(rules)} rules, {len(places.keys() - methods.keys())} of their members absent"
    else:
        alike: dict[str, list[str]] = {}
        for category in sorted(methods):
            alike.setdefault(_plain(methods[category]), []).append(category)
        groups, made = list(alike.values()), "by name"
    names = [Counter(methods[c] for c in group).most_common(1)[0][0] or group[0] for group in groups]
    shared = {name for name, count in Counter(names).items() if count > 1}
    names = [group[0] if name in shared else name for name, group in zip(names, groups, strict=True)]
    if len(set(names)) < len(names):  # a method called as another one's category
        names = [group[0] for group in groups]
    classes = {category: name for name, group in zip(names, groups, strict=True) for category in group}
    return MergePlan(classes, {category: f"method {methods[category]}" for category in classes}, made)


def plan_at_random(categories: Iterable[str], sizes: Sequence[int], seed: int) -> MergePlan:
    """Classes of these sizes, their members drawn by lot: the control of a plan with classes of the same sizes."""
    pool = sorted(set(categories))
    if sum(sizes) != len(pool) or min(sizes, default=1) < 1:
        raise KCEError(
            f"classes of the sizes {list(sizes)} do not hold {len(pool)} categories each once",
            "take the sizes from a plan of the same categories",
        )
    order = generator(seed, "plan at random").permutation(len(pool))
    numbers = np.empty(len(pool), np.int64)
    numbers[order] = np.repeat(np.arange(len(sizes)), sorted(sizes, reverse=True))
    return MergePlan(_numbered("random", pool, numbers.tolist()), made=f"at random, seed {seed}")


def plan_by_clusters(features: Features, clusterer: Clusterer, vote: Literal["means", "rows"] = "means") -> MergePlan:
    """Join the categories that cluster together. Neither the order of the rows nor the numbers of clusters matter.

    vote  "means": the clusterer gets one row per category, the mean of its features, in order of category; a
          ``kce.types.ConstrainedClusterer`` also gets, as `cannot_link`, which of them are of one dataset.
          "rows": it gets all rows, in order of category and key; a category goes where most of its rows are, on a tie
          to the cluster that is met first in that order.
    What is noise (-1) is a class of its own. Raises BadData for NaN, KCEError for an answer that is no clustering.
    """
    if vote not in ("means", "rows"):
        raise KCEError(f"no vote named {vote!r}", 'it is "means" or "rows"')
    if not len(features) or not np.isfinite(features.x).all():
        raise BadData("the features to cluster are none, or not all finite (NaN or infinite)", "make them again")
    categories, codes = np.unique(features.label, return_inverse=True)
    pool = categories.tolist()
    if vote == "means":
        means = _means(features.x, codes, len(pool))
        constrained = takes_cannot_link(clusterer)
        apart = same_dataset_pairs(_datasets(features, codes)) if constrained else None
        numbers = _clusters(clusterer, means.astype(np.float32), apart)
    else:
        order = np.lexsort((features.key, features.label))
        found = _clusters(clusterer, features.x[order])
        shares = _shares(codes[order], found, len(pool))
        numbers = np.array([_winner(share) for share in shares])
    # Noise is no cluster: each of its categories gets a number that no other has.
    own = np.where(numbers == -1, -2 - np.arange(len(pool)), numbers)
    classes = _numbered("cluster", pool, own.tolist())
    if vote == "means":
        votes = _distances(means, pool, classes)
    else:
        called = {number: classes[category] for category, number in zip(pool, own.tolist(), strict=True)}
        votes = {category: _share_text(share, called) for category, share in zip(pool, shares, strict=True)}
    for category, number in zip(pool, numbers.tolist(), strict=True):
        if number == -1:
            votes[category] = f"noise; {votes[category]}"
    return MergePlan(classes, votes, f"by clusters of {vote}: {_name(clusterer)}")


def estimate_class_count(features: Features) -> int:
    """How many classes the categories of these features fall into (``kce.merging.class_count.classes``)."""
    categories, codes = np.unique(features.label, return_inverse=True)
    return count_classes(_means(features.x, codes, len(categories)), _datasets(features, codes))


def same_partition(one: MergePlan, other: MergePlan) -> bool:
    """Whether two plans join the same categories, whatever they call the classes."""
    return plan_partition(one) == plan_partition(other)


def plan_partition(plan: MergePlan) -> frozenset[frozenset[str]]:
    """Which categories a plan joins, whatever it calls the classes."""
    return frozenset(frozenset(plan.members(name)) for name in plan.names)


def _plain(name: str) -> str:
    """A method's name without case, spaces and punctuation; as it is if there is nothing else in it."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(letter for letter in folded if letter.isalnum()) or folded


def _numbered(word: str, pool: list[str], numbers: list[int]) -> dict[str, str]:
    """Classes called word-01, word-02, ... in the order of their first members."""
    places = {number: place for place, number in enumerate(dict.fromkeys(numbers), start=1)}
    return {category: f"{word}-{places[number]:02d}" for category, number in zip(pool, numbers, strict=True)}


def _means(x: NDArray[np.float32], codes: NDArray[np.int_], count: int) -> NDArray[np.float64]:
    return np.stack([x[codes == code].mean(axis=0, dtype=np.float64) for code in range(count)])


def _name(clusterer: object) -> str:
    return str(getattr(clusterer, "name", type(clusterer).__name__))


def _datasets(features: Features, codes: NDArray[np.int_]) -> NDArray[np.str_]:
    """The dataset of each category, in order of category."""
    return features.dataset[np.unique(codes, return_index=True)[1]]


def _clusters(clusterer: Any, x: NDArray[np.float32], apart: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
    found: NDArray[Any] = np.asarray(
        clusterer.fit_predict(x) if apart is None else clusterer.fit_predict(x, cannot_link=apart)
    )
    if found.shape != (len(x),) or found.dtype.kind not in "iu" or (len(found) and found.min() < -1):
        raise KCEError(
            f"the clusterer {_name(clusterer)} answered {found.shape} {found.dtype} where {len(x)} cluster numbers "
            "(integers from 0 on, -1 for noise) were due",
            "mend the clusterer, or take another",
        )
    found = found.astype(np.int64)
    met = {number: place for place, number in enumerate(dict.fromkeys(found[found >= 0].tolist()))}
    return np.array([met.get(number, -1) for number in found.tolist()], dtype=np.int64)


def _shares(codes: NDArray[np.int_], found: NDArray[np.int64], count: int) -> list[dict[int, float]]:
    shares = []
    for code in range(count):
        numbers, rows = np.unique(found[codes == code], return_counts=True)
        shares.append(dict(zip(numbers.tolist(), (rows / rows.sum()).tolist(), strict=True)))
    return shares


def _winner(share: Mapping[int, float]) -> int:
    """The cluster with the largest share; on a tie the smaller number, and noise last."""
    return min(share, key=lambda number: (-share[number], number == -1, number))


def _share_text(share: Mapping[int, float], called: Mapping[int, str]) -> str:
    parts: Counter[str] = Counter()
    for number, part in share.items():
        parts["noise" if number == -1 else called.get(number, "clusters of no category")] += part  # type: ignore[assignment]
    return ", ".join(f"{part:.0%} of rows in {name}" for name, part in parts.most_common(3))


def _distances(means: NDArray[np.float64], pool: list[str], classes: Mapping[str, str]) -> dict[str, str]:
    names = sorted(set(classes.values()))
    codes = np.array([names.index(classes[category]) for category in pool])
    centres = np.stack([means[codes == code].mean(axis=0) for code in range(len(names))])
    votes = {}
    for category, mean, code in zip(pool, means, codes.tolist(), strict=True):
        away = np.linalg.norm(centres - mean, axis=1)
        votes[category] = f"{away[code]:.4g} from its centre"
        if len(names) > 1:
            away[code] = np.inf
            votes[category] += f", {away.min():.4g} from the next, {names[int(away.argmin())]}"
    return votes
