"""UMAP for KCE: the reducer `umap`, by umap-learn."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from kce import KCEError, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KCE_API = "1.0"
HINT = "`kce show reducer umap` lists its parameters; features that are too large must be scaled down"


class UMAP:
    """UMAP (McInnes, Healy and Melville 2018, arXiv 1802.03426): a layout that keeps neighbours together.

    n_components  dimensions of the layout, or as many as there are rows and dimensions
    n_neighbors   how many neighbours of a row count, itself among them: few show detail, many the whole
    min_dist      how near rows may lie to each other, in [0, 1]; 0 packs clusters tightly
    seed          of the layout's start and of the search for neighbours

    The same rows and seed give the same digits: it works in one thread, and starts from principal components, since
    umap-learn's own spectral start may draw numbers that no seed decides.
    """

    growth: ClassVar = {"time": 2, "memory": 2}  # up to 4,096 rows it measures all distances
    known_faults: ClassVar = {"row-order": "rows move one after the other: in another order they come to lie elsewhere"}

    def __init__(self, n_components: int = 2, n_neighbors: int = 15, min_dist: float = 0.1, seed: int = 0) -> None:
        if n_components < 1 or n_neighbors < 2:
            raise ValueError("n_components must be at least 1 and n_neighbors at least 2")
        if not 0 <= min_dist <= 1:
            raise ValueError("min_dist must lie in [0, 1]")
        self.n_components, self.n_neighbors, self.min_dist, self.seed = n_components, n_neighbors, min_dist, seed

    def fit_transform(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """x (n, dim) -> (n, at most n_components) float32. With fewer rows than n_neighbors, all are neighbours.

        Raises KCEError for fewer than 3 rows, rows that are all the same, and values that are not finite or too large.
        """
        import numpy as np

        if len(x) < 3 or x.shape[1] < 1:
            raise KCEError(
                f"UMAP cannot be made of {len(x)} rows of {x.shape[1]} values",
                "take more rows, or the reducer `none`",
            )
        if not np.isfinite(x).all():
            raise KCEError("UMAP cannot be made of values that are not finite", "look at how the features were made")
        if (x == x[0]).all():
            raise KCEError("UMAP cannot be made of rows that are all the same", "look at how the features were made")
        layout = self._layout(np.array(x, dtype=np.float32, order="C"))
        if not np.isfinite(layout).all():
            raise KCEError("UMAP found no finite layout", HINT)
        return layout

    def _layout(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        import numpy as np

        # It warns of TensorFlow, which it does not need here, and of divisions; what comes of those is looked at.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import numba
            import umap

            threads = numba.get_num_threads()
            try:
                found = umap.UMAP(
                    n_components=min(self.n_components, *x.shape),
                    n_neighbors=min(self.n_neighbors, len(x) - 1),
                    min_dist=self.min_dist,
                    init="pca",
                    random_state=self.seed,
                    n_jobs=1,
                ).fit_transform(x)
            except ValueError as error:
                raise KCEError(f"UMAP: {error}", HINT) from error
            finally:
                numba.set_num_threads(threads)  # umap-learn gives them back only where it succeeds
        return np.array(found, dtype=np.float32)


@hookimpl
def kce_reducers() -> dict[str, Callable[..., Any]]:
    return {"umap": UMAP}
