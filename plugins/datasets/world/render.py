"""Draws a frame: a person in a scene, and where the face is.

A head is an ellipsoid with a height map for brow, nose and lips, whose normals give the shading. Features are smooth
functions of surface coordinates (u, v): u in [-1, 1] across the head, v in [-1, 1] from hairline to chin. When the head
turns, these coordinates are shifted by depth, so that everything is drawn only once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from .people import SIZE, Person, Scene, rng

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Field = NDArray[Any]  # float32
    Image = NDArray[Any]  # uint8


_Y, _X = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)


@dataclass(frozen=True, eq=False)
class Face:
    """Where the face is in a frame.

    Attributes:
        matrix: (2, 3), maps (u, v, 1) to (x, y) in pixels.
        mask: (SIZE, SIZE) in [0, 1]: 1 well inside the face, 0 at its outline.
        mouth: (x, y) of the mouth, in pixels.
        eyes: (x, y) of both eyes, in pixels.
    """

    matrix: Field
    mask: Field
    mouth: tuple[float, float]
    eyes: tuple[tuple[float, float], tuple[float, float]]

    @property
    def centre(self) -> tuple[float, float]:
        """(x, y) of the centre of the face, in pixels."""
        return float(self.matrix[0, 2]), float(self.matrix[1, 2])

    @property
    def radius(self) -> float:
        """Half the height of the face, in pixels."""
        return float(np.hypot(self.matrix[0, 1], self.matrix[1, 1]))


def draw(who: Person, where: Scene, t: int, *seed: object) -> tuple[Image, Face]:
    """Draw a frame of a clip.

    Args:
        who: The person.
        where: The scene.
        t: Number of the frame.
        *seed: Seed of the sensor noise.

    Returns:
        The frame, RGB uint8 (SIZE, SIZE, 3), and where its face is.
    """
    yaw, pitch, roll, dx, dy, grow, opening, lids, lift = (where.start + t * where.drift).tolist()
    high = SIZE * 0.29 * (1 + grow)
    wide = high * who.aspect
    cx, cy = SIZE / 2 + dx, SIZE * 0.53 + dy
    c, s = math.cos(roll), math.sin(roll)
    p = ((_X - cx) * c + (_Y - cy) * s) / wide
    q = (-(_X - cx) * s + (_Y - cy) * c) / high
    image = _body(who, where, p, q, 1.2 / high)

    # everything else concerns only the pixels around the head
    around = _window(cx, cy, 1.45 * wide, 1.45 * high)
    p, q = p[around], q[around]
    narrow = 1 - who.jaw * _step(q, 0.1, 1.0) ** 1.3
    r2 = (p / narrow) ** 2 + q * q
    z = np.sqrt(np.clip(1 - r2, 0, 1))
    u, v = p + 0.55 * yaw * z, q + 0.55 * pitch * z
    colour, relief = _surface(who, u, v, min(max(opening, 0), 1) * 0.07, min(max(lids, 0), 0.6), lift * 0.015)
    shade = _shade(z * wide * 0.95 + relief * wide, float(where.light[0]) + 0.03 * t, where.light)
    head, fringe = _edge(1 - np.sqrt(r2), 1.2 / high), _hair(who, u, v, p, q, 1.5 / high)
    _over(image[around], colour * shade[..., None], head)
    _over(image[around], _strands(who, u, v) * (0.55 + 0.45 * shade[..., None]), fringe)
    image = cv2.GaussianBlur(image * where.tint, (0, 0), 0.6)
    image += rng("noise", *seed, t).normal(0, where.noise, image.shape).astype(np.float32)

    matrix = np.array([[c * wide, -s * high, cx], [s * wide, c * high, cy]], np.float32)
    mask = np.zeros((SIZE, SIZE), np.float32)
    mask[around] = np.clip((0.97 - np.sqrt(r2)) / 0.12, 0, 1) * np.clip((q + 0.74) / 0.14, 0, 1) * (1 - fringe)

    def at(u: float, v: float) -> tuple[float, float]:
        x, y = matrix @ np.array([u - 0.44 * yaw, v - 0.44 * pitch, 1], np.float32)
        return float(x), float(y)

    eye_u, eye_v = who.eye[:2]
    geometry = Face(matrix, mask, at(0, who.mouth[0]), (at(-eye_u, eye_v), at(eye_u, eye_v)))
    return (image.clip(0, 1) * 255 + 0.5).astype(np.uint8), geometry


def _step(x: Field, low: float, high: float) -> Field:
    x = np.clip((x - low) / (high - low), 0, 1)
    return np.asarray(x * x * (3 - 2 * x))


def _edge(inside: Field, soft: float) -> Field:
    """1 where `inside` is positive and 0 where it is negative, with a border of width 2 `soft`."""
    return np.clip(inside / (2 * soft) + 0.5, 0, 1)


def _over(image: Field, paint: Field, cover: Field) -> None:
    """Paint (h, w, 3) over the image, in place, with the opacity `cover` (h, w) in [0, 1]."""
    image += cover[..., None] * (paint - image)


def _window(x: float, y: float, wide: float, high: float) -> tuple[slice, slice]:
    """The rows and columns within `wide` and `high` of (x, y)."""
    rows = slice(max(int(y - high), 0), min(int(y + high), SIZE))
    return rows, slice(max(int(x - wide), 0), min(int(x + wide), SIZE))


def _bump(x: Field, y: Field, wide: float, high: float) -> Field:
    return np.exp(-((x / wide) ** 2) - (y / high) ** 2)


def _shade(height: Field, azimuth: float, light: Field) -> Field:
    """Brightness of a surface with this height map (in pixels): ambient + diffuse + a little specular."""
    height = np.asarray(cv2.GaussianBlur(height, (0, 0), 1.0), np.float32)
    gx, gy = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=1 / 8)
    long = np.sqrt(gx * gx + gy * gy + 1)
    up = float(light[1])
    flat = math.cos(up)
    lx, ly, lz = flat * math.sin(azimuth), -math.sin(up), flat * math.cos(azimuth)
    lit = np.clip((-gx * lx - gy * ly + lz) / long, 0, 1)
    return np.asarray(light[3] + light[2] * lit + 0.08 * lit**24, np.float32)


def _surface(who: Person, u: Field, v: Field, gape: float, lids: float, lift: float) -> tuple[Field, Field]:
    """Colour (SIZE, SIZE, 3) and relief (SIZE, SIZE; 1 = half the head's width) of the face itself."""
    texture = cv2.remap(
        who.texture, (u * 0.42 + 0.5) * SIZE, (v * 0.42 + 0.5) * SIZE, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    a = np.abs(u)
    colour = who.skin * (1 + texture * 1.6)
    blush = _bump(a - 0.5, v - 0.25, 0.28, 0.2)[..., None]
    colour *= 1 - blush * np.array([0.0, 0.06, 0.05], np.float32)

    tip, nose_w, nose_h = who.nose
    along = _step(v, -0.25, tip) * (1 - _step(v, tip, tip + 0.10))
    ridge = nose_h * along * np.exp(-((u / (0.45 * nose_w + 0.55 * nose_w * np.clip(along, 0, 1))) ** 2))
    ex, ey = who.eye[:2]
    relief = ridge + 0.05 * _bump(a - 0.30, v + 0.30, 0.30, 0.09) - 0.07 * _bump(a - ex, v - ey, 0.22, 0.13)
    relief += 0.05 * _bump(a - 0.52, v - 0.18, 0.22, 0.18) + 0.06 * _bump(u, v - 0.86, 0.22, 0.12)
    wings = 0.07 * _bump(a - nose_w * 0.85, v - tip, nose_w * 0.5, 0.06)
    relief += wings
    colour *= (1 - 0.65 * _bump(a - nose_w * 0.55, v - tip - 0.065, nose_w * 0.35, 0.022))[..., None]
    fold = np.abs(a - (0.18 + 0.42 * (v - tip))) / 0.03
    colour *= (1 - 0.12 * np.exp(-(fold**2)) * _step(v, tip, tip + 0.1) * (1 - _step(v, 0.45, 0.55)))[..., None]

    _eyes(who, colour, u, v, lids)
    _brows(who, colour, texture, a, v + lift)
    _mouth(who, colour, texture, u, v, gape)
    relief += 0.05 * _bump(u, v - who.mouth[0], who.mouth[1] * 0.9, who.mouth[2] * 1.4)
    return colour.astype(np.float32), relief.astype(np.float32)


def _eyes(who: Person, colour: Field, u: Field, v: Field, lids: float) -> None:
    """Paint both eyes; `lids` is from 0, open, to 1, closed."""
    ex, ey, ew, eh = who.eye
    dx, dy = (np.abs(u) - ex) / ew, v - ey
    tall = eh * (1 - 0.9 * lids)
    lid = tall * np.clip(1 - dx * dx, 0, 1)
    eye = _edge(lid - np.abs(dy + 0.01 * dx), 0.012) * _edge(0.98 - np.abs(dx), 0.05)
    ball = np.hypot((u - np.sign(u) * ex) * who.aspect, dy) / 0.075
    white = np.array([0.92, 0.90, 0.88], np.float32) * (0.80 + 0.2 * _step(dy, -eh, eh * 0.3))[..., None]
    iris = who.iris * (0.7 + 0.5 * np.clip(ball, 0, 1))[..., None]
    inner = white + _edge(1 - ball, 0.10)[..., None] * (iris - white)
    inner *= 1 - 0.93 * _edge(0.48 - ball, 0.10)[..., None]
    glint = _bump((u - np.sign(u) * ex - 0.025) * who.aspect, dy + 0.022, 0.016, 0.016)
    inner += 0.8 * glint[..., None]
    _over(colour, inner, eye)
    lash = np.exp(-(((dy + lid) / 0.016) ** 2)) * _edge(1.12 - np.abs(dx), 0.06)
    crease = np.exp(-(((dy + lid + 0.045) / 0.014) ** 2)) * _edge(1.0 - np.abs(dx), 0.1)
    under = np.exp(-(((dy - lid - 0.01) / 0.014) ** 2)) * _edge(1.0 - np.abs(dx), 0.1)
    colour *= (1 - 0.75 * lash)[..., None] * (1 - 0.22 * crease)[..., None] * (1 - 0.2 * under)[..., None]


def _brows(who: Person, colour: Field, texture: Field, a: Field, v: Field) -> None:
    """Paint both brows; `a` is |u|."""
    ex = who.eye[0]
    brow_v, brow_t, tilt = who.brow
    arc = v - (brow_v + 0.9 * (a - ex) ** 2 - tilt * (a - ex))
    taper = brow_t * (1.15 - 0.8 * _step(a, ex, ex + 0.26))
    brow = _edge(taper - np.abs(arc), 0.016) * _edge(0.26 - np.abs(a - ex - 0.01), 0.03)
    hairs = 0.82 + 3.0 * texture[..., 2]
    _over(colour, who.hair * 0.9, brow * np.clip(hairs, 0.5, 1))


def _mouth(who: Person, colour: Field, texture: Field, u: Field, v: Field, gape: float) -> None:
    """Paint the mouth, open by `gape` in units of v."""
    my, mw, mt = who.mouth
    mx = u / mw
    width = np.clip(1 - mx * mx, 0, 1)
    bow = 0.25 * np.exp(-((mx / 0.16) ** 2))
    line = my + 0.012 * np.cos(mx * 3.1)
    above = mt * (width**0.8) * (1 - bow)
    below = mt * 1.25 * width**0.6 + gape
    lips = _edge(np.minimum(v - line + above, line + below - v), 0.014) * _edge(1 - np.abs(mx), 0.04)
    tone = who.lips * (1 + 0.8 * texture + 0.10 * _bump(mx, v - line - gape - mt * 0.7, 0.5, 0.02)[..., None])
    _over(colour, tone, lips)
    hole = _edge(np.minimum(v - line, line + gape * width - v), 0.012) * _edge(0.9 - np.abs(mx), 0.06)
    teeth = np.array([0.85, 0.83, 0.78], np.float32) * _edge(line + gape * 0.45 - v, 0.012)[..., None] + 0.1
    _over(colour, teeth, hole * min(gape / 0.02, 1))
    colour *= (1 - 0.5 * np.exp(-(((v - line) / 0.014) ** 2)) * _edge(1.02 - np.abs(mx), 0.06))[..., None]
    colour *= (1 - 0.16 * _bump(u, v - my - mt * 1.25 - gape - 0.05, mw * 0.7, 0.03))[..., None]


def _strands(who: Person, u: Field, v: Field) -> Field:
    ray = np.arctan2(u, v + 1.6) * 60
    wave = 0.5 * np.sin(ray + 2 * np.sin(v * 3)) + 0.5 * np.sin(ray * 2.3 + 5 * u)
    return np.asarray(who.hair * (1.05 + 0.28 * wave)[..., None], np.float32)


def _hair(who: Person, u: Field, v: Field, p: Field, q: Field, soft: float) -> Field:
    """Opacity of the hair at each pixel, in [0, 1]: a cap above the hairline, and the temples."""
    middle, parting = who.hairline
    line = middle + 0.45 * np.clip(np.abs(u - 0.25 * parting) - 0.25, 0, None) ** 1.5
    cap = who.volume - np.hypot(p / 1.02, q + 0.12)
    sides = np.clip((np.abs(p) - 0.86) / 0.08, 0, 1) * (1 - _step(q, 0.0 + 0.1 * parting, 0.12 + 0.1 * parting))
    return np.asarray(_edge(cap, soft) * np.maximum(_edge(line - v, 0.02), sides), np.float32)


def _body(who: Person, where: Scene, p: Field, q: Field, soft: float) -> Field:
    """Everything behind the face: background, long hair, shoulders, neck, ears."""
    image = where.background.copy()
    bright = float(where.light[3])
    if who.long:
        fall = _edge(1.15 - np.maximum(np.abs(p) / 1.08, np.abs(q - 0.35) / 1.15), soft * 2) * (q > -0.3)
        _over(image, _strands(who, p, q) * 0.7, fall)
    torso = _edge(1 - np.hypot(p / 2.1, (q - 2.35) / 1.0), soft)
    _over(image, where.shirt * (0.85 - 0.12 * np.abs(p))[..., None], torso)
    neck = _edge(0.55 + 0.10 * _step(q, 0.9, 1.6) - np.abs(p), soft) * _edge(1.62 - p * p - q, soft) * (q > 0.2)
    _over(image, who.skin * (0.55 + 0.18 * _step(q, 1.0, 1.5) - 0.15 * p * p)[..., None] * (bright + 0.45), neck)
    ears = _edge(1 - np.hypot((np.abs(p) - 1.0) / 0.11, q / 0.2), soft * 4)
    _over(image, np.broadcast_to(who.skin * 0.78 * (bright + 0.4), image.shape), ears)
    return image
