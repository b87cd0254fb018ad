"""The tracer `mahalanobis`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kce import BadData, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kce import Features, MergePlan


class Mahalanobis:
    """Squared Mahalanobis distance from the nearest category of a family (Lee et al. 2018), each spread in its own way.

    The covariance within categories, shared by all and shrunk as Ledoit and Wolf (2004) do, is mixed with that of each
    category (regularised discriminant analysis, Friedman 1989), of which the axes are kept along which it spreads most.
    A family is as far as its nearest category: those of several datasets need not lie together.

    Args:
        own: Share of the category's own covariance, from 0 (Lee et al.: all share one) to below 1.
        axes: How many axes of it are kept, at least 1.
        ridge: Added to the variance along every axis, in units of the mean variance; at least 0. Without it the many
            axes along which known faces hardly vary decide, and drown what sets an unseen family apart.
    """

    def __init__(self, own: float = 0.7, axes: int = 16, ridge: float = 0.3) -> None:
        if not 0 <= own < 1:
            raise ValueError("own must be from 0 to below 1")
        if axes < 1:
            raise ValueError("axes must be at least 1")
        if not 0 <= ridge <= _MOST_RIDGE:
            raise ValueError(f"ridge must be from 0 to {_MOST_RIDGE:g}")
        self.own, self.axes, self.ridge = own, axes, ridge

    def fit(self, features: Features, plan: MergePlan) -> None:
        """Learn means and covariances. Raises BadData for rows that are not finite, or all equal in each category."""
        import numpy as np
        from scipy.linalg import cholesky

        from kce import Moments, shrunk_covariance

        if not len(features) or not np.isfinite(features.x).all():
            raise BadData("there are no features, or they are not finite", "check how the features were extracted")
        categories, codes = np.unique(features.label, return_inverse=True)
        moments = Moments.of(features.x, codes, len(categories))
        covariance = shrunk_covariance(moments, [(features.x, codes)])
        if not np.trace(covariance) > 0:
            raise BadData("the rows of each category are all equal", "use more rows of each")
        # What varies in no category would weigh without bound.
        added = max(self.ridge, _FLOOR) * np.trace(covariance) / len(covariance)
        self._root = cholesky((1 - self.own) * covariance + added * np.eye(len(covariance)), lower=True)
        self._centre = moments.means.mean(axis=0)
        self._means = self._whitened(moments.means)
        self._spreads = [
            self._spread(self._whitened(features.x[codes == number]) - mean) for number, mean in enumerate(self._means)
        ]
        self._families = [
            [number for number, name in enumerate(categories.tolist()) if plan.classes[name] == family]
            for family in plan.names
        ]

    def score(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return how unlike each family each row is: (n, families), from 0."""
        import numpy as np

        if not np.isfinite(x).all():
            raise BadData("the features are not finite", "check how the features were extracted")
        rows = self._whitened(x)
        distances = np.stack([self._distance(rows, number) for number in range(len(self._means))], axis=1)
        nearest = [distances[:, own].min(axis=1) if own else np.full(len(x), _FAR) for own in self._families]
        return np.stack(nearest, axis=1)

    def _spread(self, residuals: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The axes (k, dim) along which whitened rows of a category spread most, and what a distance loses on each."""
        import numpy as np

        _, values, axes = np.linalg.svd(residuals * np.sqrt(self.own / len(residuals)), full_matrices=False)
        variance = values[: self.axes] ** 2
        # With the own variance v added, a squared length of 1 becomes 1 / (1 + v) along this axis.
        return axes[: self.axes], variance / (1 + variance)

    def _distance(self, rows: NDArray[np.float64], number: int) -> NDArray[np.float64]:
        """Squared distance of whitened rows from a category: (n,)."""
        import numpy as np

        axes, lost = self._spreads[number]
        away = rows - self._means[number]
        return np.asarray(np.maximum(np.square(away).sum(axis=1) - np.square(away @ axes.T) @ lost, 0))

    def _whitened(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        import numpy as np
        from scipy.linalg import solve_triangular

        return np.asarray(solve_triangular(self._root, (x - self._centre).T, lower=True).T)


_FLOOR, _MOST_RIDGE = 1e-6, 1e6
_FAR = 1e12
"""The distance from a family without rows: finite, as all scores are."""


@hookimpl
def kce_tracers() -> dict[str, Callable[..., Any]]:
    return {"mahalanobis": Mahalanobis}
