"""HDBSCAN, by the hdbscan package."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kce import KCEError, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class HDBSCAN:
    """Clusters of any density; finds their number by itself. Noise is -1. (Campello, Moulavi and Sander 2013)

    min_cluster_size          fewest rows of a cluster, from 2 on
    min_samples               how dense a row's neighbourhood must be for it not to be noise; 0 = min_cluster_size
    cluster_selection_method  "eom" (few large clusters) or "leaf" (many small ones)
    """

    name = "hdbscan"

    def __init__(self, min_cluster_size: int = 2, min_samples: int = 0, cluster_selection_method: str = "eom") -> None:
        if min_cluster_size < 2 or min_samples < 0:
            raise ValueError("min_cluster_size must be at least 2 and min_samples not below 0")
        if cluster_selection_method not in ("eom", "leaf"):
            raise ValueError('cluster_selection_method must be "eom" or "leaf"')
        self.min_cluster_size, self.min_samples = min_cluster_size, min_samples
        self.cluster_selection_method = cluster_selection_method

    def fit_predict(self, x: NDArray[np.float32]) -> NDArray[np.int_]:
        """x (n, dim) -> cluster numbers (n,). Raises KCEError for fewer rows than a cluster or a neighbourhood has."""
        import hdbscan
        import numpy as np

        least = max(self.min_cluster_size, self.min_samples)
        if len(x) <= least:
            raise KCEError(
                f"hdbscan with clusters of {self.min_cluster_size} and {self.min_samples or least} samples needs more "
                f"than {least} rows; there are {len(x)}",
                "lower min_cluster_size and min_samples, or cluster more categories",
            )
        found = hdbscan.HDBSCAN(
            min_cluster_size=self.min_cluster_size,
            min_samples=self.min_samples or None,
            cluster_selection_method=self.cluster_selection_method,
            core_dist_n_jobs=1,  # more would be processes, for tables that are small
        ).fit_predict(np.asarray(x, dtype=np.float64))
        return np.asarray(found, dtype=np.int64)


@hookimpl
def kce_clusterers() -> dict[str, Callable[..., Any]]:
    return {"hdbscan": HDBSCAN}
