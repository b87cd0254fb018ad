"""A tracer that has been fitted and calibrated: what it says about rows, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kce.errors import BadData
from kce.tracing.conformal import Calibration, answers, calibrate, prediction_sets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.types import Features, FeatureStream, MergePlan, Tracer

NEIGHBOURS = 5
"""How many of the nearest known faces are named."""


@dataclass(frozen=True, eq=False)
class TracedRows:
    """What is said about some rows.

    Attributes:
        key: (n,) str, their keys.
        x: (n, dim) their features.
        answer: The family of each, "real" or "unknown".
        known: (n,) p values of all families together: low for what is of none.
        p: (n, families) p values.
        possible: (n, families) whether a family cannot be excluded at the level.
        scores: (n, families) how unlike each family they are.
        neighbours: (n, at most 5) row numbers of the nearest known faces, nearest first.
        distances: (n, at most 5) their Euclidean distances.
    """

    key: NDArray[np.str_]
    x: NDArray[np.float32]
    answer: list[str]
    known: NDArray[np.float64]
    p: NDArray[np.float64]
    possible: NDArray[np.bool_]
    scores: NDArray[np.float64]
    neighbours: NDArray[np.intp]
    distances: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class VideoAnswer:
    """What is said about the faces of one video together.

    Attributes:
        key: The video.
        faces: How many faces it is from.
        answer: The family, "real" or "unknown".
        known: The p value of all families together.
        p: (families,) p values.
        possible: (families,) whether a family cannot be excluded at the level.
    """

    key: str
    faces: int
    answer: str
    known: float
    p: NDArray[np.float64]
    possible: NDArray[np.bool_]


class FittedTracer:
    """A tracer with its calibration.

    Args:
        tracer: Not fitted yet.
        known: The faces it is fitted on, and among which neighbours are sought.
        held_out: Faces of recordings that neither it nor the network was fitted on.
        plan: Category -> family, of both.
        level: In (0, 1): how often the family of a face of a new recording is among those that are not excluded.
        seed: Random seed of the calibration.

    Attributes:
        families: Their names, in the order of all columns.
        calibration: From the held-out faces.
        known: The faces it was fitted on.
        held_out: As given.
        plan: As given.
        level: As given.

    Raises:
        BadData: There are no faces to fit on, or a score is not finite.
    """

    def __init__(
        self, tracer: Tracer, known: Features, held_out: FeatureStream, plan: MergePlan, level: float, seed: int
    ) -> None:
        from sklearn.neighbors import NearestNeighbors

        if not len(known):
            raise BadData("there are no known faces to trace to", "the run needs faces that it trained on")
        self.known, self.held_out, self.plan, self.level = known, held_out, plan, level
        self.families = plan.names
        self._tracer = tracer
        tracer.fit(known, plan)
        scores = [self._score(batch.x) for batch in held_out.batches()]
        self.calibration: Calibration = calibrate(
            np.concatenate(scores) if scores else np.zeros((0, len(self.families))),
            [plan.classes[label] for label in held_out.label.tolist()],
            held_out.recording,
            self.families,
            level,
            seed,
        )
        self._search = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(known)), algorithm="brute").fit(known.x)

    def trace(self, rows: FeatureStream) -> Iterator[TracedRows]:
        """Say what each row may be, batch by batch; what is in memory does not grow with the number of rows."""
        for batch in rows.batches():
            scores = self._score(batch.x)
            p, known = self.calibration.face_p(scores), self.calibration.known_p(scores)
            distances, neighbours = self._search.kneighbors(batch.x)
            yield TracedRows(
                batch.key,
                batch.x,
                answers(p, known, self.calibration, self.level),
                known,
                p,
                prediction_sets(p, self.level),
                scores,
                neighbours,
                distances,
            )

    def trace_video(self, key: str, scores: NDArray[np.float64]) -> VideoAnswer:
        """Say what the faces of one video may be, by their scores (faces, families)."""
        p, known = self.calibration.recording_p(scores), self.calibration.known_recording_p(scores)
        (answer,) = answers(p[None], [known], self.calibration, self.level)
        return VideoAnswer(key, len(scores), answer, known, p, prediction_sets(p, self.level))

    def _score(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.asarray(self._tracer.score(x), np.float64)
