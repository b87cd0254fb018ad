"""Which faces a training uses, and which are held out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.errors import BadData, KCEError
from kce.labels import encode_texts, recordings
from kce.system.rng import generator, hash_order
from kce.training.settings import TrainSettings, check_train_settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.faces.folder import Faces
    from kce.labels import Texts
    from kce.types import MergePlan


@dataclass(frozen=True, eq=False)
class Examples:
    """Faces with their classes.

    Attributes:
        rows: (n,) row numbers in a face folder.
        targets: (n,) class numbers: places in the plan's sorted ``names``.
    """

    rows: NDArray[np.int64]
    targets: NDArray[np.int64]

    def take(self, which: Any) -> Examples:
        """Select examples by index, mask or slice."""
        return Examples(self.rows[which], self.targets[which])


@dataclass(frozen=True, eq=False)
class ClassMask:
    """The classes that take part in each face's softmax: those with a member in the face's dataset.

    Attributes:
        dataset: (faces,) the number of each face's dataset.
        mask: (datasets, classes).
    """

    dataset: NDArray[np.int64]
    mask: NDArray[np.bool_]

    def for_rows(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return the classes of these faces: (n, classes)."""
        return self.mask[self.dataset[rows]]


def within_dataset_mask(faces: Faces, plan: MergePlan, settings: TrainSettings) -> ClassMask | None:
    """Build the mask of the loss "within-dataset"; None for "softmax", which needs none."""
    if settings.loss == "softmax":
        return None
    names, dataset = encode_texts(faces.dataset.tolist())
    mask = np.zeros((len(names), len(plan.names)), bool)
    class_number = {name: number for number, name in enumerate(plan.names)}
    one = faces.first_of_categories()
    for own, category in zip(one.dataset.tolist(), one.category.tolist(), strict=True):
        mask[names.index(own), class_number[plan.classes[category]]] = True
    return ClassMask(dataset, mask)


def choose_examples(faces: Faces, plan: MergePlan, settings: TrainSettings) -> tuple[Examples, Examples]:
    """Choose the faces to train on, and the held-out faces that measure accuracy.

    Args:
        faces: Faces of the plan's categories only.
        plan: Category -> class.
        settings: Checked here.

    Returns:
        The training examples, and the held-out ones; the latter are the same faces for every plan.

    Raises:
        KCEError: For faces of a category that the plan does not name, and for ``checkpoint = "best"`` when no face is
            held out.
        BadData: If a class would have fewer than two training faces.
    """
    check_train_settings(settings)
    foreign = sorted(set(faces.category.counts()) - set(plan.classes))
    if foreign:
        raise KCEError(f"faces of {foreign[0]}, which the plan does not name", "training may use known categories only")
    is_held_out = held_out_mask(faces.category, faces.group, faces.key, settings.held_out, settings.seed)
    if settings.checkpoint == "best" and not is_held_out.any():
        raise KCEError(
            "no face is held out, so there is nothing to choose the best checkpoint by",
            'set held_out = 0.1, or checkpoint = "last"; a category with one recording has none to hold out',
        )
    per_class = _images_per_class(plan, settings)
    categories = zip(faces.category.tolist(), is_held_out.tolist(), strict=True)
    labels = ["" if held_out else category for category, held_out in categories]
    rows, targets = draw_training_set(labels, plan, per_class, settings.seed)
    if len(rows) < 2 * len(plan.names):
        images = {name: faces.category.isin(plan.members(name))[~is_held_out].sum() for name in plan.names}
        smallest = min(images, key=lambda name: images[name])
        raise BadData(
            f"a class would be trained on one image: {smallest} has {images[smallest]} that are not held out",
            "cut more faces of it, or leave its categories out",
        )
    class_number = {category: plan.names.index(name) for category, name in plan.classes.items()}
    held_out = np.flatnonzero(is_held_out)
    held_out_targets = np.array([class_number[c] for c in faces.category[held_out].tolist()], np.int64)
    return Examples(rows, targets), Examples(held_out, held_out_targets)


def _images_per_class(plan: MergePlan, settings: TrainSettings) -> int | list[int] | None:
    if settings.images is None:
        return settings.per_class
    share, remainder = divmod(settings.images, len(plan.names))
    return [share + (number < remainder) for number in range(len(plan.names))]


