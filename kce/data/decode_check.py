"""Checks whether media can be decoded: opens each file and decodes the picture, or one frame of the video."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from kce.data.pictures import read_image
from kce.data.suffixes import is_video
from kce.data.videos import video_frames
from kce.errors import BadData
from kce.system.worker_pool import TaskLost, Workers

if TYPE_CHECKING:
    from kce.types import Sample


def check_decoding(samples: Iterable[Sample], workers: int | None = None) -> Iterator[tuple[Sample, str]]:
    """Check for each sample whether its file can be decoded.

    Of a video only the middle frame is decoded: damage elsewhere may go unnoticed, but a truncated file is found. A
    decoder that hangs is not stopped, but the sizes it works on are limited (``kce.data.media``).

    Args:
        samples: The samples.
        workers: Number of processes; default: one per processor, at most 8.

    Yields:
        Each sample with the reason why its file cannot be decoded, or "" if it can, in order and as a stream. A file
        that crashes its process has this as the reason.
    """
    waiting: deque[Sample] = deque()
    with Workers(workers or min(os.cpu_count() or 1, 8), make_decode_check, ()) as pool:

        def next_result() -> tuple[Sample, str]:
            result = pool.take()
            return waiting.popleft(), result.reason if isinstance(result, TaskLost) else result

        for sample in samples:
            pool.submit(str(sample.path))
            waiting.append(sample)
            if len(waiting) > pool.ahead:
                yield next_result()
        while waiting:
            yield next_result()


def make_decode_check() -> Callable[[str], str]:
    """The function that workers call for each path."""
    return decoding_error


def decoding_error(path: str) -> str:
    """The reason why a picture, or the middle frame of a video, cannot be decoded; "" if it can."""
    try:
        if is_video(path):
            next(video_frames(path, 1))
        else:
            read_image(path)
    except BadData as error:
        return error.message.removeprefix(f"{path}: ")
    return ""
