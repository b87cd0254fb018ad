"""Making merge plans: unmerged, by name, at random, from clusters."""

from __future__ import annotations

import logging
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.errors import BadData, KCEError, UnknownName
from kce.features.reduction import load_rows
from kce.merging.category_means import VOTES, CategoryMeans, Vote, finite
from kce.merging.class_count import same_dataset_pairs
from kce.registry.validation import takes_cannot_link
from kce.system.rng import generator
from kce.types import MergePlan

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.types import Clusterer, FeatureStream


_log = logging.getLogger("kce.merging.plans")


def unmerged_plan(categories: Iterable[str]) -> MergePlan:
    """Make every category a class of its own, under its own name."""
    return MergePlan({category: category for category in sorted(set(categories))}, made="unmerged")


def by_name(methods: Mapping[str, str], rules: Sequence[Sequence[str]] = ()) -> MergePlan:
    """Merge categories whose methods have the same name.

    A class is named after its most common method (the first on a tie). If two classes would get one name, each is named
    after its first category instead.

    Args:
        methods: Category -> name of its method.
        rules: Which categories to merge: exactly these, whatever the names of their methods; members that are not in
            `methods` are ignored. Without rules, categories are merged whose methods' names are equal except for case,
            spaces and punctuation.

    Raises:
        KCEError: If a category is in two rules.
    """
    if rules:
        rules_of = Counter(member for rule in rules for member in set(rule))
        repeated = sorted(member for member, count in rules_of.items() if count > 1)
        if repeated:
            raise KCEError(
                f"categories named in more than one rule: {', '.join(repeated)}", "name each category in one rule only"
            )
        merged = [[member for member in dict.fromkeys(rule) if member in methods] for rule in rules]
        unmerged = [[category] for category in sorted(methods) if category not in rules_of]
        groups = [group for group in [*merged, *unmerged] if group]
        made = f"by name: {len(rules)} rules, {len(rules_of.keys() - methods.keys())} of their members absent"
    else:
        same_name: dict[str, list[str]] = {}
        for category in sorted(methods):
            same_name.setdefault(_normalised(methods[category]), []).append(category)
        groups, made = list(same_name.values()), "by name"
    names = [Counter(methods[c] for c in group).most_common(1)[0][0] or group[0] for group in groups]
    shared = {name for name, count in Counter(names).items() if count > 1}
    names = [group[0] if name in shared else name for name, group in zip(names, groups, strict=True)]
    if len(set(names)) < len(names):  # a method has the name of another one's category
        names = [group[0] for group in groups]
    classes = {category: name for name, group in zip(names, groups, strict=True) for category in group}
    return MergePlan(classes, {category: f"method {methods[category]}" for category in classes}, made)


def at_random(categories: Iterable[str], sizes: Sequence[int], seed: int) -> MergePlan:
    """Merge categories at random: the control for a plan whose classes have the same sizes.

    Args:
        categories: All of them.
        sizes: Class sizes, in any order; they add up to the number of categories.
        seed: Random seed of the choice.

    Raises:
        KCEError: If the sizes do not fit.
    """
    names = sorted(set(categories))
    hint = "take the sizes from a plan of the same categories"
    if min(sizes, default=1) < 1:
        raise KCEError(f"class sizes {list(sizes)}: {min(sizes)} is below 1", hint)
    if sum(sizes) != len(names):
        raise KCEError(f"class sizes {list(sizes)} add up to {sum(sizes)}, but there are {len(names)} categories", hint)
    order = generator(seed, "plan at random").permutation(len(names))
    numbers = np.empty(len(names), np.int64)
    numbers[order] = np.repeat(np.arange(len(sizes)), sorted(sizes, reverse=True))
    return MergePlan(_numbered("random", names, numbers.tolist()), made=f"at random, seed {seed}")


