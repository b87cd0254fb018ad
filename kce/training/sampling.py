"""Which faces a training is shown, which are held out of it, and in which batches they come."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from kce.errors import BadData, KCEError
from kce.system.rng import generator, hash_order
from kce.training.settings import TrainSettings, check_train_settings
from kce.training.weights import file_sha256

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from kce.faces.folder import Faces
    from kce.registry.registry import Registry
    from kce.types import MergePlan


@dataclass(frozen=True, eq=False)
class Examples:
    """Rows of a face folder with the class of each: rows (n,), targets (n,) int64."""

    rows: NDArray[np.int64]
    targets: NDArray[np.int64]

    def take(self, which: Any) -> Examples:
        return Examples(self.rows[which], self.targets[which])


@dataclass(frozen=True, eq=False)
class ClassMask:
    """Which classes a face is told from: `sets` (faces,) is its dataset's number, `mask` (datasets, classes)."""

    sets: NDArray[np.int64]
    mask: NDArray[np.bool_]

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(n, classes)"""
        return self.mask[self.sets[rows]]


def within_dataset_mask(faces: Faces, plan: MergePlan, settings: TrainSettings) -> ClassMask | None:
    """The classes that have a member in a face's own dataset; None where a face is told from all."""
    if settings.loss == "softmax":
        return None
    names, sets = np.unique(faces.dataset, return_inverse=True)
    mask = np.zeros((len(names), len(plan.names)), bool)
    place = {name: number for number, name in enumerate(plan.names)}
    for number, category in set(zip(sets.tolist(), faces.category.tolist(), strict=True)):
        mask[number, place[plan.classes[category]]] = True
    return ClassMask(sets, mask)


def choose_examples(faces: Faces, plan: MergePlan, settings: TrainSettings) -> tuple[Examples, Examples]:
    """What is trained on, and what is held out to measure accuracy. Held out is the same whatever the plan."""
    check_train_settings(settings)
    foreign = sorted(set(faces.category.tolist()) - set(plan.classes))
    if foreign:
        raise KCEError(
            f"faces of {foreign[0]}, which the plan does not name", "training sees the known categories alone"
        )
    aside = held_out_mask(faces.category, faces.group, faces.key, settings.held_out, settings.seed)
    if settings.checkpoint == "best" and not aside.any():
        raise KCEError(
            "no face is held out, so no checkpoint can be the best on them",
            'set held_out = 0.1, or checkpoint = "last"; a category with one recording has none to spare',
        )
    rows, targets = draw_training_set(
        np.where(aside, "", faces.category), plan, _per_class(plan, settings), settings.seed
    )
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


def _per_class(plan: MergePlan, settings: TrainSettings) -> int | list[int] | None:
    if settings.images is None:
        return settings.per_class
    share, more = divmod(settings.images, len(plan.names))
    return [share + (number < more) for number in range(len(plan.names))]


def weights_provenance(
    backbone: str, faces: Faces, shown: Examples, held: Examples, settings: TrainSettings, registry: Registry
) -> dict[str, str]:
    """All that makes the weights: the network and where it starts, which faces with which class, the settings.

    Class numbers stand for the classes: a plan that only gives them other names makes the same weights.
    """
    part = registry.resolve("backbone", backbone)
    start = part.parameters.get("weights", "none")
    provenance = {"backbone": part.spec, "drawn": _digest(faces, shown), "images": str(len(shown.rows))}
    if isinstance(start, str) and Path(start).is_file():
        provenance["start"] = file_sha256(Path(start))
    if settings.checkpoint == "best":
        provenance["measured"] = _digest(faces, held)
    # How often the state is saved, and how many images a class was asked for, change nothing in the result.
    left = ("save_every", "per_class", "images", "augment", "loss")
    counted = {name: value for name, value in asdict(settings).items() if name not in left}
    if settings.loss != "softmax":
        provenance["loss"] = settings.loss
        provenance["datasets"] = _sets(faces, shown)
    return provenance | {"augment": ",".join(settings.augment)} | {name: str(value) for name, value in counted.items()}


def _sets(faces: Faces, examples: Examples) -> str:
    return xxhash.xxh3_128_hexdigest("\0".join(faces.dataset[examples.rows].tolist()).encode())


def _digest(faces: Faces, examples: Examples) -> str:
    total = xxhash.xxh128()
    for row, target in zip(examples.rows.tolist(), examples.targets.tolist(), strict=True):
        total.update(f"{faces.key[row]}\0{faces.hash[row]}\0{target}\n".encode())
    return total.hexdigest()


