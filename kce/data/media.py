"""The only place that decodes pictures and videos.

What is on disk may be broken or hostile: sizes are read from the header and bounded before anything is decoded, only
plain container formats are opened (no playlists, no network), and every fault is a BadData with its reason.
"""

from __future__ import annotations

import os
import stat
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.data.image_header import read_header
from kce.errors import BadData

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.types import Image

MAX_PIXELS = 2**26  # 8192 x 8192, a picture or a video frame; below Pillow's own bound
MAX_BYTES = 2**29  # of a picture file
MAX_PACKETS = 2_000_000  # of a video: 9 hours at 60 frames a second

# fmt: off
IMAGE_SUFFIXES = frozenset((
    ".avif", ".bmp", ".dib", ".gif", ".hdr", ".jp2", ".jpe", ".jpeg", ".jpg", ".pam", ".pbm", ".pfm",
    ".pgm", ".pic", ".png", ".pnm", ".ppm", ".ras", ".sr", ".tif", ".tiff", ".webp",
))
VIDEO_SUFFIXES = frozenset((
    ".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts",
    ".ogv", ".ts", ".webm", ".wmv",
))
# fmt: on
# Left out on purpose: playlists and scripts (hls, dash, concat), which would open other files and addresses.
_CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,live_flv,asf,ogg"


def is_image(path: str | os.PathLike[str]) -> bool:
    """Whether the suffix is that of a picture."""
    return Path(path).suffix.lower() in IMAGE_SUFFIXES


def is_video(path: str | os.PathLike[str]) -> bool:
    """Whether the suffix is that of a video."""
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


def _size(path: str | os.PathLike[str]) -> int:
    """Of an ordinary file, in bytes, never 0; anything else could be read for ever."""
    with _faults(path):
        found = Path(path).stat()
    if not stat.S_ISREG(found.st_mode):
        raise BadData(f"{path}: cannot be read (not a file)", "leave it out")
    if not found.st_size:
        raise BadData(f"{path}: empty file", "get the file again")
    return found.st_size


@contextmanager
def _faults(path: str | os.PathLike[str]) -> Iterator[None]:
    """What the system says about a file, as BadData."""
    try:
        yield
    except OSError as error:
        raise BadData(
            f"{path}: cannot be read ({error.strerror})", "see whether it is there and yours to read"
        ) from error


# ---------------------------------------------------------------------------------------------------------- pictures


def read_image(path: str | os.PathLike[str]) -> Image:
    """A picture as uint8 (height, width, 3), RGB, upright.

    The EXIF orientation is honoured; 16-bit is scaled to 8, float is taken as [0, 1]; grey is repeated; what is
    transparent is laid over black; of an animation it is the first frame.
    Raises BadData: missing, empty, not a picture, cut short, damaged, or larger than MAX_BYTES or MAX_PIXELS.
    """
    size = _size(path)
    if size > MAX_BYTES:
        raise BadData(f"{path}: too large ({size} bytes)", f"pictures may have up to {MAX_BYTES} bytes")
    with _faults(path), Path(path).open("rb") as file:
        data = file.read(size)
    header = read_header(data, path)
    if header.width * header.height > MAX_PIXELS:
        raise BadData(
            f"{path}: too large ({header.width} x {header.height})", f"pictures may have up to {MAX_PIXELS} pixels"
        )
    cv2 = _cv2()
    # The orientation is applied here: OpenCV leaves it out where there is alpha, and for AVIF.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED if header.alpha else flags)
    except cv2.error:
        pixels = None
    if pixels is None or pixels.size == 0:
        raise BadData(f"{path}: damaged or cut short", "get the file again")
    return _upright(_to_rgb(_to_eight_bit(pixels, path)), header.orientation)


def encode_png(image: Image) -> bytes:
    """RGB uint8 (height, width, 3) as png; the same bytes for the same picture."""
    cv2 = _cv2()
    done, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not done:
        raise ValueError(f"no png can be made of shape {image.shape}")
    return bytes(data.tobytes())


def encode_webp(image: Image, quality: int) -> bytes:
    """RGB uint8 (height, width, 3), at most 16,383 pixels a side, as WebP of a quality from 1 to 100."""
    cv2 = _cv2()
    done, data = cv2.imencode(".webp", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, quality])
    if not done:
        raise ValueError(f"no WebP can be made of shape {image.shape}")
    return bytes(data.tobytes())


