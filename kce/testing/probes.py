"""Small inputs for components of every kind, made from fixed seeds, and how a component is called with them."""

from __future__ import annotations

import atexit
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import astuple, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.registry import validation
from kce.registry.validation import METHODS
from kce.system.job import Job
from kce.types import BATCH_ROWS, Features, FeatureTexts, MergePlan

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.testing.base import Subject

ROWS = ("aligner", "reducer", "clusterer", "evaluator", "tracer")
"""The kinds that work on rows of features."""

BLOBS = 4
_LABELS = ("One_FaceSwap", "One_Reenactment", "Two_FaceSwap", "Two_Lips")


def blob_features(count: int = 48, dim: int = 16, seed: int = 0) -> Features:
    """Return rows of four well separated categories, shuffled: deviation 0.05 about centres 14 apart."""
    random = np.random.default_rng(seed)
    codes = random.permutation(np.arange(count) % BLOBS)
    x = 10 * np.eye(BLOBS, dim)[codes] + 0.05 * random.standard_normal((count, dim))
    serial = np.arange(count)
    return Features(
        np.array([f"face{n:05}" for n in serial], dtype=np.str_),
        np.array(_LABELS)[codes],
        np.array([f"clip:{n // 8:04}" for n in serial], dtype=np.str_),
        x.astype(np.float32),
    )


class RowStream(FeatureTexts):
    """Rows that can be read in batches alone, as those of a stored table: ``kce.FeatureStream``.

    Args:
        rows: The rows, with their reals and views.
        size: Rows of a batch, at most.
    """

    def __init__(self, rows: Features, size: int) -> None:
        self._rows, self._size = rows, size
        self.key, self.label, self.group, self.dim = rows.key, rows.label, rows.group, rows.dim
        self.reals = None if rows.reals is None else RowStream(rows.reals, size)
        self.views = {name: RowStream(view, size) for name, view in rows.views.items()}

    def batches(self, rows: int = BATCH_ROWS) -> Iterator[Features]:
        """Yield all rows in order, in batches of about `rows` or of the stream's own size, whichever is less."""
        yield from self._rows.batches(min(rows, self._size))

    def take(self, rows: NDArray[Any]) -> Features:
        """Return the rows at these indices, or under this mask, in that order."""
        taken = self._rows.take(rows)
        return taken.with_x(taken.x)


def pictures() -> list[NDArray[np.uint8]]:
    """Return pictures of noise, a gradient, black and a single pixel: uint8 (height, width, 3)."""
    random = np.random.default_rng(0)
    slope = np.linspace(0, 255, 96, dtype=np.uint8)
    return [
        random.integers(0, 256, (120, 90, 3), dtype=np.uint8),
        np.repeat(np.repeat(slope[None, :, None], 64, axis=0), 3, axis=2),
        np.zeros((33, 47, 3), np.uint8),
        np.full((1, 1, 3), 128, np.uint8),
    ]


def faces(component: Any, count: int = 3) -> Any:
    """Return random faces for a backbone: a float tensor (count, 3, size, size) in [0, 1]."""
    import torch

    random = np.random.default_rng(0)
    return torch.from_numpy(random.random((count, 3, component.size, component.size), dtype=np.float32))


