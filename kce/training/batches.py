"""In which order the faces of a training come, and how they are split into batches."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

import numpy as np

from kce.errors import BadData
from kce.labels import recordings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.labels import Texts

_log = logging.getLogger(__name__)


def pair_faces(category: Texts, group: Texts, key: Texts) -> NDArray[np.int64]:
    """Number faces so that those that only their forgery tells apart share a number.

    These are a real and the forgeries made of it: faces of different categories and one recording, whose frames are
    matched by their order.

    Args:
        category: (n,) categories.
        group: (n,) the recording behind each face; one whose recording is unknown has no counterpart.
        key: (n,) keys.

    Returns:
        (n,) numbers from 0.

    Raises:
        BadData: If no face has a counterpart.

    Example:
        >>> category, group = np.array(["A_real", "A_swap", "A_real", "A_swap"]), np.array(["1", "1", "1", "2"])
        >>> pair_faces(category, group, np.array(["real/1.mp4#9", "swap/1.mp4#9", "real/1.mp4#10", "swap/2.mp4#9"]))
        array([0, 0, 1, 2])
    """
    recording = np.unique(recordings(group, key), return_inverse=True)[1]
    code = np.unique(category.tolist(), return_inverse=True)[1]
    keys = np.array(key.tolist(), str)
    order = np.lexsort((keys, np.char.str_len(keys), code, recording))  # frame 9 is before frame 10
    starts = np.ones(len(order), bool)
    starts[1:] = np.diff(recording[order]).astype(bool) | np.diff(code[order]).astype(bool)
    place = np.arange(len(order))
    frame = np.empty(len(order), np.int64)
    frame[order] = place - np.maximum.accumulate(np.where(starts, place, 0))
    pair = np.unique(recording * (frame.max(initial=0) + 1) + frame, return_inverse=True)[1]
    alone = int((np.bincount(pair)[pair] == 1).sum())
    if alone == len(pair):
        raise BadData(
            "no face has a counterpart of another category, so there are no pairs to make batches of",
            "counterparts have the same group, what a face derives from; without groups use --batches random",
        )
    if alone:
        _log.warning("%d of %d faces have no counterpart of another category in training", alone, len(pair))
    return pair


def order_of_epoch(count: int, seed: int, epoch: int, pair: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Return the places of the training faces in the order of an epoch.

    Args:
        count: Number of training faces.
        seed: The training's seed.
        epoch: Number of the epoch, from 0.
        pair: (count,) numbers, see ``pair_faces``; faces with one number follow each other. None = any order.

    Example:
        >>> order_of_epoch(4, seed=0, epoch=0, pair=np.array([0, 1, 0, 1])).tolist()
        [1, 3, 2, 0]
    """
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(count)
    if pair is None:
        return order
    turn = random.permutation(int(pair.max()) + 1)
    return order[np.argsort(turn[pair[order]], kind="stable")]


def split_batches(count: int, batch_size: int) -> list[NDArray[np.int64]]:
    """Split 0 ... count-1 into as few batches as possible, all of nearly the same size.

    There is no small last batch, and no batch of one face unless there is only one: batch normalisation needs two.

    >>> [batch.tolist() for batch in split_batches(7, 3)]
    [[0, 1, 2], [3, 4], [5, 6]]
    """
    pieces = max(min(math.ceil(count / batch_size), count // 2), 1)
    return np.array_split(np.arange(count), pieces)
