"""The mean features of categories, and how far chance moves them apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from kce.errors import BadData
from kce.features.moments import code_means
from kce.features.streams import coded_batches
from kce.merging.class_count import ClassCount, count_classes
from kce.merging.distances import place, squared_distances
from kce.system.rng import generator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from kce.types import FeatureStream

Vote = Literal["means", "distances", "rows"]
VOTES = get_args(Vote)
"""What is clustered: the means of categories, rows that are as far apart as these without chance, or all rows."""

PARTS = 32
"""Parts that the recordings are split into: enough to say how chance moves a mean, few enough to hold."""

ROUNDS = 100
"""Resamples that say how surely classes can be counted."""


@dataclass(frozen=True, eq=False)
class CategoryMeans:
    """What plans by means ask of the rows, from one pass over them.

    Attributes:
        label: (n,) str, the categories, sorted.
        dataset: (n,) str, their datasets.
        parts: (n, PARTS, dim) the mean of the rows of each category and part of the recordings; 0 where there are none.
        counts: (n, PARTS) their number of rows.

    Example:
        >>> from kce import Features
        >>> label = np.array(["A_x", "A_x", "B_y", "B_y"])
        >>> rows = Features(np.array(list("abcd")), label, np.array(list("1234")), np.array([[0.0], [2], [5], [5]]))
        >>> CategoryMeans.of(rows).means.tolist()
        [[1.0], [5.0]]
    """

    label: NDArray[np.str_]
    dataset: NDArray[np.str_]
    parts: NDArray[np.float64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, rows: FeatureStream) -> CategoryMeans:
        """Read all rows once.

        Args:
            rows: Features of the known categories.

        Raises:
            BadData: If there are values that are not finite.
        """
        label, first, codes = np.unique(rows.label, return_index=True, return_inverse=True)
        recordings = np.unique(rows.recording, return_inverse=True)[1]
        codes = codes * PARTS + recordings % PARTS  # a recording is in one part, whatever was made of it
        size = len(label) * PARTS
        means = code_means(((finite(x), own) for x, own in coded_batches([rows], codes)), size)
        return cls(
            label,
            rows.dataset[first],
            np.nan_to_num(means).reshape(len(label), PARTS, -1),
            np.bincount(codes, minlength=size).reshape(len(label), PARTS),
        )

    @cached_property
    def means(self) -> NDArray[np.float64]:
        """(n, dim) the mean of each category."""
        return np.asarray(self._sums.sum(axis=1) / self.counts.sum(axis=1)[:, None])

    @cached_property
    def noise(self) -> NDArray[np.float64]:
        """(n, n) how much greater than that of the true means the squared distance of two means is, on average.

        It is the jackknife's variance of the difference, with one part of the recordings left out at a time. What two
        categories share, as those of one dataset share their recordings, moves both alike and is not in it. A category
        whose recordings are all in one part says nothing of itself: it adds nothing.
        """
        noise = np.sum([squared_distances(without - self.means) for without in self._without_parts()], axis=0)
        return np.asarray(noise * (PARTS - 1) / PARTS)

    @cached_property
    def error(self) -> NDArray[np.float64]:
        """(n, n) the standard error of the squared distance of two means, by the same jackknife."""
        squares = np.stack([squared_distances(without) for without in self._without_parts()])
        return np.asarray(np.sqrt(np.square(squares - squares.mean(axis=0)).sum(axis=0) * (PARTS - 1) / PARTS))

    def to_cluster(self, vote: Vote, means: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """What a clusterer gets for "means" or "distances": one row for each category, in order.

        Args:
            vote: Which of them.
            means: (n, dim) one of the ``resampled``; None = the means themselves.
        """
        if vote == "distances":
            return self.placed(means)
        return self.means if means is None else means

    def placed(self, means: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Place the categories as far apart as they are without chance: (n, n), see ``kce.merging.distances.place``.

        What chance adds to a squared distance is taken off, all but its standard error: of two categories whose traces
        hardly show nothing is known, and they must not come before two that are surely near each other.

        Args:
            means: (n, dim) one of the ``resampled``, in which chance adds as much again; None = the means themselves.
        """
        times = 1 if means is None else 2
        squares = squared_distances(self.means if means is None else means)
        return place(squares - times * self.noise + np.sqrt(times) * self.error)

    def _without_parts(self) -> Iterator[NDArray[np.float64]]:
        """The means without one part of the recordings after the other; that of a category with no other stays."""
        total, rows = self._sums.sum(axis=1), self.counts.sum(axis=1)
        for part in range(PARTS):
            left = (rows - self.counts[:, part])[:, None]
            yield np.where(left > 0, (total - self._sums[:, part]) / np.maximum(left, 1), self.means)

    def resampled(self, rounds: int, seed: int) -> Iterator[NDArray[np.float64]]:
        """Yield the means (n, dim) of recordings drawn with replacement, part by part; the same for all categories.

        A category of which nothing is drawn keeps its mean.
        """
        used = np.flatnonzero(self.counts.sum(axis=0))
        for draw in generator(seed, "resampled means").integers(0, len(used), (rounds, len(used))):
            counts = self.counts * np.bincount(used[draw], minlength=PARTS)
            rows = counts.sum(axis=1)[:, None]
            means = np.einsum("cpd,cp->cd", self.parts, counts) / np.maximum(rows, 1)
            yield np.where(rows > 0, means, self.means)

    def count_classes(self, seed: int = 0) -> ClassCount:
        """Count the classes that the categories fall into; see ``kce.merging.class_count``."""
        return count_classes(self.means, self.dataset, self.noise, self.resampled(ROUNDS, seed))

    @property
    def _sums(self) -> NDArray[np.float64]:
        return self.parts * self.counts[:, :, None]


def finite(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return x, or raise BadData if it has values that are not finite.

    >>> import numpy as np
    >>> finite(np.ones(2, np.float32)).tolist()
    [1.0, 1.0]
    """
    if not np.isfinite(x).all():
        raise BadData("the features to cluster are not all finite (NaN or infinite)", "extract the features again")
    return x
