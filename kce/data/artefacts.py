"""Artefacts of storage whose cause is known: pictures altered as if their dataset had been stored in another way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.data.h264 import encode_h264
from kce.data.pictures import rejpeg, shrink
from kce.errors import KCEError, UnknownName
from kce.system.rng import generator

if TYPE_CHECKING:
    from kce.types import Image


@dataclass(frozen=True)
class Artefact:
    """How the faces of a dataset are altered.

    Attributes:
        kind: A key of ``ARTEFACT_KINDS``.
        amount: Strength, from 0 (not at all) to 1.

    Example:
        >>> Artefact("jpeg", 0.5).amount
        0.5
    """

    kind: str
    amount: float


def assign_artefacts(datasets: Sequence[str], kind: str, amount: float, seed: int) -> dict[str, Artefact]:
    """Choose an artefact for each dataset.

    Args:
        datasets: Names of the datasets.
        kind: A key of ``ARTEFACT_KINDS``: the datasets, in random order, have shares of `amount` that rise from none to
            all of it. Or "mixed": each dataset has another kind, at the whole amount.
        amount: Artefact strength, from 0 (none) to 1.
        seed: Seed of the random order.

    Raises:
        UnknownName: For a kind that does not exist.
        KCEError: For an amount out of range.

    Example:
        >>> assign_artefacts(["A", "B"], "blur", 1.0, seed=0)
        {'B': Artefact(kind='blur', amount=0.0), 'A': Artefact(kind='blur', amount=1.0)}
    """
    if kind != "mixed" and kind not in ARTEFACT_KINDS:
        raise UnknownName.among("kind of artefact", kind, (*ARTEFACT_KINDS, "mixed"))
    if not 0 <= amount <= 1:
        raise KCEError(f"artefact = {amount!r} is out of range", "it goes from 0 to 1")
    order = generator(seed, "artefact", kind).permutation(len(datasets)).tolist()
    artefacts = {}
    for position, number in enumerate(order):
        if kind == "mixed":
            artefacts[datasets[number]] = Artefact(list(ARTEFACT_KINDS)[position % len(ARTEFACT_KINDS)], amount)
        else:
            artefacts[datasets[number]] = Artefact(kind, amount * position / max(len(datasets) - 1, 1))
    return artefacts


def alter_pictures(images: Sequence[Image], artefact: Artefact, random: np.random.Generator) -> list[Image]:
    """Alter the frames of one clip as an artefact does.

    Args:
        images: The frames, square uint8 (side, side, 3).
        artefact: What is done to them; nothing at amount 0.
        random: Generator of random artefacts.

    Returns:
        As many frames; their side may be another.

    Example:
        >>> import numpy as np
        >>> black = np.zeros((64, 64, 3), np.uint8)
        >>> alter_pictures([black], Artefact("margin", 1.0), np.random.default_rng(0))[0].shape
        (44, 44, 3)
    """
    if not artefact.amount:
        return list(images)
    return ARTEFACT_KINDS[artefact.kind](list(images), artefact.amount, random)


Change = Callable[[list[Any], float, np.random.Generator], list[Any]]


def _jpeg(images: list[Image], amount: float, random: np.random.Generator) -> list[Image]:  # noqa: ARG001
    """Shrunk, to 40 % at most, and stored as JPEG of quality 35 or more."""
    return [rejpeg(shrink(image, 1 - 0.6 * amount), round(95 - 60 * amount)) for image in images]


def _h264(images: list[Image], amount: float, random: np.random.Generator) -> list[Image]:  # noqa: ARG001
    """Encoded by x264 with a constant rate factor of up to 40, and decoded again."""
    import io

    import av
    import cv2

    side = images[0].shape[0] // 2 * 2  # 4:2:0 needs even sides
    even = [np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), np.uint8) for image in images]
    stored = io.BytesIO()
    encode_h264(stored, even, round(8 + 32 * amount))
    stored.seek(0)
    with av.open(stored, "r") as read:
        return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in read.decode(video=0)]


def _blur(images: list[Image], amount: float, random: np.random.Generator) -> list[Image]:  # noqa: ARG001
    """Blurred by a Gaussian of up to a hundredth of the side."""
    import cv2

    return [np.asarray(cv2.GaussianBlur(image, (0, 0), amount * image.shape[0] / 100), np.uint8) for image in images]


def _noise(images: list[Image], amount: float, random: np.random.Generator) -> list[Image]:
    """Grain of up to 20 grey levels, 2 pixels wide, like that after a camera's denoiser."""
    import cv2

    def alter(image: Image) -> Image:
        grain = cv2.GaussianBlur(random.normal(0, 1, image.shape).astype(np.float32), (0, 0), 1)
        return np.asarray(np.clip(image + 20 * amount * grain / grain.std(), 0, 255), np.uint8)

    return [alter(image) for image in images]


def _margin(images: list[Image], amount: float, random: np.random.Generator) -> list[Image]:  # noqa: ARG001
    """Cropped more tightly: without up to 30 % of the side."""

    def alter(image: Image) -> Image:
        edge = round(image.shape[0] * 0.15 * amount)
        return np.ascontiguousarray(image[edge : image.shape[0] - edge, edge : image.shape[1] - edge])

    return [alter(image) for image in images]


def _sharpen(images: list[Image], amount: float, random: np.random.Generator) -> list[Image]:  # noqa: ARG001
    """Sharpened by unsharp masking: plus up to twice what a blur of a sixtieth of the side removes."""
    import cv2

    def alter(image: Image) -> Image:
        soft = cv2.GaussianBlur(image, (0, 0), image.shape[0] / 60).astype(np.float32)
        return np.asarray(np.clip(image + 2 * amount * (image - soft), 0, 255), np.uint8)

    return [alter(image) for image in images]


ARTEFACT_KINDS: dict[str, Change] = {
    "jpeg": _jpeg, "h264": _h264, "blur": _blur, "noise": _noise, "margin": _margin, "sharpen": _sharpen,
}  # fmt: skip
"""Kind -> function of the faces of a clip, each uint8 (side, side, 3), an amount from 0 to 1, and a generator."""
