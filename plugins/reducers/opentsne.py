"""t-SNE by openTSNE, which is fast on large tables and reproducible."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from kce import KCEError, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class TSNE:
    """t-SNE: a map that keeps neighbours together (van der Maaten and Hinton 2008).

    Args:
        n_components: Dimensions of the map, normally 2.
        perplexity: The effective number of neighbours of a row; at most (n - 1) / 3 is used.
        seed: Random seed of the initial map and of the search for neighbours.
        n_jobs: Threads; more than one change the order of additions, and with it the last digits.
    """

    growth: ClassVar = {"time": 2}

    def __init__(self, n_components: int = 2, perplexity: float = 30.0, seed: int = 0, n_jobs: int = 1) -> None:
        if n_components < 1 or perplexity <= 0:
            raise ValueError("n_components must be at least 1 and perplexity above 0")
        self.n_components, self.perplexity, self.seed, self.n_jobs = n_components, perplexity, seed, n_jobs

    def fit_transform(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Reduce x (n, dim) to (n, n_components) float32.

        Raises:
            KCEError: If there are fewer than 4 rows, fewer dimensions than components, or all rows are equal.
        """
        import numpy as np
        import openTSNE

        if len(x) < 4 or x.shape[1] < self.n_components:
            raise KCEError(
                f"t-SNE to {self.n_components} dimensions cannot be made from {len(x)} rows of {x.shape[1]}",
                "use more rows, or the reducer `none`",
            )
        if not np.ptp(x, axis=0).any():
            raise KCEError("t-SNE cannot be made from rows that are all equal", "check how the features were extracted")
        fitted = openTSNE.TSNE(
            n_components=self.n_components,
            perplexity=min(self.perplexity, (len(x) - 1) / 3),
            random_state=self.seed,
            n_jobs=self.n_jobs,
            # Interpolation, which is faster, supports one and two dimensions.
            negative_gradient_method="auto" if self.n_components < 3 else "bh",
        ).fit(np.asarray(x, dtype=np.float64))
        return np.asarray(fitted, dtype=np.float32)


@hookimpl
def kce_reducers() -> dict[str, Callable[..., Any]]:
    return {"tsne": TSNE}
