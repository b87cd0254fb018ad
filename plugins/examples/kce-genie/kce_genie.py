"""Genie for KCE: the clusterer `genie`, by genieclust."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from kce import KCEError, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KCE_API = "1.0"


class Genie:
    """Genie (Gagolewski, Bartoszuk and Cena 2016, Information Sciences 363): single linkage that keeps sizes alike.

    Joins the two nearest clusters until `n_clusters` are left; but where the sizes have become too unequal, one of the
    smallest must be joined next. No row is noise. The method draws nothing by lot.

    gini_threshold  how unequal the sizes may become, as a Gini index in [0, 1]: low ones forbid small clusters,
                    1 is plain single linkage
    """

    name = "genie"
    growth: ClassVar = {"time": 2, "memory": 1}  # of the spanning tree in many dimensions; in few it is faster

    def __init__(self, n_clusters: int = 8, gini_threshold: float = 0.3) -> None:
        if n_clusters < 1:
            raise ValueError("n_clusters must be at least 1")
        if not 0 <= gini_threshold <= 1:
            raise ValueError("gini_threshold must lie in [0, 1]")
        self.n_clusters, self.gini_threshold = n_clusters, gini_threshold

    def fit_predict(self, x: NDArray[np.float32]) -> NDArray[np.int_]:
        """x (n, dim) -> cluster numbers (n,), from 0 on. Raises KCEError for more clusters than rows, NaN and inf."""
        import numpy as np

        if len(x) < self.n_clusters:
            raise KCEError(
                f"genie cannot make {self.n_clusters} clusters of {len(x)} rows",
                f"ask for n_clusters={len(x)} at most, or give it more categories",
            )
        if not np.isfinite(x).all():
            raise KCEError("genie cannot cluster values that are not finite", "look at how the features were made")
        if len(x) == self.n_clusters:  # nothing to join, which genieclust refuses
            return np.arange(len(x), dtype=np.int64)
        import genieclust

        # genieclust wants two columns at least; of zeros they change no distance.
        rows = np.pad(np.asarray(x, dtype=np.float64), ((0, 0), (0, max(0, 2 - x.shape[1]))))
        found = genieclust.Genie(self.n_clusters, gini_threshold=self.gini_threshold).fit_predict(rows)
        return np.array(found, dtype=np.int64)


@hookimpl
def kce_clusterers() -> dict[str, Callable[..., Any]]:
    return {"genie": Genie}
