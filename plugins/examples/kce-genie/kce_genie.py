"""Genie, by genieclust."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from kce import KCEError, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KCE_API = "1.0"


class Genie:
    """Joins nearest clusters, but the smallest ones first while sizes are too unequal (Gagolewski, Bartoszuk and Cena
    2016).

    n_clusters      how many are left
    gini_threshold  how unequal sizes may be, from 0 (not at all) to 1 (single linkage)
    """

    growth: ClassVar = {"time": 2}  # the spanning tree of many dimensions

    def __init__(self, n_clusters: int = 8, gini_threshold: float = 0.3) -> None:
        if n_clusters < 1 or not 0 <= gini_threshold <= 1:
            raise ValueError("n_clusters from 1, gini_threshold from 0 to 1")
        self.n_clusters, self.gini_threshold = n_clusters, gini_threshold

    def fit_predict(self, x: NDArray[np.float32]) -> NDArray[np.int_]:
        """x (n, dim) -> cluster numbers (n,). Raises KCEError for NaN, and for fewer rows than clusters."""
        import numpy as np

        if len(x) < self.n_clusters or not len(x):
            raise KCEError(
                f"genie cannot make {self.n_clusters} clusters of {len(x)} rows",
                f"ask for n_clusters={len(x)} at most, or give it more categories",
            )
        if not np.isfinite(x).all():
            raise KCEError("the features are not all finite", "make them again")
        if self.n_clusters in (1, len(x)):  # nothing to join, or nothing to choose
            return np.arange(len(x)) % self.n_clusters
        import genieclust

        inner = genieclust.Genie(n_clusters=self.n_clusters, gini_threshold=self.gini_threshold)
        return np.array(inner.fit_predict(np.asarray(x, dtype=np.float64)), dtype=np.int64)


@hookimpl
def kce_clusterers() -> dict[str, type[Genie]]:
    return {"genie": Genie}
