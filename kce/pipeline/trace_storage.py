"""Whether what is traced is stored as the run's own faces are: which faces are looked at, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kce.faces.loader import Pixels
from kce.labels import recordings
from kce.system.rng import generator
from kce.tracing.storage import StorageTest, compare_storage, storage_statistics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.faces.folder import Faces
    from kce.pipeline.traced_run import TracedRun

_RECORDINGS = 150
"""Recordings of each category, and of the inputs, that are looked at: a face each."""
_BATCH = 64


def compare_stored(run: TracedRun, faces: Faces) -> StorageTest | None:
    """Compare the storage of some faces with that of the run's own, category by category; None if there are too few."""
    categories = run.faces.category
    known = {
        category: (_statistics(run, own & ~run.held_out), _statistics(run, own & run.held_out))
        for category in categories.counts()
        for own in (np.asarray(categories == category),)
    }
    return compare_storage(_look_at(faces, run.size, run.recipe.seed), known)


def _statistics(run: TracedRun, rows: NDArray[np.bool_]) -> NDArray[np.float64]:
    return _look_at(run.faces.take(rows), run.size, run.recipe.seed)


def _look_at(faces: Faces, size: int, seed: int) -> NDArray[np.float64]:
    """The statistics of a face of each of some recordings: (recordings, k)."""
    if not len(faces):
        return storage_statistics(np.zeros((0, size, size, 3), np.uint8))
    shuffled = generator(seed, "faces to look at").permutation(len(faces))
    names = recordings(faces.group, faces.key)[shuffled]
    first = np.sort(np.unique(names, return_index=True)[1])  # of each recording, in random order
    rows = np.sort(shuffled[first[:_RECORDINGS]])
    pixels = Pixels(faces.take(rows), size, budget=0)
    parts = [
        storage_statistics(pixels.read(np.arange(start, min(start + _BATCH, len(rows)))))
        for start in range(0, len(rows), _BATCH)
    ]
    return np.concatenate(parts)
