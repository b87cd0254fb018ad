"""Aligners that subtract a mean of each dataset: of its reals, or of all its categories."""

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
    """Subtracts the mean of the dataset's reals from every row.

    Whatever affects all pictures of a dataset equally affects its reals too, and cancels out of the difference, as with
    a control group. What affects the traces of forgery themselves stays.

    Args:
        unit: Whether to divide each category's rows by the length of their mean, so that only the direction of a
            forgery's trace counts and not its strength, which compression weakens.
    """

    reals = True

    def __init__(self, unit: bool = False) -> None:
        self.unit = unit

    def align(self, features: Features) -> NDArray[np.float32]:
        """Align the rows: (n, dim) float32. Raises BadData for a dataset without reals."""
        import numpy as np

        x = _anchored(features, features)
        return np.asarray(x / _lengths(features, x) if self.unit else x, np.float32)


class CodecDelta:
    """Subtracts the dataset's reals, and suppresses the directions in which re-encoding shifts features.

    Faces are seen in further views: saved as JPEG again, downscaled. How a category's anchored mean (``real-anchor``)
    moves from the original to a view, d, shows what storage does to a forgery's trace, without any truth. Rows are
    multiplied by W = (base (S + ridge s I) + r D'D / n)^(-1/2), where D holds all n such d, S is the pooled covariance
    within categories (Ledoit-Wolf) and s its mean variance: directions that storage moves, and those that vary within
    a category, count for little. Then each category's rows are divided by the length of their mean, since storage
    changes its length more than its direction; without this step weak traces come together, whatever made them.

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

    def align(self, features: Features) -> NDArray[np.float32]:
        """Align the rows: (n, dim) float32. Raises BadData for a dataset without reals, or without the views."""
        import numpy as np

        x = _anchored(features, features)
        if not len(x):
            return x.astype(np.float32)
        within = _within_category_covariance(features, x)
        dim = len(within)
        spread = within + self.ridge * max(np.trace(within) / dim, 1e-12) * np.eye(dim)
        deltas = self._deltas(features)
        values, axes = np.linalg.eigh(self.base * spread + self.r * deltas.T @ deltas / len(deltas))
        x = x @ (axes / np.sqrt(np.maximum(values, values[-1] * 1e-9))) @ axes.T
        return np.asarray(x / _lengths(features, x) if self.unit else x, np.float32)

    def _deltas(self, features: Features) -> Field:
        """Compute how each category's anchored mean moves in every view: (categories x views, dim)."""
        import numpy as np

        moves = []
        for name in self.views:
            if features.reals is None or name not in features.views or name not in features.reals.views:
                raise BadData(f"there is no view {name!r} of the features", "use `kce run`, which makes the views")
            seen = features.views[name]
            original = features.take(_rows_of_view(features, seen))
            _, codes = np.unique(original.label, return_inverse=True)
            moved = _anchored(seen, features, name) - _anchored(original, features)
            moves.append(_means(moved, codes))
        return np.concatenate(moves)


class WhitenedAnchor:
    """Subtracts the dataset's reals, and whitens by the scatter within categories, as Fisher's discriminant does.

    Anchored rows (``real-anchor``) are projected on the principal axes that hold more than an average share of their
    variance, and whitened by the pooled covariance within categories, reals among them (Ledoit-Wolf): an axis along
    which faces of one category differ among themselves counts for little. Then each category's rows are divided by the
    length of their mean to the `power`, since storage weakens traces, and weak ones would come together.

    Args:
        power: Power of the length, in [0, 1]: 0 keeps lengths, 1 leaves only directions.
        components: Number of principal axes, at most.
        seed: Random seed of the principal components.
    """

    reals = True

    def __init__(self, power: float = 0.5, components: int = 64, seed: int = 0) -> None:
        if not 0 <= power <= 1:
            raise KCEError(f"power = {power!r} is out of range", "it goes from 0 to 1")
        if components < 1:
            raise KCEError(f"components = {components} is out of range", "use at least 1")
        self.power, self.components, self.seed = power, components, seed

    def align(self, features: Features) -> NDArray[np.float32]:
        """Align the rows: (n, axes) float32.

        Raises:
            BadData: For a dataset without reals, and if every category is a single point.
        """
        import numpy as np

        x = _anchored(features, features)
        if not len(x) or features.reals is None:  # without reals _anchored has raised; this tells the type checker
            return x.astype(np.float32)
        own = _anchored(features.reals, features)
        labels = np.concatenate([features.label, features.reals.label])
        z = _whitened(np.concatenate([x, own]), labels, self.components, self.seed)[: len(x)]
        return np.asarray(z / _lengths(features, z) ** self.power, np.float32)


