"""Mutated pictures and videos, read in other processes: each gives pictures or a clear error, soon; nothing crashes."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image as Pillow

from kce.data.pictures import read_image
from kce.data.suffixes import is_video
from kce.data.videos import video_frames
from kce.errors import BadData
from kce.system.worker_pool import TaskLost, Workers
from tests.data.test_media import make_video, numbered

TIME_LIMIT = 10.0  # seconds a file may take
FRAMES = 24
PICTURES = {
    "a.jpg": ("JPEG", {}),
    "progressive.jpg": ("JPEG", {"progressive": True}),
    "a.png": ("PNG", {}),
    "palette.png": ("PNG", {}),
    "a.gif": ("GIF", {}),
    "a.webp": ("WEBP", {}),
    "a.tif": ("TIFF", {"compression": "tiff_lzw"}),
    "a.bmp": ("BMP", {}),
    "a.avif": ("AVIF", {}),
    "a.jp2": ("JPEG2000", {}),
    "a.ppm": ("PPM", {}),
    "a.mpo": ("MPO", {"save_all": True}),
}
VIDEOS = {
    "a.mp4": "libx264",
    "b.mp4": "mpeg4",
    "c.mp4": "libvpx-vp9",
    "a.mkv": "libx264",
    "a.webm": "libvpx",
    "a.avi": "mpeg4",
    "b.avi": "mjpeg",
    "a.ts": "mpeg2video",
    "a.mpg": "mpeg1video",
    "a.wmv": "wmv2",
    "a.flv": "flv",
    "a.mov": "libx264",
}


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("originals")
    picture = Pillow.fromarray(numbered(1234, 64, 48) + np.random.default_rng(0).integers(0, 9, (48, 64, 3), np.uint8))
    files = {}
    for name, (kind, options) in PICTURES.items():
        stream = io.BytesIO()
        picture.convert("P" if name.startswith("palette") else "RGB").save(stream, kind, **options)
        files[name] = stream.getvalue()
    for name, codec in VIDEOS.items():
        files[name] = make_video(folder / name, [numbered(i, 64, 48) for i in range(FRAMES)], codec, 8).read_bytes()
    return files


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """The bytes with a hole, flipped bits, something cut out, swapped or doubled, or another number in the header."""
    changed = bytearray(data)
    at, size = int(rng.integers(len(data))), int(rng.integers(1, max(len(data) // 4, 2)))
    kind = rng.integers(8)
    if kind == 0:
        changed[at : at + size] = bytes(len(changed[at : at + size]))
    elif kind == 1:
        changed[at : at + size] = rng.bytes(len(changed[at : at + size]))
    elif kind == 2:
        for place in rng.integers(len(data), size=int(rng.integers(1, 20))):
            changed[place] ^= 1 << int(rng.integers(8))
    elif kind == 3:
        del changed[at : at + size]
    elif kind == 4:
        changed = changed[at:] + changed[:at]
    elif kind == 5:
        changed[at:at] = changed[max(at - size, 0) : at]
    elif kind == 6:
        place = int(rng.integers(min(len(data), 600)))
        changed[place : place + 4] = int(rng.choice([0, 1, 2**31 - 1, 2**32 - 1, 2**16])).to_bytes(4, "big")
    else:
        del changed[at:]
    return bytes(changed)


def make_reader() -> Callable[[str], str]:
    """The function that workers call."""
    return outcome


def outcome(path: str) -> str:
    """What reading the file comes to: "pictures", or the message of the error."""
    av.logging.set_level(None)
    try:
        images = list(video_frames(path, 10)) if is_video(path) else [(0, read_image(path))]
    except BadData as error:
        return error.message
    numbers = [number for number, _ in images]
    assert numbers == sorted(set(numbers))
    assert all(image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8 for _, image in images)
    return "pictures"


def check(folder: Path, originals: dict[str, bytes], rounds: int, seed: int) -> None:
    paths = []
    for i in range(rounds):
        for name, data in originals.items():
            path = folder / f"{i}-{name}"
            path.write_bytes(mutated(data, np.random.default_rng([seed, i, len(paths)])))
            paths.append(path)
    results: list[tuple[Path, object]] = []
    with Workers(2, make_reader, (), limit=TIME_LIMIT) as pool:
        for path in paths:
            pool.submit(str(path))
        results = [(path, pool.take()) for path in paths]
    lost = [
        (path.name, result) for path, result in results if isinstance(result, TaskLost) or not isinstance(result, str)
    ]
    assert lost == []
    assert all(result == "pictures" or str(path) in str(result) for path, result in results)


def test_a_few_mutated_media(tmp_path: Path, originals: dict[str, bytes]) -> None:
    check(tmp_path, originals, rounds=3, seed=0)


@pytest.mark.slow
def test_a_thousand_mutated_media(tmp_path: Path, originals: dict[str, bytes]) -> None:
    check(tmp_path, originals, rounds=42, seed=1)
