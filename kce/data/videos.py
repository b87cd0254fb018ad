"""Decodes frames of videos. Only plain container formats are opened: no playlists, no network."""

from __future__ import annotations

import os
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.data.media import media_size
from kce.errors import BadData
from kce.system.machine_faults import decoder_fault, lacking

if TYPE_CHECKING:
    from kce.types import Image

MAX_PACKETS = 2_000_000  # of a video: 9 hours at 60 frames per second
MAX_FRAME_PIXELS = 2**25  # 8K; a decoder may hold 16 frames and more
MAX_NAMED = 4  # times the size of its file, that the packets of a video may have: some containers shrink them

# Without playlists and scripts (hls, dash, concat), which would open other files and addresses.
_CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,live_flv,asf,ogg,mxf,ivf,rm"


def video_frames(path: str | os.PathLike[str], n: int) -> Iterator[tuple[int, Image]]:
    """Decode `n` frames spread evenly over a video.

    Of N frames these are the ones in the middle of n equal parts, floor((2i + 1) N / 2n); a video with N <= n gives all
    its frames. N is the number of frames that are really in the file, counted without decoding; headers are not
    trusted. A frame that cannot be decoded is replaced by the next one that can, with that one's index. Rotation is
    applied.

    Args:
        path: The file.
        n: Number of frames, at least 1.

    Yields:
        Index and frame, uint8 (height, width, 3) RGB, in ascending order.

    Raises:
        BadData: The file is empty, not a video, without a video stream or a frame that can be decoded, or too large.
        MachineFault: The file is missing or cannot be read, or memory, threads or open files are lacking.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, not {n}")
    path = Path(path)
    size = media_size(path)
    index = _read_index(path, size)
    wanted = [(2 * i + 1) * index.count // (2 * n) for i in range(n)] if index.count > n else range(index.count)
    decoded = False
    for item in _decode(path, index, wanted):
        decoded = True
        yield item
    if not decoded:
        raise lacking(path) or BadData(f"{path}: no frame can be decoded", "get the file again, or leave it out")


@dataclass(frozen=True)
class _Index:
    """The packets of a file. Where timestamps cannot be trusted, `shown` is empty, and frames are counted instead."""

    count: int
    shown: list[int] = field(default_factory=list)  # presentation times, ascending
    position: dict[int, int] = field(default_factory=dict)  # presentation time -> position in decoding order
    keys: list[int] = field(default_factory=list)  # presentation times of keyframes, ascending

    def start(self, wanted: int) -> int:
        """The position at which decoding may start for a frame: that of the last keyframe shown at or before it.

        A frame that is shown before its keyframe may need the group before, so this is the keyframe before that one.
        """
        if not self.keys:
            return 0
        before = bisect_right(self.keys, self.shown[wanted])
        return self.position[self.keys[before - 1]] if before else 0


def _read_index(path: Path, size: int) -> _Index:
    """Read all packets of a file of `size` bytes, without decoding them."""
    named = 0  # bytes of the packets
    times: list[int | None] = []
    hidden, keys = set(), []
    last: int | None = None
    with _open(path) as (container, stream):
        trusted = container.format.name != "avi"  # AVI has no presentation times; those reported are guesses
        for packet in _packets(container, stream):
            times.append(packet.pts)
            named += packet.size
            if named > MAX_NAMED * size + 2**20:
                raise BadData(
                    f"{path}: its table names the same data many times", "get the file again, or leave it out"
                )
            if len(times) > MAX_PACKETS:
                raise BadData(f"{path}: more than {MAX_PACKETS} frames", "split the video into shorter ones")
            if packet.is_discard:
                hidden.add(packet.pts)
            if packet.is_keyframe and packet.pts is not None:
                keys.append(packet.pts)
            if packet.dts is not None:
                trusted = trusted and (last is None or packet.dts >= last)
                last = packet.dts
    position = {time: i for i, time in enumerate(times) if time is not None}
    if not trusted or len(position) < len(times):
        return _Index(len(times))
    shown = sorted(set(position) - hidden)
    return _Index(len(shown), shown, position, sorted(keys))


def _decode(path: Path, index: _Index, wanted: Iterable[int]) -> Iterator[tuple[int, Image]]:
    """The frames with these indices, ascending; packets between them are skipped where a keyframe allows it."""
    queue = deque(wanted)
    with _open(path) as (container, stream):
        wants = {index.shown[i] for i in queue} if index.shown else set()
        packets, position, counted = _packets(container, stream), 0, 0
        while queue:
            if (start := index.start(queue[0])) > position:
                packets, position = _seek(container, stream, index, start)
                if position != start:  # this container cannot seek: decode from its beginning
                    yield from _decode(path, replace(index, keys=[]), queue)
                    return
            packet = next(packets, None)
            position += 1
            for frame in _decoded(path, stream.codec_context, packet, wants):
                at = bisect_left(index.shown, frame.pts) if index.shown and frame.pts is not None else counted
                counted += 1
                if queue and at >= queue[0]:
                    while queue and queue[0] <= at:
                        queue.popleft()
                    yield at, _to_rgb(path, frame)
            if packet is None:
                return


def _seek(container: Any, stream: Any, index: _Index, start: int) -> tuple[Iterator[Any], int]:
    """The packets from position `start` on, and the position that was really reached."""
    time = next(key for key in index.keys if index.position[key] == start)
    container.seek(time, stream=stream)
    packets = _packets(container, stream)
    for packet in packets:
        position = index.position.get(packet.pts, -1)
        if position < 0 or position >= start:
            return chain([packet], packets), position
    return packets, -1


def _decoded(path: Path, context: Any, packet: Any, wants: set[int]) -> list[Any]:
    """The frames that the decoder returns for this packet; None, at the end, gives the remaining ones."""
    import av

    if packet is not None and wants:
        # Frames that no other frame is predicted from need not be decoded.
        context.skip_frame = "DEFAULT" if packet.pts in wants else "NONREF"
    try:
        return list(context.decode(packet))
    except av.FFmpegError as error:
        if fault := decoder_fault(error, path):
            raise fault from error
        return []


def _to_rgb(path: Path, frame: Any) -> Image:
    _check_size(path, frame.width, frame.height)
    image: Image = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(image, round(frame.rotation / 90) % 4))


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    """The packets with content, up to the end or to the first that cannot be read."""
    import av

    try:
        for packet in container.demux(stream):
            if packet.size and not packet.is_corrupt:
                yield packet
    except av.FFmpegError:
        return


@contextmanager
def _open(path: Path) -> Iterator[tuple[Any, Any]]:
    """The container and its first video stream; decoding uses one thread, since workers are processes."""
    import av

    av.logging.set_level(None)
    limits = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file", "max_pixels": str(MAX_FRAME_PIXELS)}
    try:
        with av.open(str(path.absolute()), options=limits, metadata_errors="ignore") as container:
            # A cover picture is a stream with one frame, which is not a video.
            streams = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
            if not streams:
                raise BadData(f"{path}: no video stream", "leave the file out")
            stream = streams[0]
            context = stream.codec_context
            if context is None:
                raise BadData(f"{path}: unknown codec", "convert it to H.264")
            _check_size(path, context.width, context.height)
            context.thread_count = 1
            context.options = {"max_pixels": str(MAX_FRAME_PIXELS)}
            yield container, stream
    except av.FFmpegError as error:
        damaged = BadData(f"{path}: not a video, or damaged ({error.strerror})", "get the file again")
        raise decoder_fault(error, path) or damaged from error


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > MAX_FRAME_PIXELS:
        raise BadData(
            f"{path}: frames too large ({width} x {height})", f"frames may have up to {MAX_FRAME_PIXELS} pixels"
        )
