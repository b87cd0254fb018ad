"""Aligners that subtract a mean of each dataset: of its reals, or of all its categories.

They need means and covariances, which are summed over batches of rows, and never all rows at once.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kce import BadData, KCEError, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kce import Features, FeatureStream, Moments

    Field = NDArray[np.float64]

_log = logging.getLogger("kce.anchors")

_ROWS = 1024  # aligned at a time, in double precision
_TAKEN_ROWS = 4096  # of the originals of a view, read at a time


@dataclass(frozen=True, eq=False)
class _Counterparts:
    """The reals that rows derive from.

    Attributes:
        places: (dataset, recording) -> its place in `means`.
        means: (recordings, dim) float32, the mean of a dataset's reals of a recording.
    """

    places: Mapping[tuple[str, str], int]
    means: NDArray[np.float32]

    def places_of(self, rows: Features) -> NDArray[np.intp]:
        """The place of each row's counterpart, (n,); -1 where it has none."""
        import numpy as np

        named = zip(rows.dataset.tolist(), rows.recording.tolist(), strict=True)
        return np.array([self.places.get(name, -1) for name in named], np.intp)


@dataclass(frozen=True, eq=False)
class _Alignment:
    """What each row becomes: less the centre of its category, along some axes, divided by the length of its category.

    Attributes:
        codes: Category -> its number.
        centres: (categories, dim).
        lengths: (categories,), none 0; None = 1.
        axes: (dim, axes); None = those of the rows.
        counterparts: Subtracted instead of the centre, from rows that have one.
    """

    codes: Mapping[str, int]
    centres: Field
    lengths: Field | None = None
    axes: Field | None = None
    counterparts: _Counterparts | None = None

    def apply(self, features: Features) -> NDArray[np.float32]:
        import numpy as np

        codes = _codes(features.label, self.codes)
        centres = self.centres[codes]
        if self.counterparts is not None:
            places = self.counterparts.places_of(features)
            centres[places >= 0] = self.counterparts.means[places[places >= 0]]
        x = features.x - centres
        if self.axes is not None:
            x = x @ self.axes
        if self.lengths is not None:
            x /= self.lengths[codes][:, None]
        return np.asarray(x, np.float32)

    def batches(self, rows: FeatureStream) -> Iterator[tuple[NDArray[np.float32], NDArray[np.intp]]]:
        """Yield what all rows become, and the numbers of their categories."""
        for batch in rows.batches(_ROWS):
            yield self.apply(batch), _codes(batch.label, self.codes)


class _AnchorAligner(ABC):
    """An aligner that treats all rows of a category alike; see ``_Alignment``."""

    _alignment: _Alignment | None = None

    def align(self, features: Features) -> NDArray[np.float32]:
        """Align all rows: (n, dim or fewer) float32. Raises as ``fit``."""
        self.fit(features)
        return self.transform(features)

    def fit(self, rows: FeatureStream) -> None:
        """Learn the means of the categories and their datasets, and what else the aligner needs."""
        self._alignment = self._learn(rows)

    def transform(self, features: Features) -> NDArray[np.float32]:
        """Align some of the rows: (n, dim or fewer) float32. Raises BadData for a category that `fit` has not seen."""
        import numpy as np

        if self._alignment is None:
            raise KCEError("this aligner has learned from no rows", "call `fit` before `transform`")
        parts = [self._alignment.apply(batch) for batch in features.batches(_ROWS)]
        return np.concatenate(parts) if parts else self._alignment.apply(features)

    @abstractmethod
    def _learn(self, rows: FeatureStream) -> _Alignment: ...


