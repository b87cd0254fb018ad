"""What the answer of a component may be: types, shapes and ranges of each kind, for runs and for ``kce check``."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.errors import CheckFailed
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
    "tracer": "score",
}
"""Kind -> the method that is called. Datasets are iterated over, backbones called, engines given jobs."""


SCORE_RANGES = "score_ranges"
SCORE_RESAMPLES = "score_resamples"
"""The optional method by which an evaluator scores all resamples at once."""

_STREAM_METHODS = {"aligner": ("fit", "transform"), "reducer": ("partial_fit", "transform")}


def takes_stream(kind: str, component: Any) -> bool:
    """Return whether an aligner or reducer has the further methods by which it is given rows in batches.

    >>> class Batched:
    ...     def fit_transform(self, x): ...
    ...     def partial_fit(self, x): ...
    ...     def transform(self, x): ...
    >>> takes_stream("reducer", Batched())
    True
    """
    methods = _STREAM_METHODS.get(kind, ())
    return bool(methods) and all(callable(getattr(component, method, None)) for method in methods)


def takes_cannot_link(clusterer: Any) -> bool:
    """Return whether an object is a ``ConstrainedClusterer``: its `fit_predict` has the keyword `cannot_link`.

    >>> class Plain:
    ...     def fit_predict(self, x): ...
    >>> class Constrained:
    ...     def fit_predict(self, x, *, cannot_link=None): ...
    >>> takes_cannot_link(Plain()), takes_cannot_link(Constrained())
    (False, True)
    """
    try:
        return "cannot_link" in inspect.signature(clusterer.fit_predict).parameters
    except (AttributeError, TypeError, ValueError):  # it is not a clusterer, or its method is compiled
        return False


def check_answer(kind: str, answer: Any, given: Any) -> None:
    """Raise CheckFailed ("type", "shape" or "range") for an answer that is not one of its kind.

    Args:
        kind: A key of ``METHODS``.
        answer: What the component returned.
        given: Its input: Features of an aligner or evaluator, x of a reducer or clusterer, the picture of a detector.
    """
    _ANSWERS[kind](answer, given)


def check_finite(kind: str, answer: Any) -> None:
    """Raise CheckFailed ("finite") for NaN or infinity in a valid answer: of an aligner, reducer, tracer, evaluator."""
    if kind in ("aligner", "reducer", "tracer") and not np.isfinite(answer).all():
        rows = int((~np.isfinite(answer)).any(axis=1).sum())
        raise CheckFailed("finite", f"its answer has NaN or infinity in {rows} of {len(answer)} rows")
    if kind == "evaluator":
        for name, value in answer.items():
            if not math.isfinite(value):
                raise CheckFailed("finite", f"its score {name!r} is {value}")


def check_own_memory(kind: str, answer: Any, given: Any) -> None:
    """Raise CheckFailed ("own-memory") for an answer of an aligner, reducer or tracer that is a view of its input."""
    if kind not in ("aligner", "reducer", "tracer"):
        return
    x = given.x if kind == "aligner" else given
    if np.may_share_memory(answer, x):  # compares the bounds only, which suffices for separate arrays
        raise CheckFailed("own-memory", "its answer is a view of its input")


def check_aligned(answer: Any, features: Features) -> None:
    """Check the answer of an aligner: float (n, any dim)."""
    _check_floats(answer, len(features))


def check_reduced(answer: Any, x: NDArray[Any]) -> None:
    """Check the answer of a reducer: float (n, 1 to dim)."""
    _check_floats(answer, len(x))
    if answer.shape[1] > x.shape[1]:
        raise CheckFailed("shape", f"its answer has {answer.shape[1]} columns, more than the {x.shape[1]} of its input")


def check_unlikeness(answer: Any, x: NDArray[Any]) -> None:
    """Check the answer of a tracer: float (n, families)."""
    _check_floats(answer, len(x))


def check_clusters(answer: Any, x: NDArray[Any]) -> None:
    """Check the answer of a clusterer: integer (n,), from -1."""
    _check_array(answer)
    if answer.dtype.kind not in "iu":
        raise CheckFailed("type", f"its answer is of {answer.dtype}, not of integers")
    if answer.shape != (len(x),):
        raise CheckFailed("shape", f"its answer for {len(x)} rows has the shape {answer.shape}, not ({len(x)},)")
    if len(answer) and int(answer.min()) < -1:
        raise CheckFailed("range", f"its answer has the cluster {int(answer.min())}; noise is -1, clusters start at 0")


def check_scores(answer: Any, features: Features) -> None:  # noqa: ARG001 - all kinds are checked with the same call
    """Check the answer of an evaluator: a mapping with at least one name -> number."""
    if not isinstance(answer, Mapping):
        raise CheckFailed("type", f"its answer is {_type_name(answer)}, not {{name: value}}")
    if not answer:
        raise CheckFailed("shape", "its answer has no score")
    for name, value in answer.items():
        if not isinstance(name, str) or not name:
            raise CheckFailed("type", f"the name of a score is {name!r}, not text")
        if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
            raise CheckFailed("type", f"its score {name!r} is {_type_name(value)}, not a number")


def check_resampled_scores(answer: Any, count: int) -> None:
    """Check the answer of an evaluator's `score_resamples`: name -> float (count,)."""
    if not isinstance(answer, Mapping):
        raise CheckFailed("type", f"its answer is {_type_name(answer)}, not {{name: array}}")
    for name, values in answer.items():
        _check_array(values)
        if values.dtype.kind != "f" or values.shape != (count,):
            text = f"{values.shape} of {values.dtype}, not {count} floats"
            raise CheckFailed("shape", f"its score {name!r} of {count} resamples is {text}")