def rejpeg(image: Image, quality: int) -> Image:
    """The picture as it comes back from JPEG of a quality from 1 to 100."""
    cv2 = _cv2()
    _, data = cv2.imencode(".jpg", cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2BGR), [1, quality])
    return _to_rgb(cv2.imdecode(data, cv2.IMREAD_COLOR))


def resize(image: Image, size: int) -> Image:
    """Any (height, width, 3) to (size, size, 3): by area where it shrinks, linear where it grows."""
    if image.shape[:2] == (size, size):
        return image
    cv2 = _cv2()
    way = cv2.INTER_AREA if min(image.shape[:2]) > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size, size), interpolation=way), np.uint8)


def shrink(image: Image, share: float) -> Image:
    """The picture with both sides `share` as long, by area; a side keeps 8 pixels at least, if it has them."""
    sides = [max(round(side * share), min(side, 8)) for side in image.shape[1::-1]]
    return np.asarray(_cv2().resize(image, sides, interpolation=_cv2().INTER_AREA), np.uint8)


def _to_eight_bit(pixels: NDArray[Any], path: Any) -> NDArray[np.uint8]:
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == np.uint16:
        return np.asarray((pixels.astype(np.uint32) + 128) // 257, np.uint8)
    if pixels.dtype.kind == "f":
        return np.asarray(np.rint(np.clip(np.nan_to_num(pixels), 0, 1) * 255), np.uint8)
    raise BadData(f"{path}: pixels of type {pixels.dtype} are not known", "save it with 8 or 16 bits a channel")


def _to_rgb(pixels: NDArray[np.uint8]) -> Image:
    cv2 = _cv2()
    if pixels.ndim == 2 or pixels.shape[2] < 4:
        way = cv2.COLOR_GRAY2RGB if pixels.ndim == 2 else cv2.COLOR_BGR2RGB
        return np.asarray(cv2.cvtColor(pixels, way), np.uint8)
    alpha = pixels[:, :, 3:].astype(np.uint16)
    return np.asarray((pixels[:, :, 2::-1] * alpha + 127) // 255, np.uint8)


def _upright(image: Image, orientation: int) -> Image:
    """Undo an EXIF orientation: 1 as it is, 2-4 mirrored or upside down, 5-8 lying on a side."""
    if orientation in (5, 6, 7, 8):
        image = image.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)


def _cv2() -> Any:
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PIXELS))
    cv2: Any = import_module("cv2")
    cv2.utils.logging.setLogLevel(
        cv2.utils.logging.LOG_LEVEL_SILENT
    )  # bad files are reported by whoever asked for them
    return cv2


# ------------------------------------------------------------------------------------------------------------ videos


