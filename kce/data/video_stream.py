"""Opens a video: its container, the stream that is decoded, its packets, and a frame as a picture that is upright."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.errors import BadData
from kce.system.machine_faults import decoder_fault

if TYPE_CHECKING:
    from kce.types import Image

MAX_FRAME_PIXELS = 2**25  # 8K; a decoder may hold 16 frames and more

# Without playlists and scripts (hls, dash, concat), which would open other files and addresses.
_CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,live_flv,asf,ogg,mxf,ivf,rm"
_WIDEST = 4.0  # ratio of the sides of a pixel; more is a damaged header


@contextmanager
def open_video(path: Path, *, complain: bool = False) -> Iterator[tuple[Any, Any]]:
    """The container and the stream to decode; decoding uses one thread, since workers are processes.

    Args:
        path: The file.
        complain: Whether FFmpeg's errors go to ``av.logging``, while it is open; otherwise they are dropped.

    Raises:
        BadData: The file is not a video, has no video stream, or its frames are too large.
        MachineFault: The file cannot be read, or memory, threads or open files are lacking.
    """
    import av

    av.logging.set_level(av.logging.ERROR if complain else None)
    limits = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file", "max_pixels": str(MAX_FRAME_PIXELS)}
    try:
        with av.open(str(path.absolute()), options=limits, metadata_errors="ignore") as container:
            stream = _main_stream(container)
            if stream is None:
                raise BadData(f"{path}: no video stream", "leave the file out")
            context = stream.codec_context
            if context is None:
                raise BadData(f"{path}: unknown codec", "convert it to H.264")
            check_frame_size(path, context.width, context.height)
            context.thread_count = 1
            # A decoder hides what it cannot decode behind parts of other frames, unless it is told to fail.
            context.options = {"max_pixels": str(MAX_FRAME_PIXELS), "err_detect": "crccheck+explode"}
            yield container, stream
    except av.FFmpegError as error:
        damaged = BadData(f"{path}: not a video, or damaged ({error.strerror})", "get the file again")
        raise decoder_fault(error, path) or damaged from error
    finally:
        av.logging.set_level(None)


def read_packets(container: Any, stream: Any) -> Iterator[Any]:
    """The packets with content, up to the end or to the first that cannot be read."""
    import av

    try:
        for packet in container.demux(stream):
            if packet.size:
                yield packet
    except av.FFmpegError:
        return


def to_rgb(path: Path, stream: Any, frame: Any) -> Image:
    """A frame as it is to be seen: pixels made square, then turned and mirrored as the file says.

    Returns:
        uint8 (height, width, 3), RGB.

    Raises:
        BadData: The frame is too large.
    """
    width, height = square_pixels(frame.width, frame.height, float(stream.sample_aspect_ratio or 0))
    check_frame_size(path, width, height)
    image: Image = frame.to_ndarray(format="rgb24", width=width, height=height)
    return upright(image, _display_matrix(frame))


def square_pixels(width: int, height: int, ratio: float) -> tuple[int, int]:
    """The size of a frame of width x height pixels that are `ratio` times as wide as high, with square pixels.

    A side grows and none shrinks. A ratio that differs by less than 1 % from 1, or is out of all reason, is ignored.

    Example:
        >>> square_pixels(720, 576, 64 / 45), square_pixels(1440, 1080, 0), square_pixels(480, 480, 2 / 3)
        ((1024, 576), (1440, 1080), (480, 720))
    """
    if not 1 / _WIDEST <= ratio <= _WIDEST or abs(ratio - 1) < 0.01:
        return width, height
    return (round(width * ratio), height) if ratio > 1 else (width, round(height / ratio))


def upright(image: Image, matrix: tuple[int, int, int, int]) -> Image:
    """Turn and mirror a picture by a display matrix, to the nearest right angle.

    Args:
        image: (height, width, 3).
        matrix: (a, b, c, d): what is stored at (x, y) is shown at (ax + cy, bx + dy).

    Returns:
        The picture, contiguous.

    Example:
        >>> row = np.arange(6, dtype=np.uint8).reshape(1, 2, 3)
        >>> upright(row, (-1, 0, 0, 1)).tolist()  # a mirror image
        [[[3, 4, 5], [0, 1, 2]]]
        >>> upright(row, (0, 1, -1, 0)).shape  # turned clockwise
        (2, 1, 3)
    """
    a, b, c, d = matrix
    if abs(b) + abs(c) > abs(a) + abs(d):
        image, a, d = image.transpose(1, 0, 2), c, b
    if a < 0:
        image = image[:, ::-1]
    if d < 0:
        image = image[::-1]
    return np.ascontiguousarray(image)


def check_frame_size(path: Path, width: int, height: int) -> None:
    """Raises BadData if frames of this size are too large to decode."""
    if width * height > MAX_FRAME_PIXELS:
        raise BadData(
            f"{path}: frames too large ({width} x {height})", f"frames may have up to {MAX_FRAME_PIXELS} pixels"
        )


def _main_stream(container: Any) -> Any:
    """The video stream with more than one frame, then the one marked as default, then the largest, then the first."""
    import av

    aside = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails

    def rank(stream: Any) -> tuple[bool, bool, bool, int]:
        context = stream.codec_context
        default = bool(stream.disposition & av.stream.Disposition.default)
        return context is not None, stream.frames != 1, default, context.width * context.height if context else 0

    # A cover picture is a stream with one frame, which is not a video.
    return max((s for s in container.streams.video if not s.disposition & aside), key=rank, default=None)


def _display_matrix(frame: Any) -> tuple[int, int, int, int]:
    for data in frame.side_data:
        if data.type.name == "DISPLAYMATRIX" and data.buffer_size >= 36:
            a, b, _, c, d, *_ = struct.unpack("=9i", bytes(data)[:36])
            return a, b, c, d
    return 1, 0, 0, 1
