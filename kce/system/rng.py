"""Random numbers and random orders that can be repeated: each purpose has its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import xxhash

if TYPE_CHECKING:
    import numpy as np


def generator(seed: int, *purpose: str) -> np.random.Generator:
    """A random number generator that depends on the seed and the purpose alone."""
    import numpy as np

    return np.random.default_rng(xxhash.xxh3_128_intdigest("\0".join((str(seed), *purpose)).encode()))


def hash_rank(seed: int, name: str, *purpose: str) -> int:
    """A number for a name, to sort names into a random order by.

    It depends on the seed, the purpose and the name alone, so that a name keeps its place among the others when names
    are added or removed, on every machine. Equal numbers for different names are as likely as equal 128-bit hashes.
    """
    return xxhash.xxh3_128_intdigest("\0".join((str(seed), *purpose, name)).encode("utf-8", "surrogatepass"))


def hash_order(seed: int, names: Sequence[str], *purpose: str) -> list[int]:
    """The indices of the names, in a random order by ``hash_rank``.

    >>> names = ["b", "a", "c", "d"]
    >>> [names[i] for i in hash_order(0, names)]
    ['c', 'd', 'b', 'a']
    >>> sorted("abcde", key=lambda name: hash_rank(0, name))  # a new name leaves the others in their order
    ['c', 'd', 'b', 'e', 'a']
    """
    ranks = [hash_rank(seed, name, *purpose) for name in names]
    return sorted(range(len(names)), key=ranks.__getitem__)
