"""Tracers with a model of the families: a Gaussian of each category, a linear classifier, or both together."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kce import BadData, KCEError, hookimpl, recoverable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kce import Features, MergePlan

_FLOOR, _MOST_RIDGE = 1e-6, 1e6
_FAR, _NEVER = 1e12, -1e6
"""The distance from, and the logit of, a family without rows: finite, as all scores are."""


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


class _LinearHead:
    """Logistic regression of families on standardised features.

    Args:
        c: Inverse strength of the regularisation, above 0.
        max_iter: Iterations of L-BFGS, at most.
    """

    def __init__(self, c: float = 0.1, max_iter: int = 500) -> None:
        if c <= 0 or max_iter < 1:
            raise ValueError("c must be above 0 and max_iter at least 1")
        self.c, self.max_iter = c, max_iter

    def fit(self, features: Features, plan: MergePlan) -> None:
        """Learn to separate the families. Raises KCEError for fewer than two, and for rows that are not finite."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        families = [plan.classes[label] for label in features.label.tolist()]
        if len(set(families)) < 2:
            raise KCEError("a classifier needs rows of at least two families", "use the tracer `mahalanobis`")
        self._names = plan.names
        self._model = make_pipeline(StandardScaler(), LogisticRegression(C=self.c, max_iter=self.max_iter))
        with recoverable("the linear classifier"), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # it is regularised: the last steps change little
            self._model.fit(features.x, families)

    def _logits(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """(n, families); minus infinity for a family of which no rows were seen."""
        import numpy as np

        with recoverable("the linear classifier"):
            decided = np.asarray(self._model.decision_function(x), np.float64)
        if decided.ndim == 1:  # of two families it is the difference of their logits
            decided = np.stack([-decided / 2, decided / 2], axis=1)
        logits = np.full((len(x), len(self._names)), _NEVER)
        logits[:, [self._names.index(name) for name in self._model.classes_]] = decided
        return logits


class Softmax(_LinearHead):
    """Minus the logarithm of the family's probability (largest softmax of Hendrycks and Gimpel 2017, by family).

    A classifier of families, a logistic regression on standardised features. It compares families with each other, so
    what is unlike all of them may look sure to be one: it is the baseline of the others.

    Args:
        c: Inverse strength of the regularisation, above 0.
        max_iter: Iterations of L-BFGS, at most.
    """

    def score(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return how unlike each family each row is: (n, families), from 0."""
        import numpy as np
        from scipy.special import log_softmax

        return np.asarray(-log_softmax(self._logits(x), axis=1))


class Energy(_LinearHead):
    """Minus the logit of the family: its probability, and the energy of the row (Liu et al. 2020), in one score.

    The energy, minus the logarithm of the sum of exponentials of all logits, says how unlike all families a row is.
    Minus the logarithm of a family's probability plus the energy is minus its logit.

    Args:
        c: Inverse strength of the regularisation, above 0.
        max_iter: Iterations of L-BFGS, at most.
    """

    def score(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return how unlike each family each row is: (n, families)."""
        return -self._logits(x)


class MahalanobisEnergy:
    """The distance of `mahalanobis` and the logit of `energy` together, each in units of its spread on known faces.

    A distance does not see that a face lies between families, and a classifier does not see that it lies beyond all of
    them (the idea of ViM, Wang et al. 2022, which adds a residual to the logits).

    Args:
        weight: Of the logit, at least 0; 0 = the distance alone.
        own: As of `mahalanobis`.
        axes: As of `mahalanobis`.
        ridge: As of `mahalanobis`.
        c: As of `energy`.
    """

    def __init__(
        self, weight: float = 1.0, own: float = 0.7, axes: int = 16, ridge: float = 0.3, c: float = 0.1
    ) -> None:
        if not 0 <= weight < _MOST_RIDGE:
            raise ValueError(f"weight must be from 0 to below {_MOST_RIDGE:g}")
        self.weight = weight
        self._distance, self._head = Mahalanobis(own, axes, ridge), Energy(c)

    def fit(self, features: Features, plan: MergePlan) -> None:
        """Fit both; of a single family only the distance. Raises BadData for rows that are not finite or all equal."""
        import numpy as np

        self._distance.fit(features, plan)
        several = len({plan.classes[label] for label in features.label.tolist()}) > 1
        self._parts: list[tuple[float, Mahalanobis | Energy]] = [(1.0, self._distance)]
        if several and self.weight:
            self._head.fit(features, plan)
            self._parts.append((self.weight, self._head))
        family = np.array([plan.names.index(plan.classes[label]) for label in features.label.tolist()])
        rows = np.arange(len(family))
        self._parts = [
            (weight / max(float(part.score(features.x)[rows, family].std()), _FLOOR), part)
            for weight, part in self._parts
        ]

    def score(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return how unlike each family each row is: (n, families)."""
        import numpy as np

        return np.asarray(sum(weight * part.score(x) for weight, part in self._parts), np.float64)


@hookimpl
def kce_tracers() -> dict[str, Callable[..., Any]]:
    return {
        "mahalanobis": Mahalanobis,
        "max-softmax": Softmax,
        "energy": Energy,
        "mahalanobis-energy": MahalanobisEnergy,
    }
