"""Augmentation of training faces. Each change depends only on the seed, the epoch and the face's key."""

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


def random_flip(image: Image, rng: np.random.Generator) -> Image:
    """Mirror the face left to right with probability 1/2."""
    return image[:, ::-1] if rng.random() < 0.5 else image


def random_codec(image: Image, rng: np.random.Generator) -> Image:
    """Degrade the face as storage and transmission do: rescaling, blur and JPEG, each at random.

    Half of the faces are shrunk to 50 to 100 % and enlarged again, half are blurred (sigma 0.3 to 1.5 px), and three
    quarters are saved as JPEG of quality 40 to 95. A network that sees the faces of every dataset in many qualities
    learns less from the quality each dataset happens to have.

    Args:
        image: uint8 (size, size, 3), already at the network's input size, so amounts are in the network's pixels.
        rng: The source of all random choices.

    Returns:
        uint8 (size, size, 3).
    """
    import cv2

    side = image.shape[0]
    if rng.random() < 0.5:
        smaller = max(int(side * rng.uniform(0.5, 1.0)), 8)
        small = cv2.resize(image, (smaller, smaller), interpolation=cv2.INTER_AREA)
        image = np.asarray(cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)
    if rng.random() < 0.5:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.5)), np.uint8)
    if rng.random() < 0.75:
        image = rejpeg(image, int(rng.integers(40, 96)))
    return image


def random_crop(image: Image, rng: np.random.Generator) -> Image:
    """Crop the face to 60 to 100 % of its side, anywhere in the picture, and resize it to the old size.

    Datasets ship faces cropped with different margins; a network that sees faces of every size in each of them learns
    less from the margin.
    """
    import cv2

    side = image.shape[0]
    kept = max(int(side * rng.uniform(0.6, 1.0)), 8)
    top, left = rng.integers(0, side - kept + 1, 2)
    part = image[top : top + kept, left : left + kept]
    return np.asarray(cv2.resize(part, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)


def random_camera(image: Image, rng: np.random.Generator) -> Image:
    """Imitate a camera's own processing: sharpening and grain, each in half of the faces, by random amounts.

    Sharpening is unsharp masking of radius 0.5 to 2 px, by up to twice the difference. Grain is Gaussian noise with a
    standard deviation of up to 16 grey levels, smoothed to a width of 0.3 to 1.5 px.
    """
    import cv2

    if rng.random() < 0.5:
        soft = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 2.0)).astype(np.float32)
        image = np.asarray(np.clip(image + rng.uniform(0, 2) * (image - soft), 0, 255), np.uint8)
    if rng.random() < 0.5:
        width = rng.uniform(0.3, 1.5)
        grain = cv2.GaussianBlur(rng.normal(0, 1, image.shape).astype(np.float32), (0, 0), width)
        image = np.asarray(np.clip(image + rng.uniform(0, 16) * grain / grain.std(), 0, 255), np.uint8)
    return image


AUGMENTATIONS: dict[str, Augmentation | None] = {
    "none": None,
    "flip": random_flip,
    "codec": random_codec,
    "crop": random_crop,
    "camera": random_camera,
}


def check_augmentations(names: Sequence[str]) -> None:
    """Check a list of augmentations, as a recipe or the option ``--augment`` gives it.

    Raises:
        UnknownName: If a name is not in AUGMENTATIONS.
        KCEError: If the list is empty, repeats a name, or holds "none" beside others.
    """
    for name in names:
        if name not in AUGMENTATIONS:
            raise UnknownName.among("augmentation", name, AUGMENTATIONS)
    if not names or len(set(names)) < len(names) or ("none" in names and len(names) > 1):
        raise KCEError(
            f"augment = {list(names)} is not a list of augmentations", 'write ["none"], or each augmentation once'
        )


def apply_augmentations(image: Image, names: Sequence[str], seed: int, epoch: int, key: str) -> Image:
    """Apply every named augmentation to a face, in order.

    Args:
        image: uint8 (size, size, 3).
        names: Keys of AUGMENTATIONS.
        seed: The training's seed.
        epoch: Number of the epoch, from 0.
        key: The face's key.

    Returns:
        uint8 (size, size, 3); the same for the same arguments, in any process and on any machine.
    """
    for name in names:
        augmentation = AUGMENTATIONS[name]
        if augmentation is not None:
            image = augmentation(image, generator(seed, "augment", name, str(epoch), key))
    return image
