"""Reducers from scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kce import KCEError, hookimpl, recoverable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class PCA:
    """Principal component analysis.

    Args:
        n_components: Components to keep, at most as many as there are rows and dimensions.
        svd_solver: Solver, as in scikit-learn: "full" is exact, "covariance_eigh" much faster for many more rows than
            dimensions, "randomized" approximate.
        seed: Random seed of the solver "randomized"; the others use none.

    Attributes:
        explained_variance_ratio_: (components,) each one's share of the variance, after ``fit_transform``.
    """

    def __init__(self, n_components: int = 64, svd_solver: str = "full", seed: int = 0) -> None:
        if n_components < 1:
            raise ValueError("n_components must be at least 1")
        self.n_components, self.svd_solver, self.seed = n_components, svd_solver, seed

    def fit_transform(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Reduce x (n, dim) to (n, at most n_components) float32. Raises KCEError for fewer than 2 different rows."""
        import numpy as np
        from sklearn.decomposition import PCA as Inner  # noqa: N811

        if len(x) < 2:
            raise KCEError(f"PCA cannot be made from {len(x)} rows", "use more rows, or the reducer `none`")
        if not np.ptp(x, axis=0).any():  # scikit-learn would divide by the total variance
            raise KCEError("PCA cannot be made from rows that are all equal", "check how the features were extracted")
        count = min(self.n_components, *x.shape)
        inner = Inner(count, svd_solver=self.svd_solver, random_state=self.seed)
        with recoverable("pca"):
            reduced = inner.fit_transform(x)
        self.explained_variance_ratio_: NDArray[np.float64] = inner.explained_variance_ratio_
        return np.asarray(reduced, dtype=np.float32)


@hookimpl
def kce_reducers() -> dict[str, Callable[..., Any]]:
    return {"pca": PCA}