def small_input(subject: Subject, component: Any, size: int = 0) -> Any:
    """Return the input of a component.

    Args:
        subject: Names the kind.
        component: A backbone says how large its faces are.
        size: Number of rows, faces x 64 or pixels / 64; 0 for a few.
    """
    if subject.kind in ROWS:
        return blob_features(size or 48)
    if subject.kind == "detector":
        side = round((size * 64) ** 0.5)
        return [np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)] if size else pictures()
    if subject.kind == "backbone":
        return faces(component, max(size // 64, 2) if size else 3)
    if subject.kind == "engine":
        return [Job("text", "json:dumps", {"obj": [1, None]}), Job("number", "json:loads", {"s": "3.5"})]
    return None


def call_component(kind: str, component: Any, given: Any) -> Any:
    """Return the answer of a component of this kind to a ``small_input``."""
    if kind == "tracer":
        component.fit(given, unmerged(given))
    if kind in ROWS:
        return getattr(component, METHODS[kind])(component_input(kind, component, given))
    if kind == "detector":
        return [component.detect(picture) for picture in given]
    if kind == "backbone":
        import torch

        with torch.inference_mode():
            return component.eval()(given)
    if kind == "engine":
        return [future.result() for future in [component.submit(job) for job in given]]
    return list(component)


def check_component_answer(kind: str, component: Any, given: Any, answer: Any) -> None:
    """Raise CheckFailed for an answer that is not one of its kind; see ``kce.registry.validation``."""
    if kind == "detector":
        for boxes, picture in zip(answer, given, strict=True):
            validation.check_answer(kind, boxes, picture)
    elif kind == "backbone":
        validation.check_features(answer, len(given), component.dim)
    else:
        validation.check_answer(kind, answer, component_input(kind, component, given))


def component_input(kind: str, component: Any, given: Features) -> Any:
    """Return the argument for a component: x alone or Features, for an aligner with the reals and views it asks for."""
    if kind == "aligner":
        views = tuple(getattr(component, "views", ()))
        reals = _with_views(_reals(given.x.shape[1]), views) if getattr(component, "reals", False) else None
        return replace(_with_views(given, views), reals=reals)
    return given.x if kind in ("reducer", "clusterer", "tracer") else given


def unmerged(given: Features) -> MergePlan:
    """Return the plan in which each category is a family of its own."""
    return MergePlan({category: category for category in given.categories})


def _reals(dim: int) -> Features:
    """Return eight reals of each dataset of ``blob_features``."""
    label = np.repeat(["One_real", "Two_real"], 8)
    serial = [f"real{n:05}" for n in range(len(label))]
    x = np.random.default_rng(1).standard_normal((len(label), dim)).astype(np.float32)
    return Features(np.array(serial, np.str_), label, np.array(serial, np.str_), x)


def _with_views(rows: Features, views: tuple[str, ...]) -> Features:
    """Return the rows with these views, each of which scales x by up to 2 % less."""
    lost = 0.02 * np.random.default_rng(2).random((len(views), rows.x.shape[1]))
    seen = {view: rows.with_x((rows.x * (1 - part)).astype(np.float32)) for view, part in zip(views, lost, strict=True)}
    return replace(rows, views=seen)


@contextmanager
def built(subject: Subject, **more: Any) -> Iterator[Any]:
    """Provide a component: a clusterer with the true number of clusters, a backbone with seeded weights.

    An engine takes seconds to start, so one serves all checks until the last one has stopped it.
    """
    if subject.kind == "clusterer" and subject.takes("n_clusters"):
        more = {"n_clusters": BLOBS, **more}
    if subject.kind == "engine":
        if subject.engine is None:
            subject.engine = subject.build(**more)
            atexit.register(stop, subject)
        yield subject.engine
    elif subject.kind == "backbone":
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            component = subject.build(**more)
        yield component
    else:
        yield subject.build(**more)


def stop(subject: Subject) -> None:
    """Stop the engine of the subject, if one was started."""
    engine, subject.engine = subject.engine, None
    if engine is not None:
        with suppress(Exception):
            engine.stop()


def identical(one: Any, other: Any) -> bool:
    """Return whether two answers are equal to the last bit; NaN equals NaN."""
    if isinstance(one, np.ndarray):
        return (
            isinstance(other, np.ndarray)
            and one.shape == other.shape
            and one.dtype == other.dtype
            and one.tobytes() == other.tobytes()
        )
    if hasattr(one, "detach"):
        return identical(one.detach().numpy(), other.detach().numpy())
    if isinstance(one, Mapping):
        return list(one) == list(other) and all(identical(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(identical, one, other))
    if is_dataclass(one) and not isinstance(one, type):
        return type(one) is type(other) and identical(astuple(one), astuple(other))
    return bool(one == other or (one != one and other != other))  # noqa: PLR0124 - NaN


def shuffled(features: Features, seed: int = 1) -> tuple[Features, NDArray[np.intp]]:
    """Return the same rows in another order, and the index of each before."""
    order = np.random.default_rng(seed).permutation(len(features))
    return features.take(order), order
