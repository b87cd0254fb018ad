"""Checks whether media can be decoded: opens each file and decodes the picture, or one frame of the video."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from kce.data.limits import MAX_FAILURES, MEMORY_LIMIT, MEMORY_OF_WORKER, TIME_LIMIT
from kce.data.pictures import read_image
from kce.data.suffixes import is_video
from kce.data.videos import video_frames
from kce.errors import BadData, MachineFault
from kce.system.machine_faults import done_or_fault, summarize_faults
from kce.system.worker_pool import TaskLost, Workers, default_worker_count, lost_fault

if TYPE_CHECKING:
    from kce.types import Sample


def check_decoding(samples: Iterable[Sample], workers: int | None = None) -> Iterator[tuple[Sample, str]]:
    """Check for each sample whether its file can be decoded.

    Of a video only the middle frame is decoded: damage elsewhere may go unnoticed, but one cut short is found. A
    file may take as much time and memory as in ``kce.data.limits``.

    Args:
        samples: The samples.
        workers: Number of processes; default: one per processor, at most 8.

    Yields:
        Each sample with the reason why its file cannot be decoded, or "" if it can, in order and as a stream. A file
        that crashes its process has this as the reason.

    Raises:
        MachineFault: At the end, if files could not be read for a reason that is not their own.
    """
    waiting: deque[Sample] = deque()
    faults: list[MachineFault] = []
    count = workers or default_worker_count(MEMORY_OF_WORKER)
    with Workers(count, make_decode_check, (), limit=TIME_LIMIT, memory=MEMORY_LIMIT) as pool:

        def next_result() -> tuple[Sample, str]:
            sample, result = waiting.popleft(), pool.take()
            fault = result if isinstance(result, MachineFault) else lost_fault(result, str(sample.path))
            if fault:
                faults.append(fault)
                if len(faults) == MAX_FAILURES:
                    raise summarize_faults(faults)
                return sample, ""
            return sample, result.reason if isinstance(result, TaskLost) else result

        for sample in samples:
            pool.submit(str(sample.path))
            waiting.append(sample)
            if len(waiting) > pool.ahead:
                yield next_result()
        while waiting:
            yield next_result()
    if faults:
        raise summarize_faults(faults)


def make_decode_check() -> Callable[[str], str | MachineFault]:
    """The function that workers call for each path."""
    return decoding_error


def decoding_error(path: str) -> str | MachineFault:
    """What is wrong with a picture, or with a video or its middle frame; "" if nothing is."""
    return done_or_fault(lambda: _decode(path), path)


def _decode(path: str) -> str:
    remarks: list[str] = []
    try:
        if is_video(path):
            deque(video_frames(path, 1, remarks.append), maxlen=0)
        else:
            read_image(path)
    except BadData as error:
        return error.message.removeprefix(f"{path}: ")
    return "; ".join(remarks)
