"""Whether media can be decoded: each file is opened and one frame of it taken, a picture as a whole."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from kce.data.media import is_video, read_image, video_frames
from kce.errors import BadData
from kce.system.worker_pool import TaskLost, Workers

if TYPE_CHECKING:
    from kce.types import Sample


def undecodable(samples: Iterable[Sample], workers: int | None = None) -> Iterator[tuple[Sample, str]]:
    """Each sample with the reason why its file cannot be decoded, empty where it can; in order, as a stream.

    workers  processes; default: as many as there are processors, at most 8. A file that kills its process has that for
             its reason.

    Of a video one frame is decoded, its middle one; damage elsewhere in it may stay unseen, except that a file cut
    short of all its frames is found. Nothing ends a decoder that hangs, but the sizes it works on are bounded (media).
    """
    waiting: deque[Sample] = deque()
    with Workers(workers or min(os.cpu_count() or 1, 8), looker, ()) as hands:

        def oldest() -> tuple[Sample, str]:
            said = hands.take()
            return waiting.popleft(), said.reason if isinstance(said, TaskLost) else said

        for sample in samples:
            hands.submit(str(sample.path))
            waiting.append(sample)
            if len(waiting) > hands.ahead:
                yield oldest()
        while waiting:
            yield oldest()


def looker() -> Callable[[str], str]:
    """What a worker does: path -> the reason why it cannot be decoded, or empty."""
    return why_undecodable


def why_undecodable(path: str) -> str:
    """The reason why no frame of this file can be decoded; empty if one can."""
    try:
        if is_video(path):
            next(video_frames(path, 1))
        else:
            read_image(path)
    except BadData as error:
        return error.message.removeprefix(f"{path}: ")
    return ""
