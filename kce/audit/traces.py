"""A feature table made comparable across datasets: reduced, less what a dataset's reals have, and whitened.

The *trace* of a category is the mean of its rows less the mean of its dataset's reals: what moves all rows of a dataset
alike (camera, storage, face size) is gone from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kce import labels
from kce.errors import BadData
from kce.system.rng import generator
from kce.types import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.labels import LabelParts

    Field = NDArray[np.float64]
    Codes = NDArray[np.int64]

MOST_AXES = 64  # of the common basis: a covariance of more would need more rows than audited tables have


@dataclass(frozen=True, eq=False)
class Traces:
    """The rows, by key, in a basis that all pairs of categories share.

    names    all labels, sorted, those of reals among them
    parts    label -> dataset and method
    label    (n,) number of each row's label in `names`
    dataset  (n,) number of each row's dataset in `datasets`
    group    (n,) number of each row's recording; rows of one dataset whose recording is unknown are of one
    x        (n, axes) whitened: rows scatter about their category's mean by about 1 along every axis; of each row, the
             anchor of its dataset is taken away: the mean of its reals, or of its categories where it has none
    whole    (n, more axes) the rows with their anchors left in, and the axes the anchors differ along
    """

    names: list[str]
    parts: dict[str, LabelParts]
    datasets: list[str]
    label: Codes
    dataset: Codes
    group: Codes
    x: Field
    whole: Field

    @property
    def forged(self) -> list[int]:
        """Numbers of the labels that are no reals."""
        return [number for number, name in enumerate(self.names) if not self.parts[name].real]

    def rows(self, number: int) -> Codes:
        """The rows of a label."""
        return np.flatnonzero(self.label == number)

    def recordings(self, number: int) -> int:
        """How many recordings the rows of a label are of."""
        return len(np.unique(self.group[self.rows(number)]))

    def home(self, number: int) -> int:
        """The number of a label's dataset."""
        return self.datasets.index(self.parts[self.names[number]].dataset)

    def reals(self, number: int) -> int | None:
        """The number of the reals of a label's dataset."""
        of = self.parts[self.names[number]].dataset
        return next((i for i, name in enumerate(self.names) if self.parts[name] == (of, labels.REAL)), None)

    def siblings(self, number: int) -> list[int]:
        """The other labels of a label's dataset, its reals among them."""
        of = self.parts[self.names[number]].dataset
        return [i for i, name in enumerate(self.names) if self.parts[name].dataset == of and i != number]


def concatenate_tables(tables: Sequence[Features]) -> Features:
    """The rows of several tables as one, by key. Raises BadData for other dims and for a key that stands twice."""
    dims = sorted({table.x.shape[1] for table in tables})
    if len(dims) > 1:
        raise BadData(f"the tables have features of {dims} dimensions", "audit tables of one backbone together")
    key = np.concatenate([table.key for table in tables])
    order = np.argsort(key, kind="stable")
    twice = np.flatnonzero(key[order][1:] == key[order][:-1])
    if len(twice):
        raise BadData(f"the key {key[order][twice[0]]} stands twice", "name each table once, and no rows in two tables")
    label, group, x = (np.concatenate([getattr(table, name) for table in tables]) for name in ("label", "group", "x"))
    return Features(key[order], label[order], group[order], x[order])


def compute_traces(features: Features, seed: int) -> Traces:
    """The traces of a table; the order of its rows does not matter. Raises BadData where nothing varies."""
    features = concatenate_tables([features])
    parts = labels.label_parts(features)
    names, label = np.unique(features.label, return_inverse=True)
    held = sorted({its.dataset for its in parts.values()})
    dataset = np.searchsorted(held, [parts[name].dataset for name in names.tolist()])[label]
    group = np.where(features.group == "", np.char.add("\0", np.array(held)[dataset]), features.group)
    centres = np.stack([features.x[label == number].mean(axis=0, dtype=np.float64) for number in range(len(names))])
    anchors = np.stack([_anchor(centres, [parts[name] for name in names.tolist()], name) for name in held])
    x, whole = _reduced(features.x, anchors, dataset, label, seed)
    return Traces(names.tolist(), parts, held, label, dataset, np.unique(group, return_inverse=True)[1], x, whole)


def group_means(x: Field, codes: Codes, count: int) -> Field:
    """Mean of each code's rows (count, dim); NaN for a code without rows."""
    sums = np.zeros((count, x.shape[1]))
    np.add.at(sums, codes, x)
    rows = np.bincount(codes, minlength=count)[:, None]
    return np.divide(sums, rows, out=np.full_like(sums, np.nan), where=rows > 0)


def _anchor(centres: Field, parts: list[LabelParts], dataset: str) -> Field:
    its = [number for number, one in enumerate(parts) if one.dataset == dataset]
    reals = [number for number in its if parts[number].real]
    return np.asarray(centres[reals or its].mean(axis=0))


def _reduced(x: NDArray[np.float32], anchors: Field, dataset: Codes, label: Codes, seed: int) -> tuple[Field, Field]:
    """The rows without their anchors, and with them, in whitened axes of the common basis."""
    from sklearn.covariance import ledoit_wolf
    from sklearn.decomposition import PCA

    moved = x - anchors.astype(np.float32)[dataset]  # the one copy of x
    scale = float(np.sqrt(np.mean(np.square(moved, dtype=np.float64))))
    if scale <= 1e-6 * float(np.abs(anchors).max()) or not scale:
        raise BadData("the features are constant: nothing varies within a dataset", "make the features again")
    moved /= scale
    axes = min(MOST_AXES, *moved.shape)
    lots = int(generator(seed, "basis").integers(2**31))
    pca = PCA(axes, random_state=lots).fit(moved)
    # Of many features, an axis with less than the average share of the variance is noise that whitening would blow up.
    average = float(pca.noise_variance_ * (moved.shape[1] - axes) + pca.explained_variance_.sum()) / moved.shape[1]
    kept = pca.explained_variance_ > (average if moved.shape[1] > MOST_AXES else 1e-9 * average)
    basis = pca.components_[kept].astype(np.float64)
    z = (moved @ basis.T.astype(np.float32)).astype(np.float64)
    scatter = z - group_means(z, label, int(label.max()) + 1)[label]
    if not float(np.square(scatter).mean()) > 1e-9 * float(np.square(z).mean()):
        raise BadData("every category is a single point", "audit features that vary from row to row")
    covariance = ledoit_wolf(scatter, assume_centered=True)[0]
    variance, turn = np.linalg.eigh(covariance)
    whitening = turn / np.sqrt(variance)
    offsets = (anchors - anchors.mean(axis=0)) / scale
    left = offsets - offsets @ basis.T @ basis
    # What the anchors differ by beyond the basis is as visible to a probe as the rest, in units of the widest axis.
    size, across = np.linalg.svd(left, full_matrices=False)[1:]
    beyond = across[size > 1e-6] / np.sqrt(variance.max())
    whole = np.hstack([z @ whitening + (offsets @ basis.T @ whitening)[dataset], moved @ beyond.T.astype(np.float32)])
    whole[:, basis.shape[0] :] += (offsets @ beyond.T)[dataset]
    return z @ whitening, whole