class DatasetCentre:
    """Subtracts the centre of the dataset, the mean of its categories' means, from every row.

    It needs no reals. But if two datasets hold different forgeries, that difference is subtracted too, and the mean of
    a dataset's only category becomes zero, whatever its forgery.
    """

    def align(self, features: Features) -> NDArray[np.float32]:
        """Align the rows: (n, dim) float32."""
        import numpy as np

        categories, codes = np.unique(features.label, return_inverse=True)
        if not len(categories):
            return features.x.copy()
        means = _means(features.x, codes)
        first = np.unique(codes, return_index=True)[1]
        datasets, dataset = np.unique(features.dataset[first], return_inverse=True)
        centres = np.stack([means[dataset == number].mean(axis=0) for number in range(len(datasets))])
        return np.asarray(features.x - centres[dataset[codes]], np.float32)


def _anchored(rows: Features, features: Features, view: str = "") -> Field:
    """Subtract the mean of the dataset's reals, in the same view, from every row: (n, dim) float64."""
    import numpy as np

    if features.reals is None:
        raise BadData("these features have no reals to subtract", "use `kce run`, which adds the reals of the datasets")
    reals = features.reals.views[view] if view else features.reals
    with_reals, codes = np.unique(reals.dataset, return_inverse=True)
    datasets, dataset = np.unique(rows.dataset, return_inverse=True)
    missing = sorted(set(datasets.tolist()) - set(with_reals.tolist()))
    if missing:
        raise BadData(
            f"there are no reals of {', '.join(missing)}",
            "add them to the face folder, or use an aligner that needs none",
        )
    if not len(rows):
        return rows.x.astype(np.float64)
    centres = _means(reals.x, codes)[np.searchsorted(with_reals, datasets)]
    return np.asarray(rows.x - centres[dataset], np.float64)


def _rows_of_view(features: Features, view: Features) -> NDArray[np.intp]:
    """Find the rows of the features that hold the faces of a view, in the view's order."""
    import numpy as np

    order = np.argsort(features.key, kind="stable")
    rows = order[np.searchsorted(features.key, view.key, sorter=order).clip(max=len(order) - 1)]
    if not (features.key[rows] == view.key).all():
        raise BadData("a view has faces that the features lack", "extract the features again")
    return np.asarray(rows)


def _within_category_covariance(features: Features, x: Field) -> Field:
    """Compute the pooled covariance within categories, with the shrinkage of Ledoit and Wolf (2004): (dim, dim)."""
    import numpy as np
    from sklearn.covariance import ledoit_wolf

    _, codes = np.unique(features.label, return_inverse=True)
    return np.asarray(ledoit_wolf(x - _means(x, codes)[codes], assume_centered=True)[0])


def _whitened(x: Field, labels: NDArray[Any], components: int, seed: int) -> Field:
    """Project rows on the principal axes above average, and whiten by the scatter within labels: (n, axes)."""
    import numpy as np
    from sklearn.covariance import ledoit_wolf
    from sklearn.decomposition import PCA

    pca = PCA(min(components, *x.shape), random_state=seed).fit(x)
    # With many features, an axis with less than the average share of the variance is noise that whitening amplifies.
    average = float(x.var(axis=0).sum()) / x.shape[1]
    kept = pca.explained_variance_ > (average if x.shape[1] > components else 1e-9 * average)
    z = x @ pca.components_[kept].T
    _, codes = np.unique(labels, return_inverse=True)
    residuals = z - _means(z, codes)[codes]
    if not float(np.square(residuals).mean()) > 1e-9 * float(np.square(z).mean()):
        raise BadData("every category is a single point, so there is no scatter to whiten by", "use more faces of each")
    variance, eigenvectors = np.linalg.eigh(ledoit_wolf(residuals, assume_centered=True)[0])
    return np.asarray(z @ (eigenvectors / np.sqrt(variance)))


def _lengths(features: Features, x: Field) -> Field:
    """Compute the length of each row's category mean: (n, 1), never 0."""
    import numpy as np

    if not len(x):
        return np.ones((0, 1))
    _, codes = np.unique(features.label, return_inverse=True)
    lengths = np.linalg.norm(_means(x, codes), axis=1)
    return np.where(lengths > 0, lengths, 1.0)[codes][:, None]


def _means(x: NDArray[Any], codes: NDArray[np.intp]) -> Field:
    """Compute the mean of the rows of each code: (codes, dim) float64."""
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
