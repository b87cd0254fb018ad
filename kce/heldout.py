"""Which faces of the known categories are not trained on, so that accuracy can be measured on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xxhash

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def held_out(category: ArrayLike, group: ArrayLike, key: ArrayLike, share: float, seed: int) -> NDArray[np.bool_]:
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
    lots = [xxhash.xxh3_128_digest(f"{seed}\0{name}".encode()) for name in names.tolist()]
    for unit in sorted(range(len(names)), key=lots.__getitem__):
        if (missing <= 0).all():
            break
        takes = np.bincount(codes[rows[unit]], minlength=len(categories))
        if (missing[takes > 0] > 0).any() and (takes <= spare).all():
            mask[rows[unit]] = True
            missing = missing - takes
            spare = spare - takes
    return mask
