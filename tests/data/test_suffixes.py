"""The one list of suffixes, on a file of each: it is decoded, and its pictures are those that were stored."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from kce import Tree
from kce.data.pictures import read_image
from kce.data.suffixes import PICTURES, UNDECODED, VIDEOS, is_video
from kce.data.videos import video_frames
from tests.conftest import REPOSITORY

# suffix -> the format that OpenCV or, in upper case, Pillow writes
PICTURE_FORMATS = {
    **{name: name for name in (".avif", ".bmp", ".dib", ".hdr", ".jp2", ".jpg", ".pam", ".pfm", ".pic", ".png")},
    **{name: name for name in (".ras", ".sr", ".tif")},
    **dict.fromkeys((".jfif", ".jif", ".jpe", ".jpeg"), ".jpg"),
    **dict.fromkeys((".j2c", ".j2k", ".jpc", ".jpf", ".jpx"), "JPEG2000"),
    **dict.fromkeys((".jps", ".mpo"), "MPO"),
    **dict.fromkeys((".pbm", ".pgm", ".pnm", ".ppm"), "PPM"),
    ".apng": "PNG",
    ".avifs": "AVIF",
    ".gif": "GIF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
# suffix -> encoder and container
VIDEO_FORMATS = {
    **dict.fromkeys((".mp4", ".m4v", ".qt", ".mov", ".f4v"), ("libx264", "mp4")),
    **dict.fromkeys((".avi", ".divx", ".xvid"), ("mpeg4", "avi")),
    **dict.fromkeys((".asf", ".wmv"), ("wmv2", "asf")),
    **dict.fromkeys((".ts", ".m2t"), ("mpeg2video", "mpegts")),
    **dict.fromkeys((".mts", ".m2ts"), ("libx264", "mpegts")),
    **dict.fromkeys((".mpg", ".mpe", ".mpeg"), ("mpeg1video", "mpeg")),
    **dict.fromkeys((".mkv", ".mk3d"), ("libx264", "matroska")),
    **dict.fromkeys((".ogv", ".ogm"), ("libvpx", "ogg")),
    **dict.fromkeys((".rm", ".rmvb"), ("rv20", "rm")),
    ".3gp": ("mpeg4", "3gp"),
    ".3g2": ("mpeg4", "3g2"),
    ".flv": ("flv", "flv"),
    ".vob": ("mpeg2video", "vob"),
    ".webm": ("libvpx-vp9", "webm"),
    ".ivf": ("libvpx", "ivf"),
    ".mj2": ("jpeg2000", "mov"),
    ".mxf": ("mpeg2video", "mxf"),
}


def test_no_suffix_is_in_two_lists() -> None:
    assert not PICTURES & VIDEOS
    assert not UNDECODED & (PICTURES | VIDEOS)
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in PICTURES | VIDEOS | UNDECODED)


def test_adapters_have_the_same_lists() -> None:
    assert (Tree.pictures, Tree.videos) == (PICTURES, VIDEOS)


@pytest.mark.parametrize("suffix", sorted(PICTURES))
def test_every_suffix_of_a_picture_is_decoded(tmp_path: Path, suffix: str) -> None:
    image = np.full((64, 96, 3), 255, np.uint8)
    image[:32], image[:, :48] = (220, 30, 20), (30, 40, 210)
    path, kind = tmp_path / f"a{suffix}", PICTURE_FORMATS[suffix]
    if kind.isupper():
        mode = {".pbm": "1", ".pgm": "L"}.get(suffix, "RGB")
        Pillow.fromarray(image).convert(mode, dither=Pillow.Dither.NONE).save(path, kind)
        image = np.asarray(Pillow.fromarray(image).convert(mode, dither=Pillow.Dither.NONE).convert("RGB"))
    else:
        stored = image.astype(np.float32) / 255 if kind in (".hdr", ".pic", ".pfm") else image
        path.write_bytes(cv2.imencode(kind, np.ascontiguousarray(stored[..., ::-1]))[1].tobytes())
    read = read_image(path)
    assert read.shape == image.shape
    assert np.abs(read[::8, ::12].astype(int) - image[::8, ::12]).mean() < 8
    assert not is_video(path)


@pytest.mark.parametrize("suffix", sorted(VIDEOS))
def test_every_suffix_of_a_video_is_decoded(tmp_path: Path, suffix: str) -> None:
    path, (codec, container) = tmp_path / f"A{suffix.upper()}", VIDEO_FORMATS[suffix]
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(codec, rate=25)
        stream.width, stream.height, stream.gop_size = 96, 64, 1 if container == "mxf" else 4
        stream.pix_fmt = "yuv420p"
        for shade in range(20, 220, 20):
            frame = np.full((64, 96, 3), shade, np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        output.mux(stream.encode())
    frames = list(video_frames(path, 10))
    assert [number for number, _ in frames] == list(range(10))
    assert [round(frame.mean() / 20) for _, frame in frames] == list(range(1, 11))
    assert is_video(path)


def test_the_list_loads_no_decoder() -> None:
    code = "import sys, kce.data.suffixes; print({'cv2', 'av', 'PIL', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_manual_lists_them() -> None:
    page = (REPOSITORY / "kce/docs/datasets.md").read_text(encoding="utf-8")
    for kind, suffixes in (("pictures", PICTURES), ("videos", VIDEOS)):
        assert f"| {kind} | {' '.join(suffix[1:] for suffix in sorted(suffixes))} |" in page
