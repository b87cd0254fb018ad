"""A face in a picture: where it is, and how a forged one is put into its place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kce import Image

    Field = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Face:
    """A square picture of one face.

    Attributes:
        image: uint8 (side, side, 3), RGB; the face takes about 80 % of its height.
        points: Its landmarks, float32 (468, 2), x and y in pixels, in the order of MediaPipe's face mesh.
    """

    image: Image
    points: Field

    @property
    def side(self) -> int:
        """Width and height of the picture, in pixels."""
        return int(self.image.shape[0])

    @property
    def scale(self) -> float:
        """Root mean square distance of the landmarks from their centre, in pixels."""
        import numpy as np

        return float(np.sqrt(((self.points - self.points.mean(axis=0)) ** 2).sum(axis=1).mean()))

    @cached_property
    def hull(self) -> NDArray[np.int32]:
        """The convex hull of the landmarks, (n, 1, 2): the outline of the face."""
        import cv2
        import numpy as np

        return np.asarray(cv2.convexHull(np.round(self.points).astype(np.int32)), np.int32)

    @cached_property
    def mask(self) -> Field:
        """A soft mask (side, side) in [0, 1]: 1 well inside the face, 0 from its outline on."""
        import cv2
        import numpy as np

        soft = 0.12 * self.scale
        inside = cv2.fillConvexPoly(np.zeros(self.image.shape[:2], np.uint8), self.hull, 255)
        reach = 2 * round(2 * soft) + 1
        eroded = cv2.erode(inside, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
        return np.asarray(cv2.GaussianBlur(eroded, (0, 0), soft) / np.float32(255), np.float32)

    def splice(self, new: NDArray[Any]) -> Image:
        """Put the face of another picture (side, side, 3), in [0, 255], into its place; the rest stays as it is.

        Raises:
            ValueError: It has values that are not finite.
        """
        import numpy as np

        if not np.isfinite(new).all():
            raise ValueError("it made values that are not finite")
        mask = self.mask[..., None]
        mixed = self.image + mask * (np.asarray(new, np.float32) - self.image)
        return np.where(mask > 0, np.clip(mixed + 0.5, 0, 255), self.image).astype(np.uint8)


def warp(image: NDArray[Any], points: Field, to: Field, side: int) -> Field:
    """Move a picture so that its landmarks come to lie on others: piecewise affine, by triangles of the mesh.

    Args:
        image: (height, width, 3).
        points: Landmarks in it, (n, 2).
        to: Where they shall be, (n, 2).
        side: Width and height of the result.

    Returns:
        float32 (side, side, 3); beyond the landmarks, what lies at the nearest border of the picture.
    """
    import cv2
    import numpy as np
    from scipy.interpolate import LinearNDInterpolator
    from scipy.spatial import Delaunay

    # Far corners carry the face's own affine map on, so that pixels at its outline have neighbours to mix with.
    corners = np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]], np.float32) * 4 * side
    affine = np.linalg.lstsq(np.c_[to, np.ones(len(to))], points, rcond=None)[0]
    around = np.c_[corners, np.ones(4)] @ affine
    at = LinearNDInterpolator(Delaunay(np.r_[to, corners]), np.r_[points, around])
    y, x = np.mgrid[0:side, 0:side]
    source = at(x, y).astype(np.float32)
    moved = cv2.remap(
        np.asarray(image, np.float32), source[..., 0], source[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    return np.asarray(moved, np.float32)


def recoloured(new: Field, face: Face) -> Field:
    """Give a picture (side, side, 3) the mean and the spread of colours of a face, both measured inside its mask."""
    import numpy as np

    weight = face.mask[..., None] / face.mask.sum()
    own = face.image.astype(np.float32)
    mean, wanted = (weight * new).sum(axis=(0, 1)), (weight * own).sum(axis=(0, 1))
    spread = np.sqrt((weight * (new - mean) ** 2).sum(axis=(0, 1)))
    target = np.sqrt((weight * (own - wanted) ** 2).sum(axis=(0, 1)))
    gain = np.clip(target / np.maximum(spread, 1), 0.5, 2)
    return np.asarray((new - mean) * gain + wanted, np.float32)
