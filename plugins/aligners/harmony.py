"""The aligner `harmony`, by the package harmonypy: `pip install "kce-toolkit[harmony]"`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from kce import BadData, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kce import Features


_MIN_ROWS = 16


class Harmony:
    """Harmony: moves rows, one soft cluster at a time, until every cluster holds all datasets equally.

    It was made for single cells, where every batch has the same cell types. If datasets hold different forgeries, these
    are moved together as well: what is near afterwards need not be alike. Source: Korsunsky et al. 2019, Nature
    Methods 16.

    Args:
        theta: Weight of the diversity penalty: how strongly mixed clusters are preferred.
        seed: Random seed of the clustering.
    """

    growth: ClassVar = {"time": 1.5}  # there are n / 30 clusters
    requires: ClassVar = {"harmonypy": "kce-toolkit[harmony]"}

    def __init__(self, theta: float = 2.0, seed: int = 0) -> None:
        self.theta, self.seed = theta, seed

    def align(self, features: Features) -> NDArray[np.float32]:
        """Align the rows: (n, dim) float32.

        Raises:
            BadData: If there are fewer than 16 rows, or features that are not finite.
        """
        import numpy as np

        if not np.isfinite(features.x).all():
            raise BadData(
                "harmony cannot align features that are not finite (NaN or infinite)", "extract the features again"
            )
        from harmonypy import run_harmony

        datasets = features.dataset
        if len(set(datasets.tolist())) < 2 or not np.ptp(features.x, axis=0).any():
            return features.x.copy()  # there is nothing to mix
        if len(features) < _MIN_ROWS:  # with two or three rows harmonypy never returns
            raise BadData(f"{len(features)} rows are too few for harmony", f"it needs at least {_MIN_ROWS}")
        # Sorted, since its random numbers are assigned to rows by their position.
        order = np.lexsort([np.unique(texts, return_inverse=True)[1] for texts in (features.key, features.label)])
        moved = run_harmony(
            features.x[order].T.astype(np.float64), {"dataset": datasets[order]}, "dataset", theta=self.theta,
            nclust=max(2, min(round(len(datasets) / 30), 100)), random_state=self.seed, verbose=False, ncores=1,
        ).Z_corr  # fmt: skip
        aligned = np.empty_like(features.x)
        aligned[order] = moved if moved.shape == features.x.shape else moved.T
        return aligned


@hookimpl
def kce_aligners() -> dict[str, Callable[..., Any]]:
    return {"harmony": Harmony}
