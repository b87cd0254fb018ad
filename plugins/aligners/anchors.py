"""Aligners that know a dataset by its own means: those of its reals, or of all its categories."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from kce import BadData, KCEError, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kce import Features

    Field = NDArray[np.float64]


class RealAnchor:
    """Every row as its difference from the mean of its own dataset's reals.

    What a dataset does to all its pictures alike, it does to its reals, and the difference is without it. What it does
    to the traces of forgery themselves stays.

    unit  also divide each category's rows by the length of their mean, so that only the direction of a forgery's trace
          counts and not its strength, which compression weakens

    Raises BadData for a dataset without reals. The anchoring is that of measuring against a control.
    """

    reals = True

    def __init__(self, unit: bool = False) -> None:
        self.unit = unit

    def align(self, features: Features) -> NDArray[np.float32]:
        import numpy as np

        x = _anchored(features, features)
        return np.asarray(x / _lengths(features, x) if self.unit else x, np.float32)


class CodecDelta:
    """Differences from the dataset's reals, blind to what storing pictures once more would change, of unit length.

    Faces are seen in further views: saved as JPEG again, made smaller. How a category's anchored mean (``real-anchor``)
    moves from view to view, d, is what storage does to a forgery's trace; no truth is needed to know it. Rows are
    multiplied by W = (base (S + ridge s I) + r D'D / n)^(-1/2), D being all such d, S the pooled covariance within
    categories (Ledoit-Wolf) and s its mean variance: directions that storage moves, and those that vary within a
    category, count for little. Then each category's rows are divided by the length of their mean, since storage
    weakens a trace more than it turns it; without that step weak traces fall together, whatever made them.

    views   of the pictures, as ``kce.faces.reencode`` names them
    base    weight of the covariance within categories
    r       weight of the codec's directions
    ridge   added to the covariance, as a share of its mean variance: directions that hardly vary are not blown up
    unit    the division by the length

    Raises BadData for a dataset without reals, KCEError for weights that are none.
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
            raise KCEError(f"views = {views!r} are no views", 'a list, as in views=["jpeg70","scale90+jpeg80"]')
        for name, value, least in (("base", base, 1e-6), ("r", r, 0.0), ("ridge", ridge, 0.0)):
            if not value >= least:
                raise KCEError(f"{name} = {value!r} is no weight", f"a number from {least:g} on")
        self.views = tuple(views)
        self.base, self.r, self.ridge, self.unit = base, r, ridge, unit

    def align(self, features: Features) -> NDArray[np.float32]:
        import numpy as np

        x = _anchored(features, features)
        if not len(x):
            return x.astype(np.float32)
        within = _within(features, x)
        dim = len(within)
        spread = within + self.ridge * max(np.trace(within) / dim, 1e-12) * np.eye(dim)
        deltas = self._deltas(features)
        values, axes = np.linalg.eigh(self.base * spread + self.r * deltas.T @ deltas / len(deltas))
        x = x @ (axes / np.sqrt(np.maximum(values, values[-1] * 1e-9))) @ axes.T
        return np.asarray(x / _lengths(features, x) if self.unit else x, np.float32)

    def _deltas(self, features: Features) -> Field:
        """How each category's anchored mean moves, in every view: (categories x views, dim)."""
        import numpy as np

        moves = []
        for name in self.views:
            if features.reals is None or name not in features.views or name not in features.reals.views:
                raise BadData(f"the features hold no view {name!r}", "a run makes the views; a table alone has none")
            seen = features.views[name]
            still = features.take(_places(features, seen))
            _, codes = np.unique(still.label, return_inverse=True)
            moved = _anchored(seen, features, name) - _anchored(still, features)
            moves.append(_means(moved, codes))
        return np.concatenate(moves)


class WhitenedAnchor:
    """Differences from the dataset's reals, in units of how faces of one category scatter.

    Anchored rows (``real-anchor``) are projected on the principal axes that hold more than an average share of their
    variance, and whitened by the pooled covariance within categories, reals among them (Ledoit-Wolf): an axis along
    which faces of one category differ among themselves counts for little. Then each category's rows are divided by
    the length of their mean to the `power`: storage weakens traces, and weak ones would fall together.

    power       0 = lengths as they are, 1 = directions alone; between the two, both count
    components  principal axes at most

    Raises BadData for a dataset without reals and for rows of which every category is a single point, KCEError for a
    power or a number that is none. Whitening by the scatter within classes is that of Fisher's discriminant.
    """

    reals = True

    def __init__(self, power: float = 0.5, components: int = 64, seed: int = 0) -> None:
        if not 0 <= power <= 1:
            raise KCEError(f"power = {power!r} is out of its range", "it goes from 0 to 1")
        if components < 1:
            raise KCEError(f"components = {components} is no number of axes", "at least 1")
        self.power, self.components, self.seed = power, components, seed

    def align(self, features: Features) -> NDArray[np.float32]:
        import numpy as np

        x = _anchored(features, features)
        if not len(x) or features.reals is None:
            return x.astype(np.float32)
        own = _anchored(features.reals, features)
        labels = np.concatenate([features.label, features.reals.label])
        z = _whitened(np.concatenate([x, own]), labels, self.components, self.seed)[: len(x)]
        return np.asarray(z / _lengths(features, z) ** self.power, np.float32)


class DatasetCentre:
    """Every row as its difference from the centre of its dataset: the mean of the means of its categories.

    It needs no reals; but where two datasets hold other forgeries, the centre takes their difference along, and a
    dataset with one category loses it whole.
    """

    def align(self, features: Features) -> NDArray[np.float32]:
        import numpy as np

        categories, codes = np.unique(features.label, return_inverse=True)
        if not len(categories):
            return features.x.copy()
        means = _means(features.x, codes)
        first = np.unique(codes, return_index=True)[1]
        sets, places = np.unique(features.dataset[first], return_inverse=True)
        centres = np.stack([means[places == place].mean(axis=0) for place in range(len(sets))])
        return np.asarray(features.x - centres[places[codes]], np.float32)


def _anchored(rows: Features, features: Features, view: str = "") -> Field:
    """The rows less the mean of their dataset's reals, those seen in the same view: (n, dim) float64."""
    import numpy as np

    if features.reals is None:
        raise BadData("the features come without reals to anchor them by", "a run brings the reals of its datasets")
    reals = features.reals.views[view] if view else features.reals
    names, codes = np.unique(reals.dataset, return_inverse=True)
    wanted, places = np.unique(rows.dataset, return_inverse=True)
    missing = sorted(set(wanted.tolist()) - set(names.tolist()))
    if missing:
        raise BadData(
            f"there are no reals of {', '.join(missing)}", "add them to the faces, or take an aligner that needs none"
        )
    if not len(rows):
        return rows.x.astype(np.float64)
    centres = _means(reals.x, codes)[np.searchsorted(names, wanted)]
    return np.asarray(rows.x - centres[places], np.float64)


def _places(features: Features, seen: Features) -> NDArray[np.intp]:
    """Where the faces of a view stand among the features."""
    import numpy as np

    order = np.argsort(features.key, kind="stable")
    places = order[np.searchsorted(features.key, seen.key, sorter=order).clip(max=len(order) - 1)]
    if not (features.key[places] == seen.key).all():
        raise BadData("a view holds faces that the features do not", "make the features again")
    return np.asarray(places)


def _within(features: Features, x: Field) -> Field:
    """The pooled covariance within categories, shrunk as Ledoit and Wolf (2004) do."""
    import numpy as np
    from sklearn.covariance import ledoit_wolf

    _, codes = np.unique(features.label, return_inverse=True)
    return np.asarray(ledoit_wolf(x - _means(x, codes)[codes], assume_centered=True)[0])


def _whitened(x: Field, labels: NDArray[Any], components: int, seed: int) -> Field:
    """On the principal axes that count, in units of the scatter within labels: (n, axes)."""
    import numpy as np
    from sklearn.covariance import ledoit_wolf
    from sklearn.decomposition import PCA

    pca = PCA(min(components, *x.shape), random_state=seed).fit(x)
    # Of many features, an axis with less than the average share of the variance is noise that whitening would blow up.
    average = float(x.var(axis=0).sum()) / x.shape[1]
    kept = pca.explained_variance_ > (average if x.shape[1] > components else 1e-9 * average)
    z = x @ pca.components_[kept].T
    _, codes = np.unique(labels, return_inverse=True)
    scatter = z - _means(z, codes)[codes]
    if not float(np.square(scatter).mean()) > 1e-9 * float(np.square(z).mean()):
        raise BadData("every category is a single point: nothing tells how faces scatter", "bring more faces of each")
    values, turn = np.linalg.eigh(ledoit_wolf(scatter, assume_centered=True)[0])
    return np.asarray(z @ (turn / np.sqrt(values)))


def _lengths(features: Features, x: Field) -> Field:
    """Of each row, the length of its category's mean: (n, 1); never 0."""
    import numpy as np

    if not len(x):
        return np.ones((0, 1))
    _, codes = np.unique(features.label, return_inverse=True)
    lengths = np.linalg.norm(_means(x, codes), axis=1)
    return np.where(lengths > 0, lengths, 1.0)[codes][:, None]


def _means(x: NDArray[Any], codes: NDArray[np.intp]) -> Field:
    """The mean of the rows of each code: (codes, dim) float64."""
    import numpy as np

    return np.stack([x[codes == code].mean(axis=0, dtype=np.float64) for code in range(codes.max() + 1)])


@hookimpl
def kce_aligners() -> dict[str, Callable[..., Any]]:
    return {
        "real-anchor": RealAnchor,
        "whitened-anchor": WhitenedAnchor,
        "codec-delta": CodecDelta,
        "dataset-centre": DatasetCentre,
    }
