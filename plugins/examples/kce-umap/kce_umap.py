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
HINT = "`kce show reducer umap` lists its parameters; scale features down that are too large"


class UMAP:
    """UMAP: a layout that keeps neighbours together.

    The same rows and seed give the same digits: it uses one thread, and starts from principal components, since
    umap-learn's own spectral start may use random numbers that do not depend on the seed. Source: McInnes, Healy and
    Melville 2018, arXiv 1802.03426.

    Args:
        n_components: Dimensions of the layout; fewer if there are fewer rows or dimensions.
        n_neighbors: How many neighbours of a row count, including the row: few show detail, many the whole.
        min_dist: How near rows may be to each other, in [0, 1]; 0 packs clusters tightly.
        seed: Random seed of the layout's start and of the search for neighbours.
    """

    requires: ClassVar = {"umap": "umap-learn"}
    growth: ClassVar = {"time": 2, "memory": 2, "up_to": 4096}  # with so many rows it computes all distances
    known_faults: ClassVar = {"row-order": "rows are moved one after the other, so another order gives another layout"}

    def __init__(self, n_components: int = 2, n_neighbors: int = 15, min_dist: float = 0.1, seed: int = 0) -> None:
        if n_components < 1 or n_neighbors < 2:
            raise ValueError("n_components must be at least 1 and n_neighbors at least 2")
        if not 0 <= min_dist <= 1:
            raise ValueError("min_dist must be in [0, 1]")
        self.n_components, self.n_neighbors, self.min_dist, self.seed = n_components, n_neighbors, min_dist, seed

    def fit_transform(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Lay out the rows of x (n, dim). With fewer rows than n_neighbors, all rows are neighbours.

        Returns:
            The layout, (n, at most n_components) float32.

        Raises:
            KCEError: There are fewer than 3 rows, all rows are the same, or values are not finite or too large.
        """
        import numpy as np

        if len(x) < 3 or x.shape[1] < 1:
            raise KCEError(
                f"UMAP cannot lay out {len(x)} rows of {x.shape[1]} values",
                "use more rows, or the reducer `none`",
            )
        if not np.isfinite(x).all():
            raise KCEError("UMAP cannot lay out values that are not finite", "check how the features were made")
        if (x == x[0]).all():
            raise KCEError("UMAP cannot lay out rows that are all the same", "check how the features were made")
        layout = self._layout(np.array(x, dtype=np.float32, order="C"))
        if not np.isfinite(layout).all():
            raise KCEError("the layout of UMAP has values that are not finite", HINT)
        return layout

    def _layout(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        import numpy as np

        # It warns of a missing TensorFlow, which it does not need here, and of divisions; the result is checked.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import numba
            import umap

            threads = numba.get_num_threads()
            try:
                layout = umap.UMAP(
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
                numba.set_num_threads(threads)  # umap-learn restores them only if it succeeds
        return np.array(layout, dtype=np.float32)


@hookimpl
def kce_reducers() -> dict[str, Callable[..., Any]]:
    return {"umap": UMAP}
