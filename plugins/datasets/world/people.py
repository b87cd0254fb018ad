"""Random people, and random scenes for clips. Colours are RGB in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import xxhash

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Field = NDArray[Any]  # float32


SIZE = 256
"""Width and height of a frame, in pixels, before a dataset scales it."""


def rng(*parts: object) -> np.random.Generator:
    """A random number generator that depends on these values alone, on every machine."""
    return np.random.default_rng(xxhash.xxh64_intdigest("/".join(map(str, parts)).encode()))


@dataclass(frozen=True, eq=False)
class Person:
    """What all pictures of an identity have in common: colours (3,) in [0, 1], and proportions in units of (u, v)."""

    skin: Field
    hair: Field
    iris: Field
    lips: Field
    texture: Field
    aspect: float
    jaw: float
    eye: tuple[float, float, float, float]  # |u|, v, half width, half height
    brow: tuple[float, float, float]  # v, thickness, tilt
    nose: tuple[float, float, float]  # v of the tip, width, height of the ridge
    mouth: tuple[float, float, float]  # v, half width, thickness
    hairline: tuple[float, float]  # v at the middle, side parting
    volume: float
    long: bool


@dataclass(frozen=True, eq=False)
class Scene:
    """What all frames of a clip have in common: background, clothes, light, camera, and the motion."""

    background: Field
    shirt: Field
    light: Field  # azimuth, elevation, strength, ambient
    tint: Field
    noise: float
    start: Field
    drift: Field  # per frame; both: yaw, pitch, roll, dx, dy, scale, mouth, lids, brows


def person(*seed: object) -> Person:
    """A random person."""
    r = rng("person", *seed)

    def some(low: float, high: float) -> float:
        return float(r.uniform(low, high))

    tones = np.array(
        [[0.96, 0.80, 0.70], [0.88, 0.68, 0.54], [0.76, 0.55, 0.41], [0.58, 0.40, 0.29], [0.42, 0.28, 0.21]]
    )
    where = r.uniform(0, 3.4)
    low = int(where)
    skin = tones[low] + (where - low) * (tones[low + 1] - tones[low]) + r.normal(0, 0.012, 3)
    hairs = np.array(
        [[0.10, 0.08, 0.07], [0.22, 0.14, 0.09], [0.38, 0.24, 0.13], [0.62, 0.48, 0.28], [0.50, 0.49, 0.47]]
    )
    irises = np.array([[0.25, 0.16, 0.10], [0.32, 0.38, 0.22], [0.30, 0.42, 0.55]])
    f32 = np.float32
    return Person(
        skin=skin.astype(f32),
        hair=(hairs[r.integers(5)] + r.normal(0, 0.015, 3)).clip(0.03, 0.9).astype(f32),
        iris=irises[r.integers(3)].astype(f32),
        lips=(skin * [0.88, 0.62, 0.62] + some(-0.05, 0.05) * np.array([1, -0.6, -0.4])).astype(f32),
        texture=_texture(r),
        aspect=some(0.72, 0.82),
        jaw=some(0.12, 0.30),
        eye=(some(0.37, 0.43), some(-0.14, -0.06), some(0.16, 0.20), some(0.055, 0.08)),
        brow=(some(-0.33, -0.27), some(0.025, 0.05), some(-0.05, 0.08)),
        nose=(some(0.22, 0.30), some(0.11, 0.16), some(0.16, 0.24)),
        mouth=(some(0.50, 0.57), some(0.26, 0.34), some(0.05, 0.085)),
        hairline=(some(-0.80, -0.62), some(-0.5, 0.5)),
        volume=some(1.06, 1.22),
        long=bool(r.random() < 0.45),
    )


def scene(*seed: object) -> Scene:
    """A random background, light and motion."""
    r = rng("scene", *seed)
    start = r.normal(0, 1, 9) * [0.14, 0.07, 0.07, 7, 4, 0.035, 0.3, 0.12, 0.4]
    start[6:8] = np.abs(start[6:8])
    return Scene(
        background=_background(r),
        shirt=(r.uniform(0.15, 0.75) + r.normal(0, 0.1, 3)).clip(0.05, 0.9).astype(np.float32),
        light=np.array([r.uniform(-1, 1), r.uniform(0.1, 0.7), r.uniform(0.45, 0.7), r.uniform(0.42, 0.6)], np.float32),
        tint=(1 + r.normal(0, 0.03, 3)).astype(np.float32),
        noise=r.uniform(1.0, 2.5) / 255,
        start=start.astype(np.float32),
        drift=(r.normal(0, 1, 9) * [0.02, 0.012, 0.012, 1.2, 0.8, 0.004, 0.1, 0.06, 0.1]).astype(np.float32),
    )


def _noise(r: np.random.Generator, cells: int, channels: int = 1) -> Field:
    small = r.normal(0, 1, (cells, cells, channels)).astype(np.float32)
    return cv2.resize(small, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC).reshape(SIZE, SIZE, channels)


def _texture(r: np.random.Generator) -> Field:
    """The pattern of the skin (SIZE, SIZE, 3), around 0: blotches, pores, and sometimes moles or freckles."""
    out = 0.014 * _noise(r, 8, 3) + 0.016 * _noise(r, 40) + 0.018 * _noise(r, 120)
    for x, y in r.uniform(40, SIZE - 40, (int(r.choice([0, 2, 5, 40], p=[0.3, 0.4, 0.2, 0.1])), 2)):
        cv2.circle(out, (int(x), int(y)), int(r.integers(1, 3)), (-0.12, -0.12, -0.10), -1, cv2.LINE_AA)
    return out.astype(np.float32)


def _background(r: np.random.Generator) -> Field:
    """A blurred room (SIZE, SIZE, 3)."""
    base = r.uniform(0.25, 0.75) + r.normal(0, 0.07, 3)
    out = np.broadcast_to(base, (SIZE, SIZE, 3)).astype(np.float32).copy()
    for x, y, w, h in r.integers(-40, SIZE, (int(r.integers(2, 7)), 4)).tolist():
        colour = (base + r.normal(0, 0.10) + r.normal(0, 0.05, 3)).clip(0, 1).tolist()
        cv2.rectangle(out, (x, y), (x + w, y + h), colour, -1)
    far = cv2.GaussianBlur(out, (0, 0), float(r.uniform(2, 7)))
    slope = np.linspace(0, r.normal(0, 0.12), SIZE)[:, None] + np.linspace(0, r.normal(0, 0.12), SIZE)
    return np.asarray(far + slope[..., None] + 0.012 * _noise(r, 60), np.float32)
