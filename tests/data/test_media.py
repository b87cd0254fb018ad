"""Decoding, on real files made here: the frame asked for is the frame that comes, and nothing on disk can hurt."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from kce.data import pictures, video_index, video_stream, videos
from kce.errors import BadData, MachineFault

RED, GREEN, BLUE = (220, 30, 20), (20, 200, 40), (30, 40, 210)


def numbered(i: int, width: int = 128, height: int = 96) -> np.ndarray:
    """A picture that shows a number: twelve fields, one per bit."""
    image = np.zeros((height, width, 3), np.uint8)
    for bit in range(12):
        rows = slice((bit // 4) * height // 3, (bit // 4 + 1) * height // 3)
        columns = slice((bit % 4) * width // 4, (bit % 4 + 1) * width // 4)
        image[rows, columns] = 230 if i >> bit & 1 else 25
    return image


def number(image: np.ndarray) -> int:
    height, width = image.shape[:2]
    return sum(
        int(image[(bit // 4) * height // 3 + height // 6, (bit % 4) * width // 4 + width // 8].mean() > 127) << bit
        for bit in range(12)
    )


def make_video(path: Path, frames: list[np.ndarray], codec: str = "libx264", gop: int = 12, **options: str) -> Path:
    height, width = frames[0].shape[:2]
    flags = {"movflags": options.pop("movflags")} if "movflags" in options else {}
    with av.open(str(path), "w", options=flags) as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.gop_size = width, height, gop
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if codec in ("libx264", "mpeg4", "mpeg2video"):
            stream.max_b_frames = 3 if codec == "libx264" else 2
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def centres(count: int, n: int) -> list[int]:
    return list(range(count)) if count <= n else [int((i + 0.5) * count / n) for i in range(n)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 numbered frames, 9 groups of pictures, B-frames."""
    return make_video(tmp_path_factory.mktemp("clip") / "a.mp4", [numbered(i) for i in range(100)])


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {}),
        ("b-pyramid.mov", "libx264", {"bf": "6", "preset": "slower"}),
        ("open-gop.mp4", "libx264", {"x264-params": "open-gop=1:keyint=12"}),
        ("one-gop.mp4", "libx264", {"gop": "1000"}),
        ("a.mkv", "libx264", {}),
        ("no-timestamps.avi", "libx264", {}),
        ("a.ts", "libx264", {}),
        ("hidden-frames.webm", "libvpx", {"auto-alt-ref": "1", "lag-in-frames": "16"}),
        ("a.mpg", "mpeg2video", {}),
        ("b-frames.avi", "mpeg4", {}),
        ("motion.avi", "mjpeg", {}),
        ("a.flv", "libx264", {}),
        ("a.wmv", "wmv2", {}),
        ("delayed.mp4", "libsvtav1", {"preset": "12"}),
        ("delayed-open-gop.mkv", "libx265", {"x265-params": "log-level=none:open-gop=1:keyint=12"}),
        ("hidden-frames-9.mp4", "libvpx-vp9", {"auto-alt-ref": "1", "lag-in-frames": "16", "cpu-used": "8"}),
    ],
)
def test_the_frames_are_those_at_the_centres_of_equal_parts(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    gop = int(options.pop("gop", 12))
    path = make_video(tmp_path / name, [numbered(i) for i in range(100)], codec, gop, **options)
    for n in (1, 3, 10, 32, 99, 100, 101):
        frames = [(i, number(image)) for i, image in videos.video_frames(path, n)]
        assert frames == [(i, i) for i in centres(100, n)]


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 130))
def test_any_number_of_frames_is_exact_and_even(clip: Path, n: int) -> None:
    frames = [(i, number(image)) for i, image in videos.video_frames(clip, n)]
    assert frames == [(i, i) for i in centres(100, n)]
    gaps = np.diff([i for i, _ in frames])
    assert gaps.size == 0 or gaps.max() - gaps.min() <= 1


def test_what_is_skipped_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_video(tmp_path / "a.mp4", [numbered(i) for i in range(600)])
    fed: list[object] = []
    decoded = videos._decoded
    monkeypatch.setattr(videos, "_decoded", lambda *a: (fed.append(a[1]), decoded(*a))[1])
    assert [number(image) for _, image in videos.video_frames(path, 3)] == [100, 300, 500]
    assert len(fed) < 60


