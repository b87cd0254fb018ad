"""The reducer `none`, which changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kce import hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class NoReducer:
    """Returns the features with all their dimensions."""

    def fit_transform(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Copy the features: (n, dim)."""
        return x.copy()  # a caller that changes the result must not change the input

    def partial_fit(self, x: NDArray[np.float32]) -> None:
        """Do nothing: there is nothing to learn."""

    def transform(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Copy the features: (n, dim)."""
        return x.copy()


@hookimpl
def kce_reducers() -> dict[str, Callable[..., Any]]:
    return {"none": NoReducer}
