"""Reproducible random numbers: each purpose has a stream of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import xxhash

if TYPE_CHECKING:
    import numpy as np


def generator(seed: int, *purpose: str) -> np.random.Generator:
    """Return a generator that depends on the seed and on the words for its purpose, and on nothing else."""
    import numpy as np

    return np.random.default_rng(xxhash.xxh3_128_intdigest("\0".join((str(seed), *purpose)).encode()))