def held_out_mask(category: Texts, group: Texts, key: Texts, share: float, seed: int) -> NDArray[np.bool_]:
    """Choose about `share` of every category's faces to hold out, as whole recordings.

    A recording is held out of every category it occurs in, since its frames look alike in all of them. Recordings are
    visited in random order; one is taken if one of its categories still lacks faces and none would lose more than half
    of its faces. So nothing is held out of a category with a single recording.

    Args:
        category: (n,) str.
        group: (n,) str, the recording behind each face; where it is empty, a file counts as its own recording.
        key: (n,) str.
        share: Share of the faces to hold out, in [0, 0.5].
        seed: Random seed of the order.

    Returns:
        (n,) True for the faces to hold out.
    """
    labels = category.tolist()
    mask = np.zeros(len(labels), bool)
    if not share or not labels:
        return mask
    categories, codes = encode_texts(labels)
    names, recording = encode_texts(recordings(group, key).tolist())
    total = np.bincount(codes)
    missing = share * total
    spare = total / 2
    rows = np.split(np.argsort(recording, kind="stable"), np.cumsum(np.bincount(recording))[:-1])
    for number in hash_order(seed, names):
        if (missing <= 0).all():
            break
        taken = np.bincount(codes[rows[number]], minlength=len(categories))
        if (missing[taken > 0] > 0).any() and (taken <= spare).all():
            mask[rows[number]] = True
            missing = missing - taken
            spare = spare - taken
    return mask


def draw_training_set(
    labels: Sequence[str], plan: MergePlan, per_class: int | Sequence[int] | None, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw the balanced training set of a plan, without replacement.

    The members of a class give equal shares; where the number is not divisible, the first members by name give one row
    more. Which rows of a category are drawn depends only on the seed, its name and its own rows, and a smaller draw is
    the beginning of a larger one.

    Args:
        labels: (n,) str, the category of each row; rows of categories that the plan does not name are left out.
        plan: Category -> class.
        per_class: Rows of every class; None = the largest number that all classes can give; a list = one number for
            each class of ``plan.names``.
        seed: Random seed of the draw.

    Returns:
        Row numbers (m,), and targets (m,): the place of the row's class in ``plan.names``.

    Raises:
        BadData: If categories have too few rows; the message names them.
    """
    names, codes = encode_texts(labels)
    numbers = {name: number for number, name in enumerate(names)}
    rows = {category: np.flatnonzero(codes == numbers.get(category, -1)) for category in plan.classes}
    members = [plan.members(name) for name in plan.names]
    # A class of m members can give p rows if its member number i has p // m + (i < p % m) of them.
    largest = min(len(m) * len(rows[c]) + i for m in members for i, c in enumerate(m)) if members else 0
    requested = largest if per_class is None else per_class
    counts = [requested] * len(members) if isinstance(requested, int) else list(requested)
    shares = {
        category: count // len(group) + (place < count % len(group))
        for group, count in zip(members, counts, strict=True)
        for place, category in enumerate(group)
    }
    if not counts or any(not 1 <= share <= len(rows[category]) for category, share in shares.items()):
        smallest = max(map(len, members), default=0)
        available = {category: len(own_rows) for category, own_rows in rows.items()}
        raise _too_few_images(members, available, counts, largest, smallest)
    chosen, targets = [], []
    for target, group in enumerate(members):
        for category in group:
            order = generator(seed, "draw", category).permutation(len(rows[category]))
            chosen.append(rows[category][order[: shares[category]]])
            targets.append(np.full(shares[category], target, np.int64))
    return np.concatenate(chosen).astype(np.int64), np.concatenate(targets)


def _too_few_images(
    members: list[list[str]], available: Mapping[str, int], counts: Sequence[int], largest: int, smallest: int
) -> BadData:
    short = [
        f"{category} has {available[category]} and needs {needed}"
        for group, count in zip(members, counts, strict=True)
        for place, category in enumerate(group)
        if (needed := max(count, smallest, 1) // len(group) + (place < max(count, smallest, 1) % len(group)))
        > available[category]
    ]
    if len(short) > 5:
        short = [*short[:5], f"and {len(short) - 5} more"]
    problem = "; ".join(short) if short else f"every class needs at least {smallest}, one for each of its members"
    works = f"at most {largest}" if largest >= max(smallest, 1) else "none"
    return BadData(f"too few images for the plan: {problem}", f"per_class that would work here: {works}")
