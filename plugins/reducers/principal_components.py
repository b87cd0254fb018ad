"""The reducer `pca`: exact principal components of any number of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kce import KCEError, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kce import Moments


class PCA:
    """Principal component analysis.

    Exact: eigenvectors of the covariance, whose sum over batches of rows is in double precision (``kce.Moments``). So
    it holds a batch and the covariance, and never all rows. The sign of a component is that of scikit-learn: its
    largest entry is positive.

    Args:
        n_components: Components to keep, at most as many as there are rows and dimensions.

    Attributes:
        components_: (components, dim) the axes, by falling variance; after rows were transformed.
        explained_variance_: (components,) variance along them.
        explained_variance_ratio_: (components,) their shares of the whole variance.
        mean_: (dim,) the mean of the rows.
    """

    def __init__(self, n_components: int = 64) -> None:
        if n_components < 1:
            raise ValueError("n_components must be at least 1")
        self.n_components = n_components
        self._moments: Moments | None = None
        self._fitted = False

    def fit_transform(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Reduce x (n, dim) to (n, at most n_components) float32.

        Raises:
            KCEError: For fewer than 2 different rows, and for values that are not finite.
        """
        import numpy as np

        if not np.isfinite(x).all():
            raise KCEError("PCA cannot be made from NaN or infinity", "check how the features were extracted")
        self._moments = None
        for start in range(0, max(len(x), 1), _ROWS):
            self.partial_fit(x[start : start + _ROWS])
        reduced = [self.transform(x[start : start + _ROWS]) for start in range(0, max(len(x), 1), _ROWS)]
        return np.concatenate(reduced)

    def partial_fit(self, x: NDArray[np.float32]) -> PCA:
        """Add a batch x (n, dim)."""
        from kce import Moments  # it loads numpy

        if self._moments is None:
            self._moments = Moments(1, x.shape[1])
        self._moments.add(x)
        self._fitted = False
        return self

    def transform(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Reduce x (n, dim), of the rows that were added or others, to (n, at most n_components) float32.

        Raises:
            KCEError: If fewer than 2 different rows were added.
        """
        import numpy as np

        if not self._fitted:
            self._fit()
        centre = self.mean_.astype(np.float32)
        rest = (self.mean_ - centre) @ self.components_.T  # what rounding the mean leaves
        return np.asarray((x - centre) @ self.components_.astype(np.float32).T - rest, np.float32)

    def _fit(self) -> None:
        import numpy as np

        from kce import principal_axes

        rows = 0 if self._moments is None else int(self._moments.counts[0])
        if self._moments is None or rows < 2:
            raise KCEError(f"PCA cannot be made from {rows} rows", "use more rows, or the reducer `none`")
        scatter = self._moments.scatter()
        total = float(np.trace(scatter))
        if not total > 0:
            raise KCEError("PCA cannot be made from rows that are all equal", "check how the features were extracted")
        along, self.components_ = principal_axes(scatter, min(self.n_components, rows))
        self.explained_variance_: NDArray[np.float64] = along / (rows - 1)
        self.explained_variance_ratio_ = along / total
        self.mean_: NDArray[np.float64] = self._moments.means[0]
        self._fitted = True


_ROWS = 4096  # transformed at a time


@hookimpl
def kce_reducers() -> dict[str, Callable[..., Any]]:
    return {"pca": PCA}