def test_a_container_that_cannot_be_searched_is_read_from_its_beginning(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(videos, "_seek", lambda container, stream, index, start: (iter(()), start + 1))
    assert [number(image) for _, image in videos.video_frames(clip, 4)] == centres(100, 4)


def test_a_truncated_video_gives_frames_spread_over_what_is_left(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "a.mp4", [numbered(i) for i in range(100)], movflags="faststart")
    data = whole.read_bytes()
    cut = tmp_path / "cut.mp4"
    begin = data.index(b"mdat")
    cut.write_bytes(data[: begin + (len(data) - begin) * 6 // 10])
    frames = [(i, number(image)) for i, image in videos.video_frames(cut, 5)]
    assert len(frames) == 5
    assert all(i == shown for i, shown in frames)
    assert 30 < frames[-1][0] < 80
    assert frames[0][0] == pytest.approx(frames[-1][0] / 9, abs=1)


def test_damage_in_the_middle_costs_no_frame(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = make_video(tmp_path / "a.mkv", [numbered(i) for i in range(100)])
    data = bytearray(whole.read_bytes())
    for at in range(len(data) // 3, len(data) // 2, 7):
        data[at] ^= 0xA5
    path = tmp_path / "hurt.mkv"
    path.write_bytes(data)
    assert 1 <= len(list(videos.video_frames(path, 10))) <= 10
    assert capfd.readouterr().err == ""


def test_colours_are_red_first_everywhere(tmp_path: Path) -> None:
    flat = np.full((48, 64, 3), RED, np.uint8)
    path = make_video(tmp_path / "a.mp4", [flat] * 3)
    ((_, image),) = videos.video_frames(path, 1)
    assert np.abs(image.astype(int) - RED).max() < 30
    (tmp_path / "a.png").write_bytes(pictures.encode_png(flat))
    assert (pictures.read_image(tmp_path / "a.png") == RED).all()
    assert np.asarray(Pillow.open(tmp_path / "a.png").convert("RGB"))[0, 0].tolist() == list(RED)


def _audio_only(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _header_only(path: Path) -> None:
    data = make_video(path, [numbered(i) for i in range(50)], movflags="faststart").read_bytes()
    path.write_bytes(data[: data.index(b"mdat") + 8])


def _no_moov(path: Path) -> None:
    data = make_video(path, [numbered(i) for i in range(50)]).read_bytes()
    path.write_bytes(data[: len(data) // 2])


BROKEN_VIDEOS = {
    "text": lambda path: path.write_text("This is not a video.\n" * 500),
    "empty": lambda path: path.write_bytes(b""),
    "no moov": _no_moov,
    "header only": _header_only,
    "audio only": _audio_only,
    "a folder": lambda path: path.mkdir(),
    "noise": lambda path: path.write_bytes(np.random.default_rng(0).bytes(100_000)),
    "zeros": lambda path: path.write_bytes(bytes(100_000)),
}


@pytest.mark.parametrize("fault", BROKEN_VIDEOS)
def test_a_broken_video_is_bad_data_with_a_reason(
    tmp_path: Path, fault: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.mp4"
    BROKEN_VIDEOS[fault](path)
    with pytest.raises(BadData) as raised:
        list(videos.video_frames(path, 5))
    assert str(path) in raised.value.message
    assert raised.value.hint
    assert capfd.readouterr() == ("", "")


def test_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    make_video(tmp_path / "secret.ts", [numbered(i) for i in range(10)])
    playlist = tmp_path / "a.mp4"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:0.4,\nsecret.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(BadData):
        list(videos.video_frames(playlist, 5))


def test_frames_beyond_the_bound_are_refused(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_stream, "MAX_FRAME_PIXELS", 100 * 90)
    with pytest.raises(BadData, match="too large"):
        list(videos.video_frames(clip, 5))
    monkeypatch.undo()
    monkeypatch.setattr(video_index, "MAX_PACKETS", 99)
    with pytest.raises(BadData, match="more than 99"):
        list(videos.video_frames(clip, 5))


def test_a_reader_that_stops_early_leaves_nothing_open(clip: Path) -> None:
    for _ in range(5):
        frames = videos.video_frames(clip, 10)
        next(frames)
        frames.close()
    open_files = [link.resolve() for link in Path("/proc/self/fd").glob("*")] if Path("/proc").is_dir() else []
    assert clip not in open_files


# ---------------------------------------------------------------------------------------------------------- pictures


def corners() -> np.ndarray:
    """40 wide, 20 high: red above left, green above right, blue below left, white below right."""
    image = np.full((20, 40, 3), 255, np.uint8)
    image[:10, :20], image[:10, 20:], image[10:, :20] = RED, GREEN, BLUE
    return image


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("suffix", "mode"), [("jpg", "RGB"), ("png", "RGB"), ("png", "RGBA"), ("tiff", "RGB"), ("webp", "RGB")]
)
def test_the_orientation_is_applied(tmp_path: Path, orientation: int, suffix: str, mode: str) -> None:
    stored = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }[orientation](corners())
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    Pillow.fromarray(np.ascontiguousarray(stored)).convert(mode).save(path, exif=exif, quality=95)
    image = pictures.read_image(path)
    assert image.shape == (20, 40, 3)
    assert image.flags.c_contiguous
    for at, colour in (((4, 8), RED), ((4, 32), GREEN), ((15, 8), BLUE), ((15, 32), (255, 255, 255))):
        assert np.abs(image[at].astype(int) - colour).max() < 60, at


@pytest.mark.parametrize(
    "suffix", ["png", "jpg", "bmp", "tiff", "webp", "jp2", "avif", "gif", "ppm", "pam", "ras", "hdr", "pfm"]
)
def test_every_format_of_opencv_is_read_red_first(tmp_path: Path, suffix: str) -> None:
    image = cv2.cvtColor(corners().repeat(4, 0).repeat(4, 1), cv2.COLOR_RGB2BGR)
    stored = image.astype(np.float32) / 255 if suffix in ("hdr", "pfm") else image
    done, data = cv2.imencode(f".{suffix}", stored)
    assert done
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(data.tobytes())
    read = pictures.read_image(path)
    assert (read.shape, read.dtype) == ((80, 160, 3), np.uint8)
    assert np.abs(read[16, 32].astype(int) - RED).max() < 30


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 256).round().astype(np.uint16).reshape(16, 16)
    for name, stored in (("grey.png", ramp), ("colour.tiff", np.dstack([ramp] * 3))):
        cv2.imwrite(str(tmp_path / name), stored)
        assert (pictures.read_image(tmp_path / name) == np.arange(256).reshape(16, 16, 1)).all()


@pytest.mark.parametrize("mode", ["L", "1", "LA", "P", "I;16", "RGBA"])
def test_every_mode_becomes_three_channels(tmp_path: Path, mode: str) -> None:
    Pillow.new(mode, (9, 7), 1 if mode in "1P" else None).save(tmp_path / "a.png")
    assert pictures.read_image(tmp_path / "a.png").shape == (7, 9, 3)


def test_transparent_parts_are_laid_over_black(tmp_path: Path) -> None:
    pixels = np.array([[[200, 100, 50, 255], [200, 100, 50, 0], [200, 100, 50, 51]]], np.uint8)
    Pillow.fromarray(pixels).save(tmp_path / "a.png")
    assert pictures.read_image(tmp_path / "a.png").tolist() == [[[200, 100, 50], [0, 0, 0], [40, 20, 10]]]


def test_an_animation_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [Pillow.new("RGB", (16, 16), colour) for colour in (RED, GREEN, BLUE)]
    for name in ("a.gif", "a.webp", "a.png", "a.tiff"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        assert np.abs(pictures.read_image(tmp_path / name)[0, 0].astype(int) - RED).max() < 30


@pytest.mark.parametrize("name", ["한국어 얼굴.png", "a [1] (2).png", "#%25 &.png", "-rf.png", "a" * 200 + ".png"])
def test_any_name_is_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(pictures.encode_png(corners()))
    assert (pictures.read_image(tmp_path / name) == corners()).all()


def png_of_size(width: int, height: int) -> bytes:
    """A small file whose header, and whose data, claim a very large picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    body = zlib.compress(bytes(2_000_000), 9)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(50_000, 50_000), (30_000, 30_000), (9_000, 9_000), (2**31 - 1, 1)])
def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path, width: int, height: int) -> None:
    """In a process of its own with little memory, where OpenCV was imported first by someone else."""
    (tmp_path / "bomb.png").write_bytes(png_of_size(width, height))
    code = f"""
import resource, sys
import cv2, numpy, PIL.Image
from kce.data import pictures
from kce.errors import BadData
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 150_000_000,) * 2)
try:
    pictures.read_image({str(tmp_path / "bomb.png")!r})
except BadData as error:
    sys.exit(0 if "too large" in str(error) else str(error))
sys.exit("it was read")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def _png(keep: float) -> bytes:
    data = pictures.encode_png(np.random.default_rng(0).integers(0, 256, (80, 80, 3), np.uint8))
    return data[: int(len(data) * keep)]


def _jpeg(keep: float) -> bytes:
    stream = io.BytesIO()
    Pillow.fromarray(np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)).save(stream, "JPEG")
    return stream.getvalue()[: int(stream.tell() * keep)]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"no picture at all\n" * 20, "not a picture"),
        (b"\x89PNG\r\n\x1a\n", "not a picture"),
        (_png(0.5), "cut short"),
        (_png(0.95), "cut short"),
        (_jpeg(0.5), "cut short"),
        (_jpeg(0.95), "cut short"),
        (_jpeg(0.02), "not a picture|cut short"),
    ],
)
def test_a_broken_picture_is_bad_data_with_a_reason(tmp_path: Path, data: bytes, reason: str) -> None:
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(BadData, match=reason) as raised:
        pictures.read_image(tmp_path / "a.png")
    assert raised.value.hint


def test_a_missing_picture_is_no_fault_of_the_file_and_a_folder_is(tmp_path: Path) -> None:
    with pytest.raises(MachineFault, match="is missing"):
        pictures.read_image(tmp_path / "none.png")
    with pytest.raises(BadData, match="not a file"):
        pictures.read_image(tmp_path)


def test_a_file_beyond_the_bound_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(pictures.encode_png(corners()))
    monkeypatch.setattr(pictures, "MAX_BYTES", 50)
    with pytest.raises(BadData, match="too large"):
        pictures.read_image(tmp_path / "a.png")


def test_resize_averages_where_it_shrinks(tmp_path: Path) -> None:
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, 2)
    assert np.abs(pictures.resize(board, 16).astype(int) - 127).max() <= 1
    assert pictures.resize(board, 64) is board
    assert pictures.resize(board[:20, :30], 96).shape == (96, 96, 3)


def test_importing_them_loads_no_decoder() -> None:
    code = "import sys, kce.data.pictures, kce.data.videos; print({'cv2', 'av', 'PIL', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
