"""Small questions for components of every kind, and how each is asked. All of it is made from fixed seeds."""

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
from kce.types import Features

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.testing.base import Subject

ROWS = ("aligner", "reducer", "clusterer", "evaluator")
"""The kinds that are asked about rows of features."""

BLOBS = 4
_LABELS = ("One_FaceSwap", "One_Reenactment", "Two_FaceSwap", "Two_Lips")


def table(count: int = 48, dim: int = 16, seed: int = 0) -> Features:
    """`count` rows of four categories far apart, in mixed order: 0.05 about centres that are 14 from each other."""
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


def pictures() -> list[NDArray[np.uint8]]:
    """Noise, a smooth slope, black, and one of a single pixel: uint8 (height, width, 3)."""
    random = np.random.default_rng(0)
    slope = np.linspace(0, 255, 96, dtype=np.uint8)
    return [
        random.integers(0, 256, (120, 90, 3), dtype=np.uint8),
        np.repeat(np.repeat(slope[None, :, None], 64, axis=0), 3, axis=2),
        np.zeros((33, 47, 3), np.uint8),
        np.full((1, 1, 3), 128, np.uint8),
    ]


def faces(component: Any, count: int = 3) -> Any:
    """A float tensor (count, 3, size, size) in [0, 1] for a backbone."""
    import torch

    random = np.random.default_rng(0)
    return torch.from_numpy(random.random((count, 3, component.size, component.size), dtype=np.float32))


def question(subject: Subject, component: Any, size: int = 0) -> Any:
    """What a component of this kind is asked; of about `size` rows, faces x 64 or pixels / 64, if that is given."""
    if subject.kind in ROWS:
        return table(size or 48)
    if subject.kind == "detector":
        side = round((size * 64) ** 0.5)
        return [np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)] if size else pictures()
    if subject.kind == "backbone":
        return faces(component, max(size // 64, 2) if size else 3)
    if subject.kind == "engine":
        return [Job("text", "json:dumps", {"obj": [1, None]}), Job("number", "json:loads", {"s": "3.5"})]
    return None


def ask(kind: str, component: Any, asked: Any) -> Any:
    """Return the answer of a component of `kind` to a question."""
    if kind in ROWS:
        return getattr(component, METHODS[kind])(seen_by(kind, component, asked))
    if kind == "detector":
        return [component.detect(picture) for picture in asked]
    if kind == "backbone":
        import torch

        with torch.inference_mode():
            return component.eval()(asked)
    if kind == "engine":
        return [future.result() for future in [component.submit(job) for job in asked]]
    return list(component)


def check_answer(kind: str, component: Any, asked: Any, answer: Any) -> None:
    """Raise CheckFailed for an answer to that question that is none of its kind; see ``kce.registry.validation``."""
    if kind == "detector":
        for boxes, picture in zip(answer, asked, strict=True):
            validation.check_answer(kind, boxes, picture)
    elif kind == "backbone":
        validation.check_features(answer, len(asked), component.dim)
    else:
        validation.check_answer(kind, answer, seen_by(kind, component, asked))


def seen_by(kind: str, component: Any, asked: Features) -> Any:
    """What of a table a component of `kind` gets to see; an aligner also gets the reals and views it asks for."""
    if kind == "aligner":
        views = tuple(getattr(component, "views", ()))
        reals = _viewed(_reals(asked.x.shape[1]), views) if getattr(component, "reals", False) else None
        return replace(_viewed(asked, views), reals=reals)
    return asked.x if kind in ("reducer", "clusterer") else asked


def _reals(dim: int) -> Features:
    """Eight reals of each dataset of ``table``."""
    label = np.repeat(["One_real", "Two_real"], 8)
    serial = [f"real{n:05}" for n in range(len(label))]
    x = np.random.default_rng(1).standard_normal((len(label), dim)).astype(np.float32)
    return Features(np.array(serial, np.str_), label, np.array(serial, np.str_), x)


def _viewed(rows: Features, views: tuple[str, ...]) -> Features:
    """The rows with each of these views of them: a little of every number is lost, of each view another part."""
    lost = 0.02 * np.random.default_rng(2).random((len(views), rows.x.shape[1]))
    seen = {view: rows.with_x((rows.x * (1 - part)).astype(np.float32)) for view, part in zip(views, lost, strict=True)}
    return replace(rows, views=seen)


@contextmanager
def made(subject: Subject, **more: Any) -> Iterator[Any]:
    """A component to ask: a clusterer is told how many clusters there are, the weights of a backbone have a seed.

    Starting an engine takes seconds, so one serves all checks until the last one has stopped it.
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
    """Stop the subject's engine, if one was started."""
    engine, subject.engine = subject.engine, None
    if engine is not None:
        with suppress(Exception):
            engine.stop()


def same(one: Any, other: Any) -> bool:
    """Whether two answers are alike to the last bit; NaN is like NaN."""
    if isinstance(one, np.ndarray):
        return (
            isinstance(other, np.ndarray)
            and one.shape == other.shape
            and one.dtype == other.dtype
            and one.tobytes() == other.tobytes()
        )
    if hasattr(one, "detach"):
        return same(one.detach().numpy(), other.detach().numpy())
    if isinstance(one, Mapping):
        return list(one) == list(other) and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if is_dataclass(one) and not isinstance(one, type):
        return type(one) is type(other) and same(astuple(one), astuple(other))
    return bool(one == other or (one != one and other != other))  # noqa: PLR0124 - NaN


def permuted(features: Features, seed: int = 1) -> tuple[Features, NDArray[np.intp]]:
    """The same rows in another order, and where each came from."""
    order = np.random.default_rng(seed).permutation(len(features))
    return features.take(order), order
