"""Decodes, encodes and resizes pictures. Sizes are read from the header and limited before anything is decoded."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.data.image_header import ImageHeader, quiet_pillow, read_header
from kce.data.jpeg_damage import jpeg_damage, libjpeg_warnings
from kce.data.media import MAX_PIXELS, media_size, reading
from kce.errors import BadData, MachineFault
from kce.system.machine_faults import AGAIN, lacking
from kce.system.memory import available_memory
from kce.system.os_errors import is_missing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.types import Image

MAX_BYTES = 2**28  # of a picture file
MAX_DECODED_BYTES = 2**28  # 8192 x 8192 with 8 bits and transparency; reading it takes up to three times as much memory
_BAND_BYTES = 2**24  # of the rows that are converted at once
_WORTH_ASKING = 2**27  # bytes for which it is worth asking whether there is so much memory, which takes 2 ms


def read_image(path: str | os.PathLike[str]) -> Image:
    """Read a picture.

    The EXIF orientation is applied; 16-bit pixels are scaled to 8 bits, and floats are taken as [0, 1]; grey becomes
    RGB; transparent parts are laid over black; of an animation, the first frame is read.

    Returns:
        The picture, uint8 (height, width, 3), RGB.

    Raises:
        BadData: The file is empty, not a picture, truncated, damaged, or exceeds MAX_BYTES or MAX_PIXELS.
        MachineFault: The file is missing or cannot be read, or there is too little memory.

    Example:
        >>> read_image("no such file.png")
        Traceback (most recent call last):
        kce.errors.MachineFault: no such file.png: is missing
        hint: was it moved, or is its disk not there? The same command tries again
    """
    return decode_image(read_picture_file(path), path)


def decode_image(data: bytes, path: str | os.PathLike[str]) -> Image:
    """Decode a picture as ``read_image`` does.

    Args:
        data: Its encoded bytes.
        path: Where they come from, for messages.
    """
    try:
        header = read_header(data, path)
    except BadData as error:
        raise _lacking(path, len(data)) or error from error
    _check_size(header, path)
    cv2 = _cv2()
    # The orientation is applied below: OpenCV does not apply it where there is alpha, nor for AVIF.
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        with libjpeg_warnings(data) as warnings:
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED if header.alpha else flags)
    except cv2.error:
        pixels = None
    if pixels is None or pixels.size == 0:
        raise _lacking(path, header.decoded_bytes) or BadData(f"{path}: damaged or cut short", "get the file again")
    if header.checked and not _loads(data):
        raise _lacking(path, header.decoded_bytes) or BadData(f"{path}: damaged", "get the file again")
    if damage := jpeg_damage(data, warnings):
        raise BadData(f"{path}: damaged ({damage})", "get the file again")
    if header.alpha and (pixels.ndim == 2 or pixels.shape[2] < 4):
        pixels = _add_alpha(pixels, data, header)
    return _upright(_in_bands(pixels, lambda band: _to_rgb(_to_eight_bit(band, path))), header.orientation)


def read_picture_file(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a picture: of its file, or, if there is none, of the shard that it is packed in.

    Raises:
        BadData: The file is empty or exceeds MAX_BYTES, or a shard is damaged.
        MachineFault: The file is missing or cannot be read.
    """
    try:
        size = media_size(path)
    except MachineFault as error:
        if not is_missing(error):
            raise
        from kce.data.packed import read_packed

        packed = read_packed(Path(path))
        if packed is None:
            raise
        return packed
    if size > MAX_BYTES:
        raise BadData(f"{path}: too large ({size} bytes)", f"pictures may have up to {MAX_BYTES} bytes")
    with reading(path), Path(path).open("rb") as file:
        return file.read(size)


def _lacking(path: str | os.PathLike[str], memory: int) -> MachineFault | None:
    """As ``lacking``, also for a packed face, which is no file that could be opened."""
    if Path(path).exists():
        return lacking(path, memory)
    fault = lacking("", memory)
    return MachineFault(f"{path}: {fault.message}", fault.hint) if fault else None


def _check_size(header: ImageHeader, path: Any) -> None:
    """Refuse a picture that is too large, before it is decoded; raise MachineFault if there is no memory for it now."""
    size = f"{header.width} x {header.height}"
    if header.width * header.height > MAX_PIXELS:
        raise BadData(f"{path}: too large ({size})", f"pictures may have up to {MAX_PIXELS} pixels")
    if header.decoded_bytes > MAX_DECODED_BYTES:
        raise BadData(
            f"{path}: too large ({size}, {header.decoded_bytes // 2**20} MiB decoded)",
            f"pictures may have up to {MAX_DECODED_BYTES // 2**20} MiB decoded; save it with 8 bits per channel",
        )
    needed = 3 * header.decoded_bytes
    if needed > _WORTH_ASKING and (available := available_memory()) < needed:
        raise MachineFault(
            f"{path}: there is too little memory ({needed // 2**20} MiB needed, {available // 2**20} MiB available)",
            f"free some memory, or use fewer workers; {AGAIN}",
        )


