"""Decoded faces on disk, so that processes and machines that see the same folder decode each face once.

There is one file for the faces of a face folder at one size and in one view. In it every face has a place of its own,
which follows from the hashes of all of them; so processes need not agree on anything to fill the file together. Before
a face's pixels stands their hash, with that of its PNG file and all that decides its pixels as the seed. What a process
that was killed, a power cut or a machine with an old copy left there has another hash, and is decoded again.

Nothing depends on the cache: where it cannot be read or written, faces are decoded, and a warning says why, once.
"""

from __future__ import annotations

import logging
import platform
import re
import shutil
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xxhash

from kce.errors import KCEError
from kce.faces.folder import THREADS
from kce.system.lock import file_lock
from kce.system.os_errors import describe_os_error
from kce.system.regular import make_folder_inside, open_in_place

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from kce.faces.folder import Faces

FOLDER = "pixel-cache"
"""Name of the folder, beside runs or in that of a study."""

SPARE = 2**30
"""Bytes of the disk that are left to everything else: a cache is no reason to lose the state of a training."""

_DIGEST = 16  # bytes of the hash before each face's pixels
_SUFFIX = ".pixels"
_LOCK = ".lock"
_LOCK_TIMEOUT = 10.0  # seconds; it is held for the time of a system call
_VERSION = 1  # of what is in the files
_HASH = re.compile("[0-9a-f]{16}")

_log = logging.getLogger("kce.faces.pixel_cache")
_warned: set[Path] = set()


@dataclass(frozen=True)
class PixelCache:
    """A folder for decoded faces.

    Attributes:
        folder: It is made when it is needed; its parent may not lead to it through a link.
        limit: Bytes that the files in it may take together.
    """

    folder: Path
    limit: int

    def of(self, faces: Faces) -> SharedPixels:
        """The files of these faces: all that share a face folder, or those that are seen in another view."""
        keys = np.unique(_keys(faces))
        return SharedPixels(self, keys[keys > 0])


@dataclass(frozen=True, eq=False)
class SharedPixels:
    """The files of some faces in a cache, one for each size and view.

    Attributes:
        cache: The cache.
        keys: uint64 (n,), sorted: hashes of the PNG files.
    """

    cache: PixelCache
    keys: NDArray[np.uint64]

    def open(self, faces: Faces, size: int, view: str = "") -> PixelFile:
        """Open the file for faces that are read by their row numbers; without it if it cannot be used.

        Args:
            faces: Those that share the file, or some of them.
            size: Side of the pixels.
            view: The view they are seen in.
        """
        identity = _identity(size, view, self.keys)
        path = self.cache.folder / f"{size}px-{identity.hexdigest()}{_SUFFIX}"
        try:
            places = _make_room(self.cache, path, len(self.keys), size)
        except (OSError, KCEError) as error:
            _warn(self.cache.folder, "no decoded faces are stored", error)
            places = 0
        else:
            text = "%s of %s faces of %s px have a place in %s"
            _log.info(text, f"{places:,}", f"{len(self.keys):,}", size, self.cache.folder)
        return PixelFile(path, size, identity.intdigest(), *_places(self.keys, _keys(faces), places))


