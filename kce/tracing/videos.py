"""The faces of one video answer together: their scores are collected by video."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from kce.labels import video_of

if TYPE_CHECKING:
    from kce.tracing.fitted import FittedTracer, TracedRows, VideoAnswer


class Videos:
    """Collects the scores of frames by video. Pictures are left out: their face is all there is.

    It holds as many numbers as there are families for each frame of a video.
    """

    def __init__(self) -> None:
        self._scores: dict[str, list[np.ndarray]] = {}

    def add(self, traced: TracedRows) -> None:
        """Add rows; a key that ends in "#" and a number is a frame."""
        for key, scores in zip(traced.key.tolist(), traced.scores, strict=True):
            video = video_of(key)
            if video != key:
                self._scores.setdefault(video, []).append(scores.astype(np.float32))

    def answers(self, tracer: FittedTracer) -> Iterator[VideoAnswer]:
        """Yield what is said about each video, in the order of their names."""
        for video in sorted(self._scores):
            yield tracer.trace_video(video, np.array(self._scores[video], np.float64))