def by_clusters(
    features: FeatureStream | CategoryMeans,
    clusterer: Clusterer,
    vote: Vote = "means",
    name: str = "",
    asked: int | None = None,
) -> MergePlan:
    """Merge the categories that a clusterer puts together.

    Neither the order of the rows nor the numbers of the clusters matter. A category that is noise (-1) is a class of
    its own. Where another number of classes was made than was asked for, the plan says so, and a warning in the log.

    Args:
        features: Features of the known categories, which are read in one pass; all at once for a vote of rows. Or their
            means, unless rows vote.
        clusterer: Clusters one row for each category or all rows, see `vote`.
        vote: What is clustered. "means": one row for each category, so there is nothing to vote on: the clusterer gets
            the mean features of each category, in order of category; a ``kce.types.ConstrainedClusterer`` also gets, as
            `cannot_link`, which of them are of one dataset. "distances": the same, but the rows are as far apart as the
            means are without chance, see ``CategoryMeans.placed``. "rows": it gets all rows, in order of category and
            key; a category goes to the cluster with most of its rows, on a tie to the one that comes first in that
            order.
        name: What the plan and messages call the clusterer; default: its own name.
        asked: Number of clusters that was asked for; default: the clusterer's `n_clusters`, if it has one.

    Returns:
        Classes "cluster-01", "cluster-02", ... in the order of their first categories, with the reason for each
        choice as the plan's `votes`: distances of means, or shares of rows.

    Raises:
        BadData: If there are no rows, or values that are not finite.
        KCEError: If the clusterer does not return one cluster number for each row.
    """
    if vote not in VOTES:
        raise UnknownName.among("vote", vote, VOTES)
    if not len(features.label):
        raise BadData("there are no features to cluster", "check that the table holds the known categories")
    labels, codes = np.unique(features.label, return_inverse=True)
    categories = labels.tolist()
    if vote != "rows":
        means = features if isinstance(features, CategoryMeans) else CategoryMeans.of(features)
        numbers = cluster_means(clusterer, means.to_cluster(vote), means.dataset)
    elif isinstance(features, CategoryMeans):
        raise KCEError("means have no rows that could vote", 'choose "means" or "distances"')
    else:
        order = np.lexsort((np.unique(features.key, return_inverse=True)[1], codes))
        clusters = _cluster(clusterer, finite(load_rows(features, clusterer).x)[order])
        shares = _cluster_shares(codes[order], clusters, len(categories))
        numbers = np.array([_largest_share(share) for share in shares])
    # Noise is not a cluster: each of its categories gets a number that no other has.
    class_numbers = np.where(numbers == -1, -2 - np.arange(len(categories)), numbers)
    classes = _numbered("cluster", categories, class_numbers.tolist())
    if vote != "rows":
        votes = _describe_distances(means.means, categories, classes)
    else:
        names = {number: classes[c] for c, number in zip(categories, class_numbers.tolist(), strict=True)}
        votes = {c: _describe_shares(share, names) for c, share in zip(categories, shares, strict=True)}
    for category, number in zip(categories, numbers.tolist(), strict=True):
        if number == -1:
            votes[category] = f"noise; {votes[category]}"
    name = name or _name(clusterer)
    made, classes_made = f"by clusters of {vote}: {name}", len(set(classes.values()))
    asked = getattr(clusterer, "n_clusters", None) if asked is None else asked
    if asked not in (None, classes_made):
        _log.warning("%s was asked for %d classes and made %d", name, asked, classes_made)
        made += f"; asked for {asked} classes, made {classes_made}"
    return MergePlan(classes, votes, made, asked)


def cluster_means(clusterer: Clusterer, means: NDArray[np.float64], datasets: NDArray[np.str_]) -> NDArray[np.int64]:
    """Cluster the means of categories; those of one dataset stay apart if the clusterer can keep them apart.

    Args:
        clusterer: Any clusterer; a ``kce.types.ConstrainedClusterer`` is told which categories are of one dataset.
        means: (n, dim).
        datasets: (n,) the dataset of each category.

    Returns:
        (n,) numbers from 0, in the order of their first categories; -1 is noise.

    Raises:
        KCEError: If the answer is not one cluster number for each category.

    Example:
        >>> from sklearn.cluster import KMeans
        >>> cluster_means(KMeans(2, n_init=1), np.array([[5.0], [0.0], [5.1]]), np.array(["A", "A", "B"])).tolist()
        [0, 1, 0]
    """
    cannot_link = same_dataset_pairs(datasets) if takes_cannot_link(clusterer) else None
    return _cluster(clusterer, means.astype(np.float32), cannot_link)


