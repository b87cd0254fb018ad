"""Faces as arrays, on their way to a network: read ahead, and decoded once where memory allows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from kce.faces import folder as folders
from kce.faces import reencode

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.faces.folder import Faces
    from kce.types import Image


BUDGET = 2**29  # bytes of decoded faces that are kept


class Pixels:
    """The faces of a folder at one size, as uint8 (n, size, size, 3).

    What was decoded is kept while all faces together fit into `budget` bytes; beyond that every reading decodes anew,
    so memory does not grow with the number of faces. `view` names how each was stored once more
    (``kce.faces.reencode``);
    empty: not at all.
    """

    def __init__(self, faces: Faces, size: int, budget: int = BUDGET, view: str = "") -> None:
        self.faces = faces
        self.size = size
        self.view = view
        self._budget = budget
        fits = len(faces) * size * size * 3 <= budget
        # Memory is taken from the machine only for the rows that are touched.
        self._kept = np.empty((len(faces), size, size, 3), np.uint8) if fits else None
        self._have = np.zeros(len(faces), bool)

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The faces at these rows, in this order."""
        if self._kept is None:
            return self._load(rows)
        missing = np.unique(rows[~self._have[rows]])
        if len(missing):
            self._kept[missing] = self._load(missing)
            self._have[missing] = True
        return self._kept[rows]

    def _load(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        changed = {"change": reencode.view(self.view)} if self.view else {}
        return folders.load(self.faces, rows, self.size, **changed)

    def ahead(
        self, batches: Iterable[NDArray[np.int64]], change: Callable[[Image, int], Image] | None = None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
        """(rows, faces) for each batch of rows; the next batch is decoded while the caller works on this one.

        change  what is done to each face, given its row, before it is handed out; what is kept stays unchanged
        """

        def make(rows: NDArray[np.int64]) -> NDArray[np.uint8]:
            images = self.read(rows)
            if change is not None:  # OpenCV leaves Python's lock
                for place, image in enumerate(hands.map(change, images, rows.tolist())):
                    images[place] = image
            return images

        with ThreadPoolExecutor(folders.HANDS) as hands, ThreadPoolExecutor(1) as reader:
            waiting: tuple[NDArray[np.int64], Future[NDArray[np.uint8]]] | None = None
            for rows in batches:
                following = rows, reader.submit(make, rows)
                if waiting is not None:
                    yield waiting[0], waiting[1].result()
                waiting = following
            if waiting is not None:
                yield waiting[0], waiting[1].result()

    def __reduce__(self) -> tuple[type[Pixels], tuple[Faces, int, int, str]]:
        # Another process reads anew: pixels are cheaper to decode than to send.
        return type(self), (self.faces, self.size, self._budget, self.view)