def encode_png(image: Image) -> bytes:
    """A picture, RGB uint8 (height, width, 3), as PNG; the same bytes for the same picture."""
    cv2 = _cv2()
    done, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not done:
        raise ValueError(f"PNG cannot store the shape {image.shape}")
    return bytes(data.tobytes())


def encode_webp(image: Image, quality: int) -> bytes:
    """A picture, RGB uint8 (height, width, 3), at most 16,383 pixels a side, as WebP of quality 1 to 100."""
    cv2 = _cv2()
    done, data = cv2.imencode(".webp", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_WEBP_QUALITY, quality])
    if not done:
        raise ValueError(f"WebP cannot store the shape {image.shape}")
    return bytes(data.tobytes())


def rejpeg(image: Image, quality: int) -> Image:
    """The picture after it was encoded as JPEG of quality 1 to 100 and decoded again."""
    cv2 = _cv2()
    _, data = cv2.imencode(".jpg", cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2BGR), [1, quality])
    return _to_rgb(cv2.imdecode(data, cv2.IMREAD_COLOR))


def resize(image: Image, size: int) -> Image:
    """Resize a picture of any shape to (size, size, 3): by area when shrinking, linearly when enlarging."""
    if image.shape[:2] == (size, size):
        return image
    cv2 = _cv2()
    interpolation = cv2.INTER_AREA if min(image.shape[:2]) > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size, size), interpolation=interpolation), np.uint8)


def shrink(image: Image, share: float) -> Image:
    """Shrink both sides of a picture to this share, by area; a side keeps at least 8 pixels, if it has them."""
    sides = [max(round(side * share), min(side, 8)) for side in image.shape[1::-1]]
    return np.asarray(_cv2().resize(image, sides, interpolation=_cv2().INTER_AREA), np.uint8)


def _in_bands(pixels: NDArray[Any], convert: Callable[[NDArray[Any]], Image]) -> Image:
    """Convert some rows of a large picture at a time: intermediate results take several times their memory."""
    if pixels.nbytes <= _BAND_BYTES:
        return convert(pixels)
    height, width = pixels.shape[:2]
    image = np.empty((height, width, 3), np.uint8)
    rows = max(_BAND_BYTES * height // pixels.nbytes, 1)
    for top in range(0, height, rows):
        image[top : top + rows] = convert(pixels[top : top + rows])
    return image


def _loads(data: bytes) -> bool:
    """Whether Pillow decodes a picture without an error."""
    from PIL import Image as Pillow

    try:
        with quiet_pillow(), Pillow.open(io.BytesIO(data)) as picture:
            picture.load()
    except Exception:
        return False
    return True


def _add_alpha(pixels: NDArray[Any], data: bytes, header: ImageHeader) -> NDArray[Any]:
    """The pixels of a grey picture, BGRA, whose transparency OpenCV has left out."""
    if header.transparent_grey is None:
        from PIL import Image as Pillow

        with quiet_pillow(), Pillow.open(io.BytesIO(data)) as picture:
            return np.asarray(picture.convert("RGBA"))[:, :, [2, 1, 0, 3]]
    grey = pixels if pixels.ndim == 2 else pixels[:, :, 0]
    alpha = np.where(grey == header.transparent_grey, 0, np.iinfo(grey.dtype).max).astype(grey.dtype)
    return np.dstack((grey, grey, grey, alpha))


def _to_eight_bit(pixels: NDArray[Any], path: Any) -> NDArray[np.uint8]:
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == np.uint16:
        return np.asarray((pixels.astype(np.uint32) + 128) // 257, np.uint8)
    if pixels.dtype.kind == "f":
        return np.asarray(np.rint(np.clip(np.nan_to_num(pixels), 0, 1) * 255), np.uint8)
    raise BadData(f"{path}: pixels of type {pixels.dtype} are not supported", "save it with 8 or 16 bits per channel")


def _to_rgb(pixels: NDArray[np.uint8]) -> Image:
    cv2 = _cv2()
    if pixels.ndim == 2 or pixels.shape[2] < 4:
        code = cv2.COLOR_GRAY2RGB if pixels.ndim == 2 else cv2.COLOR_BGR2RGB
        return np.asarray(cv2.cvtColor(pixels, code), np.uint8)
    alpha = pixels[:, :, 3:].astype(np.uint16)
    return np.asarray((pixels[:, :, 2::-1] * alpha + 127) // 255, np.uint8)


def _upright(image: Image, orientation: int) -> Image:
    """Undo an EXIF orientation: 1 as it is, 2-4 mirrored or upside down, 5-8 on a side."""
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
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # callers report bad files
    return cv2
