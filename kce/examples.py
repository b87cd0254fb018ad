"""Which faces a training is shown, which are held out of it, and in which batches they come."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from kce import weights
from kce.errors import BadData, KCEError
from kce.heldout import held_out
from kce.merge import draw
from kce.settings import Settings, check

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.faces import Faces
    from kce.registry import Registry
    from kce.types import MergePlan


@dataclass(frozen=True, eq=False)
class Examples:
    """Rows of a face folder with the class of each: rows (n,), targets (n,) int64."""

    rows: NDArray[np.int64]
    targets: NDArray[np.int64]

    def take(self, which: Any) -> Examples:
        return Examples(self.rows[which], self.targets[which])


@dataclass(frozen=True, eq=False)
class Rivals:
    """Which classes a face is told from: `sets` (faces,) is its dataset's number, `mask` (datasets, classes)."""

    sets: NDArray[np.int64]
    mask: NDArray[np.bool_]

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(n, classes)"""
        return self.mask[self.sets[rows]]


def rivals(faces: Faces, plan: MergePlan, settings: Settings) -> Rivals | None:
    """The classes that have a member in a face's own dataset; None where a face is told from all."""
    if settings.loss == "softmax":
        return None
    names, sets = np.unique(faces.dataset, return_inverse=True)
    mask = np.zeros((len(names), len(plan.names)), bool)
    place = {name: number for number, name in enumerate(plan.names)}
    for number, category in set(zip(sets.tolist(), faces.category.tolist(), strict=True)):
        mask[number, place[plan.classes[category]]] = True
    return Rivals(sets, mask)


def choose(faces: Faces, plan: MergePlan, settings: Settings) -> tuple[Examples, Examples]:
    """What is trained on, and what is held out to measure accuracy. Held out is the same whatever the plan."""
    check(settings)
    foreign = sorted(set(faces.category.tolist()) - set(plan.classes))
    if foreign:
        raise KCEError(
            f"faces of {foreign[0]}, which the plan does not name", "training sees the known categories alone"
        )
    aside = held_out(faces.category, faces.group, faces.key, settings.held_out, settings.seed)
    if settings.checkpoint == "best" and not aside.any():
        raise KCEError(
            "no face is held out, so no checkpoint can be the best on them",
            'set held_out = 0.1, or checkpoint = "last"; a category with one recording has none to spare',
        )
    rows, targets = draw(np.where(aside, "", faces.category), plan, _per_class(plan, settings), settings.seed)
    if len(rows) < 2 * len(plan.names):
        has = {name: np.isin(faces.category[~aside], plan.members(name)).sum() for name in plan.names}
        least = min(has, key=lambda name: has[name])
        raise BadData(
            f"a class would be trained on one image: {least} has {has[least]} that are not held out",
            "cut more faces of it, or leave its categories out",
        )
    numbers = {category: plan.names.index(name) for category, name in plan.classes.items()}
    held = np.flatnonzero(aside)
    return Examples(rows, targets), Examples(
        held, np.array([numbers[c] for c in faces.category[held].tolist()], np.int64)
    )


def _per_class(plan: MergePlan, settings: Settings) -> int | list[int] | None:
    if settings.images is None:
        return settings.per_class
    share, more = divmod(settings.images, len(plan.names))
    return [share + (number < more) for number in range(len(plan.names))]


def made_of(
    backbone: str, faces: Faces, shown: Examples, held: Examples, settings: Settings, registry: Registry
) -> dict[str, str]:
    """All that makes the weights: the network and where it starts, which faces with which class, the settings.

    Class numbers stand for the classes: a plan that only gives them other names makes the same weights.
    """
    part = registry.resolve("backbone", backbone)
    start = part.parameters.get("weights", "none")
    made = {"backbone": part.text, "drawn": _digest(faces, shown), "images": str(len(shown.rows))}
    if isinstance(start, str) and Path(start).is_file():
        made["start"] = weights.digest(Path(start))
    if settings.checkpoint == "best":
        made["measured"] = _digest(faces, held)
    # How often the state is saved, and how many images a class was asked for, change nothing in the result.
    left = ("save_every", "per_class", "images", "augment", "loss")
    counted = {name: value for name, value in asdict(settings).items() if name not in left}
    if settings.loss != "softmax":
        made["loss"] = settings.loss
        made["datasets"] = _sets(faces, shown)
    return made | {"augment": ",".join(settings.augment)} | {name: str(value) for name, value in counted.items()}


def _sets(faces: Faces, examples: Examples) -> str:
    return xxhash.xxh3_128_hexdigest("\0".join(faces.dataset[examples.rows].tolist()).encode())


def _digest(faces: Faces, examples: Examples) -> str:
    total = xxhash.xxh128()
    for row, target in zip(examples.rows.tolist(), examples.targets.tolist(), strict=True):
        total.update(f"{faces.key[row]}\0{faces.hash[row]}\0{target}\n".encode())
    return total.hexdigest()


def batches_of(count: int, batch: int) -> list[NDArray[np.int64]]:
    """0 ... count-1 in as few pieces as hold at most `batch` each, all of nearly one size: no small last one.

    A single face never stands alone where there are others, since batch normalisation cannot do with one.
    """
    pieces = max(min(math.ceil(count / batch), count // 2), 1)
    return np.array_split(np.arange(count), pieces)
