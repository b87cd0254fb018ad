"""Harmony (Korsunsky et al. 2019), as the package harmonypy has it; `pip install "kce-toolkit[harmony]"`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from kce import BadData, KCEError, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kce import Features


_FEWEST = 16


class Harmony:
    """Rows moved, cluster by soft cluster, until each cluster holds all datasets alike.

    It was made for cells, of which every batch has the same kinds. Where datasets hold different forgeries, these are
    moved onto each other too: what comes together need not be alike.

    theta  how much mixed clusters are preferred
    seed   of its clusters

    Raises KCEError where harmonypy is not installed, BadData for features that are not finite and fewer than 16 rows.
    """

    growth: ClassVar = {"time": 1.5}  # there are n / 30 clusters

    def __init__(self, theta: float = 2.0, seed: int = 0) -> None:
        self.theta, self.seed = theta, seed

    def align(self, features: Features) -> NDArray[np.float32]:
        import numpy as np

        if not np.isfinite(features.x).all():
            raise BadData("harmony cannot move rows that are not finite (NaN or infinite)", "make the features again")
        try:
            from harmonypy import run_harmony
        except ImportError as error:
            raise KCEError("the aligner harmony needs harmonypy", 'pip install "kce-toolkit[harmony]"') from error
        sets = features.dataset
        if len(set(sets.tolist())) < 2 or not np.ptp(features.x, axis=0).any():
            return features.x.copy()  # there is nothing to mix
        if len(features) < _FEWEST:  # with two or three rows the library never comes back
            raise BadData(f"{len(features)} rows are too few for harmony", f"it needs {_FEWEST} at least")
        # Rows in order of their keys: its random numbers fall on rows by their place.
        order = np.lexsort((features.key, features.label))
        moved = run_harmony(
            features.x[order].T.astype(np.float64), {"dataset": sets[order]}, "dataset", theta=self.theta,
            nclust=max(2, min(round(len(sets) / 30), 100)), random_state=self.seed, verbose=False, ncores=1,
        ).Z_corr  # fmt: skip
        answer = np.empty_like(features.x)
        answer[order] = moved if moved.shape == features.x.shape else moved.T
        return answer


@hookimpl
def kce_aligners() -> dict[str, Callable[..., Any]]:
    return {"harmony": Harmony}
