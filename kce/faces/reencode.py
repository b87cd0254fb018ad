"""Views of a face: what it looks like after it was stored once more in another way, by names such as ``jpeg70``."""

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


def view(name: str) -> Callable[[Image], Image]:
    """The change that a view's name stands for: steps joined by "+", done from left to right.

    jpegQ   saved as JPEG of quality Q and read again, Q from 1 to 100
    scaleP  both sides made P per cent as long, P from 1 to 100; a side keeps 8 pixels at least

    So ``scale90+jpeg80`` is a face made a little smaller and then saved. Pictures are uint8 (height, width, 3) in and
    out; what is done to them depends on nothing but the name and the picture. Raises KCEError for a name that is none.
    """
    steps = [_STEP.fullmatch(step) for step in name.split("+")]
    if not all(steps):
        raise KCEError(f"{name!r} is no view of a picture", 'write "jpeg70", "scale90", or several joined by "+"')
    changes = [_CHANGES[step[1]](int(step[2])) for step in steps if step]

    def changed(image: Image) -> Image:
        for change in changes:
            image = change(image)
        return image

    return changed


_CHANGES: dict[str, Callable[[int], Callable[[Image], Image]]] = {
    "jpeg": lambda quality: partial(rejpeg, quality=quality),
    "scale": lambda percent: partial(shrink, share=percent / 100),
}