class RealAnchor(_AnchorAligner):
    """Subtracts the mean of the dataset's reals from every row.

    Whatever affects all pictures of a dataset equally affects its reals too, and cancels out of the difference, as with
    a control group. What affects the traces of forgery themselves stays. Raises BadData for a dataset without reals.

    Args:
        unit: Whether to divide each category's rows by the length of their mean, so that only the direction of a
            forgery's trace counts and not its strength, which compression weakens.
        paired: Whether a row becomes its difference from the reals of its own recording, where its dataset has them:
            what a person and a picture add cancels out, too, and `--k estimate` knows better how far chance moves a
            mean. It holds a mean for each recording of reals, and warns of rows that have none.
    """

    reals = True

    def __init__(self, unit: bool = False, paired: bool = False) -> None:
        self.unit, self.paired = unit, paired

    def _learn(self, rows: FeatureStream) -> _Alignment:
        from kce import code_means

        datasets, reals = _datasets(rows), _reals(rows)
        codes, anchors = _numbered(datasets), _anchors(reals, datasets.values())
        if not codes:
            return _Alignment(codes, anchors)
        alignment = _Alignment(codes, anchors, counterparts=_counterparts(rows, reals) if self.paired else None)
        if not self.unit:
            return alignment
        return replace(alignment, lengths=_lengths(code_means(alignment.batches(rows), len(codes))))


class CodecDelta(_AnchorAligner):
    """Subtracts the dataset's reals, and suppresses the directions in which re-encoding shifts features.

    Faces are seen in further views: saved as JPEG again, downscaled. How a category's anchored mean (``real-anchor``)
    moves from the original to a view, d, shows what storage does to a forgery's trace, without any truth. Rows are
    multiplied by W = (base (S + ridge s I) + r D'D / n)^(-1/2), where D holds all n such d, S is the pooled covariance
    within categories (Ledoit-Wolf) and s its mean variance: directions that storage moves, and those that vary within
    a category, count for little. Then each category's rows are divided by the length of their mean, since storage
    changes its length more than its direction; without this step weak traces come together, whatever made them.
    Raises BadData for a dataset without reals, or without the views.

    Args:
        views: Views of the pictures, by the names of ``kce.faces.reencode``.
        base: Weight of the covariance within categories, at least 1e-6.
        r: Weight of the directions of storage, at least 0.
        ridge: Added to the covariance, as a share of its mean variance, so that directions that hardly vary are not
            amplified; at least 0.
        unit: Whether to divide by the length.
    """

    reals = True

    def __init__(
        self,
        views: Sequence[str] = ("jpeg70", "scale90+jpeg80", "scale80+jpeg60"),
        base: float = 0.1,
        r: float = 3.0,
        ridge: float = 1.0,
        unit: bool = True,
    ) -> None:
        if isinstance(views, str) or not views:
            raise KCEError(
                f"views = {views!r} is not a list of views", 'write, for example, views=["jpeg70","scale90+jpeg80"]'
            )
        for name, value, lowest in (("base", base, 1e-6), ("r", r, 0.0), ("ridge", ridge, 0.0)):
            if not value >= lowest:
                raise KCEError(f"{name} must be at least {lowest:g}, not {value!r}", "choose a larger number")
        self.views = tuple(views)
        self.base, self.r, self.ridge, self.unit = base, r, ridge, unit

    def _learn(self, rows: FeatureStream) -> _Alignment:
        import numpy as np

        from kce import Moments, shrunk_covariance

        datasets = _datasets(rows)
        codes, anchors = _numbered(datasets), _anchors(_reals(rows), datasets.values())
        if not codes:
            return _Alignment(codes, anchors)
        moments = Moments(len(codes), rows.dim)
        for x, own in _coded(codes, rows):
            moments.add(x, own)
        within = shrunk_covariance(moments, _coded(codes, rows))
        within += self.ridge * max(np.trace(within) / rows.dim, 1e-12) * np.eye(rows.dim)
        deltas = self._deltas(rows, datasets)
        values, axes = np.linalg.eigh(self.base * within + self.r * deltas.T @ deltas / len(deltas))
        weights = axes / np.sqrt(np.maximum(values, values[-1] * 1e-9)) @ axes.T
        lengths = _lengths((moments.means - anchors) @ weights) if self.unit else None
        return _Alignment(codes, anchors, lengths, weights)

    def _deltas(self, rows: FeatureStream, datasets: Mapping[str, str]) -> Field:
        """Compute how each category's anchored mean moves in every view: (categories x views, dim)."""
        import numpy as np

        from kce import code_means

        moves = []
        for name in self.views:
            if name not in rows.views or name not in _reals(rows).views:
                raise BadData(f"there is no view {name!r} of the features", "use `kce run`, which makes the views")
            seen = rows.views[name]
            places = _rows_of_view(rows, seen)
            present, codes = np.unique(rows.label[places], return_inverse=True)
            own = [datasets[label] for label in present.tolist()]
            after = code_means(_batches_of(seen, np.arange(len(seen)), codes), len(present))
            before = code_means(_batches_of(rows, places, codes), len(present))
            moves.append(after - _anchors(_reals(rows).views[name], own) - (before - _anchors(_reals(rows), own)))
        return np.concatenate(moves)


