"""Methods by landmarks: swaps, a morph, a smile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .face import Face, recoloured, warp
from .generators import Generator

if TYPE_CHECKING:
    import numpy as np

    from kce import Image

MOUTH_CORNERS = 61, 291
"""Numbers of the landmarks at the corners of the mouth."""


def laid_over(face: Face, donor: Face) -> np.ndarray:
    """The donor's face, moved onto the landmarks of another: float32 (side, side, 3)."""
    return warp(donor.image, donor.points, face.points, face.side)


class FeatheredSwap(Generator):
    """The donor's face on the landmarks of the target, in its colours, with a soft border."""

    def forge(self, face: Face, donor: Face, random: np.random.Generator) -> Image:
        """See ``Generator``."""
        return face.splice(recoloured(laid_over(face, donor), face))


class PoissonSwap(Generator):
    """The donor's face on the landmarks of the target, joined by its gradients (Perez et al. 2003)."""

    def forge(self, face: Face, donor: Face, random: np.random.Generator) -> Image:
        """See ``Generator``."""
        import cv2
        import numpy as np

        inside = face.mask > 0.4
        cut = np.where(inside, np.uint8(255), np.uint8(0))
        left, top, width, height = cv2.boundingRect(cut)
        new = recoloured(laid_over(face, donor), face).clip(0, 255).astype(np.uint8)
        middle = (left + width // 2, top + height // 2)
        joined = np.asarray(cv2.seamlessClone(new, face.image, cut, middle, cv2.NORMAL_CLONE), np.uint8)
        return np.where(inside[..., None], joined, face.image)


class Morph(Generator):
    """Target and donor, both moved onto the mean of their landmarks, half and half."""

    def forge(self, face: Face, donor: Face, random: np.random.Generator) -> Image:
        """See ``Generator``."""
        share = random.uniform(0.45, 0.55)
        # The outline stays, or the splice would show two of them.
        inner = face.mask[tuple(face.points.round().astype(int).clip(0, face.side - 1).T[::-1])][:, None]
        moved = onto(donor.points, face.points)
        points = face.points + share * inner * (moved - face.points)
        own = warp(face.image, face.points, points, face.side)
        other = recoloured(warp(donor.image, donor.points, points, face.side), face)
        return face.splice(own + share * (other - own))


class Smile(Generator):
    """The corners of the mouth drawn up and apart, by a smooth motion field."""

    def forge(self, face: Face, donor: Face, random: np.random.Generator) -> Image:
        """See ``Generator``."""
        import cv2
        import numpy as np

        corners, size = face.points[list(MOUTH_CORNERS)], face.scale
        across = (corners[1] - corners[0]) / np.linalg.norm(corners[1] - corners[0])
        up = np.array([across[1], -across[0]])
        reach, width = random.uniform(0.16, 0.22) * size, 0.35 * size
        y, x = np.mgrid[0 : face.side, 0 : face.side].astype(np.float32)
        source = np.stack([x, y], axis=-1)
        for corner, sign in zip(corners, (-1, 1), strict=True):
            near = np.exp(-((x - corner[0]) ** 2 + (y - corner[1]) ** 2) / (2 * width**2))
            source -= near[..., None] * (reach * (up + 0.6 * sign * across)).astype(np.float32)
        moved = cv2.remap(face.image, source[..., 0], source[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        return face.splice(moved)


def onto(points: np.ndarray, to: np.ndarray) -> np.ndarray:
    """Landmarks (n, 2) shifted, scaled and turned so that they come as near to others as they can."""
    import numpy as np

    a, b = points - points.mean(axis=0), to - to.mean(axis=0)
    left, spread, right = np.linalg.svd(a.T @ b)
    flip = np.array([1, np.sign(np.linalg.det(left @ right))])
    moved = a @ ((left * flip) @ right) * ((spread * flip).sum() / (a**2).sum()) + to.mean(axis=0)
    return np.asarray(moved, np.float32)