def check_ranges(answer: Any) -> None:
    """Check the answer of an evaluator's `score_ranges`: name -> (low, high), low below high."""
    if not isinstance(answer, Mapping):
        raise CheckFailed("type", f"its ranges are {_type_name(answer)}, not {{name: (low, high)}}")
    for name, bounds in answer.items():
        try:
            low, high = map(float, bounds)
        except (TypeError, ValueError):
            low = high = math.nan
        if not low < high:
            raise CheckFailed("type", f"the range of its score {name!r} is {bounds!r}, not (low, high)")


def check_boxes(answer: Any, image: Image) -> None:
    """Check the answer of a detector: a list of ``Box``, finite, with an area, in the picture, score in [0, 1]."""
    if not isinstance(answer, list) or not all(isinstance(box, Box) for box in answer):
        raise CheckFailed("type", f"its answer is {_type_name(answer)}, not a list of Box")
    height, width = image.shape[:2]
    for box in answer:
        values = (box.left, box.top, box.right, box.bottom, box.score)
        if not all(isinstance(value, int | float) and math.isfinite(value) for value in values):
            raise CheckFailed("type", f"the numbers of {box} are not all finite")
        if box.right <= box.left or box.bottom <= box.top:
            raise CheckFailed("shape", f"{box} has no area")
        if box.right <= 0 or box.bottom <= 0 or box.left >= width or box.top >= height:
            raise CheckFailed("range", f"{box} is outside of the picture of {width} x {height}")
        if not 0 <= box.score <= 1:
            raise CheckFailed("range", f"the score of {box} is not in [0, 1]")


_ANSWERS: dict[str, Callable[[Any, Any], None]] = {
    "aligner": check_aligned,
    "reducer": check_reduced,
    "clusterer": check_clusters,
    "evaluator": check_scores,
    "tracer": check_unlikeness,
    "detector": check_boxes,
}


def check_features(answer: Any, count: int, dim: int) -> None:
    """Check the answer of a backbone to `count` faces: a finite float tensor (count, dim)."""
    import torch

    if not isinstance(answer, torch.Tensor) or not answer.is_floating_point():
        raise CheckFailed("type", f"its answer is {_type_name(answer)}, not a tensor of floats")
    if tuple(answer.shape) != (count, dim):
        shape = tuple(answer.shape)
        raise CheckFailed("shape", f"its answer to {count} faces has the shape {shape}, not ({count}, {dim})")
    if not answer.isfinite().all():
        raise CheckFailed("finite-features", "its answer has NaN or infinity")


def _check_floats(answer: Any, count: int) -> None:
    _check_array(answer)
    if answer.dtype.kind != "f":
        raise CheckFailed("type", f"its answer is of {answer.dtype}, not of floats")
    if answer.ndim != 2 or len(answer) != count or (count and not answer.shape[1]):
        raise CheckFailed("shape", f"its answer for {count} rows has the shape {answer.shape}, not ({count}, dim)")


def _check_array(answer: Any) -> None:
    if type(answer) is not np.ndarray:
        raise CheckFailed("type", f"its answer is {_type_name(answer)}, not a numpy array")


def _type_name(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
