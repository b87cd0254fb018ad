"""The reducer `none`, which changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from kce import Estimator, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class NoReducer(Estimator):
    """Returns the features with all their dimensions."""

    def fit(self, x: NDArray[np.float32], y: object = None) -> Self:  # noqa: ARG002 - as in scikit-learn
        """Learn the number of dimensions."""
        self.check_rows(x)
        return self

    def fit_transform(self, x: NDArray[np.float32], y: object = None) -> NDArray[np.floating[Any]]:  # noqa: ARG002
        """Copy the features: (n, dim)."""
        return self.check_rows(x).copy()  # a caller that changes the result must not change the input

    def partial_fit(self, x: NDArray[np.float32], y: object = None) -> Self:  # noqa: ARG002
        """Learn the number of dimensions: there is nothing else to learn."""
        self.check_rows(x, reset=not hasattr(self, "n_features_in_"))
        return self

    def transform(self, x: NDArray[np.float32]) -> NDArray[np.floating[Any]]:
        """Copy the features: (n, dim)."""
        return self.check_rows(x, reset=False).copy()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit, tags.input_tags.allow_nan = False, True
        return tags


@hookimpl
def kce_reducers() -> dict[str, Callable[..., Any]]:
    return {"none": NoReducer}
