"""Traces: features made comparable across datasets by subtracting the mean of each dataset's reals, and whitened.

The *trace* of a category is the mean of its rows less the mean of its dataset's reals. Whatever shifts all rows of a
dataset alike (camera, storage, face size) cancels out of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kce.errors import BadData
from kce.labels import REAL, concatenate_texts, label_parts, text_array
from kce.system.rng import generator
from kce.types import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.labels import LabelParts

    Field = NDArray[np.float64]
    Codes = NDArray[np.int64]

MAX_AXES = 64
"""Of the common basis: a covariance of more axes would need more rows than audited tables have."""


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
        unanchored: (n, more axes) the rows with their anchors, with additional axes along which the anchors differ.
    """

    labels: list[str]
    parts: dict[str, LabelParts]
    datasets: list[str]
    label: Codes
    dataset: Codes
    group: Codes
    x: Field
    unanchored: Field

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


def concatenate_tables(tables: Sequence[Features]) -> Features:
    """Join the rows of several tables, sorted by key. Raises BadData for unequal dims and for duplicate keys."""
    dims = sorted({table.x.shape[1] for table in tables})
    if len(dims) > 1:
        raise BadData(f"the tables have features of {dims} dimensions", "audit tables of one backbone together")
    key, label, group = (
        concatenate_texts(getattr(table, name) for table in tables) for name in ("key", "label", "group")
    )
    order = np.argsort(key, kind="stable")
    duplicates = np.flatnonzero(key[order][1:] == key[order][:-1])
    if len(duplicates):
        raise BadData(
            f"the key {key[order][duplicates[0]]} occurs twice", "name each table once, and no rows in two tables"
        )
    x = np.concatenate([table.x for table in tables])
    return Features(key[order], label[order], group[order], x[order])


def compute_traces(features: Features, seed: int) -> Traces:
    """Anchor and whiten the rows of a table; their order does not matter.

    Args:
        features: The categories and, as far as there are any, the reals of their datasets.
        seed: Random seed of the principal components.

    Raises:
        BadData: If keys are duplicate, or the features do not vary within a dataset or a category.
    """
    features = concatenate_tables([features])
    parts = label_parts(features)
    labels, label = np.unique(features.label, return_inverse=True)
    datasets = sorted({part.dataset for part in parts.values()})
    dataset = np.searchsorted(datasets, [parts[name].dataset for name in labels.tolist()])[label]
    unknown = [f"\0{name}" for name in datasets]
    group = np.where(features.group == "", text_array([unknown[number] for number in dataset.tolist()]), features.group)
    centres = np.stack([features.x[label == number].mean(axis=0, dtype=np.float64) for number in range(len(labels))])
    label_parts_in_order = [parts[name] for name in labels.tolist()]
    anchors = np.stack([_anchor(centres, label_parts_in_order, name) for name in datasets])
    x, unanchored = _whitened(features.x, anchors, dataset, label, seed)
    recording = np.unique(group, return_inverse=True)[1]
    return Traces(labels.tolist(), parts, datasets, label, dataset, recording, x, unanchored)


def group_means(x: Field, codes: Codes, count: int) -> Field:
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


def _whitened(x: NDArray[np.float32], anchors: Field, dataset: Codes, label: Codes, seed: int) -> tuple[Field, Field]:
    """The rows without their anchors, and with them, in whitened axes of the common basis."""
    from sklearn.covariance import ledoit_wolf
    from sklearn.decomposition import PCA

    anchored = x - anchors.astype(np.float32)[dataset]  # the only copy of x
    scale = float(np.sqrt(np.mean(np.square(anchored, dtype=np.float64))))
    if scale <= 1e-6 * float(np.abs(anchors).max()) or not scale:
        raise BadData(
            "the features are constant: nothing varies within a dataset", "check how the features were extracted"
        )
    anchored /= scale
    axes = min(MAX_AXES, *anchored.shape)
    pca = PCA(axes, random_state=int(generator(seed, "basis").integers(2**31))).fit(anchored)
    # With many features, an axis with less than the average share of the variance is noise that whitening amplifies.
    average = float(pca.noise_variance_ * (anchored.shape[1] - axes) + pca.explained_variance_.sum())
    average /= anchored.shape[1]
    kept = pca.explained_variance_ > (average if anchored.shape[1] > MAX_AXES else 1e-9 * average)
    basis = pca.components_[kept].astype(np.float64)
    z = (anchored @ basis.T.astype(np.float32)).astype(np.float64)
    residuals = z - group_means(z, label, int(label.max()) + 1)[label]
    if not float(np.square(residuals).mean()) > 1e-9 * float(np.square(z).mean()):
        raise BadData("every category is a single point", "audit features that vary from row to row")
    covariance = ledoit_wolf(residuals, assume_centered=True)[0]
    variance, eigenvectors = np.linalg.eigh(covariance)
    whitening = eigenvectors / np.sqrt(variance)
    offsets = (anchors - anchors.mean(axis=0)) / scale
    outside = offsets - offsets @ basis.T @ basis
    # Differences of the anchors outside the basis are as visible to a classifier as the rest; they are given in units
    # of the widest axis.
    size, directions = np.linalg.svd(outside, full_matrices=False)[1:]
    beyond = directions[size > 1e-6] / np.sqrt(variance.max())
    unanchored = np.hstack(
        [z @ whitening + (offsets @ basis.T @ whitening)[dataset], anchored @ beyond.T.astype(np.float32)]
    )
    unanchored[:, basis.shape[0] :] += (offsets @ beyond.T)[dataset]
    return z @ whitening, unanchored
