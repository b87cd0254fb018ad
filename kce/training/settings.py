"""How a network is trained: every choice but the network, the faces and the plan."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from kce.errors import KCEError, UnknownName
from kce.training.augment import check_augmentations

LOSSES = ("softmax", "within-dataset")
BATCHES = ("random", "paired")
CHECKPOINTS = ("last", "best")
Precision = Literal["auto", "fast", "32", "bf16", "16"]
PRECISIONS = get_args(Precision)
MOST = {"epochs": 100_000, "batch_size": 100_000, "per_class": 100_000_000, "images": 1_000_000_000}
"""The largest values: more is a slip of the keyboard, and would be noticed only when time or memory runs out."""


@dataclass(frozen=True)
class TrainSettings:
    """How to train: the table ``[train]`` of a recipe.

    Three epochs are those of Sun et al. 2023, section 3, which says nothing about the rest.

    Attributes:
        epochs: Passes over the training faces; 0 = the network keeps the weights that it begins with.
        batch_size: Faces a step, over all devices.
        lr: AdamW's learning rate at its highest: it rises over a tenth of the steps, then falls to zero as a cosine.
        weight_decay: Weight decay of AdamW.
        augment: Changes to training faces, in order: none, or names of ``kce.training.augment`` (flip, codec ...).
        loss: "softmax" over all classes; or "within-dataset", over the classes that a face's own dataset has a part in,
            with the reals of each dataset as a class beside its forgeries: telling datasets apart earns nothing.
        batches: In what order faces come: "random"; or "paired": a real and the forgeries made of it follow each other,
            frame by frame, and are augmented alike, so that only the forgery tells them apart. It takes groups.
        held_out: Share of the known faces that is not trained on and measures accuracy; 0 = none.
        checkpoint: Which weights are the result: the "last", or the "best" on the held-out faces.
        precision: In what networks compute, for training and for features: "32" is float32, "bf16" and "16" are
            bfloat16 and float16 mixed with it; "auto" is 32 on the CPU and, on a GPU, bf16 if it has that, else 16;
            "fast" is bf16 on a CPU that has instructions for it, too. The recipe that a run writes says which it was.
        per_class: Images of each class; None = as many as all classes can give.
        images: Images of all classes together, instead of per_class; the first classes have one more.
        seed: Random seed of the order of faces, augmentation and new weights.
        save_every: Seconds of training that a kill can cost.
    """

    RENAMED: ClassVar[Mapping[str, str]] = {"rate": "lr", "decay": "weight_decay", "batch": "batch_size"}

    epochs: int = 3
    batch_size: int = 32
    lr: float = 1e-3
    weight_decay: float = 1e-2
    augment: tuple[str, ...] = ("none",)
    loss: Literal["softmax", "within-dataset"] = "softmax"
    batches: Literal["random", "paired"] = "random"
    held_out: float = 0.1
    checkpoint: Literal["last", "best"] = "last"
    precision: Precision = "auto"
    per_class: int | None = None
    images: int | None = None
    seed: int = 0
    save_every: float = 30.0


def check_train_settings(settings: TrainSettings) -> None:
    """Raise KCEError for settings that no training can have."""
    check_augmentations(settings.augment)
    for name, most in MOST.items():
        value = getattr(settings, name)
        least = 0 if name == "epochs" else 1
        if value is not None and (type(value) is not int or not least <= value <= most):
            raise KCEError(
                f"{name} = {value!r} is not a whole number from {least} to {most:,}", f"for example {name} = 32"
            )
    if settings.per_class is not None and settings.images is not None:
        raise KCEError("per_class and images are both given", "images of each class, or of all together: choose one")
    if not _is_number(settings.lr) or not 0 < settings.lr <= 1000:
        raise KCEError(f"lr = {settings.lr!r} is not a learning rate", "a number above 0, such as 0.001, up to 1000")
    for name in ("weight_decay", "save_every"):
        value = getattr(settings, name)
        if not _is_number(value) or not 0 <= value <= 10**6:
            raise KCEError(f"{name} = {value!r} is not a number from 0 to a million", "a number such as 0.01")
    if not _is_number(settings.held_out) or not 0 <= settings.held_out <= 0.5:
        raise KCEError(f"held_out = {settings.held_out!r} is not a share to hold out", "a number from 0 (none) to 0.5")
    if settings.loss not in LOSSES:
        raise UnknownName.among("loss", str(settings.loss), LOSSES)
    if settings.batches not in BATCHES:
        raise UnknownName.among("order of batches", str(settings.batches), BATCHES)
    if settings.checkpoint not in CHECKPOINTS:
        raise UnknownName.among("checkpoint", str(settings.checkpoint), CHECKPOINTS)
    if settings.checkpoint == "best" and not settings.epochs:
        raise KCEError("epochs = 0 trains nothing, so no weights are the best", 'leave out checkpoint = "best"')
    if settings.precision not in PRECISIONS:
        raise UnknownName.among("precision", str(settings.precision), PRECISIONS)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
