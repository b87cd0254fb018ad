"""The kinds of chart: dataclasses of arrays and labels, filled in ``figures`` and drawn alike for page and print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.report.neighbours import Neighbours

# The palette of Okabe and Ito, which colour-blind readers can tell apart; beyond eight series the marker changes too.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
MARKERS = ("circle", "diamond", "square", "cross", "triangle-up")


@dataclass(frozen=True, eq=False)
class Points:
    """A scatter plot of faces.

    Attributes:
        xy: Coordinates, (n, 2 or 3) float32.
        category: Category of each face, (n,) str.
        face: Number of each face among the thumbnails, (n,) int.
        axes: Title of each axis.
        neighbours: The nearest faces of each face, as numbers of points; None if they are not shown.
    """

    xy: NDArray[Any]
    category: NDArray[Any]
    face: NDArray[Any]
    axes: tuple[str, ...] = ()
    neighbours: Neighbours | None = None


@dataclass(frozen=True, eq=False)
class Matrix:
    """A heat map.

    Attributes:
        values: A square matrix, (k, k), of values in [-1, 1].
        names: Names of its rows and columns, (k,).
        unit: What the values are.
    """

    values: NDArray[Any]
    names: Sequence[str]
    unit: str


@dataclass(frozen=True, eq=False)
class Lines:
    """A line chart.

    Attributes:
        lines: Name of a line -> (x, y).
        x: Title of the x axis.
        y: Title of the y axis.
        markers: Label -> the position on the x axis where a vertical line is drawn.
        intervals: Name of a line -> (low, high), each as long as its x.
    """

    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    x: str
    y: str
    markers: Mapping[str, float] = field(default_factory=dict)
    intervals: Mapping[str, tuple[Sequence[float], Sequence[float]]] = field(default_factory=dict)

    @property
    def labels(self) -> dict[float, str]:
        """Position -> the labels of all markers there in one text, so that they do not overlap."""
        return {x: ", ".join(label for label, at in self.markers.items() if at == x) for x in self.markers.values()}


@dataclass(frozen=True, eq=False)
class Bars:
    """A grouped bar chart with error bars.

    Attributes:
        names: Names of the bars, along the x axis.
        groups: Group -> for each name (value, low, high), or None for no bar; low = high = value is no error bar.
        y: Title of the y axis.
    """

    names: Sequence[str]
    groups: Mapping[str, Sequence[tuple[float, float, float] | None]]
    y: str


@dataclass(frozen=True, eq=False)
class Flow:
    """A Sankey diagram.

    Attributes:
        pairs: (name on the left, name on the right), each with a weight of one.
    """

    pairs: Sequence[tuple[str, str]]


Chart = Points | Matrix | Lines | Bars | Flow


@dataclass(frozen=True, eq=False)
class ReportFigure:
    """One figure of a report.

    Attributes:
        name: Identifies it on the page and names its files.
        title: Its heading.
        note: What it shows and how to read it.
        variants: What the reader selects by -> chart.
    """

    name: str
    title: str
    note: str
    variants: Mapping[str, Chart]


@dataclass(frozen=True)
class ReportTable:
    """One table of a report.

    Attributes:
        name: Identifies it on the page and names its files.
        title: Its heading.
        note: What it shows and how to read it.
        head: Title of each column.
        rows: The cells as text.
        numeric: Whether each column holds numbers.
        records: The rows for programs, each as column -> value with unrounded numbers and None where there is no value;
            empty = `rows`.
    """

    name: str
    title: str
    note: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: Sequence[bool]
    records: Sequence[Mapping[str, Any]] = ()


def colour(number: int) -> str:
    """Return the colour of series `number`."""
    return COLOURS[number % len(COLOURS)]


def marker(number: int) -> str:
    """Return the marker of series `number`."""
    return MARKERS[number // len(COLOURS) % len(MARKERS)]
