"""Reads the header of a picture file, before anything is decoded."""

from __future__ import annotations

import io
import re
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kce.errors import BadData


@dataclass(frozen=True)
class ImageHeader:
    """The header of a picture file.

    Attributes:
        width: Width in pixels, as stored.
        height: Height in pixels, as stored.
        alpha: Whether there is transparency.
        depth: Bits of a channel.
        orientation: The EXIF orientation that is to be applied, 1 (as it is) to 8.
        transparent_grey: The grey that is transparent, in a PNG without other transparency, scaled to the depth that
            OpenCV returns: 8 bits, or 16.
        checked: Whether Pillow finds damage that OpenCV's decoder passes over.
    """

    width: int
    height: int
    alpha: bool = False
    depth: int = 8
    orientation: int = 1
    transparent_grey: int | None = None
    checked: bool = False

    @property
    def decoded_bytes(self) -> int:
        """Bytes of the decoded picture, before it becomes 8-bit RGB."""
        return self.width * self.height * (4 if self.alpha else 3) * self.depth // 8


_CHECKED = ("tiff_lzw", "tiff_deflate", "tiff_adobe_deflate", "packbits")
_pillow = threading.Lock()  # Pillow warns of decompression bombs, and warning filters belong to the whole process
_TEXT_HEADERS = (  # formats that OpenCV reads and Pillow does not
    (re.compile(rb"P7\n(?=(?:.*\n)*?WIDTH +(?P<w>\d+))(?=(?:.*\n)*?HEIGHT +(?P<h>\d+))"), b"RGB_ALPHA"),
    (re.compile(rb"PF\s+(?P<w>\d+)\s+(?P<h>\d+)\s"), None),
    (re.compile(rb"#\?(?:RADIANCE|RGBE)(?s:.*?)\n-Y +(?P<h>\d+) +\+X +(?P<w>\d+)\n"), None),
)


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """A block in which Pillow, which warns of much that does no harm, is silent; one at a time in a process."""
    with _pillow, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read_header(data: bytes, path: Any) -> ImageHeader:
    """Read the header of a picture file.

    Args:
        data: The file's bytes.
        path: The file's path, for messages.

    Raises:
        BadData: The file is not a picture, or the picture is too large for Pillow.
    """
    plain = _plain_png(data)
    if plain is not None:
        return plain
    from PIL import Image as Pillow

    with quiet_pillow():
        warnings.simplefilter("error", Pillow.DecompressionBombWarning)
        try:
            with Pillow.open(io.BytesIO(data)) as picture:
                alpha = "A" in picture.getbands() or "transparency" in picture.info
                # OpenCV always applies the orientation of a TIFF.
                orientation = 1 if picture.format == "TIFF" else _orientation(picture)
                grey = _transparent_grey(data, picture.info.get("transparency"))
                checked = picture.format == "TIFF" and picture.info.get("compression") in _CHECKED
                return ImageHeader(*picture.size, alpha, _depth(picture, data), orientation, grey, checked)
        except (Pillow.DecompressionBombWarning, Pillow.DecompressionBombError) as error:
            raise BadData(f"{path}: too large", "make the picture smaller") from error
        except Exception:  # noqa: S110 - on hostile headers Pillow's parsers raise anything
            pass
    for pattern, alpha_word in _TEXT_HEADERS:
        if match := pattern.match(data[:4096]):
            alpha = alpha_word is not None and alpha_word in data[:4096]
            return ImageHeader(int(match["w"]), int(match["h"]), alpha, _MAX_DEPTH)
    raise BadData(f"{path}: not a picture", "leave the file out, or get it again")


def _plain_png(data: bytes) -> ImageHeader | None:
    """The header of a plain 8-bit RGB PNG, such as cut faces; reading it with Pillow takes longer than decoding it."""
    special = any(word in data for word in (b"eXIf", b"tRNS", b"acTL"))
    if special or data[:16] != _PNG or data[24:26] != b"\x08\x02":
        return None
    return ImageHeader(*struct.unpack(">II", data[16:24]))


_MAX_DEPTH = 32
_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


def _depth(picture: Any, data: bytes) -> int:
    """Bits of a channel as OpenCV decodes it; where the header does not say, the most that the format has."""
    if picture.format in ("PNG", "APNG"):
        return max(data[24], 8)
    if picture.format == "TIFF":
        return max(8, *map(int, picture.tag_v2.get(258, (8,))))
    return 16 if picture.format in ("PPM", "JPEG2000", "AVIF") else 8


def _orientation(picture: Any) -> int:
    try:
        return int(picture.getexif().get(0x0112, 1))
    except Exception:  # a picture with a broken EXIF block is still usable
        return 1


def _transparent_grey(data: bytes, value: Any) -> int | None:
    if data[:16] != _PNG or data[25] != 0 or not isinstance(value, int):
        return None
    depth = int(data[24])
    return int(value * (2 ** max(depth, 8) - 1) // (2**depth - 1))