class PixelFile:
    """The pixels of faces at one size and in one view, which other processes read and write, too.

    Args:
        path: The file.
        size: Side of the pixels.
        identity: Hash of everything but the PNG file that decides the pixels of a face.
        keys: uint64 (n,), hashes of the PNG files.
        places: int64 (n,), where each face is in the file; -1 = nowhere.
    """

    def __init__(
        self, path: Path, size: int, identity: int, keys: NDArray[np.uint64], places: NDArray[np.int64]
    ) -> None:
        self._path = path
        self._bytes = place_bytes(size)
        self._seeds = keys ^ np.uint64(identity % 2**64)
        self._places = places
        self._readable = self._writable = bool((places >= 0).any())

    def read(self, rows: NDArray[np.int64], into: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Read the faces that are there.

        Args:
            rows: (n,) row numbers.
            into: (n, size, size, 3); the pixels of a face that is not there may be anything.

        Returns:
            (n,) which of them are there.
        """
        found = np.zeros(len(rows), bool)
        if not self._readable:
            return found

        def read_some(numbers: NDArray[np.int64]) -> None:
            digest = bytearray(_DIGEST)
            with open_in_place(self._path) as file:
                for number in numbers.tolist():
                    file.seek(int(self._places[rows[number]]) * self._bytes)
                    pixels = into[number].reshape(-1)
                    whole = file.readinto(digest) == _DIGEST and file.readinto(pixels) == len(pixels)
                    found[number] = whole and digest == self._digest(rows[number], pixels)

        try:
            _in_threads(read_some, np.flatnonzero(self._places[rows] >= 0))
        except (OSError, KCEError) as error:
            self._readable = self._writable = False
            _warn(self._path.parent, "decoded faces cannot be read", error)
        return found

    def write(self, rows: NDArray[np.int64], pixels: NDArray[np.uint8]) -> None:
        """Write the faces (n,) that have a place; pixels are (n, size, size, 3)."""
        placed = np.flatnonzero(self._places[rows] >= 0)
        if not (self._writable and len(placed)):
            return
        try:
            if shutil.disk_usage(self._path.parent).free < SPARE + len(placed) * self._bytes:
                raise KCEError(f"{SPARE // 2**20} MB of the disk are left", "make room for what a run writes")
            with open_in_place(self._path) as file:
                for number in placed.tolist():
                    file.seek(int(self._places[rows[number]]) * self._bytes)
                    file.write(self._digest(rows[number], pixels[number]))
                    file.write(pixels[number])
        except (OSError, KCEError) as error:
            self._writable = False  # what is there is still good
            _warn(self._path.parent, "no more decoded faces are stored", error)

    def _digest(self, row: int, pixels: NDArray[np.uint8]) -> bytes:
        return xxhash.xxh3_128_digest(pixels.data, seed=int(self._seeds[row]))


def place_bytes(size: int) -> int:
    """Bytes that a face of a size takes in a cache.

    >>> place_bytes(64)
    12304
    """
    return _DIGEST + 3 * size**2


def faces_that_fit(limit: int, size: int, count: int) -> int:
    """How many of `count` faces of a size have a place in a cache of `limit` bytes.

    >>> faces_that_fit(20_000, size=64, count=5)
    1
    """
    return min(count, max(limit, 0) // place_bytes(size))


def remove_pixel_cache(folder: Path) -> None:
    """Remove a cache, as far as it can be removed; other files in its folder stay."""
    with suppress(OSError):
        if stat.S_ISDIR(folder.lstat().st_mode):
            for path in [*folder.glob(f"*{_SUFFIX}"), *folder.glob(f"{_LOCK}*")]:
                path.unlink()
            folder.rmdir()


def _keys(faces: Faces) -> NDArray[np.uint64]:
    """The hashes of the PNG files as numbers; 0 = a hash as no cut writes it, of a face that is never stored."""
    hashes = faces.hash.tolist()
    return np.array([int(digits, 16) if _HASH.fullmatch(digits) else 0 for digits in hashes], np.uint64)


def _places(
    shared: NDArray[np.uint64], keys: NDArray[np.uint64], count: int
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The keys, and their place among the first `count` of all."""
    if not count:
        return keys, np.full(len(keys), -1)
    place = np.minimum(np.searchsorted(shared, keys), count - 1)
    return keys, np.where(shared[place] == keys, place, -1)


def _identity(size: int, view: str, keys: NDArray[np.uint64]) -> xxhash.xxh3_128:
    import cv2

    # Another decoder may round in another way.
    identity = xxhash.xxh3_128(f"{_VERSION} {cv2.__version__} {platform.machine()} {size} {view}\0".encode())
    identity.update(keys.tobytes())
    return identity


def _make_room(cache: PixelCache, path: Path, count: int, size: int) -> int:
    """Give a file its size, as far as the other files of the cache leave room; return how many faces it has room for.

    Places that nothing was written to take no room on the disk, where the file system can do that.
    """
    make_folder_inside(cache.folder.parent, cache.folder.name)
    each = place_bytes(size)

    def room() -> int:
        others = sum(other.lstat().st_size for other in cache.folder.glob(f"*{_SUFFIX}") if other != path)
        return faces_that_fit(cache.limit - others, size, count)

    with suppress(FileNotFoundError):
        status, places = path.lstat(), room()
        if stat.S_ISREG(status.st_mode) and status.st_size == places * each:
            return places
    waited_until = time.monotonic() + _LOCK_TIMEOUT
    while True:
        try:
            with file_lock(cache.folder / _LOCK, lambda: _Busy("another process holds its lock", "wait for it")):
                places = room()
                with open_in_place(path, create=True) as file:
                    file.truncate(places * each)
                return places
        except _Busy:
            if time.monotonic() > waited_until:
                raise
            time.sleep(0.05)


class _Busy(KCEError):
    """Another process is giving a file its size."""


def _in_threads(work: Callable[[NDArray[np.int64]], None], numbers: NDArray[np.int64]) -> None:
    parts = [part for part in np.array_split(numbers, THREADS) if len(part)]
    with ThreadPoolExecutor(THREADS) as threads:
        for _ in threads.map(work, parts):
            pass


def _warn(folder: Path, what: str, error: OSError | KCEError) -> None:
    """Say once for each cache why faces are decoded again from now on."""
    if folder in _warned:
        return
    _warned.add(folder)
    reason = error.message if isinstance(error, KCEError) else describe_os_error(error)[0]
    _log.warning("%s in %s: %s; faces are decoded instead", what, folder, reason)
