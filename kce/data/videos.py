"""Decodes frames of videos. Only plain container formats are opened: no playlists, no network."""

from __future__ import annotations

import os
import re
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.data.media import media_size
from kce.data.video_index import VideoIndex, read_index
from kce.data.video_stream import open_video, read_packets, to_rgb
from kce.errors import BadData
from kce.system.machine_faults import decoder_fault, lacking

if TYPE_CHECKING:
    from kce.types import Image

# What a decoder says when it fills up a picture from others.
_MADE_UP = re.compile("concealing|Could not find ref|Missing reference|missing picture in access unit")
# Zeros in a row that the data of a codec never hold, or only in pictures beyond all bounds (AV1); decoders decode them.
_HOLES = {"h264": bytes(32), "hevc": bytes(32), "vvc": bytes(32), "av1": bytes(64)}


def video_frames(
    path: str | os.PathLike[str], n: int, tell: Callable[[str], None] = lambda _: None
) -> Iterator[tuple[int, Image]]:
    """Decode `n` frames spread evenly over a video.

    Of N frames these are the ones in the middle of n equal parts, floor((2i + 1) N / 2n); a video with N <= n gives all
    its frames. N is the number of frames that are really in the file, counted without decoding; headers are not
    trusted. After data that cannot be decoded no frame is given out up to the next keyframe, since it would be made up
    of parts of others. A frame that cannot be decoded is replaced by the next one that can, with that one's index.

    Frames are given out as they are to be seen: turned and mirrored as the file says, and with square pixels. Of
    several video streams the one with more than one frame is decoded, then the one marked as default, then the largest;
    cover pictures and thumbnails are not.

    Args:
        path: The file.
        n: Number of frames, at least 1.
        tell: Called with what is wrong with a file that gives frames nevertheless: "cut short: ..." or "damaged: ...".

    Yields:
        Index and frame, uint8 (height, width, 3) RGB, in ascending order.

    Raises:
        BadData: The file is empty, not a video, without a video stream or a frame that can be decoded, or too large.
        MachineFault: The file is missing or cannot be read, or memory, threads or open files are lacking.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, not {n}")
    path = Path(path)
    index = read_index(path, media_size(path))
    if index.packets < index.promised:
        tell(f"cut short: {index.packets} of {index.promised} frames are there")
    wanted = [(2 * i + 1) * index.count // (2 * n) for i in range(n)] if index.count > n else list(range(index.count))
    given = []
    for at, image in _decode(path, index, wanted):
        given.append(at)
        yield at, image
    if not given:
        raise lacking(path) or BadData(f"{path}: no frame can be decoded", "get the file again, or leave it out")
    if lost := len(set(wanted) - set(given)):
        tell(f"damaged: {lost} of {len(wanted)} frames cannot be decoded")


def _decode(path: Path, index: VideoIndex, wanted: Sequence[int]) -> Iterator[tuple[int, Image]]:
    """The frames with these indices, ascending; packets between them are skipped where a keyframe allows it."""
    queue = deque(wanted)
    with open_video(path) as (container, stream):
        wants = {index.shown[i] for i in queue} if index.shown else set()
        packets, position, numbers = read_packets(container, stream), 0, _Numbers(index)
        jumped = hold = 0  # where the last jump led to; up to which packet there is to be none
        back: int | None = None  # where to go back to
        while queue:
            start = index.start(queue[0])
            if back is not None or start > max(position, hold):
                jumped, back = start if back is None else back, None
                packets, position = _seek(container, stream, index, jumped)
                if position != jumped:  # this container cannot seek: decode from its beginning
                    yield from _decode(path, replace(index, keys=[]), queue)
                    return
            packet = next(packets, None)
            frames = _decoded(path, stream.codec_context, packet, wants)
            if frames is None and hold < position and index.group(position) == jumped > 0:
                # Some groups can be decoded only after the one before: go back to that one, and try again.
                hold, back = position, index.group(jumped - 1)
                continue
            if packet is not None:
                numbers.sent(packet, position, stream.codec_context, failed=frames is None)
            for frame in frames or ():
                at = numbers.number(frame)
                if at is not None and queue and at >= queue[0]:
                    while queue and queue[0] <= at:
                        queue.popleft()
                    yield at, to_rgb(path, stream, frame)
            position += 1
            if packet is None:
                return


class _Numbers:
    """Tells which frame of the video a decoded frame is, unless it was made after data that could not be decoded."""

    def __init__(self, index: VideoIndex) -> None:
        self.index = index
        self.failed: list[float] = list(index.gaps)  # positions of what could not be decoded, ascending
        self.next: int | None = 0  # where frames are counted: the number of the next one; None = not known
        self.expected = 0  # where frames are counted: the position of the next packet
        self.latest_key = 0  # presentation time of the latest keyframe sent
        self.leading: dict[float, int] = {}  # failed position -> time of the keyframe, if it is shown before that one

    def sent(self, packet: Any, position: int, context: Any, *, failed: bool) -> None:
        """To be called for each packet, before the numbers of the frames that it gave are asked for."""
        if not self.index.shown:
            self._count(packet, self.index.ranks.get(packet.pos, position), context, failed)
            return
        if packet.is_keyframe:
            self.latest_key = packet.pts
        if failed:
            insort(self.failed, position)
            if packet.pts < self.latest_key:
                self.leading[position] = self.latest_key

    def _count(self, packet: Any, position: int, context: Any, failed: bool) -> None:
        if failed or position != self.expected:
            self.next = None
        if self.next is None and not failed and packet.is_keyframe and not context.has_b_frames:
            self.next = position  # without reordering, the frame of a keyframe is the next that comes
        self.expected = position + 1

    def number(self, frame: Any) -> int | None:
        """The number of a frame, asked for in the order in which the decoder returns them; None = not known."""
        if not self.index.shown:
            if self.next is None:
                return None
            self.next += 1
            return self.next - 1
        position = self.index.position.get(frame.pts, -1)
        if position < 0:
            return None
        at = bisect_left(self.index.shown, frame.pts)
        first, last = bisect_left(self.failed, self.index.start(at)), bisect_right(self.failed, position)
        # A failed frame that is shown before its keyframe does not matter for those shown after that.
        if any(frame.pts < self.leading.get(failed, frame.pts + 1) for failed in self.failed[first:last]):
            return None
        return at


def _seek(container: Any, stream: Any, index: VideoIndex, start: int) -> tuple[Iterator[Any], int]:
    """The packets from position `start` on, and the position that was really reached."""
    time = next((key for key in index.keys if index.position[key] == start), min(index.position))
    container.seek(time, stream=stream)
    packets = read_packets(container, stream)
    for packet in packets:
        position = index.position.get(packet.pts, -1)
        if position < 0 or position >= start:
            return chain([packet], packets), position
    return packets, -1


def _decoded(path: Path, context: Any, packet: Any, wants: set[int]) -> list[Any] | None:
    """The frames that the decoder returns for this packet, None if it fails; no packet, at the end, gives the rest."""
    import av

    if packet is not None:
        hole = _HOLES.get(context.codec.canonical_name)
        if packet.is_corrupt or (hole and hole in bytes(packet)):
            return None
        # Decoders of other libraries (of AV1, libdav1d) look at skip_frame once, when they are opened.
        if wants and not context.codec.name.startswith("lib"):
            # Frames that no other frame is predicted from need not be decoded.
            context.skip_frame = "DEFAULT" if packet.pts in wants else "NONREF"
    try:
        av.logging.set_level(av.logging.INFO)
        with av.logging.Capture() as messages:
            frames = list(context.decode(packet))
    except av.FFmpegError as error:
        if fault := decoder_fault(error, path):
            raise fault from error
        return None
    finally:
        av.logging.set_level(None)
    return None if any(_MADE_UP.search(text) for _, _, text in messages) else frames
