"""The memory that a component will take, before it is given rows: too little of it ends the work before it starts.

A price is what is certainly needed: copies of the rows that KCE makes, and what the component declares to grow faster
than the rows do. What a component converts or computes besides is not counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kce.errors import KCEError
from kce.system.memory import available_memory

_ROW_BYTES = 4
"""Bytes of a number in the rows that components are given: float32."""

_PAIR_BYTES = 8
"""Bytes of a number in what grows faster than the rows, such as a matrix of distances: float64."""

_WORTH_ASKING = 2**26
"""Bytes below which the system is not asked: every machine has so many."""

_HINTS = {
    "aligner": "choose another aligner, or cut fewer faces of each category",
    "reducer": "choose a reducer that takes rows as a stream, or one whose memory does not grow so; or take fewer rows",
    "clusterer": "cluster the means of categories (`--vote means`), choose a clusterer whose memory does not grow so, "
    "or take fewer rows",
    "tracer": "choose another tracer, or fit it on fewer faces of each category",
    "evaluator": "score fewer rows of each category, reduce their features first, or leave it out",
}


@dataclass(frozen=True)
class Growth:
    """How time and memory grow with the number of rows, as a factory's attribute `growth` declares.

    Attributes:
        time: The highest power of n that time grows with.
        memory: The same for memory.
        up_to: Rows above which memory grows no faster than n, as of a component that compares a sample.
    """

    time: float = 1.0
    memory: float = 1.0
    up_to: float = math.inf

    @classmethod
    def declared(cls, factory: Callable[..., Any]) -> Growth:
        """Return what a factory declares.

        Raises:
            KCEError: It is not {"time": power, "memory": power, "up_to": rows}, with any of them left out.
        """
        growth = getattr(factory, "growth", {})
        if (
            not isinstance(growth, Mapping)
            or not set(growth) <= set(cls.__dataclass_fields__)
            or not all(_is_positive(value) for value in growth.values())
        ):
            name = getattr(factory, "__qualname__", repr(factory))
            raise KCEError(
                f"the attribute `growth` of {name} is {str(growth)[:200]}",
                'write growth = {"time": 2, "memory": 2} with the powers of n, and perhaps "up_to", a number of rows',
            )
        return cls(**growth)


def memory_needed(n: int, dim: int, growth: Growth, copies: int) -> int:
    """Compute the bytes that a component needs besides what is there already.

    Args:
        n: Rows it is given.
        dim: Features of a row.
        growth: What it declares.
        copies: Arrays (n, dim) of float32 that are still to be made.

    Example:
        >>> memory_needed(60_000, 64, Growth(), copies=3)
        46080000
        >>> memory_needed(60_000, 64, Growth(memory=2), copies=0)
        28800000000
        >>> memory_needed(60_000, 64, Growth(memory=2, up_to=4096), copies=0)
        134217728
    """
    faster = _PAIR_BYTES * min(n, growth.up_to) ** growth.memory if growth.memory > 1 else 0
    return copies * _ROW_BYTES * n * dim + int(faster)


def check_price(kind: str, name: str, n: int, dim: int, growth: Growth, copies: int = 0) -> None:
    """Raise KCEError if a component needs more memory than there is.

    Args:
        kind: Its kind, which decides what the hint says.
        name: What messages call it.
        n: Rows it is given.
        dim: Features of a row.
        growth: What it declares.
        copies: Arrays (n, dim) of float32 that are still to be made: those in which rows are read, and those of a
            component that works in another process.
    """
    needed = memory_needed(n, dim, growth, copies)
    if needed <= _WORTH_ASKING or (available := available_memory()) >= needed:
        return
    power = "" if growth.memory <= 1 else f"; its memory grows with the power {growth.memory:g} of the rows"
    raise KCEError(
        f"the {kind} {name} needs {_gib(needed)} of memory for {n:,} rows of {dim:,} features, and {_gib(available)} "
        f"are available{power}",
        _HINTS[kind],
    )


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"