class WhitenedAnchor(_AnchorAligner):
    """Subtracts the dataset's reals, and whitens by what moves the mean of a category without being its forgery.

    That is chance, and storage. Chance moves it by the covariance within categories (Ledoit-Wolf), divided by the
    number of recordings. Which way storage moves a forgery's trace is not known: it is taken to do so equally along
    all axes, by a share of the variance by which it moves the reals of the datasets, less what chance adds to that.
    Where datasets are stored alike, this is whitening within categories, as of Fisher's discriminant; the more their
    reals differ, the less is whitened. A dataset whose reals are another's counts as stored like that one.

    Rows are projected before on the principal axes of the anchored rows (``real-anchor``) that hold more than an
    average share of their variance, and divided afterwards by the length of their category's mean to the `power`,
    since storage weakens traces, and weak ones would come together.
    Raises BadData for a dataset without reals, and if every category is a single point.

    Args:
        power: Power of the length, in [0, 1]: 0 keeps lengths, 1 leaves only directions.
        components: Number of principal axes, at most.
        storage: That share, at least 0; 0 whitens by chance alone.
        paired: As of ``real-anchor``: rows become their differences from the reals of their own recording.
    """

    reals = True

    def __init__(self, power: float = 1.0, components: int = 64, storage: float = 0.05, paired: bool = False) -> None:
        if not 0 <= power <= 1:
            raise KCEError(f"power = {power!r} is out of range", "it goes from 0 to 1")
        if components < 1:
            raise KCEError(f"components = {components} is out of range", "use at least 1")
        if not 0 <= storage < float("inf"):
            raise KCEError(f"storage = {storage!r} is out of range", "it is a number of at least 0")
        self.power, self.components, self.storage, self.paired = power, components, storage, paired

    def _learn(self, rows: FeatureStream) -> _Alignment:
        import numpy as np

        from kce import Moments, shrunk_covariance

        datasets, reals = _datasets(rows), _reals(rows)
        codes, anchors = _numbered(datasets), _anchors(reals, datasets.values())
        if not codes:
            return _Alignment(codes, anchors)
        anchored = _Alignment(codes, anchors, counterparts=_counterparts(rows, reals) if self.paired else None)
        moments = Moments(len(codes), rows.dim)
        for x, own in anchored.batches(rows):
            moments.add(x, own)
        axes = _widest_axes(moments, self.components)
        within, whole = (
            float(np.einsum("ij,ij->", axes, scatter @ axes))
            for scatter in (moments.scatter(), moments.scatter(np.zeros_like(moments.means)))
        )
        if not within > 1e-9 * whole:
            raise BadData(
                "every category is a single point, so there is no scatter to whiten by", "use more faces of each"
            )
        chance = shrunk_covariance(moments, anchored.batches(rows), axes) * _mean_inverse(_recordings(rows))
        storage = _variance_of_datasets(reals, axes) if self.storage else 0.0
        variance, eigenvectors = np.linalg.eigh(chance + self.storage * storage * np.eye(len(chance)))
        whitening = axes @ (eigenvectors / np.sqrt(variance))
        lengths = _lengths(moments.means @ whitening) ** self.power
        return replace(anchored, lengths=lengths, axes=whitening)


