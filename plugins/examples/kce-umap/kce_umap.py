"""UMAP, by umap-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from kce import KCEError, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KCE_API = "1.0"


class UMAP:
    """Uniform manifold approximation and projection (McInnes, Healy and Melville 2018).

    n_components  dimensions that are left
    n_neighbors   of each row, or as many as there are other rows: few show what is near, many show the whole
    min_dist      how near rows may lie in the answer; 0 packs clusters
    seed          of the start and of the layout, which is then done in one thread

    The first call of a process compiles for some ten seconds.
    """

    growth: ClassVar = {"time": 2, "memory": 2}  # up to 4,096 rows all distances are computed
    known_faults: ClassVar = {"row-order": "the layout is drawn row by row: another order gives another map"}

    def __init__(self, n_components: int = 2, n_neighbors: int = 15, min_dist: float = 0.0, seed: int = 0) -> None:
        if n_components < 1 or n_neighbors < 2 or min_dist < 0:
            raise ValueError("n_components from 1, n_neighbors from 2, min_dist from 0")
        self.n_components, self.n_neighbors, self.min_dist, self.seed = n_components, n_neighbors, min_dist, seed

    def fit_transform(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """x (n, dim) -> (n, n_components) float32. Raises KCEError for NaN, and for too few rows or dimensions."""
        import warnings

        import numpy as np

        if len(x) < self.n_components + 3 or x.shape[1] < self.n_components:
            raise KCEError(
                f"UMAP to {self.n_components} dimensions cannot be made of {len(x)} rows of {x.shape[1]}",
                "take more rows, or the reducer `none`",
            )
        if not np.isfinite(x).all():
            raise KCEError("the features are not all finite", "make them again")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of TensorFlow, which another part of it would use
            import umap

            found = umap.UMAP(
                n_components=self.n_components,
                n_neighbors=min(self.n_neighbors, len(x) - 1),
                min_dist=self.min_dist,
                random_state=self.seed,
                n_jobs=1,
            ).fit_transform(x)
        return np.array(found, dtype=np.float32)


@hookimpl
def kce_reducers() -> dict[str, type[UMAP]]:
    return {"umap": UMAP}
