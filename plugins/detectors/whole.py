"""Pictures that are already cropped to a face."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kce import Box, hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from kce import Image


class Whole:
    """Takes the whole picture as the face: for datasets that are published already cropped."""

    def detect(self, image: Image) -> list[Box]:
        """One box, the picture's own."""
        height, width = image.shape[:2]
        return [Box(0.0, 0.0, float(width), float(height))]


@hookimpl
def kce_detectors() -> dict[str, Callable[..., Whole]]:
    return {"whole": Whole}
