"""How a network is trained: every choice but the network, the faces and the plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kce.errors import KCEError, UnknownName
from kce.training import augment

LOSSES = ("softmax", "within-dataset")


@dataclass(frozen=True)
class Settings:
    """How to train. The paper says 3 epochs (section 3) and nothing of the rest.

    With the loss "within-dataset" a face's softmax runs over the classes that its own dataset has a part in, and the
    reals of each dataset are a class beside its forgeries: telling datasets apart earns nothing.
    """

    epochs: int = 3
    batch: int = 32  # faces a step, over all devices
    rate: float = 1e-3  # AdamW's, at its highest: a tenth of the steps of rise, then a cosine down to nothing
    decay: float = 1e-2
    augment: tuple[str, ...] = (
        "none",
    )  # changes to training faces, in order: none, flip, codec (``kce.training.augment``)
    loss: Literal["softmax", "within-dataset"] = "softmax"  # over all classes, or those of the face's own dataset
    held_out: float = 0.1  # share of the known faces that is not trained on and measures accuracy; 0 = none
    checkpoint: Literal["last", "best"] = "last"  # which weights are the result: best on the held-out faces
    per_class: int | None = None  # images of each class; None = as many as all classes can give
    images: int | None = None  # images of all classes together, instead of per_class; the first classes have one more
    seed: int = 0
    save_every: float = 30.0  # seconds of training that a kill can cost


def check(settings: Settings) -> None:
    """Raises KCEError for settings that no training can have."""
    augment.check(settings.augment)
    for name in ("epochs", "batch", "per_class", "images"):
        value = getattr(settings, name)
        if value is not None and (not isinstance(value, int) or value < 1):
            raise KCEError(f"{name} = {value!r} is not a whole number from 1", "")
    if settings.per_class is not None and settings.images is not None:
        raise KCEError("per_class and images are both given", "images of each class, or of all together: choose one")
    if not isinstance(settings.rate, int | float) or not settings.rate > 0:
        raise KCEError(f"rate = {settings.rate!r} is no learning rate", "a number above 0, such as 0.001")
    if not isinstance(settings.held_out, int | float) or not 0 <= settings.held_out <= 0.5:
        raise KCEError(f"held_out = {settings.held_out!r} is no share to hold out", "a number from 0 (none) to 0.5")
    if settings.loss not in LOSSES:
        raise UnknownName.among("loss", str(settings.loss), LOSSES)
    if settings.checkpoint not in ("last", "best"):
        raise UnknownName.among("checkpoint", str(settings.checkpoint), ("last", "best"))
