"""Faces that a family explains by chance, but that look like a group of unexplained ones: they join it.

Of a method that no family knows, some faces look enough like a family to be explained by it. Once the others of them
are a group, it is seen what they look like, and that these look more like it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kce.features.moments import Moments, shrunk_covariance
from kce.system.rng import generator
from kce.tracing.conformal import FamilyCalibration, calibrate_one, prediction_sets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from kce.tracing.fitted import FittedTracer

LEAST = 5
"""Faces of a group that others can join."""
_FLOOR = 1e-6  # of the mean variance, added along every axis


class Joining:
    """What groups look like beside the known categories: Gaussians that share one covariance, all equally probable.

    A face joins a group if it is nearer to it than to every category, and if at most a share of 1 - level of the
    held-out faces of its family is drawn to a group as much. So at most so large a share of the faces of known families
    joins a group by mistake.

    Args:
        fitted: The tracer: its known faces, its held-out ones, and its level.
        x: (n, dim) the features of unexplained faces.
        names: (n,) their groups; empty for one that is in none. Groups of fewer than 5 faces attract no others.
        seed: Random seed of the calibration.

    Raises:
        BadData: The features are too large to compute with.
    """

    def __init__(self, fitted: FittedTracer, x: NDArray[np.float32], names: Sequence[str], seed: int) -> None:
        own = np.asarray(names, np.str_)
        found, counts = np.unique(own[own != ""], return_counts=True)
        self.groups: list[str] = found[counts >= LEAST].tolist()
        self._fitted = fitted
        if self.groups:
            self._learn(x, own)
            self._calibrations = self._calibrated(seed)

    def join(self, x: NDArray[np.float32], answer: Sequence[str]) -> list[str]:
        """Name the group that each face joins; empty for one that is unknown, or stays in its family.

        Args:
            x: (n, dim) features.
            answer: (n,) the answers.
        """
        names = [""] * len(x)
        if not self.groups:
            return names
        drawn, nearest = self._drawn(x)
        families = np.asarray(answer, np.str_)
        for name, own in self._calibrations.items():
            rows = np.flatnonzero((families == name) & (drawn > 0))
            for row in rows[~prediction_sets(own.face_p(drawn[rows]), self._fitted.level)].tolist():
                names[row] = self.groups[nearest[row]]
        return names

    def _learn(self, x: NDArray[np.float32], own: NDArray[np.str_]) -> None:
        from scipy.linalg import cholesky

        grouped = np.isin(own, self.groups)
        categories, known = np.unique(self._fitted.known.label, return_inverse=True)
        rows = np.concatenate([self._fitted.known.x, x[grouped]])
        codes = np.concatenate([known, len(categories) + np.searchsorted(self.groups, own[grouped])])
        moments = Moments.of(rows, codes, len(categories) + len(self.groups))
        covariance = shrunk_covariance(moments, [(rows, codes)])
        added = max(_FLOOR * np.trace(covariance) / len(covariance), np.finfo(np.float64).tiny)
        self._root = cholesky(covariance + added * np.eye(len(covariance)), lower=True)
        self._centre = moments.means.mean(axis=0)
        means = self._whitened(moments.means)
        self._known, self._new = means[: len(categories)], means[len(categories) :]

    def _drawn(self, x: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """How much nearer each row is to its nearest group than to the nearest category (squared); and that group."""
        from scipy.spatial.distance import cdist

        rows = self._whitened(x)
        new = cdist(rows, self._new, "sqeuclidean")
        known = cdist(rows, self._known, "sqeuclidean")
        return np.asarray(known.min(axis=1) - new.min(axis=1)), new.argmin(axis=1)

    def _whitened(self, x: NDArray[np.floating]) -> NDArray[np.float64]:
        from scipy.linalg import solve_triangular

        return np.asarray(solve_triangular(self._root, (x - self._centre).T, lower=True).T)

    def _calibrated(self, seed: int) -> dict[str, FamilyCalibration]:
        """How much the held-out faces of each family are drawn to the groups."""
        held_out = self._fitted.held_out
        parts = [self._drawn(batch.x)[0] for batch in held_out.batches()]
        drawn = np.concatenate(parts) if parts else np.zeros(0)
        family = np.array([self._fitted.plan.classes[label] for label in held_out.label.tolist()], np.str_)
        order = generator(seed, "joining").permutation(len(drawn))
        return {
            name: calibrate_one(drawn[rows], held_out.recording[rows])
            for name in self._fitted.families
            for rows in (order[family[order] == name],)
        }
