"""Damaged videos: what is given out is what the video shows there, and what is lost is said."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
import pytest

from kce.data.decode_check import decoding_error
from kce.data.videos import video_frames
from kce.errors import BadData
from tests.data.test_media import make_video, number, numbered

COUNT = 60


def textured(i: int) -> np.ndarray:
    """A numbered picture with noise in it, which makes packets of some size."""
    noise = np.random.default_rng(i).integers(0, 25, (96, 128, 1), np.uint8)
    return numbered(i) - (numbered(i) > 127) * noise + (numbered(i) <= 127) * noise


def with_hole(path: Path, share: float, begin: float = 0.3) -> Path:
    """A copy with zeros in the middle."""
    data = bytearray(path.read_bytes())
    start, size = int(len(data) * begin), int(len(data) * share)
    data[start : start + size] = bytes(size)
    copy = path.with_name(f"hole{path.suffix}")
    copy.write_bytes(data)
    return copy


KINDS = {
    "a.mp4": ("libx264", {}),
    "open-gop.mp4": ("libx264", {"x264-params": "open-gop=1:keyint=12"}),
    "slices.mov": ("libx264", {"x264-params": "slices=4:keyint=12"}),
    "b.mp4": ("mpeg4", {}),
    "c.mp4": ("libsvtav1", {"preset": "12"}),
    "d.mp4": ("libx265", {"x265-params": "log-level=none:keyint=12"}),
    "a.mkv": ("libx264", {}),
    "a.ts": ("libx264", {}),
    "a.flv": ("libx264", {}),
    "a.avi": ("libx264", {}),
    "b.avi": ("mjpeg", {}),
}


@pytest.mark.parametrize("name", KINDS)
def test_after_a_hole_every_frame_shows_its_number(tmp_path: Path, name: str) -> None:
    codec, options = KINDS[name]
    whole = make_video(tmp_path / name, [textured(i) for i in range(COUNT)], codec, **options)
    right = dict(video_frames(whole, COUNT))
    assert list(right) == list(range(COUNT))
    for share, begin in ((0.2, 0.3), (0.05, 0.5), (0.01, 0.2)):
        told: list[str] = []
        frames = list(video_frames(with_hole(whole, share, begin), COUNT, told.append))
        assert [number(image) for _, image in frames] == [i for i, _ in frames]
        assert all(np.abs(image.astype(int) - right[i]).mean() < 3 for i, image in frames)
        assert 5 < len(frames) < COUNT
        assert told


def test_what_is_lost_is_counted(tmp_path: Path) -> None:
    path = with_hole(make_video(tmp_path / "a.mp4", [textured(i) for i in range(COUNT)]), 0.2)
    told: list[str] = []
    frames = list(video_frames(path, COUNT, told.append))
    assert told == [f"damaged: {COUNT - len(frames)} of {COUNT} frames cannot be decoded"]


def test_a_table_that_promises_more_frames_than_there_are_is_told(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", [textured(i) for i in range(50)], "mjpeg", movflags="faststart")
    data = path.read_bytes()
    with av.open(str(path)) as container:
        ends = sorted(packet.pos + packet.size for packet in container.demux(video=0) if packet.size)
    path.write_bytes(data[: ends[19]])
    told: list[str] = []
    assert [i for i, _ in video_frames(path, 50, told.append)] == list(range(20))
    assert told == ["cut short: 20 of 50 frames are there"]
    assert decoding_error(str(path)) == "cut short: 20 of 50 frames are there"


def test_a_pause_is_not_a_loss(tmp_path: Path) -> None:
    """Frames may come at any time: in a whole video nothing is missing between them."""
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for i in range(30):
            frame = av.VideoFrame.from_ndarray(numbered(i), format="rgb24")
            frame.pts = i if i < 20 else i + 50
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    told: list[str] = []
    assert [(i, number(image)) for i, image in video_frames(path, 30, told.append)] == [(i, i) for i in range(30)]
    assert told == []


def test_a_frame_without_content_is_not_a_loss(tmp_path: Path) -> None:
    """An AVI stores one that repeats the frame before as an empty chunk."""
    path = make_video(tmp_path / "a.avi", [numbered(i) for i in range(20)], "mjpeg")
    with av.open(str(path)) as container:
        entry = container.streams.video[0].index_entries[7]
    data = bytearray(path.read_bytes())
    rest = entry.size + entry.size % 2 - 8
    data[entry.pos + 4 : entry.pos + 16] = struct.pack("<I4sI", 0, b"JUNK", rest)
    table = data.index(b"idx1") + 8 + 16 * 7
    data[table + 12 : table + 16] = bytes(4)
    path.write_bytes(data)
    told: list[str] = []
    assert [number(image) for _, image in video_frames(path, 50, told.append)] == [*range(7), *range(8, 20)]
    assert told == []


def test_frames_that_are_missing_nobody_knows_where_are_not_numbered(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.avi", [textured(i) for i in range(COUNT)], "mjpeg")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 3] + data[len(data) // 2 :])  # the table of what follows is wrong
    with pytest.raises(BadData, match="which frames are missing cannot be known"):
        list(video_frames(path, 5))


def test_where_nothing_can_be_decoded_it_is_an_error(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", [textured(i) for i in range(20)], movflags="faststart")
    data = bytearray(path.read_bytes())
    begin = data.index(b"mdat") + 4
    data[begin:] = bytes(len(data) - begin)
    path.write_bytes(data)
    with pytest.raises(BadData, match="no frame can be decoded"):
        list(video_frames(path, 5))
