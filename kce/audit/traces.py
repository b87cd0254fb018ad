"""Traces: features made comparable across datasets by subtracting the mean of each dataset's reals, and whitened.

The *trace* of a category is the mean of its rows less the mean of its dataset's reals. Whatever shifts all rows of a
dataset alike (camera, storage, face size) cancels out of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kce.errors import BadData
from kce.features.moments import Moments, principal_axes, shrunk_covariance
from kce.features.streams import coded_batches
from kce.labels import REAL, concatenate_texts, label_parts, text_array
from kce.types import FeatureTexts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.labels import LabelParts
    from kce.types import FeatureStream

    Field = NDArray[np.float64]
    Codes = NDArray[np.int64]

MAX_AXES = 64
"""Of the common basis: a covariance of more axes would need more rows than audited tables have."""
_PROJECTED_ROWS = 1024  # in double precision at a time


@dataclass(frozen=True, eq=False)
class Traces:
    """The rows of a table, sorted by key, in a basis that all categories share.

    Attributes:
        labels: All labels, sorted, those of reals among them; a label's number is its place here.
        parts: Label -> dataset and method.
        datasets: All datasets, sorted; a dataset's number is its place here.
        label: (n,) the number of each row's label.
        dataset: (n,) the number of each row's dataset.
        group: (n,) the number of each row's recording; rows of one dataset whose recording is unknown share one.
        x: (n, axes) anchored and whitened. From each row the anchor of its dataset is subtracted: the mean of its
            reals, or of its categories where it has none. Rows scatter about their category's mean by about 1 along
            every axis.
        beyond: (n, further axes) the same along axes outside the basis, along which the anchors differ.
        anchors: (datasets, axes and further axes) the anchor of each dataset.
    """

    labels: list[str]
    parts: dict[str, LabelParts]
    datasets: list[str]
    label: Codes
    dataset: Codes
    group: Codes
    x: NDArray[np.float32]
    beyond: NDArray[np.float32]
    anchors: Field

    def unanchored(self, rows: Codes) -> Field:
        """Return these rows with their anchors: (n, axes and further axes)."""
        return np.asarray(np.hstack([self.x[rows], self.beyond[rows]]) + self.anchors[self.dataset[rows]])

    @property
    def forged(self) -> list[int]:
        """Numbers of the labels that are not reals."""
        return [number for number, name in enumerate(self.labels) if not self.parts[name].real]

    def rows_of(self, number: int) -> Codes:
        """Return the row numbers of a label."""
        return np.flatnonzero(self.label == number)

    def count_recordings(self, number: int) -> int:
        """Count the recordings behind the rows of a label."""
        return len(np.unique(self.group[self.rows_of(number)]))

    def dataset_of(self, number: int) -> int:
        """Return the number of a label's dataset."""
        return self.datasets.index(self.parts[self.labels[number]].dataset)

    def reals_of(self, number: int) -> int | None:
        """Return the number of the reals of a label's dataset; None if it has none."""
        dataset = self.parts[self.labels[number]].dataset
        return next((i for i, name in enumerate(self.labels) if self.parts[name] == (dataset, REAL)), None)

    def siblings(self, number: int) -> list[int]:
        """Return the other labels of a label's dataset, its reals among them."""
        dataset = self.parts[self.labels[number]].dataset
        return [i for i, name in enumerate(self.labels) if self.parts[name].dataset == dataset and i != number]


class JoinedTables(FeatureTexts):
    """The rows of several tables, one after the other, read in batches.

    Args:
        tables: At least one.

    Attributes:
        dim: Features of a row.

    Raises:
        BadData: For unequal dims and for duplicate keys.
    """

    def __init__(self, tables: Sequence[FeatureStream]) -> None:
        dims = sorted({table.dim for table in tables})
        if len(dims) > 1:
            raise BadData(f"the tables have features of {dims} dimensions", "audit tables of one backbone together")
        self._tables, (self.dim,) = tables, dims
        self.key, self.label, self.group = (
            concatenate_texts(getattr(table, name) for table in tables) for name in ("key", "label", "group")
        )
        self.order = np.argsort(self.key, kind="stable")
        ordered = self.key[self.order]
        duplicates = np.flatnonzero(ordered[1:] == ordered[:-1])
        if len(duplicates):
            raise BadData(
                f"the key {ordered[duplicates[0]]} occurs twice", "name each table once, and no rows in two tables"
            )

    def batches(self, codes: Codes) -> Iterator[tuple[NDArray[np.float32], Codes]]:
        """Yield x of all rows in order, with the code (n,) of each."""
        return coded_batches(self._tables, codes)


