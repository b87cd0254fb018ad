"""Pictures that are kept, and work in several threads."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from kce import KCEError

if TYPE_CHECKING:
    import numpy as np

    from kce import Image

Result = TypeVar("Result")
Progress = Callable[[str, int, "int | None"], None]


def read_png(path: Path) -> Image | None:
    """Read a picture that ``write_png`` wrote; None if it is not there, or damaged."""
    import kce

    if not path.is_file():
        return None
    try:
        return kce.read_image(path)
    except kce.BadData:
        return None


def write_png(path: Path, image: Image) -> None:
    """Write a picture; after a crash it is there whole or not at all."""
    import cv2

    content = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 3])[1]
    write_bytes(path, content.tobytes())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file; after a crash it is there whole or not at all.

    Raises:
        KCEError: It cannot be written.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(content)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise KCEError(
            f"{path} cannot be written: {error}",
            "is the disk full, or the folder not yours to write to? Choose another one with made=...",
        ) from error


def hash_of(path: Path) -> str:
    """A hash of a file. Raises KCEError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()[:16]
    except OSError as error:
        raise unreadable(error) from error


def unreadable(error: OSError) -> KCEError:
    """The error for a file or folder that the system does not let be read."""
    return KCEError(f"{error.filename} cannot be read: {error.strerror}", "let it be read, or move it away")


def digest(*parts: Any) -> str:
    """A short hash of what can be written as JSON, for names."""
    return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=4).hexdigest()


def seeded(purpose: str) -> np.random.Generator:
    """A random number generator that depends on its purpose alone, on every machine."""
    import numpy as np

    return np.random.default_rng(int.from_bytes(hashlib.blake2b(purpose.encode(), digest_size=8).digest(), "big"))


def run_all(jobs: Sequence[Callable[[], Result]], what: str, progress: Progress) -> list[Result]:
    """Run functions in a thread for each core, and return their results in order; the first error ends it."""
    pool = ThreadPoolExecutor(os.cpu_count() or 1)
    try:
        running = [pool.submit(job) for job in jobs]
        results = []
        for done, job in enumerate(running):
            progress(what, done, len(running))
            results.append(job.result())
        progress(what, len(running), len(running))
        return results
    finally:
        pool.shutdown(cancel_futures=True)
