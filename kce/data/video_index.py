"""Which frames a video has, in which order they are stored and shown, and where some are missing."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median

from kce.data.video_stream import open_video, read_packets
from kce.errors import BadData

MAX_PACKETS = 2_000_000  # of a video: 9 hours at 60 frames per second
MAX_NAMED = 4  # times the size of its file, that the packets of a video may have: some containers shrink them

_STEADY = ("mpeg1video", "mpeg2video")  # codecs whose frames come at a fixed rate, by their definition
_AVI_CHUNK = 8  # bytes of a chunk's header, at which an AVI's index points, and not at the data


@dataclass(frozen=True)
class VideoIndex:
    """The packets of a file. Where timestamps cannot be trusted, `shown` is empty, and frames are counted instead.

    Attributes:
        count: Number of frames.
        packets: Number of packets that are in the file.
        promised: Number of packets by the file's header; 0 = it does not say.
        shown: Presentation times of the frames, ascending; missing frames have theirs too.
        position: Presentation time -> position in decoding order.
        keys: Presentation times of keyframes, ascending.
        gaps: Positions before which packets are missing, less a half; ascending.
        ranks: Where frames are counted: offset in the file -> position with the missing packets counted. Empty = not
            known.
    """

    count: int
    packets: int
    promised: int
    shown: list[int] = field(default_factory=list)
    position: dict[int, int] = field(default_factory=dict)
    keys: list[int] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    ranks: dict[int, int] = field(default_factory=dict)

    def start(self, wanted: int) -> int:
        """The position at which decoding may start for a frame: that of the last keyframe shown at or before it.

        A frame that is shown before its keyframe may need the group before, so this is the keyframe before that one.
        """
        if not self.keys:
            return 0
        before = bisect_right(self.keys, self.shown[wanted])
        return self.position[self.keys[before - 1]] if before else 0

    def group(self, position: int) -> int:
        """The position of the last keyframe at or before this one; 0 if there is none."""
        at = bisect_right(self._key_positions, position)
        return self._key_positions[at - 1] if at else 0

    @cached_property
    def _key_positions(self) -> list[int]:
        return sorted(self.position[key] for key in self.keys)


def read_index(path: Path, size: int) -> VideoIndex:
    """Read all packets of a video of `size` bytes, without decoding them.

    Where the file shows that packets were lost, and its frames come at regular times or have a table, the lost ones are
    counted, so that the others keep their numbers.

    Raises:
        BadData: The file is not a video, has too many frames, or names the same data many times.
        MachineFault: The file cannot be read, or memory, threads or open files are lacking.
    """
    import av

    named = 0  # bytes of the packets
    times: list[int | None] = []
    hidden, keys = set(), []
    offsets: list[int | None] = []
    last: int | None = None
    with av.logging.Capture() as complaints, open_video(path, complain=True) as (container, stream):
        name, promised = container.format.name, stream.frames
        trusted = name != "avi"  # AVI has no presentation times; those reported are guesses
        lossy = stream.codec_context.name in _STEADY
        for packet in read_packets(container, stream):
            times.append(packet.pts)
            offsets.append(packet.pos)
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
            lossy = lossy or packet.is_corrupt
        table = [entry.pos + _AVI_CHUNK for entry in stream.index_entries if entry.size] if name == "avi" else []
    # AVI counts frames without content too, which repeat the one before, and so do its times.
    if name == "avi" and last is not None and last + 1 >= promised:
        promised = 0
    position = {time: i for i, time in enumerate(times) if time is not None}
    if not trusted or len(position) < len(times):
        ranks = _ranks(path, table, offsets, promised)
        return VideoIndex(len(ranks) or len(times), len(times), promised, ranks=ranks)
    gaps: list[float] = []
    present = sorted(set(position) - hidden)
    if lossy or len(times) < promised or any(who == name for _, who, _ in complaints):
        shown = _with_missing(present)
        # Where in decoding order a missing frame was is known up to the distance over which frames are reordered.
        reordered = max((abs(i - position[time]) for i, time in enumerate(sorted(position))), default=0)
        missing = set(shown) - set(present)
        ends = (later for time, later in pairwise(shown) if time in missing and later not in missing)
        gaps = sorted(position[end] - reordered - 0.5 for end in ends)
    else:
        shown = present
    return VideoIndex(len(shown), len(times), promised, shown, position, sorted(keys), gaps)


def _ranks(path: Path, table: Sequence[int], offsets: Sequence[int | None], promised: int) -> dict[int, int]:
    """Offset -> position of the packets in a table, where some of them were not found; empty if all were."""
    if set(offsets) < set(table):
        return {offset: i for i, offset in enumerate(table)}
    if table and len(offsets) < promised and _has_avi_table(path, table[-1]):
        raise BadData(f"{path}: damaged: which frames are missing cannot be known", "get the file again")
    return {}


def _has_avi_table(path: Path, after: int) -> bool:
    """Whether the end of an AVI is there, which has the table of its frames; FFmpeg drops one that does not fit."""
    with path.open("rb") as file:
        file.seek(after)
        return b"idx1" in file.read(2**24)


def _with_missing(times: Sequence[int]) -> list[int]:
    """Times with those that are missing between them, if all but a few follow each other at the same distance.

    Example:
        >>> _with_missing([0, 33, 67, 100, 133, 167, 200, 233, 333, 367, 400, 433])
        [0, 33, 67, 100, 133, 167, 200, 233, 266, 300, 333, 367, 400, 433]
        >>> _with_missing([0, 33, 83, 100, 190])  # at no fixed rate
        [0, 33, 83, 100, 190]
    """
    step = _step(times)
    if not step:
        return list(times)
    filled = [*times[:1]]
    for time, later in pairwise(times):
        count = round((later - time) / step)
        filled += (round(time + i * step) for i in range(1, count))
        filled.append(later)
        if len(filled) > 10 * len(times):
            return list(times)  # a time out of all reason
    return filled


def _step(times: Sequence[int]) -> float:
    """The distance of times that follow each other at a fixed rate, a few missing ones aside; 0 = they do not."""
    distances = [later - time for time, later in pairwise(times)]
    usual = median(distances) if distances else 0
    near = [distance for distance in distances if abs(distance - usual) <= max(1, 0.05 * usual)]
    if usual <= 1 or len(near) < 0.8 * len(distances):
        return 0
    step = fmean(near)
    missing = [distance / step for distance in distances if abs(distance - usual) > max(1, 0.05 * usual)]
    return step if all(share > 1.5 and abs(share - round(share)) < 0.2 for share in missing) else 0
