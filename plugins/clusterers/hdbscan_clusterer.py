"""The clusterer `hdbscan`, by the package of that name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from kce import BadValue, LibraryClusterer, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(eq=False, repr=False)
class HDBSCAN(LibraryClusterer):
    """HDBSCAN: clusters of varying density, whose number it finds; noise is -1 (Campello, Moulavi and Sander 2013).

    Args:
        min_cluster_size: Rows that a cluster needs, at least 2.
        min_samples: Neighbours that a row needs, higher values making more rows noise; 0 = min_cluster_size.
        cluster_selection_method: "eom" (few large clusters) or "leaf" (many small ones).
    """

    min_cluster_size: int = 2
    min_samples: int = 0
    cluster_selection_method: str = "eom"
    name: ClassVar = "hdbscan"
    library: ClassVar = "hdbscan:HDBSCAN"

    def check_parameters(self) -> None:
        """Raise BadValue for sizes and methods that there are not."""
        if self.min_cluster_size < 2 or self.min_samples < 0:
            raise BadValue("min_cluster_size must be at least 2 and min_samples at least 0", "choose higher numbers")
        if self.cluster_selection_method not in ("eom", "leaf"):
            raise BadValue('cluster_selection_method must be "eom" or "leaf"', "choose one of them")

    def find(self, x: NDArray[np.float64]) -> Any:
        """Cluster x (n, dim); raises BadValue for fewer rows than one cluster needs, and for NaN and infinity."""
        import numpy as np

        if not np.isfinite(x).all():
            raise BadValue("hdbscan cannot cluster NaN or infinity", "check how the features were extracted")
        least = max(self.min_cluster_size, self.min_samples)
        if len(x) <= least:
            raise BadValue(
                f"hdbscan with clusters of {self.min_cluster_size} and {self.min_samples or least} samples needs more "
                f"than {least} rows; there are {len(x)}",
                "lower min_cluster_size and min_samples, or cluster more categories",
            )
        self.estimator_ = self.make(core_dist_n_jobs=1)  # more would start processes, for tables that are small
        self.estimator_.min_samples = self.min_samples or None
        return self.estimator_.fit_predict(x if x.flags.writeable else x.copy())


@hookimpl
def kce_clusterers() -> dict[str, Callable[..., Any]]:
    return {"hdbscan": HDBSCAN}
