"""What a component may answer: the shapes, types and ranges of each kind, said once for runs and for ``kce check``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.errors import BrokenPromise
from kce.types import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.types import Features, Image

METHODS = {
    "detector": "detect",
    "aligner": "align",
    "reducer": "fit_transform",
    "clusterer": "fit_predict",
    "evaluator": "score",
}
"""kind -> what a component of it is asked. Datasets are iterated over, backbones called, engines handed jobs."""


def check(kind: str, answer: Any, given: Any) -> None:
    """Raise BrokenPromise ("type", "shape", "range" or "own-memory") for an answer that is none.

    given  what was asked about: Features of an aligner and an evaluator, x of a reducer and a clusterer, a picture of a
           detector
    """
    _CHECKS[kind](answer, given)


def aligned(answer: Any, features: Features) -> None:
    """x (n, any dim) of floats, in memory of its own."""
    _floats(answer, len(features))
    _own(answer, features.x)


def reduced(answer: Any, x: NDArray[Any]) -> None:
    """x (n, from 1 to dim) of floats, in memory of its own."""
    _floats(answer, len(x))
    if answer.shape[1] > x.shape[1]:
        raise BrokenPromise("shape", f"it answers {answer.shape[1]} dimensions for {x.shape[1]}")
    _own(answer, x)


def clustered(answer: Any, x: NDArray[Any]) -> None:
    """Cluster numbers (n,), whole, from -1 on."""
    _array(answer)
    if answer.dtype.kind not in "iu":
        raise BrokenPromise("type", f"it answers {answer.dtype}, and not whole numbers")
    if answer.shape != (len(x),):
        raise BrokenPromise("shape", f"it answers shape {answer.shape} for {len(x)} rows, and not ({len(x)},)")
    if len(answer) and int(answer.min()) < -1:
        raise BrokenPromise("range", f"it answers the cluster {int(answer.min())}; noise is -1, clusters count from 0")


def figures(answer: Any, features: Features) -> None:  # noqa: ARG001 - all kinds are checked alike
    """Named figures, each a number."""
    if not isinstance(answer, Mapping):
        raise BrokenPromise("type", f"it answers {_named(answer)}, and not {{figure: value}}")
    if not answer:
        raise BrokenPromise("shape", "it answers no figure at all")
    for name, value in answer.items():
        if not isinstance(name, str) or not name:
            raise BrokenPromise("type", f"it calls a figure {name!r}, which is no name")
        if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
            raise BrokenPromise("type", f"its figure {name!r} is {_named(value)}, and not a number")


def boxes(answer: Any, image: Image) -> None:
    """A list of ``Box``: finite, with an area, over the picture, score in [0, 1]."""
    if not isinstance(answer, list) or not all(isinstance(box, Box) for box in answer):
        raise BrokenPromise("type", f"it answers {_named(answer)}, and not a list of Box")
    height, width = image.shape[:2]
    for box in answer:
        sides = (box.left, box.top, box.right, box.bottom, box.score)
        if not all(isinstance(side, int | float) and math.isfinite(side) for side in sides):
            raise BrokenPromise("type", f"its {box} is not made of finite numbers")
        if box.right <= box.left or box.bottom <= box.top:
            raise BrokenPromise("shape", f"its {box} has no area")
        if box.right <= 0 or box.bottom <= 0 or box.left >= width or box.top >= height:
            raise BrokenPromise("range", f"its {box} lies outside the picture of {width} x {height}")
        if not 0 <= box.score <= 1:
            raise BrokenPromise("range", f"the score of its {box} is not in [0, 1]")


_CHECKS: dict[str, Callable[[Any, Any], None]] = {
    "aligner": aligned,
    "reducer": reduced,
    "clusterer": clustered,
    "evaluator": figures,
    "detector": boxes,
}


def rows(answer: Any, count: int, dim: int) -> None:
    """What a backbone makes of `count` faces: a float tensor (count, dim)."""
    import torch

    if not isinstance(answer, torch.Tensor) or not answer.is_floating_point():
        raise BrokenPromise("type", f"it answers {_named(answer)}, and not a tensor of floats")
    if tuple(answer.shape) != (count, dim):
        raise BrokenPromise("shape", f"it answers {tuple(answer.shape)} for {count} faces, and not ({count}, {dim})")


def _floats(answer: Any, count: int) -> None:
    _array(answer)
    if answer.dtype.kind != "f":
        raise BrokenPromise("type", f"it answers {answer.dtype}, and not floats")
    if answer.ndim != 2 or len(answer) != count or (count and not answer.shape[1]):
        raise BrokenPromise("shape", f"it answers shape {answer.shape} for {count} rows, and not ({count}, dim)")


def _array(answer: Any) -> None:
    if type(answer) is not np.ndarray:
        raise BrokenPromise("type", f"it answers {_named(answer)}, and not a numpy array")


def _own(answer: NDArray[Any], given: NDArray[Any]) -> None:
    if np.may_share_memory(answer, given):  # by their bounds alone: an array of its own lies elsewhere
        raise BrokenPromise("own-memory", "it answers a view of what it was given, which the next change alters")


def _named(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
