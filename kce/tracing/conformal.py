"""Conformal p values by family, from recordings that nothing was fitted on.

A tracer scores how unlike a family a face is. Its scores have no scale of their own, so they are compared with those of
faces of that family from recordings that neither the network nor the tracer has seen: the p value of a face says how
large a share of such faces is at least as unlike the family. Whole recordings are exchangeable, their frames are not,
so each recording has the same weight, shared evenly by its faces, and the new face counts as one more recording (the
hierarchical conformal prediction of Lee, Barber and Willett 2023, "Distribution-free inference with hierarchical
data").

If a face comes from another recording of a family, stored alike, the probability that its p value is at most a is at
most a. It says nothing of a face of another dataset, another codec or another crop.

Whether a face is of any family at all is one more test, over all families together (``Calibration.known_p``). Their own
p values would do, but a family that the network has learned badly scatters so widely that it explains nearly anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from kce.errors import BadData, KCEError
from kce.system.rng import generator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Scores = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FamilyCalibration:
    """The scores of one family's own calibration faces.

    Attributes:
        scores: (n,) how unlike the family each is, recording by recording; within a recording in random order.
        start: (recordings + 1,) the scores of recording r are ``scores[start[r] : start[r + 1]]``.
    """

    scores: Scores
    start: NDArray[np.intp]

    @property
    def recordings(self) -> int:
        """How many recordings there are."""
        return len(self.start) - 1

    @property
    def least_p(self) -> float:
        """The smallest p value that a face can have: 1 / (recordings + 1)."""
        return 1 / (self.recordings + 1)

    def face_p(self, scores: ArrayLike) -> Scores:
        """Compute p values of single faces, each of a recording of its own.

        Args:
            scores: (m,) how unlike the family each face is.

        Returns:
            (m,) in [least_p, 1].
        """
        ordered, below = self._ordered
        place = np.searchsorted(ordered, np.asarray(scores, np.float64), side="left")
        return np.clip((1 + self.recordings - below[place]) / (self.recordings + 1), self.least_p, 1.0)

    @cached_property
    def _ordered(self) -> tuple[Scores, Scores]:
        """The scores, the smallest first, and the weight of those before each place: sorted once for all batches."""
        sizes = np.diff(self.start)
        weight = np.repeat(1 / np.maximum(sizes, 1), sizes)
        order = np.argsort(self.scores)
        return self.scores[order], np.concatenate([[0.0], np.cumsum(weight[order])])

    def recording_p(self, scores: ArrayLike) -> float:
        """Compute the p value of faces of one recording, by their mean score.

        It is compared with the means of as many faces of each calibration recording, or of all those that it has: the
        mean of fewer faces scatters more, so the p value of long recordings is too large rather than too small.

        Args:
            scores: (m,) how unlike the family each of its faces is; m >= 1.
        """
        own = np.asarray(scores, np.float64)
        sums = np.concatenate([[0.0], np.cumsum(self.scores)])
        end = np.minimum(self.start[:-1] + len(own), self.start[1:])
        means = (sums[end] - sums[self.start[:-1]]) / (end - self.start[:-1])
        as_unlike = means >= own.mean() - 1e-12 * np.abs(means).max(initial=0.0)
        return float((1 + as_unlike.sum()) / (self.recordings + 1))


@dataclass(frozen=True, eq=False)
class Calibration:
    """The calibration of all families.

    Attributes:
        families: Their names.
        by_family: A calibration each, in the same order.
        limits: (families,) the score from which on a face is unlike a family; see ``known_p``.
        together: Of all calibration faces, how far each is beyond the nearest limit.
    """

    families: tuple[str, ...]
    by_family: tuple[FamilyCalibration, ...]
    limits: Scores
    together: FamilyCalibration

    def face_p(self, scores: ArrayLike) -> Scores:
        """Compute p values of single faces: (m, families) scores -> (m, families)."""
        x = np.asarray(scores, np.float64)
        columns = [own.face_p(x[:, number]) for number, own in enumerate(self.by_family)]
        return np.column_stack(columns)

    def recording_p(self, scores: ArrayLike) -> Scores:
        """Compute p values of one recording from all its faces: (m, families) scores -> (families,)."""
        x = np.asarray(scores, np.float64)
        return np.array([own.recording_p(x[:, number]) for number, own in enumerate(self.by_family)])

    def known_p(self, scores: ArrayLike) -> Scores:
        """Compute how large a share of the held-out faces of all families is as unlike all of them as each face.

        What counts is how far a face is beyond the limit that is nearest to it. The limit of a family is half-way
        between a high quantile, at the level, of its own held-out scores and that of the scores of all held-out faces
        by their nearest family: with the first alone a family that scatters widely explains nearly anything, with the
        second alone most of its own faces would be unknown.

        Args:
            scores: (m, families).

        Returns:
            (m,) p values. Of the faces of all families together at most a share of a has one of at most a, as far as
            the limits, which come from the same held-out faces, are those of new ones; of one family it may be more.
        """
        return self.together.face_p(self._beyond(scores))

    def known_recording_p(self, scores: ArrayLike) -> float:
        """Compute the same of one recording from all its faces: (m, families) scores."""
        return self.together.recording_p(self._beyond(scores))

    def _beyond(self, scores: ArrayLike) -> Scores:
        return np.asarray((np.asarray(scores, np.float64) - self.limits).min(axis=1))

    def too_few(self, level: float) -> dict[str, int]:
        """Families that cannot be excluded at a level, whatever a face looks like -> their recordings.

        A p value is at least 1 / (recordings + 1), so 95 % needs 19 recordings.
        """
        pairs = zip(self.families, self.by_family, strict=True)
        return {name: own.recordings for name, own in pairs if own.least_p > 1 - level + _ROUNDING}


_ROUNDING = 1e-12


def calibrate(
    scores: ArrayLike, family: ArrayLike, recording: ArrayLike, families: Sequence[str], level: float, seed: int
) -> Calibration:
    """Calibrate a tracer from faces that neither it nor the network was fitted on.

    >>> import numpy as np
    >>> scores, family = [[0.1, 9], [0.3, 9], [9, 0.2]], ["a", "a", "b"]
    >>> own = calibrate(scores, family, ["r1", "r2", "r3"], ["a", "b"], level=0.95, seed=0)
    >>> own.face_p([[0.2, 9.0]]).round(2).tolist()
    [[0.67, 0.5]]
    >>> own.known_p([[0.0, 9.0], [9.0, 9.0]]).tolist()
    [1.0, 0.25]

    Args:
        scores: (n, families) how unlike each family each calibration face is.
        family: (n,) str, the family of each.
        recording: (n,) str, equal for faces of one recording.
        families: The families, in the order of the columns.
        level: In (0, 1): the quantile of the limits.
        seed: Random seed of the order of faces within recordings.

    Raises:
        BadData: If a score is not finite, or there are no families.
    """
    x, names, groups = np.asarray(scores, np.float64), np.asarray(family), np.asarray(recording)
    if not families or x.shape != (len(names), len(families)):
        raise BadData(
            f"scores of shape {x.shape} for {len(names)} faces and {len(families)} families",
            "a tracer returns a score for each face and family",
        )
    if not np.isfinite(x).all():
        raise BadData("a tracer's scores are not finite (NaN or infinite)", "check how the features were extracted")
    order = generator(seed, "calibration").permutation(len(x))
    x, names, groups = x[order], names[order], groups[order]
    limits = _limits(x, names, families, level)
    return Calibration(
        tuple(families),
        tuple(calibrate_one(x[names == name, number], groups[names == name]) for number, name in enumerate(families)),
        limits,
        calibrate_one((x - limits).min(axis=1), groups),
    )


def calibrate_one(scores: Scores, recording: NDArray[np.str_]) -> FamilyCalibration:
    """Collect scores (n,) by recording (n,); within a recording they keep their order."""
    order = np.argsort(recording, kind="stable")
    first = np.flatnonzero(recording[order][1:] != recording[order][:-1]) + 1
    start = np.concatenate([[0], first, [len(order)]]) if len(order) else np.zeros(1)
    return FamilyCalibration(scores[order], start.astype(np.intp))


def _limits(x: Scores, names: NDArray[np.str_], families: Sequence[str], level: float) -> Scores:
    if not len(x):
        return np.zeros(len(families))
    shared = float(np.quantile(x.min(axis=1), level))
    own = [x[names == name, number] for number, name in enumerate(families)]
    return np.array([(shared + (float(np.quantile(values, level)) if len(values) else shared)) / 2 for values in own])


def check_level(level: float) -> None:
    """Raise KCEError for a level that is not in (0, 1)."""
    if not 0 < level < 1:
        raise KCEError(f"the level {level} is not between 0 and 1", "at 0.95 the own family is excluded 1 in 20 times")


def prediction_sets(p: ArrayLike, level: float) -> NDArray[np.bool_]:
    """Decide which families cannot be excluded: those whose p value is above 1 - level.

    >>> prediction_sets([[0.5, 0.05], [0.01, 0.02]], 0.95).tolist()
    [[True, False], [False, False]]

    Args:
        p: (..., families) p values.
        level: In (0, 1).
    """
    return np.asarray(p, np.float64) > 1 - level + _ROUNDING


def known_level(level: float) -> float:
    """The level at which a face is excluded from all families together: half of the error.

    >>> round(known_level(0.95), 3)
    0.975
    """
    return (1 + level) / 2


UNKNOWN = "unknown"
"""The answer where no family explains a face."""


def answers(p: ArrayLike, known: ArrayLike, calibration: Calibration, level: float) -> list[str]:
    """Name the family that fits best among those that cannot be excluded, or "unknown".

    The best has the largest share of its recordings at least as unlike it as the face: the p value without the 1 that
    is added for the face itself, which would favour families with few recordings. A face is "unknown" if every family
    is excluded, or if all together are, at (1 - level) / 2; so at most 1.5 x (1 - level) of the faces of known families
    are unknown, and mostly fewer, because other families explain some. A family with too few recordings to ever be
    excluded is no explanation by itself: if no other is left, the answer is "unknown".

    Args:
        p: (m, families) p values.
        known: (m,) p values of all families together.
        calibration: What they were computed by.
        level: In (0, 1).
    """
    values = np.asarray(p, np.float64)
    decidable = np.array([name not in calibration.too_few(level) for name in calibration.families])
    left = prediction_sets(values, level)
    explained = (left & decidable).any(axis=1) & prediction_sets(known, known_level(level))
    recordings = np.array([own.recordings for own in calibration.by_family])
    share = (values * (recordings + 1) - 1) / np.maximum(recordings, 1)
    best = np.where(left, np.where(recordings > 0, share, 0), -1).argmax(axis=1)
    names = zip(best.tolist(), explained.tolist(), strict=True)
    return [calibration.families[number] if is_known else UNKNOWN for number, is_known in names]
