"""Tracers by a linear classifier of families: its largest probability, or its energy."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kce import KCEError, hookimpl, recoverable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kce import Features, MergePlan


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


_NEVER = -1e6
"""The logit of a family without rows: finite, as all scores are."""


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


@hookimpl
def kce_tracers() -> dict[str, Callable[..., Any]]:
    return {"max-softmax": Softmax, "energy": Energy}
