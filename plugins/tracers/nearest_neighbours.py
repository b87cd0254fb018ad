"""The tracer `nearest-neighbours`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from kce import BadData, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kce import Features, MergePlan


class Neighbours:
    """Distance to the k-th nearest row of a family (Sun et al. 2022).

    Args:
        k: Which neighbour; of a family with fewer rows, the farthest.
        normalise: Whether features are scaled to length 1 first, as in the paper.
    """

    growth: ClassVar = {"time": 2}

    def __init__(self, k: int = 10, normalise: bool = False) -> None:
        if k < 1:
            raise ValueError("k must be at least 1")
        self.k, self.normalise = k, normalise

    def fit(self, features: Features, plan: MergePlan) -> None:
        """Keep the rows. Raises BadData for rows that are not finite."""
        import numpy as np
        from sklearn.neighbors import NearestNeighbors

        x = self._scaled(features.x)
        families = np.array([plan.classes[label] for label in features.label.tolist()])
        self._searches = [
            NearestNeighbors(n_neighbors=min(self.k, len(own)), algorithm="brute").fit(own) if len(own) else None
            for own in (x[families == family] for family in plan.names)
        ]

    def score(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return how unlike each family each row is: (n, families), from 0."""
        import numpy as np

        own = self._scaled(x)
        scores = np.full((len(x), len(self._searches)), _FAR, np.float32)
        for column, search in enumerate(self._searches):
            if search is not None and len(own):
                scores[:, column] = search.kneighbors(own)[0][:, -1]
        return scores

    def _scaled(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        import numpy as np

        if not len(x) or not np.isfinite(x).all():
            raise BadData("there are no features, or they are not finite", "check how the features were extracted")
        if not self.normalise:
            return x
        length = np.linalg.norm(x, axis=1, keepdims=True)
        return np.asarray(x / np.where(length > 0, length, 1), np.float32)


_FAR = 1e12
"""The distance from a family without rows: finite, as all scores are."""


@hookimpl
def kce_tracers() -> dict[str, Callable[..., Any]]:
    return {"nearest-neighbours": Neighbours}
