"""What a report draws, before anybody draws it: plain arrays with their words, for a page and for print alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Okabe and Ito's colours, told apart by colour-blind readers too; beyond eight the marker changes as well.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
MARKERS = ("circle", "diamond", "square", "cross", "triangle-up")


@dataclass(frozen=True, eq=False)
class Points:
    """Faces as points: place (n, 2 or 3) float32, category (n,) str, face (n,) int: its number among the thumbnails."""

    place: NDArray[Any]
    category: NDArray[Any]
    face: NDArray[Any]
    axes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Matrix:
    """A square matrix (k, k) between `names` (k), in the order they are shown in."""

    values: NDArray[Any]
    names: Sequence[str]
    unit: str


@dataclass(frozen=True, eq=False)
class Lines:
    """Named lines: name -> (x, y). `marks` are places on the x axis that are pointed out; `spans` the intervals of some
    lines: name -> (low, high), each as long as its x."""

    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    x: str
    y: str
    marks: Mapping[str, float] = field(default_factory=dict)
    spans: Mapping[str, tuple[Sequence[float], Sequence[float]]] = field(default_factory=dict)

    @property
    def marked(self) -> dict[float, str]:
        """Place -> what is said there, all in one: two words at one place would be written over each other."""
        return {place: ", ".join(w for w, its in self.marks.items() if its == place) for place in self.marks.values()}


@dataclass(frozen=True, eq=False)
class Bars:
    """For each group and each of `names` (value, low, high), or None; without an interval low = high = value."""

    names: Sequence[str]
    groups: Mapping[str, Sequence[tuple[float, float, float] | None]]
    y: str


@dataclass(frozen=True, eq=False)
class Flow:
    """From names on the left to classes on the right: (left, right) pairs, each of weight one."""

    pairs: Sequence[tuple[str, str]]


Chart = Points | Matrix | Lines | Bars | Flow


@dataclass(frozen=True, eq=False)
class Exhibit:
    """One figure of a report, in one or more variants: what the reader chooses by -> chart."""

    name: str
    title: str
    note: str
    variants: Mapping[str, Chart]


@dataclass(frozen=True)
class Sheet:
    """A table: what it is, its head, and rows of text. `numbers` says which columns are figures.

    records  the same for programs: one mapping a row, figures unrounded and None where there is none; empty = the rows
    """

    name: str
    title: str
    note: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[bool]
    records: Sequence[Mapping[str, Any]] = ()


def colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def marker(number: int) -> str:
    return MARKERS[number // len(COLOURS) % len(MARKERS)]
