"""Methods by a filter alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .generators import Generator

if TYPE_CHECKING:
    import numpy as np

    from kce import Image

    from .face import Face


class Bilateral(Generator):
    """Skin smoothed except at edges, as beauty filters do it (Tomasi and Manduchi 1998)."""

    def forge(self, face: Face, donor: Face, random: np.random.Generator) -> Image:
        """See ``Generator``."""
        import cv2

        once = cv2.bilateralFilter(face.image, 9, random.uniform(22, 28), 5)
        return face.splice(cv2.bilateralFilter(once, 9, random.uniform(22, 28), 5))
