"""Views of a face: how it looks after it was stored again in another way, by names such as ``jpeg70``."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from kce.data.pictures import rejpeg, shrink
from kce.errors import KCEError

if TYPE_CHECKING:
    from kce.types import Image

_STEP = re.compile(r"(jpeg|scale)([1-9]\d?|100)")


def make_view(name: str) -> Callable[[Image], Image]:
    """The function that changes a picture as the name of a view says.

    A name has one or several steps, joined by "+" and done from left to right: ``jpegQ`` encodes the picture as JPEG of
    quality Q, 1 to 100, and decodes it again; ``scaleP`` shrinks both sides to P per cent, 1 to 100, but to no less
    than 8 pixels.

    Args:
        name: Name of the view, for example "scale90+jpeg80", a picture that is shrunk and then encoded.

    Returns:
        A function from uint8 (height, width, 3) to uint8 (new height, new width, 3), which is deterministic.

    Raises:
        KCEError: The name has an unknown step.

    Example:
        >>> import numpy as np
        >>> make_view("scale50+jpeg70")(np.zeros((40, 60, 3), np.uint8)).shape
        (20, 30, 3)
    """
    steps = [_STEP.fullmatch(step) for step in name.split("+")]
    if not all(steps):
        raise KCEError(f"{name!r} is not a view of a picture", 'write "jpeg70", "scale90", or several joined by "+"')
    changes = [_CHANGES[step[1]](int(step[2])) for step in steps if step]

    def apply(image: Image) -> Image:
        for change in changes:
            image = change(image)
        return image

    return apply


_CHANGES: dict[str, Callable[[int], Callable[[Image], Image]]] = {
    "jpeg": lambda quality: partial(rejpeg, quality=quality),
    "scale": lambda percent: partial(shrink, share=percent / 100),
}