class DatasetCentre(_AnchorAligner):
    """Subtracts the centre of the dataset, the mean of its categories' means, from every row.

    It needs no reals. But if two datasets hold different forgeries, that difference is subtracted too, and the mean of
    a dataset's only category becomes zero, whatever its forgery.
    """

    def _learn(self, rows: FeatureStream) -> _Alignment:
        import numpy as np

        from kce import code_means

        by_category = _datasets(rows)
        codes = _numbered(by_category)
        if not codes:
            return _Alignment(codes, np.zeros((0, rows.dim)))
        means = code_means(_coded(codes, rows), len(codes))
        names, dataset = np.unique(list(by_category.values()), return_inverse=True)
        centres = np.stack([means[dataset == number].mean(axis=0) for number in range(len(names))])
        return _Alignment(codes, centres[dataset])


def _reals(rows: FeatureStream) -> FeatureStream:
    if rows.reals is None:
        raise BadData("these features have no reals to subtract", "use `kce run`, which adds the reals of the datasets")
    return rows.reals


def _datasets(rows: FeatureStream) -> dict[str, str]:
    """Category -> its dataset."""
    import numpy as np

    labels, first = np.unique(rows.label, return_index=True)
    return dict(zip(labels.tolist(), rows.dataset[first].tolist(), strict=True))


def _numbered(categories: Mapping[str, str]) -> dict[str, int]:
    return {category: number for number, category in enumerate(categories)}


def _codes(labels: NDArray[np.str_], codes: Mapping[str, int]) -> NDArray[np.intp]:
    """The number of each label (n,). Raises BadData for one that has none."""
    import numpy as np

    present, inverse = np.unique(labels, return_inverse=True)
    if missing := [label for label in present.tolist() if label not in codes]:
        raise BadData(f"the aligner has seen no rows of {', '.join(missing)}", "let it learn from all categories")
    return np.array([codes[label] for label in present.tolist()], np.intp)[inverse]


def _coded(codes: Mapping[str, int], *tables: FeatureStream) -> Iterator[tuple[Any, NDArray[np.intp]]]:
    """Yield x and the numbers of the categories, of all rows of these tables."""
    for table in tables:
        for batch in table.batches():
            yield batch.x, _codes(batch.label, codes)


def _anchors(reals: FeatureStream, datasets: Any) -> Field:
    """The mean of the reals of each of these datasets: (datasets, dim). Raises BadData for one without reals."""
    import numpy as np

    from kce import code_means

    of_label = _datasets(reals)
    names = sorted(set(of_label.values()))
    if missing := sorted(set(datasets) - set(names)):
        raise BadData(
            f"there are no reals of {', '.join(missing)}",
            "add them to the face folder, or use an aligner that needs none",
        )
    number = {name: place for place, name in enumerate(names)}
    means = code_means(_coded({label: number[name] for label, name in of_label.items()}, reals), len(names))
    return means[[number[name] for name in datasets]] if datasets else np.zeros((0, reals.dim))


def _counterparts(rows: FeatureStream, reals: FeatureStream) -> _Counterparts:
    """The mean of a dataset's reals of each recording that rows of it derive from."""
    import numpy as np

    from kce import code_means

    derived = Counter(zip(rows.dataset.tolist(), rows.recording.tolist(), strict=True))
    named = list(zip(reals.dataset.tolist(), reals.recording.tolist(), strict=True))
    places = {name: place for place, name in enumerate(dict.fromkeys(name for name in named if name in derived))}
    codes = np.array([places.get(name, len(places)) for name in named], np.intp)
    means = code_means(_batches_of(reals, np.arange(len(reals)), codes), len(places) + 1)[:-1]
    if alone := sum(count for name, count in derived.items() if name not in places):
        _log.warning(
            "%s of %s faces have no real of their own recording: from them the mean of the reals is subtracted",
            f"{alone:,}",
            f"{len(rows):,}",
        )
    return _Counterparts(places, means.astype(np.float32))