def compute_traces(tables: JoinedTables) -> Traces:
    """Anchor and whiten the rows of some tables, whose order does not matter, in three passes over them.

    Args:
        tables: The categories and, as far as there are any, the reals of their datasets.

    Raises:
        BadData: If the features do not vary within a dataset or a category.
    """
    parts = label_parts(tables)
    labels, label = np.unique(tables.label, return_inverse=True)
    label_parts_in_order = [parts[name] for name in labels.tolist()]
    datasets = sorted({part.dataset for part in parts.values()})
    dataset_of_label = np.searchsorted(datasets, [part.dataset for part in label_parts_in_order])
    moments = Moments(len(labels), tables.dim)
    for batch, codes in tables.batches(label):
        moments.add(batch, codes)
    anchors = np.stack([_anchor(moments.means, label_parts_in_order, name) for name in datasets])
    basis = _Basis.of(moments, anchors[dataset_of_label], tables.batches(label))
    axes = np.hstack([basis.axes, basis.beyond(anchors)])
    projected = np.empty((len(tables), axes.shape[1]), np.float32)
    place = np.empty(len(tables), np.int64)
    place[tables.order] = np.arange(len(tables))
    start = 0
    for batch, codes in tables.batches(label):
        for first in range(0, len(batch), _PROJECTED_ROWS):
            part = slice(first, first + _PROJECTED_ROWS)
            rows = place[start + first : start + first + len(batch[part])]
            projected[rows] = (batch[part] - anchors[dataset_of_label[codes[part]]]) @ axes
        start += len(batch)
    label = label[tables.order]
    kept = basis.axes.shape[1]
    return Traces(
        labels.tolist(),
        parts,
        datasets,
        label,
        dataset_of_label[label],
        _recordings(tables, dataset_of_label[label], datasets),
        projected[:, :kept],
        projected[:, kept:],
        (anchors - anchors.mean(axis=0)) @ axes,
    )


def _recordings(tables: JoinedTables, dataset: Codes, datasets: list[str]) -> Codes:
    """The number of each row's recording, sorted by key; unknown ones of one dataset (n,) share a number."""
    known = tables.group[tables.order]
    unknown = known == ""
    if unknown.any():
        own = [f"\0{name}" for name in datasets]
        known = np.where(unknown, text_array([own[number] for number in dataset.tolist()]), known)
    return np.unique(known, return_inverse=True)[1]


def group_means(x: NDArray[np.floating], codes: Codes, count: int) -> Field:
    """Compute the mean of each code's rows.

    Args:
        x: (n, dim).
        codes: (n,) from 0 to count - 1.
        count: Number of codes.

    Returns:
        (count, dim); NaN for a code without rows.
    """
    sums = np.zeros((count, x.shape[1]))
    np.add.at(sums, codes, x)
    rows = np.bincount(codes, minlength=count)[:, None]
    return np.divide(sums, rows, out=np.full_like(sums, np.nan), where=rows > 0)


def _anchor(centres: Field, parts: list[LabelParts], dataset: str) -> Field:
    """The mean of a dataset's reals; of its categories where it has none."""
    own = [number for number, part in enumerate(parts) if part.dataset == dataset]
    reals = [number for number in own if parts[number].real]
    return np.asarray(centres[reals or own].mean(axis=0))


@dataclass(frozen=True, eq=False)
class _Basis:
    """The basis that all categories share.

    Attributes:
        directions: (dim, axes) the principal axes of the anchored rows above average, of length 1.
        axes: (dim, axes) what anchored rows are multiplied by to be whitened.
        widest: Standard deviation within categories along the widest axis.
    """

    directions: Field
    axes: Field
    widest: float

    @classmethod
    def of(cls, moments: Moments, anchors: Field, batches: Iterator[tuple[NDArray[np.float32], Codes]]) -> _Basis:
        """Compute it from the moments of the labels, the anchor of each, (labels, dim), and a pass over the rows."""
        count, dim = int(moments.counts.sum()), anchors.shape[1]
        about_anchors = moments.scatter(anchors)
        scale = float(np.sqrt(np.trace(about_anchors) / count / dim))
        if scale <= 1e-6 * float(np.abs(anchors).max()) or not scale:
            raise BadData(
                "the features are constant: nothing varies within a dataset", "check how the features were extracted"
            )
        mean = moments.counts @ (moments.means - anchors) / count
        directions = _widest_directions(moments.scatter(anchors + mean), count)
        within, anchored = (
            float(np.einsum("ij,ij->", directions, scatter @ directions))
            for scatter in (moments.scatter(), about_anchors)
        )
        if not within > 1e-9 * anchored:
            raise BadData("every category is a single point", "audit features that vary from row to row")
        variance, eigenvectors = np.linalg.eigh(shrunk_covariance(moments, batches, directions))
        return cls(directions, directions @ (eigenvectors / np.sqrt(variance)), float(np.sqrt(variance.max())))

    def beyond(self, anchors: Field) -> Field:
        """The axes outside the basis along which the anchors (datasets, dim) differ: (dim, further axes).

        Such differences are as visible to a classifier as the rest; they are given in units of the widest axis.
        """
        offsets = (anchors - anchors.mean(axis=0)) / self.widest
        outside = offsets - offsets @ self.directions @ self.directions.T
        size, directions = np.linalg.svd(outside, full_matrices=False)[1:]
        return np.asarray(directions[size > 1e-6].T / self.widest)


def _widest_directions(scatter: Field, count: int) -> Field:
    """The principal axes with more than an average share of the variance: (dim, axes)."""
    dim = len(scatter)
    axes, possible = min(MAX_AXES, count, dim), min(count, dim)
    variance, directions = principal_axes(scatter, axes)
    rest = (float(np.trace(scatter)) - variance.sum()) / (possible - axes) if axes < possible else 0.0
    # With many features, an axis with less than the average share of the variance is noise that whitening amplifies.
    average = (rest * (dim - axes) + variance.sum()) / dim
    return np.asarray(directions.T[:, variance > (average if dim > MAX_AXES else 1e-9 * average)])
