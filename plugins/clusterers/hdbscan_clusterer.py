"""The clusterer `hdbscan`, by the package of that name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kce import KCEError, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class HDBSCAN:
    """HDBSCAN: clusters of varying density, whose number it finds; noise is -1 (Campello, Moulavi and Sander 2013).

    Args:
        min_cluster_size: Rows that a cluster needs, at least 2.
        min_samples: Neighbours that a row needs, higher values making more rows noise; 0 = min_cluster_size.
        cluster_selection_method: "eom" (few large clusters) or "leaf" (many small ones).
    """

    name = "hdbscan"

    def __init__(self, min_cluster_size: int = 2, min_samples: int = 0, cluster_selection_method: str = "eom") -> None:
        if min_cluster_size < 2 or min_samples < 0:
            raise ValueError("min_cluster_size must be at least 2 and min_samples at least 0")
        if cluster_selection_method not in ("eom", "leaf"):
            raise ValueError('cluster_selection_method must be "eom" or "leaf"')
        self.min_cluster_size, self.min_samples = min_cluster_size, min_samples
        self.cluster_selection_method = cluster_selection_method

    def fit_predict(self, x: NDArray[np.float32]) -> NDArray[np.int_]:
        """Cluster x (n, dim) into numbers (n,). Raises KCEError for fewer rows than one cluster needs."""
        import hdbscan
        import numpy as np

        least = max(self.min_cluster_size, self.min_samples)
        if len(x) <= least:
            raise KCEError(
                f"hdbscan with clusters of {self.min_cluster_size} and {self.min_samples or least} samples needs more "
                f"than {least} rows; there are {len(x)}",
                "lower min_cluster_size and min_samples, or cluster more categories",
            )
        labels = hdbscan.HDBSCAN(
            min_cluster_size=self.min_cluster_size,
            min_samples=self.min_samples or None,
            cluster_selection_method=self.cluster_selection_method,
            core_dist_n_jobs=1,  # more would start processes, for tables that are small
        ).fit_predict(np.asarray(x, dtype=np.float64))
        return np.asarray(labels, dtype=np.int64)


@hookimpl
def kce_clusterers() -> dict[str, Callable[..., Any]]:
    return {"hdbscan": HDBSCAN}
