"""The reducer `pca`: exact principal components of any number of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from kce import BadValue, Estimator, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kce import Moments


class PCA(Estimator):
    """Principal component analysis.

    Exact: eigenvectors of the covariance, whose sum over batches of rows is in double precision (``kce.Moments``). So
    it holds a batch and the covariance, and never all rows. The sign of a component is that of scikit-learn: its
    largest entry is positive.

    Args:
        n_components: Components to keep, at most as many as there are rows and dimensions.

    Attributes:
        components_: (components, dim) the axes, by falling variance.
        explained_variance_: (components,) variance along them.
        explained_variance_ratio_: (components,) their shares of the whole variance.
        mean_: (dim,) the mean of the rows.
    """

    _moments: Moments | None = None
    _fitted = False  # to all rows that were added

    def __init__(self, n_components: int = 64) -> None:
        self.n_components = n_components

    def fit(self, x: NDArray[np.float32], y: object = None) -> Self:  # noqa: ARG002 - as in scikit-learn
        """Find the components of x (n, dim).

        Raises:
            BadValue: For fewer than 2 different rows, and for values that are not finite.
        """
        self._moments = None
        rows = self.check_rows(x)
        for start in range(0, max(len(rows), 1), _ROWS):
            self.partial_fit(rows[start : start + _ROWS])
        self._fit()
        return self

    def fit_transform(self, x: NDArray[np.float32], y: object = None) -> NDArray[np.float32]:
        """Reduce x (n, dim) to (n, at most n_components) float32; raises as ``fit`` does."""
        return self.fit(x, y).transform(x)

    def partial_fit(self, x: NDArray[np.float32], y: object = None) -> Self:  # noqa: ARG002
        """Add a batch x (n, dim).

        Raises:
            BadValue: For values that are not finite, and a width other than that of the batches before.
        """
        import numpy as np

        from kce import Moments  # it loads numpy

        rows = self.check_rows(x, reset=self._moments is None)
        if not np.isfinite(rows).all():
            raise BadValue("PCA cannot be made from NaN or infinity", "check how the features were extracted")
        if self._moments is None:
            self._moments = Moments(1, rows.shape[1])
        self._moments.add(rows)
        self._fitted = False
        return self

    def transform(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Reduce x (n, dim), of the rows that were added or others, to (n, at most n_components) float32.

        Raises:
            BadValue: If fewer than 2 different rows were added, and for values that are not finite.
        """
        import numpy as np

        if not self._fitted:
            self._fit()
        rows = self.check_rows(x, reset=False)
        centre = self.mean_.astype(np.float32)
        rest = (self.mean_ - centre) @ self.components_.T  # what rounding the mean leaves
        axes = self.components_.astype(np.float32).T
        reduced = np.empty((len(rows), len(self.components_)), np.float32)
        for start in range(0, len(rows), _ROWS):  # so that a difference of all rows is never held
            part = rows[start : start + _ROWS]
            reduced[start : start + len(part)] = (part - centre) @ axes - rest
        if not np.isfinite(reduced).all():  # as it is where x is not, and cheaper to see
            raise BadValue("PCA cannot be made from NaN or infinity", "check how the features were extracted")
        return reduced

    def check_parameters(self) -> None:
        """Raise BadValue for fewer than 1 component."""
        if self.n_components < 1:
            raise BadValue("n_components must be at least 1", "give a number of components from 1")

    def _fit(self) -> None:
        import numpy as np

        from kce import principal_axes

        rows = 0 if self._moments is None else int(self._moments.counts[0])
        if self._moments is None or rows < 2:
            raise BadValue(
                f"PCA cannot be made from so few rows (n_samples = {rows})", "use more rows, or the reducer `none`"
            )
        scatter = self._moments.scatter()
        total = float(np.trace(scatter))
        if not total > 0:
            raise BadValue("PCA cannot be made from rows that are all equal", "check how the features were extracted")
        along, self.components_ = principal_axes(scatter, min(self.n_components, rows))
        self.explained_variance_: NDArray[np.float64] = along / (rows - 1)
        self.explained_variance_ratio_ = along / total
        self.mean_: NDArray[np.float64] = self._moments.means[0]
        self._fitted = True


_ROWS = 4096  # transformed at a time


@hookimpl
def kce_reducers() -> dict[str, Callable[..., Any]]:
    return {"pca": PCA}
