"""t-SNE by openTSNE, which is fast on large tables and the same every time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from kce import KCEError, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class TSNE:
    """t-SNE (van der Maaten and Hinton 2008) to `n_components` dimensions, normally 2.

    perplexity  how many neighbours a row has, in a manner of speaking; no more than (n - 1) / 3 is used
    seed        of the layout's start and of the search for neighbours
    n_jobs      threads; with more than one the sums are added up in another order, and the digits vary
    """

    growth: ClassVar = {"time": 2}

    def __init__(self, n_components: int = 2, perplexity: float = 30.0, seed: int = 0, n_jobs: int = 1) -> None:
        if n_components < 1 or perplexity <= 0:
            raise ValueError("n_components must be at least 1 and perplexity above 0")
        self.n_components, self.perplexity, self.seed, self.n_jobs = n_components, perplexity, seed, n_jobs

    def fit_transform(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """x (n, dim) -> (n, n_components) float32. Raises KCEError for fewer than 4 rows or too few dimensions."""
        import numpy as np
        import openTSNE

        if len(x) < 4 or x.shape[1] < self.n_components:
            raise KCEError(
                f"t-SNE to {self.n_components} dimensions cannot be made of {len(x)} rows of {x.shape[1]}",
                "take more rows, or the reducer `none`",
            )
        if not np.ptp(x, axis=0).any():
            raise KCEError("t-SNE cannot be made of rows that are all the same", "look at how the features were made")
        fitted = openTSNE.TSNE(
            n_components=self.n_components,
            perplexity=min(self.perplexity, (len(x) - 1) / 3),
            random_state=self.seed,
            n_jobs=self.n_jobs,
            # Interpolation, the fast way, is for one and two dimensions.
            negative_gradient_method="auto" if self.n_components < 3 else "bh",
        ).fit(np.asarray(x, dtype=np.float64))
        return np.asarray(fitted, dtype=np.float32)


@hookimpl
def kce_reducers() -> dict[str, Callable[..., Any]]:
    return {"tsne": TSNE}
