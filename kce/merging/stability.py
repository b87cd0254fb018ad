"""How surely a clusterer joins categories: what it does with the means of resampled recordings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from kce.merging.category_means import ROUNDS, CategoryMeans
from kce.merging.plans import cluster_means

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.merging.category_means import Vote
    from kce.types import Clusterer, MergePlan

SURE = 0.9
"""A join is doubtful if fewer of the resamples have it. The figures are in the manual's page on storage artefacts."""
LEAST_PARTS = 5
"""Parts of the recordings that a category must be in, at least: resamples of fewer say nothing."""
_MENTIONED = 0.1  # a category that is joined less often is not worth a word
_NAMED = 5  # doubtful pairs, in a remark


@dataclass(frozen=True, eq=False)
class Joined:
    """How often each two categories came together.

    Attributes:
        label: (n,) str, the categories, sorted.
        share: (n, n) the share of resamples in which two categories were in one class; NaN where one of them has too
            few recordings to say.
    """

    label: list[str]
    share: NDArray[np.float64]

    def partners(self, category: str) -> dict[str, float]:
        """The other categories that were with `category` in some resample, the most frequent first."""
        own = self.share[self.label.index(category)]
        found = {name: float(s) for name, s in zip(self.label, own, strict=True) if s > 0 and name != category}
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    def doubtful(self, plan: MergePlan) -> tuple[tuple[str, str, float], ...]:
        """The pairs that the plan joins and fewer than SURE of the resamples do, the most doubtful first."""
        pairs = [
            (self.label[i], self.label[j], float(self.share[i, j]))
            for i, j in combinations(range(len(self.label)), 2)
            if plan.classes[self.label[i]] == plan.classes[self.label[j]] and self.share[i, j] < SURE
        ]
        return tuple(sorted(pairs, key=lambda pair: pair[2]))


def count_joined(means: CategoryMeans, clusterer: Clusterer, seed: int, vote: Vote = "means") -> Joined:
    """Cluster the means of ROUNDS resamples of the recordings.

    That tells what chance in the choice of recordings does, and nothing of other chance: another training, or
    another way of storing, moves means besides.

    Args:
        means: The means of the categories.
        clusterer: The one that made the plan.
        seed: Random seed of the resamples.
        vote: What that plan was made of: "means" or "distances".

    Raises:
        KCEError: The clusterer fails on a resample.

    Example:
        >>> from sklearn.cluster import KMeans
        >>> from kce.types import Features
        >>> x = np.repeat([0.0, 0.1, 5.0], 8)[:, None] + np.tile(np.arange(8) / 80, 3)[:, None]
        >>> rows = Features.from_arrays(x, np.repeat(["A_x", "B_x", "B_y"], 8))
        >>> count_joined(CategoryMeans.of(rows), KMeans(2, n_init=1, random_state=0), seed=0).partners("A_x")
        {'B_x': 1.0}
    """
    together = np.zeros((len(means.label), len(means.label)))
    for drawn in means.resampled(ROUNDS, seed):
        numbers = cluster_means(clusterer, means.to_cluster(vote, drawn), means.dataset)
        together += (numbers[:, None] == numbers[None]) & (numbers >= 0)[:, None]
    share = together / ROUNDS
    few = (means.counts > 0).sum(axis=1) < LEAST_PARTS
    share[few] = share[:, few] = np.nan
    return Joined(means.label.tolist(), share)


def mark_doubtful(plan: MergePlan, joined: Joined) -> MergePlan:
    """Say in the plan how often categories came together, and which of its joins are doubtful."""
    votes = dict(plan.votes)
    for category, vote in plan.votes.items():
        own = [f"{name} {share:.0%}" for name, share in joined.partners(category).items() if share >= _MENTIONED]
        if own:
            votes[category] = f"{vote}; resampled, with {', '.join(own)}"
    return replace(plan, votes=votes, doubtful=joined.doubtful(plan))


def doubt_remarks(plan: MergePlan) -> list[str]:
    """What a reader of a plan must know of what it joins, as far as a person left it so.

    Example:
        >>> from kce import MergePlan
        >>> doubt_remarks(MergePlan({"A_x": "x", "B_x": "x"}, doubtful=(("A_x", "B_x", 0.66),)))
        ['joined by less than 90% of the plans of resampled recordings: A_x with B_x (66%)']
    """
    classes = plan.classes  # an edited plan may lack one of them
    pairs = [(a, b, share) for a, b, share in plan.doubtful if a in classes and classes[a] == classes.get(b)]
    if not pairs:
        return []
    named = [f"{a} with {b} ({share:.0%})" for a, b, share in pairs[:_NAMED]]
    if len(pairs) > _NAMED:
        named.append(f"and {len(pairs) - _NAMED} more, see plan.toml")
    return [f"joined by less than {SURE:.0%} of the plans of resampled recordings: {', '.join(named)}"]