def _rows_of_view(rows: FeatureStream, view: FeatureStream) -> NDArray[np.intp]:
    """Find the rows that hold the faces of a view, in the view's order."""
    import numpy as np

    order = np.argsort(rows.key, kind="stable")
    places = order[np.searchsorted(rows.key, view.key, sorter=order).clip(max=len(order) - 1)]
    if not (rows.key[places] == view.key).all():
        raise BadData("a view has faces that the features lack", "extract the features again")
    return np.asarray(places)


def _batches_of(
    rows: FeatureStream, places: NDArray[np.intp], codes: NDArray[np.intp]
) -> Iterator[tuple[Any, NDArray[np.intp]]]:
    """Yield x at these places with the code of each, in the order in which they are stored."""
    import numpy as np

    order = np.argsort(places, kind="stable")
    for start in range(0, len(order), _TAKEN_ROWS):
        chosen = order[start : start + _TAKEN_ROWS]
        yield rows.take(places[chosen]).x, codes[chosen]


def _widest_axes(moments: Moments, most: int) -> Field:
    """The principal axes of rows that hold more than an average share of their variance: (dim, axes)."""
    import numpy as np

    from kce import principal_axes

    count, dim = int(moments.counts.sum()), moments.means.shape[1]
    mean = moments.counts @ moments.means / count
    scatter = moments.scatter(np.broadcast_to(mean, moments.means.shape))
    average = float(np.trace(scatter)) / count / dim
    values, axes = principal_axes(scatter, min(most, count))
    # With many features, an axis with less than the average share of the variance is noise that whitening amplifies.
    kept = values / (count - 1) > (average if dim > most else 1e-9 * average)
    return np.asarray(axes[kept].T)


def _recordings(rows: FeatureStream) -> list[int]:
    """How many recordings the rows of each category are of, in order of category."""
    import numpy as np

    _, codes = np.unique(rows.label, return_inverse=True)
    pairs = set(zip(codes.tolist(), rows.recording.tolist(), strict=True))
    return [int(count) for count in np.bincount([code for code, _ in pairs])]


def _mean_inverse(counts: Sequence[int]) -> float:
    return sum(1 / count for count in counts) / len(counts)


def _variance_of_datasets(reals: FeatureStream, axes: Field) -> float:
    """How much the means of the datasets' reals vary along an axis, on average and beyond chance; 0 of one dataset."""
    import numpy as np

    from kce import Moments

    names = sorted(set(reals.dataset.tolist()))
    if len(names) < 2:
        return 0.0
    moments = Moments(len(names), axes.shape[1])
    for batch in reals.batches():
        moments.add(batch.x @ axes, np.searchsorted(names, batch.dataset))
    chance = np.trace(moments.scatter()) / len(reals) * _mean_inverse(_recordings(reals))
    return max(float(np.trace(np.cov(moments.means.T)) - chance), 0.0) / int(axes.shape[1])


def _lengths(means: Field) -> Field:
    """The length of each mean, 1 where it is 0: (n,)."""
    import numpy as np

    lengths = np.linalg.norm(means, axis=1)
    return np.where(lengths > 0, lengths, 1.0)


@hookimpl
def kce_aligners() -> dict[str, Callable[..., Any]]:
    return {
        "real-anchor": RealAnchor,
        "whitened-anchor": WhitenedAnchor,
        "codec-delta": CodecDelta,
        "dataset-centre": DatasetCentre,
    }
