"""Charts for print, drawn with matplotlib as PNG and SVG."""

from __future__ import annotations

import logging
from functools import singledispatch
from pathlib import Path
from typing import Any

import numpy as np

from kce.report.charts import Bars, Chart, Flow, Lines, Matrix, Points, colour, marker
from kce.system.atomic import atomic_replace
from kce.system.regular import make_folder_inside
from kce.system.text import visible_text

_MARKERS = {"circle": "o", "diamond": "D", "square": "s", "cross": "P", "triangle-up": "^"}
_DASHES = ("-", "--", ":", "-.")
DPI = 160


def write_chart_files(folder: Path, name: str, chart: Chart) -> list[Path]:
    """Draw a chart into `folder` as <name>.png and <name>.svg, and return the paths. Equal charts give equal files."""
    # Without a home to write to it uses a temporary folder for its caches, which nobody needs to be told.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    make_folder_inside(folder.parent, folder.name)
    written = []
    # Text stays text in the SVG, and a name with "$" is no formula; without a date and random identifiers equal charts
    # are equal files.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "kce", "font.size": 9, "text.parse_math": False}):
        figure = Figure(layout="constrained")
        FigureCanvasAgg(figure)
        _draw(chart, figure)
        for suffix, options in (("png", {"dpi": DPI}), ("svg", {"metadata": {"Date": None}})):
            path = folder / f"{name}.{suffix}"
            with atomic_replace(path) as part:
                figure.savefig(part, format=suffix, **options)
            written.append(path)
    return written


def _label(name: str) -> str:
    """The name in a legend, which leaves out what begins with "_"."""
    return visible_text(f" {name}" if name.startswith("_") else name)


@singledispatch
def _draw(chart: Any, figure: Any) -> None:  # noqa: ARG001 - the signature of all implementations
    raise TypeError(f"cannot draw a {type(chart).__name__}")


@_draw.register
def _points(chart: Points, figure: Any) -> None:
    in_3d = chart.xy.shape[1] == 3
    categories = np.unique(chart.category).tolist()
    figure.set_size_inches(7.5, 5 + 0.16 * (len(categories) // 2))
    axes = figure.add_subplot(projection="3d" if in_3d else None)
    for number, category in enumerate(categories):
        xy = chart.xy[chart.category == category]
        axes.scatter(
            *xy.T, s=8, alpha=0.75, color=colour(number), marker=_MARKERS[marker(number)], label=_label(category),
            linewidths=0, rasterized=True,
        )  # fmt: skip
    for axis, title in zip("xyz", chart.axes, strict=False):
        getattr(axes, f"set_{axis}label")(title)
    figure.legend(loc="outside lower center", ncols=2, fontsize=7, markerscale=2)


@_draw.register
def _matrix(chart: Matrix, figure: Any) -> None:
    side = 3 + 0.17 * len(chart.names)
    figure.set_size_inches(side + 1, side)
    axes = figure.add_subplot()
    image = axes.imshow(chart.values, cmap="RdBu_r", vmin=-1, vmax=1)
    ticks = range(len(chart.names))
    names = list(map(visible_text, chart.names))
    axes.set_xticks(ticks, names, rotation=90, fontsize=7)
    axes.set_yticks(ticks, names, fontsize=7)
    figure.colorbar(image, label=chart.unit, shrink=0.7)


@_draw.register
def _lines(chart: Lines, figure: Any) -> None:
    figure.set_size_inches(7, 4 + 0.09 * len(chart.lines))
    axes = figure.add_subplot()
    for number, (name, (x, y)) in enumerate(chart.lines.items()):
        symbol = _MARKERS[marker(number)] if len(x) < 40 else ""
        dash = _DASHES[number // 8 % len(_DASHES)]
        axes.plot(x, y, color=colour(number), marker=symbol, markersize=4, linestyle=dash, label=_label(name))
        if name in chart.intervals:
            axes.fill_between(x, *chart.intervals[name], color=colour(number), alpha=0.12, linewidth=0)
    for position, label in chart.labels.items():
        axes.axvline(position, color="#888", linestyle=":")
        axes.annotate(visible_text(label), (position, axes.get_ylim()[0]), color="#666")
    axes.set(xlabel=chart.x, ylabel=chart.y)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2, fontsize=7)


@_draw.register
def _bars(chart: Bars, figure: Any) -> None:
    figure.set_size_inches(max(7, 0.75 * len(chart.names)), 4.2)
    axes = figure.add_subplot()
    width = 0.8 / max(len(chart.groups), 1)
    for number, (group, values) in enumerate(chart.groups.items()):
        present = [(tick, bar) for tick, bar in enumerate(values) if bar is not None]
        x = [tick + (number - (len(chart.groups) - 1) / 2) * width for tick, _ in present]
        y = [bar[0] for _, bar in present]
        # matplotlib takes distances from the value, which a bootstrap interval need not contain.
        error = [[max(v[0] - v[1], 0) for _, v in present], [max(v[2] - v[0], 0) for _, v in present]]
        axes.bar(x, y, width, yerr=error, color=colour(number), label=_label(group), capsize=2, ecolor="#555")
    axes.set_xticks(range(len(chart.names)), list(map(visible_text, chart.names)), rotation=30, ha="right")
    axes.set_ylabel(chart.y)
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    if len(chart.groups) > 1:
        figure.legend(loc="outside lower center", ncols=4, fontsize=8)


@_draw.register
def _flow(chart: Flow, figure: Any) -> None:
    left = list(dict.fromkeys(a for a, _ in chart.pairs))
    right = list(dict.fromkeys(b for _, b in chart.pairs))
    figure.set_size_inches(8, 1.2 + 0.22 * len(left))
    axes = figure.add_subplot()
    height = {name: np.mean([left.index(a) for a, b in chart.pairs if b == name]) for name in right}
    along = np.linspace(0, 1, 50)
    bend = along**2 * (3 - 2 * along)
    for a, b in chart.pairs:
        start = left.index(a)
        axes.plot(along, start + bend * (height[b] - start), color=colour(right.index(b)), linewidth=4, alpha=0.6)
    for name in left:
        axes.text(-0.02, left.index(name), visible_text(name), ha="right", va="center", fontsize=7)
    for name in right:
        axes.text(1.02, height[name], visible_text(name), ha="left", va="center", fontsize=7)
    axes.set(xlim=(-1.0, 1.8), ylim=(len(left) - 0.5, -0.5))
    axes.axis("off")