def video_frames(path: str | os.PathLike[str], n: int) -> Iterator[tuple[int, Image]]:
    """`n` frames spread evenly over a video, as (index, uint8 (height, width, 3) RGB), in order.

    Of N frames these are the ones at the centres of n equal parts, floor((2i + 1) N / 2n); a video with N <= n gives
    all it has. N is what is really in the file, counted without decoding; headers are not believed. A frame that
    turns out not to decode is replaced by the next that does, under that one's index. Rotation is honoured.
    Raises BadData: missing, empty, not a video, no video stream, no frame that decodes, or too large.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, not {n}")
    path = Path(path)
    _size(path)
    index = _index(path)
    wanted = [(2 * i + 1) * index.count // (2 * n) for i in range(n)] if index.count > n else range(index.count)
    found = False
    for item in _decode(path, index, wanted):
        found = True
        yield item
    if not found:
        raise BadData(f"{path}: no frame can be decoded", "get the file again, or leave it out")


@dataclass(frozen=True)
class _Index:
    """The packets that are there. `shown` is empty where timestamps cannot be trusted: then frames are counted."""

    count: int
    shown: list[int] = field(default_factory=list)  # presentation times, ascending
    place: dict[int, int] = field(default_factory=dict)  # presentation time -> place in decoding order
    keys: list[int] = field(default_factory=list)  # presentation times of keyframes, ascending

    def start(self, wanted: int) -> int:
        """Where decoding may start for the frame `wanted`: the place of the last keyframe shown not after it.

        Frames that are shown before their keyframe may need the group before it, so theirs is the one before.
        """
        if not self.keys:
            return 0
        before = bisect_right(self.keys, self.shown[wanted])
        return self.place[self.keys[before - 1]] if before else 0


def _index(path: Path) -> _Index:
    """One pass over the packets, without decoding."""
    times: list[int | None] = []
    hidden, keys = set(), []
    last: int | None = None
    with _open(path) as (container, stream):
        trusted = container.format.name != "avi"  # it holds no presentation times; those it seems to have are guesses
        for packet in _packets(container, stream):
            times.append(packet.pts)
            if len(times) > MAX_PACKETS:
                raise BadData(f"{path}: more than {MAX_PACKETS} frames", "cut the video into shorter ones")
            if packet.is_discard:
                hidden.add(packet.pts)
            if packet.is_keyframe and packet.pts is not None:
                keys.append(packet.pts)
            if packet.dts is not None:
                trusted = trusted and (last is None or packet.dts >= last)
                last = packet.dts
    place = {time: i for i, time in enumerate(times) if time is not None}
    if not trusted or len(place) < len(times):
        return _Index(len(times))
    shown = sorted(set(place) - hidden)
    return _Index(len(shown), shown, place, sorted(keys))


def _decode(path: Path, index: _Index, wanted: Iterable[int]) -> Iterator[tuple[int, Image]]:
    """The frames with these indices, ascending; what lies between two of them is skipped where a keyframe allows."""
    queue = deque(wanted)
    with _open(path) as (container, stream):
        wants = {index.shown[i] for i in queue} if index.shown else set()
        packets, place, counted = _packets(container, stream), 0, 0
        while queue:
            if (start := index.start(queue[0])) > place:
                packets, place = _jump(container, stream, index, start)
                if place != start:  # this container cannot be searched: from its beginning, then
                    yield from _decode(path, replace(index, keys=[]), queue)
                    return
            packet = next(packets, None)
            place += 1
            for frame in _decoded(stream.codec_context, packet, wants):
                at = bisect_left(index.shown, frame.pts) if index.shown and frame.pts is not None else counted
                counted += 1
                if queue and at >= queue[0]:
                    while queue and queue[0] <= at:
                        queue.popleft()
                    yield at, _picture(path, frame)
            if packet is None:
                return


def _jump(container: Any, stream: Any, index: _Index, start: int) -> tuple[Iterator[Any], int]:
    """The packets from place `start` on, and the place really reached."""
    time = next(key for key in index.keys if index.place[key] == start)
    container.seek(time, stream=stream)
    packets = _packets(container, stream)
    for packet in packets:
        place = index.place.get(packet.pts, -1)
        if place < 0 or place >= start:
            return chain([packet], packets), place
    return packets, -1


def _decoded(context: Any, packet: Any, wants: set[int]) -> list[Any]:
    """The frames that come out when this packet goes in; None, at the end, brings out the rest."""
    import av

    if packet is not None and wants:
        # What no other frame is predicted from needs no decoding.
        context.skip_frame = "DEFAULT" if packet.pts in wants else "NONREF"
    try:
        return list(context.decode(packet))
    except av.FFmpegError:
        return []


def _picture(path: Path, frame: Any) -> Image:
    _check_size(path, frame.width, frame.height)
    image: Image = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(image, round(frame.rotation / 90) % 4))


def _packets(container: Any, stream: Any) -> Iterator[Any]:
    """The packets that hold something, up to the end or the first place that cannot be read."""
    import av

    try:
        for packet in container.demux(stream):
            if packet.size and not packet.is_corrupt:
                yield packet
    except av.FFmpegError:
        return


@contextmanager
def _open(path: Path) -> Iterator[tuple[Any, Any]]:
    """The container and its first video stream. One thread: workers are processes."""
    import av

    av.logging.set_level(None)
    limits = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file", "max_pixels": str(MAX_PIXELS)}
    try:
        with av.open(str(path.absolute()), options=limits, metadata_errors="ignore") as container:
            # A cover picture is a stream of one frame that is no video.
            streams = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
            if not streams:
                raise BadData(f"{path}: no video in it", "leave the file out")
            stream = streams[0]
            context = stream.codec_context
            if context is None:
                raise BadData(f"{path}: its codec is not known", "convert it to H.264")
            _check_size(path, context.width, context.height)
            context.thread_count = 1
            context.options = {"max_pixels": str(MAX_PIXELS)}
            yield container, stream
    except av.FFmpegError as error:
        raise BadData(f"{path}: not a video, or damaged ({error.strerror})", "get the file again") from error


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise BadData(f"{path}: frames too large ({width} x {height})", f"frames may have up to {MAX_PIXELS} pixels")
