"""A detector for pictures that are already cropped to a face."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kce import Box, hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

    from kce import Image


class Whole:
    """The whole picture is the face: for datasets that are published as cropped faces."""

    def detect(self, image: Image) -> list[Box]:
        """One box, which is the whole picture."""
        height, width = image.shape[:2]
        return [Box(0.0, 0.0, float(width), float(height))]


@hookimpl
def kce_detectors() -> dict[str, Callable[..., Whole]]:
    """The detector of whole pictures."""
    return {"whole": Whole}
