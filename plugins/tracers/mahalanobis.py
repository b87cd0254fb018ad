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
    """Squared Mahalanobis distance from the nearest category of a family (Lee et al. 2018).

    The covariance is that within categories, shared by all and shrunk as Ledoit and Wolf (2004) do. A family is as far
    as its nearest category: those of several datasets need not lie together.

    Args:
        ridge: Added to the variance along every axis, in units of the mean variance; at least 0. Without it the many
            axes along which known faces hardly vary decide, and drown what sets an unseen family apart.
    """

    def __init__(self, ridge: float = 1.0) -> None:
        if not 0 <= ridge <= _MOST_RIDGE:
            raise ValueError(f"ridge must be from 0 to {_MOST_RIDGE:g}")
        self.ridge = ridge

    def fit(self, features: Features, plan: MergePlan) -> None:
        """Learn means and covariance. Raises BadData for rows that are not finite, or all equal in each category."""
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
        self._root = cholesky(covariance + added * np.eye(len(covariance)), lower=True)
        self._centre = moments.means.mean(axis=0)
        self._means = self._whitened(moments.means)
        self._families = [
            [number for number, name in enumerate(categories.tolist()) if plan.classes[name] == family]
            for family in plan.names
        ]

    def score(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return how unlike each family each row is: (n, families), from 0."""
        import numpy as np
        from sklearn.metrics import euclidean_distances

        if not np.isfinite(x).all():
            raise BadData("the features are not finite", "check how the features were extracted")
        distances = euclidean_distances(self._whitened(x), self._means, squared=True)
        nearest = [distances[:, own].min(axis=1) if own else np.full(len(x), _FAR) for own in self._families]
        return np.stack(nearest, axis=1)

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
