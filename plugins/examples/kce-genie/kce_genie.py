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
    """Genie: single linkage that keeps the sizes of clusters alike.

    Joins the two nearest clusters until `n_clusters` are left; where the sizes have become too unequal, one of the
    smallest must be joined next. No row is noise, and nothing is random. Source: Gagolewski, Bartoszuk and Cena 2016,
    Information Sciences 363.

    Args:
        n_clusters: How many clusters to make.
        gini_threshold: How unequal the sizes may become, as a Gini index in [0, 1]: low values forbid small clusters,
            1 is plain single linkage.
    """

    name = "genie"
    requires: ClassVar = {"genieclust": "genieclust"}
    growth: ClassVar = {"time": 2, "memory": 1}  # of the spanning tree in many dimensions; in few it is faster

    def __init__(self, n_clusters: int = 8, gini_threshold: float = 0.3) -> None:
        if n_clusters < 1:
            raise ValueError("n_clusters must be at least 1")
        if not 0 <= gini_threshold <= 1:
            raise ValueError("gini_threshold must be in [0, 1]")
        self.n_clusters, self.gini_threshold = n_clusters, gini_threshold

    def fit_predict(self, x: NDArray[np.float32]) -> NDArray[np.int_]:
        """Cluster the rows of x (n, dim).

        Returns:
            Cluster numbers from 0 on, (n,) int64.

        Raises:
            KCEError: There are fewer rows than clusters, or x has NaN or infinite values.
        """
        import numpy as np

        if len(x) < self.n_clusters:
            raise KCEError(
                f"genie cannot make {self.n_clusters} clusters of {len(x)} rows",
                f"set n_clusters to {len(x)} at most, or cluster more categories",
            )
        if not np.isfinite(x).all():
            raise KCEError("genie cannot cluster values that are not finite", "check how the features were made")
        if len(x) == self.n_clusters:  # nothing to join: an error in genieclust
            return np.arange(len(x), dtype=np.int64)
        import genieclust

        # genieclust needs two columns or more; a column of zeros changes no distance.
        rows = np.pad(np.asarray(x, dtype=np.float64), ((0, 0), (0, max(0, 2 - x.shape[1]))))
        clusters = genieclust.Genie(self.n_clusters, gini_threshold=self.gini_threshold).fit_predict(rows)
        return np.array(clusters, dtype=np.int64)


@hookimpl
def kce_clusterers() -> dict[str, Callable[..., Any]]:
    return {"genie": Genie}
