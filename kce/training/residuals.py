"""Residuals of pictures: what is left of them when what a neighbourhood has in common is taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_GAIN = 4.0
"""The residuals of natural pictures are small: about so many times smaller than the pictures themselves."""


def residuals(faces: Tensor) -> Tensor:
    """Subtract from each pixel the mean of the 3 x 3 pixels around it: a high-pass filter, as forensics begins with.

    What a picture shows is mostly gone then, and noise, interpolation and compression are left. The result is in the
    range of a picture, 4 times amplified about 0.5, so that it can be normalised as one.

    Args:
        faces: (n, 3, height, width) in [0, 1], 2 x 2 pixels or more.

    Returns:
        (n, 3, height, width), 0.5 where a picture is flat; mostly in [0, 1].

    Example:
        >>> import torch
        >>> faces = torch.full((1, 3, 4, 4), 0.25)
        >>> faces[0, 0, 2, 2] = 0.34
        >>> residuals(faces)[0, 0].mul(100).round().int().tolist()
        [[50, 50, 50, 50], [50, 46, 46, 42], [50, 46, 82, 42], [50, 42, 42, 34]]
    """
    from torch.nn.functional import avg_pool2d, pad

    means = avg_pool2d(pad(faces, (1, 1, 1, 1), mode="reflect"), 3, stride=1)
    return (faces - means).mul_(_GAIN).add_(0.5)
