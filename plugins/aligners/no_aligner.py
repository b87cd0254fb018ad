"""The aligner `none`, which changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kce import hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kce import Features, FeatureStream


class NoAligner:
    """Returns the features as the backbone extracted them."""

    def align(self, features: Features) -> NDArray[np.float32]:
        """Copy the features: (n, dim)."""
        return self.transform(features)

    def fit(self, rows: FeatureStream) -> None:
        """Learn nothing."""

    def transform(self, features: Features) -> NDArray[np.float32]:
        """Copy the features: (n, dim)."""
        return features.x.copy()  # a caller that changes the result must not change the input


@hookimpl
def kce_aligners() -> dict[str, Callable[..., Any]]:
    return {"none": NoAligner}
