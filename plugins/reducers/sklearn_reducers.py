"""Reducers of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kce import KCEError, hookimpl, recoverable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class PCA:
    """Principal components, the first `n_components` of them, or as many as there are rows and dimensions.

    svd_solver  as scikit-learn's: "full" is exact, "covariance_eigh" much faster for many more rows than dimensions,
                "randomized" approximate
    seed        used by "randomized" alone
    After `fit_transform`, `explained_variance_ratio_` is each component's share of the variance.
    """

    def __init__(self, n_components: int = 64, svd_solver: str = "full", seed: int = 0) -> None:
        if n_components < 1:
            raise ValueError("n_components must be at least 1")
        self.n_components, self.svd_solver, self.seed = n_components, svd_solver, seed

    def fit_transform(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """x (n, dim) -> (n, at most n_components) float32. Raises KCEError for fewer than 2 rows."""
        import numpy as np
        from sklearn.decomposition import PCA as Inner  # noqa: N811

        if len(x) < 2:
            raise KCEError(f"PCA cannot be made of {len(x)} rows", "take more rows, or the reducer `none`")
        if not np.ptp(x, axis=0).any():  # no variance to share out: scikit-learn would divide by it
            raise KCEError("PCA cannot be made of rows that are all the same", "look at how the features were made")
        count = min(self.n_components, *x.shape)
        inner = Inner(count, svd_solver=self.svd_solver, random_state=self.seed)
        with recoverable("pca"):
            reduced = inner.fit_transform(x)
        self.explained_variance_ratio_: NDArray[np.float64] = inner.explained_variance_ratio_
        return np.asarray(reduced, dtype=np.float32)


@hookimpl
def kce_reducers() -> dict[str, Callable[..., Any]]:
    return {"pca": PCA}