def same_partition(one: MergePlan, other: MergePlan) -> bool:
    """Whether two plans merge the same categories, whatever their classes are called."""
    return plan_partition(one) == plan_partition(other)


def plan_partition(plan: MergePlan) -> frozenset[frozenset[str]]:
    """Return the sets of categories that a plan merges, whatever its classes are called."""
    return frozenset(frozenset(plan.members(name)) for name in plan.names)


def _normalised(name: str) -> str:
    """A method's name without case, spaces and punctuation, which are kept if nothing else would remain."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(letter for letter in folded if letter.isalnum()) or folded


def _numbered(word: str, categories: list[str], numbers: list[int]) -> dict[str, str]:
    """Category -> class, the classes called word-01, word-02, ... in the order of their first members."""
    places = {number: place for place, number in enumerate(dict.fromkeys(numbers), start=1)}
    return {category: f"{word}-{places[number]:02d}" for category, number in zip(categories, numbers, strict=True)}


def _name(clusterer: object) -> str:
    return str(getattr(clusterer, "name", type(clusterer).__name__))


def _cluster(clusterer: Any, x: NDArray[np.float32], cannot_link: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
    """Cluster rows, check the answer, and number the clusters in the order of their first rows."""
    answer: NDArray[Any] = np.asarray(
        clusterer.fit_predict(x) if cannot_link is None else clusterer.fit_predict(x, cannot_link=cannot_link)
    )
    if answer.shape != (len(x),) or answer.dtype.kind not in "iu" or (len(answer) and answer.min() < -1):
        raise KCEError(
            f"the clusterer {_name(clusterer)} returned {answer.shape} {answer.dtype}, not {len(x)} cluster numbers "
            "(integers from 0 on, -1 for noise)",
            "fix the clusterer, or use another",
        )
    clusters = answer.astype(np.int64)
    places = {number: place for place, number in enumerate(dict.fromkeys(clusters[clusters >= 0].tolist()))}
    return np.array([places.get(number, -1) for number in clusters.tolist()], dtype=np.int64)


def _cluster_shares(codes: NDArray[np.int_], clusters: NDArray[np.int64], count: int) -> list[dict[int, float]]:
    """For each category, cluster -> the share of its rows that are in it."""
    shares = []
    for code in range(count):
        numbers, rows = np.unique(clusters[codes == code], return_counts=True)
        shares.append(dict(zip(numbers.tolist(), (rows / rows.sum()).tolist(), strict=True)))
    return shares


def _largest_share(share: Mapping[int, float]) -> int:
    """The cluster with the largest share; on a tie the smaller number, and noise last."""
    return min(share, key=lambda number: (-share[number], number == -1, number))


def _describe_shares(share: Mapping[int, float], names: Mapping[int, str]) -> str:
    parts: Counter[str] = Counter()
    for number, part in share.items():
        name = "noise" if number == -1 else names.get(number, "clusters without a category")
        parts[name] += part  # type: ignore[assignment]
    return ", ".join(f"{part:.0%} of rows in {name}" for name, part in parts.most_common(3))


def _describe_distances(
    means: NDArray[np.float64], categories: list[str], classes: Mapping[str, str]
) -> dict[str, str]:
    names = sorted(set(classes.values()))
    codes = np.array([names.index(classes[category]) for category in categories])
    centres = np.stack([means[codes == code].mean(axis=0) for code in range(len(names))])
    votes = {}
    for category, mean, code in zip(categories, means, codes.tolist(), strict=True):
        distances = np.linalg.norm(centres - mean, axis=1)
        votes[category] = f"{distances[code]:.4g} from its centre"
        if len(names) > 1:
            distances[code] = np.inf
            votes[category] += f", {distances.min():.4g} from the next, {names[int(distances.argmin())]}"
    return votes