def split_batches(count: int, batch: int) -> list[NDArray[np.int64]]:
    """0 ... count-1 in as few pieces as hold at most `batch` each, all of nearly one size: no small last one.

    A single face never stands alone where there are others, since batch normalisation cannot do with one.
    """
    pieces = max(min(math.ceil(count / batch), count // 2), 1)
    return np.array_split(np.arange(count), pieces)


def held_out_mask(category: ArrayLike, group: ArrayLike, key: ArrayLike, share: float, seed: int) -> NDArray[np.bool_]:
    """A mask (n,): about `share` of every category's faces, as whole recordings.

    category, group, key  (n,) str; a face of no known recording (empty group) is a recording by itself
    A recording is held out of all categories it stands in, since its frames in one look like those in another.
    Recordings come by lot (seed), each if one of its categories still lacks faces and none would lose more than half.
    So a category behind which there is one recording has none held out.
    """
    labels = np.asarray(category, np.str_)
    mask = np.zeros(len(labels), bool)
    if not share or not len(labels):
        return mask
    categories, codes = np.unique(labels, return_inverse=True)
    named = zip(np.asarray(group).tolist(), np.asarray(key).tolist(), strict=True)
    recordings = [f"g{recording}" if recording else f"k{alone}" for recording, alone in named]
    names, units = np.unique(np.array(recordings, np.str_), return_inverse=True)
    total = np.bincount(codes)
    missing = share * total
    spare = total / 2
    rows = np.split(np.argsort(units, kind="stable"), np.cumsum(np.bincount(units))[:-1])
    for unit in hash_order(seed, names.tolist()):
        if (missing <= 0).all():
            break
        takes = np.bincount(codes[rows[unit]], minlength=len(categories))
        if (missing[takes > 0] > 0).any() and (takes <= spare).all():
            mask[rows[unit]] = True
            missing = missing - takes
            spare = spare - takes
    return mask


def draw_training_set(
    labels: ArrayLike, plan: MergePlan, per_class: int | Sequence[int] | None, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The balanced training set of a plan: row numbers (m,) and targets (m,), the place of the class in `plan.names`.

    Every class gets `per_class` rows (None: the largest number there is enough for; several numbers: one for each class
    of `plan.names`), without replacement, in equal shares from its members; the first members, by name, give one more
    where it does not come out even. Which rows of a category are drawn depends on the seed, its name and its own rows
    alone, and fewer of them are the first of more. Rows whose label the plan does not name are left out.
    Raises BadData if there are too few, saying where.
    """
    label = np.asarray(labels, dtype=np.str_)
    rows = {category: np.flatnonzero(label == category) for category in plan.classes}
    members = [plan.members(name) for name in plan.names]
    # A class of m members can give p rows if its member number i has p // m + (i < p % m) of them.
    enough = min(len(m) * len(rows[c]) + i for m in members for i, c in enumerate(m)) if members else 0
    asked = enough if per_class is None else per_class
    wanted = [asked] * len(members) if isinstance(asked, int) else list(asked)
    shares = {
        category: count // len(group) + (place < count % len(group))
        for group, count in zip(members, wanted, strict=True)
        for place, category in enumerate(group)
    }
    if not wanted or any(not 1 <= share <= len(rows[category]) for category, share in shares.items()):
        least = max(map(len, members), default=0)
        raise _too_few(members, {category: len(its) for category, its in rows.items()}, wanted, enough, least)
    chosen, targets = [], []
    for target, group in enumerate(members):
        for category in group:
            order = generator(seed, "draw", category).permutation(len(rows[category]))
            chosen.append(rows[category][order[: shares[category]]])
            targets.append(np.full(shares[category], target, np.int64))
    return np.concatenate(chosen).astype(np.int64), np.concatenate(targets)


def _too_few(
    members: list[list[str]], has: Mapping[str, int], wanted: Sequence[int], enough: int, least: int
) -> BadData:
    short = [
        f"{category} has {has[category]} and needs {need}"
        for group, count in zip(members, wanted, strict=True)
        for place, category in enumerate(group)
        if (need := max(count, least, 1) // len(group) + (place < max(count, least, 1) % len(group))) > has[category]
    ]
    if len(short) > 5:
        short = [*short[:5], f"and {len(short) - 5} more"]
    what = "; ".join(short) if short else f"every class needs at least {least}, one of each of its members"
    works = f"at most {enough}" if enough >= max(least, 1) else "none"
    return BadData(f"too few images for the plan: {what}", f"per_class that would work here: {works}")
