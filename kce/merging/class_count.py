"""Estimating the number of classes from the categories of one dataset, and the number of clusters of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kce.errors import BadData
from kce.merging.distances import squared_distances
from kce.system.rng import generator

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from kce.types import MergePlan

NEAR = 0.45
"""Categories are merged while they are nearer than this share of the typical distance within a dataset."""
DOUBT = 2.0
"""How far off that share may be: classes are counted with a share so many times as low and as high, too."""
SURE = 0.9
"""Share of the resamples whose numbers are possible: the middle of them."""
MOST_CLUSTERS = 40
"""Clusters of rows that are tried, at most, if their number is estimated."""
_SILHOUETTE_ROWS = 2000  # on which the number of clusters is estimated


def same_dataset_pairs(datasets: NDArray[np.str_]) -> NDArray[np.bool_]:
    """Mark the pairs of categories that are of one dataset, and so are different by its makers' judgement.

    Args:
        datasets: (n,) the dataset of each category.

    Returns:
        (n, n), symmetric, False on the diagonal.
    """
    return np.asarray((datasets[:, None] == datasets[None]) & ~np.eye(len(datasets), dtype=bool))


@dataclass(frozen=True)
class ClassCount:
    """An estimated number of classes.

    Attributes:
        best: The estimate.
        low: The lowest number that is possible.
        high: The highest.

    Example:
        >>> ClassCount(10, 9, 11).decided, ClassCount(10, 9, 12).decided
        (True, False)
    """

    best: int
    low: int
    high: int

    @property
    def decided(self) -> bool:
        """Whether nothing possible is more than one away from the estimate."""
        return self.high - 1 <= self.best <= self.low + 1

    def describe(self) -> str:
        """Say what was estimated.

        >>> ClassCount(10, 9, 12).describe()
        '10 classes estimated, between 9 and 12: undecidable'
        """
        return f"{self.best} classes estimated, between {self.low} and {self.high}" + ": undecidable" * (
            not self.decided
        )


def count_classes(
    means: NDArray[np.floating],
    datasets: NDArray[np.str_],
    noise: NDArray[np.floating] | float = 0.0,
    resamples: Iterable[NDArray[np.floating]] = (),
) -> ClassCount:
    """Count the classes that categories fall into.

    Categories of one dataset are different, which sets the scale: the median distance of a category from the nearest
    other one of its dataset. Categories are merged by complete linkage, never two of one dataset, while they are
    nearer than NEAR times that distance. How near the same forgery comes to itself in another dataset, nobody knows:
    with a share that is DOUBT times as high or as low, other numbers come out. Others come out of resampled recordings,
    most of all where a trace is weak. All numbers from the lowest to the highest of these are possible. Where nothing
    is joined at all, either all forgeries are different, or how datasets are stored keeps equal ones apart: then any
    number is possible, from as many as one dataset has.

    Args:
        means: (n, dim) mean features of the categories.
        datasets: (n,) their datasets.
        noise: (n, n) what chance adds to the squared distances, as ``CategoryMeans`` has it; it is taken off.
        resamples: Means (n, dim) of resampled recordings, in which chance adds as much again.

    Raises:
        BadData: If no dataset has two categories, so that nothing sets the scale.

    Example:
        >>> import numpy as np
        >>> means, datasets = np.array([[0.0], [4.0], [0.5], [12.0]]), np.array(["A", "A", "B", "B"])
        >>> count_classes(means, datasets)
        ClassCount(best=3, low=3, high=3)
        >>> count_classes(np.array([[0.0], [4.0], [50.0], [54.0]]), datasets)
        ClassCount(best=4, low=2, high=4)
    """
    cannot_link = same_dataset_pairs(datasets)
    if not cannot_link.any():
        raise BadData(
            "no dataset has two categories, so nothing says how far apart different forgeries are",
            "give the number of classes with --k",
        )
    best, low, high = _count_at(means, cannot_link, noise, (NEAR, NEAR * DOUBT, NEAR / DOUBT))
    twice = 2 * np.asarray(noise)
    again = [_count_at(drawn, cannot_link, twice, (NEAR,))[0] for drawn in resamples]
    if again:
        tail = (1 - SURE) / 2
        low = min(low, best, int(np.quantile(again, tail, method="lower")))
        high = max(high, best, int(np.quantile(again, 1 - tail, method="higher")))
    if best == len(means):
        low = min(low, int(cannot_link.sum(axis=1).max()) + 1)
    return ClassCount(best, low, high)


def _count_at(
    means: NDArray[np.floating],
    cannot_link: NDArray[np.bool_],
    noise: NDArray[np.floating] | float,
    shares: Sequence[float],
) -> list[int]:
    """How many classes there are if those are merged that are nearer than each of these shares of the scale."""
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    distances = np.sqrt(np.maximum(squared_distances(means) - noise, 0.0))
    has_sibling = cannot_link.any(axis=1)
    scale = float(np.median(np.where(cannot_link, distances, np.inf)[has_sibling].min(axis=1)))
    distances[cannot_link] = max(float(distances.max()), 1.0) * 4 * DOUBT  # above any threshold
    heights = linkage(squareform(distances, checks=False), "complete")[:, 2]
    return [len(distances) - int((heights < scale * share).sum()) for share in shares]


def count_remarks(plan: MergePlan, loss: str | None) -> list[str]:
    """What a reader of a plan must know of its number of classes: that it is undecidable, or bound to be too high.

    Args:
        plan: Its number of classes may have been estimated.
        loss: What the network was trained with, whose features were counted; see ``TrainSettings``. None = it was
            not trained.

    Example:
        >>> from kce import MergePlan
        >>> plan = MergePlan({"A_x": "x", "B_x": "x"}, asked=10, between=(9, 12))
        >>> count_remarks(plan, "within-dataset")[0].split(";")[0]
        'the number of classes is undecidable: 10 are estimated, 9 to 12 are possible'
        >>> count_remarks(MergePlan({"A_x": "x", "B_x": "x"}, asked=10, between=(9, 11)), "within-dataset")
        []
    """
    if plan.between is None or plan.asked is None or plan.edited:
        return []
    low, high = plan.between
    remarks = []
    if not ClassCount(plan.asked, low, high).decided:
        remarks.append(
            f"the number of classes is undecidable: {plan.asked} are estimated, {low} to {high} are possible; give it "
            "with --k, or edit the plan"
        )
    if loss == "softmax":
        remarks.append(
            f"the number of classes, estimated as {plan.asked}, is probably too high: a softmax over all classes "
            "learns to tell one forgery of two datasets apart; train with --loss within-dataset, or give "
            "the number with --k"
        )
    return remarks


def estimate_cluster_count(x: NDArray[np.float32]) -> int:
    """Estimate the number of clusters as that with the highest mean silhouette of K-means (Rousseeuw 1987).

    The estimate is the same for all clusterers that need a number.

    Args:
        x: Features, (n, dim); of more than 2,000 rows a random sample is used.

    Returns:
        From 2 to 40.

    Raises:
        BadData: If there are too few different rows.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    if len(x) > _SILHOUETTE_ROWS:
        x = x[np.sort(generator(0, "estimate").permutation(len(x))[:_SILHOUETTE_ROWS])]
    ks = range(2, min(MOST_CLUSTERS, len(np.unique(x, axis=0)) - 1) + 1)
    if not ks:
        raise BadData("there are too few different rows to estimate a number of clusters", "give it, or add rows")

    def silhouette(k: int) -> float:
        labels = KMeans(k, n_init=3, random_state=0).fit_predict(x)
        return float(silhouette_score(x, labels)) if len(np.unique(labels)) > 1 else -1.0

    return max(ks, key=silhouette)
