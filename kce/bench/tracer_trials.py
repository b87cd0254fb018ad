"""What a benchmark of tracers traces: rows whose methods are known, split by recording, some methods unseen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kce.bench.worlds import load_bench_data
from kce.errors import BadData
from kce.features.streams import in_memory
from kce.system.rng import generator
from kce.types import Features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FIT, CALIBRATE, TRACED = 0, 1, 2
"""What a recording is for."""
_FIT, _CALIBRATE = 0.5, 0.25
"""Shares of the recordings; the rest is traced."""
_HELD_OUT_METHODS = 0.25


@dataclass(frozen=True, eq=False)
class Trial:
    """Rows with their true methods, split.

    Attributes:
        rows: Forgeries, and reals if they are a family.
        method: (n,) the true method of each forgery; empty for a real.
        part: (n,) what each row's recording is for; rows of unseen methods are traced or of no use.
        unseen: The methods that nothing has seen.
    """

    rows: Features
    method: NDArray[np.str_]
    part: NDArray[np.intp]
    unseen: tuple[str, ...]

    def of(self, part: int) -> NDArray[np.intp]:
        """Return the row numbers of a part; what is fitted on and calibrated by is of known methods alone."""
        chosen = self.part == part
        return np.flatnonzero(chosen if part == TRACED else chosen & ~np.isin(self.method, self.unseen))


def split_recordings(recording: NDArray[np.str_], seed: int) -> NDArray[np.intp]:
    """Split recordings at random: half to fit on, a quarter to calibrate by, a quarter to trace.

    Args:
        recording: (n,) the recording of each row.
        seed: Random seed.

    Returns:
        (n,) FIT, CALIBRATE or TRACED, the same for all rows of a recording.
    """
    names, codes = np.unique(recording, return_inverse=True)
    place = generator(seed, "recordings").permutation(len(names)) / len(names)
    return np.digitize(place, (_FIT, _FIT + _CALIBRATE))[codes]


def choose_unseen(methods: Sequence[str], seed: int) -> tuple[str, ...]:
    """Choose a quarter of the methods at random, at least one.

    Args:
        methods: All of them.
        seed: Random seed.

    Raises:
        BadData: If there are fewer than three.
    """
    if len(methods) < 3:
        raise BadData(
            f"{len(methods)} methods are too few: one is held out as unseen, and two are to be known",
            "use data with more methods",
        )
    order = generator(seed, "unseen methods").permutation(len(methods))
    count = max(int(_HELD_OUT_METHODS * len(methods)), 1)
    return tuple(sorted(methods[number] for number in order[:count].tolist()))


def split_rows(rows: Features, method: NDArray[np.str_], seed: int) -> Trial:
    """Split rows with known methods, all categories of some methods being unseen.

    Args:
        rows: Forgeries and reals.
        method: (n,) the true method of each forgery; empty for a real.
        seed: Random seed.

    Raises:
        BadData: If there are fewer than three methods.
    """
    unseen = choose_unseen(sorted(set(method[method != ""].tolist())), seed)
    return Trial(rows, method, split_recordings(rows.recording, seed), unseen)


def load_rows(world: str, truth: str) -> tuple[Features, NDArray[np.str_]]:
    """Load a feature world, or a user's table.

    Args:
        world: Its full name.
        truth: Path of the truth of a table; empty = its labels.

    Returns:
        Forgeries and reals, and the method of each: empty for a real.
    """
    data = load_bench_data(world, truth, views=False)
    forged, reals = in_memory(data.rows), data.rows.reals
    method = np.asarray(next(iter(data.truths.values())), np.str_)
    if reals is None:
        return forged, method
    return join_rows([forged, in_memory(reals)]), np.concatenate([method, np.full(len(reals), "", method.dtype)])


def join_rows(tables: Sequence[Features]) -> Features:
    """Put the rows of some tables below each other."""
    key, label, group, x = (
        np.concatenate([getattr(table, column) for table in tables]) for column in ("key", "label", "group", "x")
    )
    return Features(key, label, group, x)
