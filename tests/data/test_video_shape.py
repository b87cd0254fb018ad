"""A frame is given out as it is to be seen, and from the right stream."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from kce.data.videos import video_frames

COLOURS = {"R": (220, 30, 20), "G": (20, 200, 40), "B": (30, 40, 210), "W": (235, 235, 235)}


def corners() -> np.ndarray:
    """64 high, 128 wide: red and green above, blue and white below."""
    frame = np.zeros((64, 128, 3), np.uint8)
    frame[:32, :64], frame[:32, 64:], frame[32:, :64], frame[32:, 64:] = COLOURS.values()
    return frame


def name(pixel: np.ndarray) -> str:
    return min(COLOURS, key=lambda key: int(np.abs(pixel.astype(int) - COLOURS[key]).sum()))


def add(
    container: av.container.OutputContainer, codec: str, frame: np.ndarray, form: str = "yuv420p"
) -> av.VideoStream:
    stream = container.add_stream(codec, rate=25)
    stream.height, stream.width = frame.shape[:2]
    stream.pix_fmt = form
    return stream


def encode(container: av.container.OutputContainer, stream: av.VideoStream, frame: np.ndarray, count: int) -> None:
    for _ in range(count):
        container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
    container.mux(stream.encode())


@pytest.mark.parametrize(
    ("matrix", "seen"),
    [
        ((1, 0, 0, 1), "RGBW"),
        ((0, 1, -1, 0), "BRWG"),  # a quarter turn clockwise
        ((-1, 0, 0, -1), "WBGR"),
        ((0, -1, 1, 0), "GWRB"),
        ((-1, 0, 0, 1), "GRWB"),  # a mirror image
        ((1, 0, 0, -1), "BWRG"),
        ((0, 1, 1, 0), "RBGW"),
        ((0, -1, -1, 0), "WGBR"),
        ((0.98, 0.17, -0.17, 0.98), "RGBW"),  # turned by 10 degrees: to the nearest right angle
        ((0, 0, 0, 0), "RGBW"),  # no matrix at all
    ],
)
def test_the_whole_display_matrix_is_applied(tmp_path: Path, matrix: tuple[float, ...], seen: str) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        encode(container, add(container, "libx264", corners()), corners(), 3)
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 4 + 20 + 8 + 8  # version, times and numbers, reserved, layer to volume
    a, b, c, d = (round(value * 2**16) for value in matrix)
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    ((_, image),) = video_frames(path, 1)
    assert image.shape == ((128, 64, 3) if abs(matrix[1]) > abs(matrix[0]) else (64, 128, 3))
    assert image.flags.c_contiguous
    assert "".join(name(image[y, x]) for y in (8, -8) for x in (8, -8)) == seen


@pytest.mark.parametrize(
    ("ratio", "size"),
    [
        ("2/1", (64, 256)),
        ("64/45", (64, 182)),
        ("1/2", (128, 128)),
        ("1/1", (64, 128)),
        ("200/201", (64, 128)),
        ("1/50", (64, 128)),  # out of all reason
    ],
)
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_pixels_are_made_square(tmp_path: Path, suffix: str, ratio: str, size: tuple[int, int]) -> None:
    path = tmp_path / f"a.{suffix}"
    with av.open(str(path), "w") as container:
        stream = add(container, "mpeg4", corners())
        stream.codec_context.sample_aspect_ratio = Fraction(ratio)
        encode(container, stream, corners(), 3)
    ((_, image),) = video_frames(path, 1)
    assert image.shape[:2] == size
    assert "".join(name(image[y, x]) for y in (8, -8) for x in (8, -8)) == "RGBW"


def test_a_thumbnail_is_not_the_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        large = corners().repeat(4, 0).repeat(4, 1)
        streams = add(container, "png", large, "rgb24"), add(container, "libx264", corners())
        encode(container, streams[0], large, 1)
        encode(container, streams[1], corners(), 5)
    assert [image.shape for _, image in video_frames(path, 10)] == [(64, 128, 3)] * 5


def test_of_two_streams_the_default_one_is_decoded_and_else_the_larger(tmp_path: Path) -> None:
    small = np.ascontiguousarray(corners()[::2, ::2])
    for default, expected in ((0, (32, 64, 3)), (1, (64, 128, 3)), (None, (64, 128, 3))):
        path = tmp_path / f"{default}.mkv"
        with av.open(str(path), "w") as container:
            streams = [add(container, "mpeg4", frame) for frame in (small, corners())]
            for number, stream in enumerate(streams):
                wanted = av.stream.Disposition.default if number == default else av.stream.Disposition.original
                stream.disposition = wanted
            for stream, frame in zip(streams, (small, corners()), strict=True):
                encode(container, stream, frame, 5)
        assert [image.shape for _, image in video_frames(path, 2)] == [expected] * 2
