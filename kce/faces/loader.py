"""Faces as arrays for a network: prefetched, and decoded only once where memory or a cache on disk allows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from kce.faces.folder import THREADS, load_pixels
from kce.faces.reencode import make_view

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.faces.folder import Faces
    from kce.faces.pixel_cache import PixelFile, SharedPixels
    from kce.types import Image

BUDGET = 2**29  # bytes of decoded faces that are kept


def fits_in_memory(count: int, size: int, budget: int) -> bool:
    """Whether so many decoded faces of a size are kept in memory, of which they may take so many bytes.

    >>> fits_in_memory(43_000, 64, BUDGET), fits_in_memory(44_000, 64, BUDGET)
    (True, False)
    """
    return count * 3 * size**2 <= budget


class Pixels:
    """The faces of a folder at one size, as uint8 arrays.

    If all faces together fit into the budget, decoded faces are kept; else they are read from the cache, or decoded
    again, each time, so that memory does not grow with the number of faces.

    Args:
        faces: The faces.
        size: Height and width, in pixels.
        budget: Bytes of decoded faces that may be kept.
        view: The view in which the faces are seen (``kce.faces.reencode``); empty = as they are.
        cache: Where decoded faces are stored on disk, and found if somebody has decoded them before.
    """

    def __init__(
        self, faces: Faces, size: int, budget: int = BUDGET, view: str = "", cache: SharedPixels | None = None
    ) -> None:
        self.faces = faces
        self.size = size
        self.view = view
        self._budget = budget
        self._cache = cache
        self._file: PixelFile | None = None
        fits = fits_in_memory(len(faces), size, budget)
        # The system allocates memory only for rows that are written.
        self._kept = np.empty((len(faces), size, size, 3), np.uint8) if fits else None
        self._decoded = np.zeros(len(faces), bool)

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The faces at these indices, in this order: uint8 (len(rows), size, size, 3), RGB."""
        if self._kept is None:
            return self._load(rows)
        missing = np.unique(rows[~self._decoded[rows]])
        if len(missing):
            self._kept[missing] = self._load(missing)
            self._decoded[missing] = True
        return self._kept[rows]

    def _load(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        if self._cache is None:
            return self._decode(rows)
        if self._file is None:
            self._file = self._cache.open(self.faces, self.size, self.view)
        pixels = np.empty((len(rows), self.size, self.size, 3), np.uint8)
        missing = np.flatnonzero(~self._file.read(rows, pixels))
        if len(missing):
            unchanged = np.zeros(len(missing), bool)
            pixels[missing] = self._decode(rows[missing], unchanged)
            self._file.write(rows[missing][unchanged], pixels[missing[unchanged]])
        return pixels

    def _decode(self, rows: NDArray[np.int64], unchanged: NDArray[np.bool_] | None = None) -> NDArray[np.uint8]:
        change = {"change": make_view(self.view)} if self.view else {}
        return load_pixels(self.faces, rows, self.size, unchanged=unchanged, **change)

    def prefetch(
        self, batches: Iterable[NDArray[np.int64]], change: Callable[[Image, int], Image] | None = None
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
        """Read batches of faces; the next batch is decoded while the caller works on the current one.

        Args:
            batches: Indices of the faces in each batch.
            change: Applied to each face, given its index; faces that are kept stay as they were.

        Yields:
            Indices and faces of each batch.
        """

        def make(rows: NDArray[np.int64]) -> NDArray[np.uint8]:
            images = self.read(rows)
            if change is not None:  # OpenCV releases Python's lock
                for position, image in enumerate(threads.map(change, images, rows.tolist())):
                    images[position] = image
            return images

        with ThreadPoolExecutor(THREADS) as threads, ThreadPoolExecutor(1) as reader:
            waiting: tuple[NDArray[np.int64], Future[NDArray[np.uint8]]] | None = None
            for rows in batches:
                following = rows, reader.submit(make, rows)
                if waiting is not None:
                    yield waiting[0], waiting[1].result()
                waiting = following
            if waiting is not None:
                yield waiting[0], waiting[1].result()

    def __reduce__(self) -> tuple[type[Pixels], tuple[Faces, int, int, str, SharedPixels | None]]:
        # Another process reads or decodes them again: that is cheaper than sending pixels.
        return type(self), (self.faces, self.size, self._budget, self.view, self._cache)
