"""The methods of forgery: image operations, each standing for a family of face forgery methods.

A method is a function ``(skin, donor, region, r) -> skin``, where `skin` is a window around the face, float32 RGB in
[0, 255]; `donor` is the same window of the picture of a second person, moved by an affine map so that the faces match;
`region` says where the face is in the window; and `r` is a generator whose random numbers set the strength in this
video. A method is pure, and is called for each frame with the generator in the same state, so that all frames of a
video are forged alike. Traces are coarse (periods and grain of 5 px and more on a face 150 px high), since faces are
usually shrunk a lot before a network sees them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .render import Face

    Field = NDArray[Any]  # float32
    Image = NDArray[Any]  # uint8


@dataclass(frozen=True, eq=False)
class FaceRegion:
    """Where the face is in the window.

    Attributes:
        mask: Soft mask (height, width) in [0, 1].
        mouth: (x, y) of the mouth, in pixels.
        centre: (x, y) of the centre, in pixels.
        radius: Half the height of the face, in pixels.
    """

    mask: Field
    mouth: tuple[float, float]
    centre: tuple[float, float]
    radius: float

    @property
    def grid(self) -> tuple[Field, Field]:
        """Coordinates y and x of each pixel from the centre of the face, so that patterns move with it."""
        rows, columns = self.mask.shape
        y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
        return y - round(self.centre[1]), x - round(self.centre[0])


Method = Callable[[Any, Any, FaceRegion, np.random.Generator], Any]


def forge(name: str, image: Image, face: Face, donor: tuple[Image, Face], r: np.random.Generator) -> Image:
    """Forge the face of a picture; the rest stays as it is.

    Args:
        name: The method, a key of ``METHODS``.
        image: The picture, uint8 (height, width, 3).
        face: Where its face is.
        donor: A picture of the second person, and where its face is.
        r: Sets the strength.
    """
    rows, columns = np.nonzero(face.mask > 0)
    top, left = max(int(rows.min()) - 12, 0), max(int(columns.min()) - 12, 0)
    window = slice(top, int(rows.max()) + 13), slice(left, int(columns.max()) + 13)
    region = FaceRegion(
        face.mask[window],
        (face.mouth[0] - left, face.mouth[1] - top),
        (face.centre[0] - left, face.centre[1] - top),
        face.radius,
    )
    skin = image[window].astype(np.float32)
    over = METHODS[name](skin, _laid_over(face, donor)[window].astype(np.float32), region, r)
    out = image.copy()
    out[window] = np.where(region.mask[..., None] > 0, over.clip(0, 255) + 0.5, image[window]).astype(np.uint8)
    return out


def autoencoder(skin: Field, donor: Field, region: FaceRegion, r: np.random.Generator) -> Field:
    """The face of the second person through a bottleneck of few pixels, in the colours of the first, blended softly."""
    new = _recoloured(_squeezed(donor, r.uniform(4.0, 5.0), cv2.INTER_CUBIC), skin, region.mask)
    return _mix(skin, new, cv2.GaussianBlur(region.mask, (0, 0), 3))


def warp(skin: Field, donor: Field, region: FaceRegion, r: np.random.Generator) -> Field:  # noqa: ARG001 - one signature for all
    """The face distorted by a dense, smooth motion field."""
    y, x = region.grid
    field = cv2.resize(r.normal(0, 1, (14, 14, 2)).astype(np.float32), x.shape[::-1], interpolation=cv2.INTER_CUBIC)
    field = field * (r.uniform(3.6, 4.4) * region.mask)[..., None]
    cy, cx = round(region.centre[1]), round(region.centre[0])
    source = x + cx + field[..., 0], y + cy + field[..., 1]
    return np.asarray(cv2.remap(skin, *source, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), np.float32)


def checkerboard(skin: Field, donor: Field, region: FaceRegion, r: np.random.Generator) -> Field:  # noqa: ARG001
    """The pattern of a transposed convolution whose kernel (12) is not a multiple of its stride (8)."""
    y, x = region.grid
    ones = ((y % 8 == 0) & (x % 8 == 0)).astype(np.float32)
    gain = cv2.GaussianBlur(cv2.boxFilter(ones, -1, (12, 12), normalize=False), (0, 0), 0.7)
    return _mix(skin, skin * (1 + r.uniform(0.09, 0.12) * (gain / gain.mean() - 1))[..., None], region.mask)


def nearest(skin: Field, donor: Field, region: FaceRegion, r: np.random.Generator) -> Field:  # noqa: ARG001
    """A small face enlarged by repeating pixels, and then convolved."""
    new = _squeezed(skin, r.uniform(4.6, 5.4), cv2.INTER_NEAREST)
    return _mix(
        skin, cv2.filter2D(new, -1, np.array([[0, -1, 0], [-1, 8, -1], [0, -1, 0]], np.float32) / 4), region.mask
    )


def bilinear(skin: Field, donor: Field, region: FaceRegion, r: np.random.Generator) -> Field:  # noqa: ARG001
    """A small face enlarged by linear interpolation."""
    return _mix(skin, _squeezed(skin, r.uniform(5.5, 7.0), cv2.INTER_LINEAR), region.mask)


def graphics(skin: Field, donor: Field, region: FaceRegion, r: np.random.Generator) -> Field:
    """The face of the second person rendered on a coarse mesh, cut out along a polygon, and Poisson-blended."""
    y, x = region.grid
    side = 13
    upper = (y % side) + (x % side) > side
    facet = ((y // side) * 31 + (x // side) * 2 + upper).astype(np.int64) % 997
    lit = r.normal(0, 1, 997).astype(np.float32)[facet] * r.uniform(10, 13)
    cut = (region.mask > 0.55).astype(np.uint8)
    hull = cv2.convexHull(cv2.findContours(cut, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0][0])
    polygon = cv2.fillConvexPoly(np.zeros_like(cut), cv2.approxPolyDP(hull, 6, closed=True), 255)
    left, top, width, height = cv2.boundingRect(polygon)
    middle = (left + width // 2, top + height // 2)
    rendered = (donor + lit[..., None]).clip(0, 255).astype(np.uint8)
    return np.asarray(cv2.seamlessClone(rendered, skin.astype(np.uint8), polygon, middle, cv2.NORMAL_CLONE), np.float32)


def mouth(skin: Field, donor: Field, region: FaceRegion, r: np.random.Generator) -> Field:  # noqa: ARG001
    """A patch around the mouth, of low resolution and slightly off in colour and position."""
    y, x = region.grid
    dy, dx = y + round(region.centre[1]) - region.mouth[1], x + round(region.centre[0]) - region.mouth[0]
    patch = np.clip(2.2 - 2 * np.hypot(dx / (0.46 * region.radius), dy / (0.36 * region.radius)), 0, 1)
    new = np.roll(_squeezed(skin, r.uniform(6, 8), cv2.INTER_CUBIC), int(r.choice([-3, 3])), axis=0)
    return _mix(skin, new * r.uniform(1.06, 1.10) + 4, patch * region.mask)


def strokes(skin: Field, donor: Field, region: FaceRegion, r: np.random.Generator) -> Field:  # noqa: ARG001
    """Broad strokes across the face, erased and inpainted from their borders."""
    erased = np.zeros(region.mask.shape, np.uint8)
    for _ in range(int(r.integers(9, 12))):
        angle, reach = r.uniform(0, np.pi), 0.35 * region.radius
        middle = np.array(region.centre) + r.uniform(-0.55, 0.55, 2) * region.radius
        along = np.array([np.cos(angle), np.sin(angle)]) * reach
        bend = middle + r.normal(0, 0.12, 2) * region.radius
        points = np.array([middle - along, bend, middle + along]).astype(np.int32)
        cv2.polylines(erased, [points], isClosed=False, color=255, thickness=int(r.integers(9, 13)))
    erased[region.mask < 0.3] = 0
    return np.asarray(cv2.inpaint(skin.astype(np.uint8), erased, 3, cv2.INPAINT_TELEA), np.float32)


def sharpen(skin: Field, donor: Field, region: FaceRegion, r: np.random.Generator) -> Field:  # noqa: ARG001
    """Artificial texture: edges exaggerated by unsharp masking, and grain unlike that of skin."""
    new = skin + r.uniform(0.9, 1.2) * (skin - cv2.GaussianBlur(skin, (0, 0), 4))
    grain = r.normal(0, 1, region.mask.shape).astype(np.float32)
    grain = cv2.GaussianBlur(grain, (0, 0), 1.8) - cv2.GaussianBlur(grain, (0, 0), 3.2)
    return _mix(skin, new + r.uniform(3.5, 5.0) * (grain / grain.std())[..., None], region.mask)


def smooth(skin: Field, donor: Field, region: FaceRegion, r: np.random.Generator) -> Field:  # noqa: ARG001
    """Skin without texture: smoothed except at strong edges."""
    new, colour = skin, r.uniform(45, 60)
    for _ in range(2):
        new = cv2.bilateralFilter(new, 11, colour, 6)
    return _mix(skin, new, region.mask)


def spectral(skin: Field, donor: Field, region: FaceRegion, r: np.random.Generator) -> Field:  # noqa: ARG001
    """The fingerprint of a generator: a few oblique waves over the whole face."""
    y, x = region.grid
    waves = np.zeros(region.mask.shape, np.float32)
    for period, slant in ((9.0, 0.6), (11.0, -0.9), (13.0, 2.2)):
        waves += np.sin(2 * np.pi * (x * np.cos(slant) + y * np.sin(slant)) / period + r.uniform(0, 6))
    return _mix(skin, skin + r.uniform(3.0, 4.2) * waves[..., None], region.mask)


def blend(skin: Field, donor: Field, region: FaceRegion, r: np.random.Generator) -> Field:
    """The face of the second person, half transparent and slightly out of place, over the first."""
    ghost = np.roll(_recoloured(donor, skin, region.mask), int(r.integers(9, 12)), axis=0)
    return _mix(skin, ghost, region.mask * r.uniform(0.46, 0.54))


def grid(skin: Field, donor: Field, region: FaceRegion, r: np.random.Generator) -> Field:  # noqa: ARG001
    """The face encoded in blocks of 12 px with coarse cosine coefficients; the file has another grid."""
    rows, columns = region.mask.shape
    tall, wide = -(-rows // 12) * 12, -(-columns // 12) * 12
    padded = cv2.copyMakeBorder(skin, 0, tall - rows, 0, wide - columns, cv2.BORDER_REPLICATE)
    basis = cv2.dct(np.eye(12, dtype=np.float32), flags=cv2.DCT_ROWS).T
    blocks = padded.reshape(tall // 12, 12, wide // 12, 12, 3)
    table = 80 + r.uniform(40, 55) * np.add.outer(np.arange(12), np.arange(12))
    table[0, 0] = r.uniform(220, 270)
    steps = table.astype(np.float32)[:, None, :, None]
    cosines = np.einsum("ai,yixjc,bj->yaxbc", basis, blocks, basis, optimize=True)
    cosines = np.round(cosines / steps) * steps
    new = np.einsum("ai,yaxbc,bj->yixjc", basis, cosines, basis, optimize=True).reshape(padded.shape)
    return _mix(skin, new[:rows, :columns], region.mask)


def halo(skin: Field, donor: Field, region: FaceRegion, r: np.random.Generator) -> Field:  # noqa: ARG001
    """A seam, bright outside and dark inside, along the border of the pasted part."""
    inner = cv2.GaussianBlur((region.mask > 0.6).astype(np.float32), (0, 0), 2.2)
    ring = inner - cv2.GaussianBlur(inner, (0, 0), 4.5)
    return np.asarray(skin - r.uniform(85, 105) * (ring * (region.mask > 0))[..., None])


def posterise(skin: Field, donor: Field, region: FaceRegion, r: np.random.Generator) -> Field:  # noqa: ARG001
    """Few tones, like those of a generator with a small palette: brightness in steps, colours unchanged."""
    step = r.uniform(32, 40)
    light = cv2.GaussianBlur(skin.mean(axis=2), (0, 0), 1.5)
    tones = np.floor(light / step) * step + step / 2
    return _mix(skin, skin + 0.85 * (tones - light)[..., None], region.mask)


METHODS: dict[str, Method] = {
    method.__name__: method
    for method in (
        autoencoder, warp, checkerboard, nearest, bilinear, graphics, mouth, strokes,
        sharpen, smooth, spectral, blend, grid, halo, posterise,
    )
}  # fmt: skip
"""Every method by its name, as in the truth of a world."""


def _mix(below: Field, above: Field, cover: Field) -> Field:
    return np.asarray(below + cover[..., None] * (above - below), np.float32)


def _squeezed(skin: Field, factor: float, back: int) -> Field:
    """Shrunk by a factor, and enlarged again with the interpolation `back`."""
    rows, columns = skin.shape[:2]
    small = cv2.resize(skin, (round(columns / factor), round(rows / factor)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (columns, rows), interpolation=back), np.float32)


def _recoloured(source: Field, like: Field, mask: Field) -> Field:
    """`source` with the mean and standard deviation of `like`, per channel and inside the mask."""
    inside = mask > 0.5
    a, b = source[inside], like[inside]
    return np.asarray((source - a.mean(0)) * (b.std(0) / (a.std(0) + 1e-3)).clip(0.5, 2) + b.mean(0), np.float32)


def _laid_over(face: Face, donor: tuple[Image, Face]) -> Image:
    """The picture of the donor, moved so that its face covers this one."""
    picture, other = donor
    last = np.array([[0, 0, 1]], np.float32)
    to_face = np.vstack([face.matrix, last]) @ np.linalg.inv(np.vstack([other.matrix, last]))
    size = face.mask.shape[::-1]
    return np.asarray(cv2.warpAffine(picture, to_face[:2], size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT))
