"""Changes to training faces, by name. Each depends on the seed, the epoch and the face's key, and on nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from kce.data.pictures import rejpeg
from kce.errors import KCEError, UnknownName
from kce.system.rng import generator

if TYPE_CHECKING:
    from kce.types import Image

Augmentation = Callable[["Image", np.random.Generator], "Image"]


def random_flip(image: Image, random: np.random.Generator) -> Image:
    """Mirrored left to right, every second time."""
    return image[:, ::-1] if random.random() < 0.5 else image


def random_codec(image: Image, random: np.random.Generator) -> Image:
    """What storing and sending do to a picture: rescaled, blurred, saved as JPEG, each by lot and by a random amount.

    A network that sees every dataset's faces in many qualities learns less from the quality each dataset happens to
    have. Half of the faces are shrunk to 50 to 100 % and enlarged again, half are blurred (sigma 0.3 to 1.5 px), and
    three quarters go through JPEG of quality 40 to 95. The picture is (size, size, 3) as the network takes it, so
    amounts are relative to the network's pixels.
    """
    import cv2

    side = image.shape[0]
    if random.random() < 0.5:
        less = max(int(side * random.uniform(0.5, 1.0)), 8)
        small = cv2.resize(image, (less, less), interpolation=cv2.INTER_AREA)
        image = np.asarray(cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)
    if random.random() < 0.5:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), random.uniform(0.3, 1.5)), np.uint8)
    if random.random() < 0.75:
        image = rejpeg(image, int(random.integers(40, 96)))
    return image


def random_crop(image: Image, random: np.random.Generator) -> Image:
    """Cut closer to the face: by lot, 60 to 100 % of the side are left, from anywhere in the picture.

    Datasets come with faces cut at different margins; a network that sees every size of face in each learns less of it.
    """
    import cv2

    side = image.shape[0]
    left = max(int(side * random.uniform(0.6, 1.0)), 8)
    top, start = random.integers(0, side - left + 1, 2)
    part = image[top : top + left, start : start + left]
    return np.asarray(cv2.resize(part, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)


def random_camera(image: Image, random: np.random.Generator) -> Image:
    """What a camera's own processing adds: edges overdrawn and grain, each in half of the faces, by random amounts.

    Sharpening is unsharp masking of radius 0.5 to 2 px, by up to twice the difference; grain is Gaussian, of up to 16
    grey levels and 0.3 to 1.5 px wide.
    """
    import cv2

    if random.random() < 0.5:
        soft = cv2.GaussianBlur(image, (0, 0), random.uniform(0.5, 2.0)).astype(np.float32)
        image = np.asarray(np.clip(image + random.uniform(0, 2) * (image - soft), 0, 255), np.uint8)
    if random.random() < 0.5:
        width = random.uniform(0.3, 1.5)
        grain = cv2.GaussianBlur(random.normal(0, 1, image.shape).astype(np.float32), (0, 0), width)
        image = np.asarray(np.clip(image + random.uniform(0, 16) * grain / grain.std(), 0, 255), np.uint8)
    return image


AUGMENTATIONS: dict[str, Augmentation | None] = {
    "none": None,
    "flip": random_flip,
    "codec": random_codec,
    "crop": random_crop,
    "camera": random_camera,
}


def check_augmentations(names: Sequence[str]) -> None:
    """Raises UnknownName for a name that is none, KCEError for no name, one given twice, and `none` beside others."""
    for name in names:
        if name not in AUGMENTATIONS:
            raise UnknownName.among("augmentation", name, AUGMENTATIONS)
    if not names or len(set(names)) < len(names) or ("none" in names and len(names) > 1):
        raise KCEError(f"augment = {list(names)} is no list of changes", 'write ["none"], or each change once')


def apply_augmentations(image: Image, names: Sequence[str], seed: int, epoch: int, key: str) -> Image:
    """The face `key` as it is shown in an epoch: every named change in order. uint8 (size, size, 3) in and out."""
    for name in names:
        change = AUGMENTATIONS[name]
        if change is not None:
            image = change(image, generator(seed, "augment", name, str(epoch), key))
    return image
