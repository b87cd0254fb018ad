"""Damaged pictures are refused, as far as their format lets one know; healthy ones of any encoder are not."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from kce.data.jpeg_damage import libjpeg_warnings
from kce.data.pictures import read_image
from kce.errors import BadData


def photograph(seed: int = 0, size: int = 200) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (size, size, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 6)
    return np.clip((smooth - 127) * 8 + 127 + noise / 20, 0, 255).astype(np.uint8)


def jpegs(image: np.ndarray) -> Iterator[tuple[str, bytes]]:
    """The picture as JPEGs of many kinds."""
    picture = Pillow.fromarray(image)
    for quality in (50, 75, 95):
        for subsampling in (0, 1, 2):
            yield f"q{quality} s{subsampling}", saved(picture, quality=quality, subsampling=subsampling)
    yield "progressive", saved(picture, quality=85, progressive=True)
    yield "optimized", saved(picture, quality=85, optimize=True)
    yield "restarts", saved(picture, quality=85, restart_marker_blocks=8)
    yield "grey", saved(picture.convert("L"), quality=85)
    yield "CMYK", saved(picture.convert("CMYK"), quality=85)
    yield "two pictures", saved(picture, "MPO", save_all=True, append_images=[picture])
    yield (
        "OpenCV's",
        cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 4])[1].tobytes(),
    )


def saved(picture: Pillow.Image, kind: str = "JPEG", **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def is_refused(path: Path, data: bytes) -> bool:
    path.write_bytes(data)
    try:
        read_image(path)
    except BadData:
        return True
    return False


def test_a_jpeg_with_a_hole_is_refused_and_a_healthy_one_is_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    missed = tried = 0
    for name, data in jpegs(photograph()):
        assert not is_refused(tmp_path / "a.jpg", data), name
        begin, end = data.index(b"\xff\xda") + 14, (data.index(b"\xff\xd9\xff") if "two" in name else len(data)) - 8
        for size in (0.05, 0.2):
            at = int(rng.integers(begin, end - size * (end - begin)))
            length = int(size * (end - begin))
            hole = data[:at] + bytes(length) + data[at + length :]
            noise = data[:at] + rng.bytes(length) + data[at + length :]
            short = data[:at] + data[at + length :]
            missed += sum(not is_refused(tmp_path / "a.jpg", damaged) for damaged in (hole, noise, short))
            tried += 3
    assert missed <= 0.05 * tried  # a decoder may fall into step again, at the same number of blocks


def test_the_message_says_what_libjpeg_says(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = bytearray(saved(Pillow.fromarray(photograph())))
    data[len(data) // 2 : len(data) // 2 + 500] = bytes(500)
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(BadData, match=r"a\.jpg: damaged \(.*(extraneous|premature|Huffman)"):
        read_image(tmp_path / "a.jpg")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data + b"appended by a phone" * 100,
        lambda data: data[:-2] + b"\0" + data[-2:],  # a byte of padding
        lambda data: data[:2] + b"\xff\xfe\0\x0acomment!" + data[2:],
        lambda data: data.replace(b"JFIF\0\1", b"JFIF\0\2", 1),  # of a version to come
        lambda data: data[:2] + b"\xff\xff" + data[2:],  # fill bytes before a marker
    ],
)
def test_what_does_no_harm_to_the_picture_is_read(tmp_path: Path, change: object) -> None:
    data = saved(Pillow.fromarray(photograph()), quality=90)
    assert not is_refused(tmp_path / "a.jpg", change(data))


def test_a_hole_in_the_tables_is_found(tmp_path: Path) -> None:
    data = bytearray(saved(Pillow.fromarray(photograph())))
    at = data.index(b"\xff\xdb") + 10
    data[at : at + 40] = bytes(40)
    assert is_refused(tmp_path / "a.jpg", bytes(data))


def test_what_others_write_meanwhile_is_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    with libjpeg_warnings(b"\xff\xd8") as lines:
        os.write(2, b"somebody else\nCorrupt JPEG data: 9 extraneous bytes before marker 0xd9\n")
    assert lines == ["Corrupt JPEG data: 9 extraneous bytes before marker 0xd9\n"]
    assert capfd.readouterr().err == "somebody else\n"


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("GIF", {}),
        ("AVIF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
    ],
)
def test_a_hole_is_found_in_formats_that_show_it(tmp_path: Path, kind: str, options: dict[str, str]) -> None:
    data = saved(Pillow.fromarray(photograph()), kind, **options)
    path = tmp_path / "a.bin"
    assert not is_refused(path, data)
    for at in (len(data) // 3, len(data) // 2):
        assert is_refused(path, data[:at] + bytes(300) + data[at + 300 :])


@pytest.mark.parametrize("kind", ["PNG", "GIF", "AVIF", "TIFF", "WEBP", "BMP", "JPEG2000", "PPM", "JPEG"])
def test_one_that_is_cut_short_is_refused(tmp_path: Path, kind: str) -> None:
    data = saved(Pillow.fromarray(photograph()), kind)
    assert is_refused(tmp_path / "a.bin", data[: len(data) * 2 // 3])


# --- grey with transparency


def png(depth: int, colour: int, row: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG, 2 pixels wide and 1 high."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 2, 1, depth, colour, 0, 0, 0)
    body = (chunk(*each) for each in chunks)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" + row))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(body) + pixels + chunk(b"IEND", b"")


GREY, COLOUR, PALETTE, GREY_ALPHA = 0, 2, 3, 4


@pytest.mark.parametrize(
    ("data", "opaque"),
    [
        (png(8, GREY, bytes([200, 100]), (b"tRNS", b"\0\xc8")), 100),
        (png(16, GREY, struct.pack(">2H", 51400, 25700), (b"tRNS", struct.pack(">H", 51400))), 100),
        (png(4, GREY, b"\xc6", (b"tRNS", b"\0\x0c")), 102),
        (png(2, GREY, b"\xd0", (b"tRNS", b"\0\x03")), 85),
        (png(1, GREY, b"\x40", (b"tRNS", b"\0\x00")), 255),
        (png(8, COLOUR, bytes([200] * 3 + [100] * 3), (b"tRNS", struct.pack(">3H", 200, 200, 200))), 100),
        (png(8, PALETTE, b"\0\1", (b"PLTE", bytes([200] * 3 + [100] * 3)), (b"tRNS", b"\0")), 100),
        (png(8, GREY_ALPHA, bytes([200, 0, 100, 255])), 100),
        (png(16, GREY_ALPHA, struct.pack(">4H", 51400, 0, 25700, 65535)), 100),
    ],
)
def test_what_is_transparent_lies_over_black_in_grey_too(tmp_path: Path, data: bytes, opaque: int) -> None:
    (tmp_path / "a.png").write_bytes(data)
    assert read_image(tmp_path / "a.png").tolist() == [[[0, 0, 0], [opaque] * 3]]


@pytest.mark.parametrize("kind", ["TIFF", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_grey_and_colour_are_twins(tmp_path: Path, kind: str, mode: str) -> None:
    picture = Pillow.new("RGBA", (16, 16), (200, 200, 200, 0))
    picture.paste((100, 100, 100, 255), (8, 0, 16, 16))
    (tmp_path / "a.bin").write_bytes(saved(picture.convert(mode), kind, **{"lossless": True} if kind == "WEBP" else {}))
    image = read_image(tmp_path / "a.bin").astype(int)
    assert np.abs(image[4, 2]).max() <= 3
    assert np.abs(image[4, 13] - 100).max() <= 3
