"""Charts for print: the same as on the page, by matplotlib, as png and svg."""

from __future__ import annotations

from functools import singledispatch
from pathlib import Path
from typing import Any

import numpy as np

from kce.report.charts import Bars, Chart, Flow, Lines, Matrix, Points, colour, marker
from kce.system.atomic import atomic_replace

_SIGNS = {"circle": "o", "diamond": "D", "square": "s", "cross": "P", "triangle-up": "^"}
_DASHES = ("-", "--", ":", "-.")
DOTS = 160  # a print's dots per inch


def write(folder: Path, name: str, chart: Chart) -> list[Path]:
    """Draw a chart into `folder` as <name>.png and <name>.svg, each whole or not at all."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    # Text stays text in an svg, and the same chart is the same file: no date, no random names.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "kce", "font.size": 9}):
        figure = Figure(layout="constrained")
        FigureCanvasAgg(figure)
        _draw(chart, figure)
        for kind, more in (("png", {"dpi": DOTS}), ("svg", {"metadata": {"Date": None}})):
            path = folder / f"{name}.{kind}"
            with atomic_replace(path) as part:
                figure.savefig(part, format=kind, **more)
            written.append(path)
    return written


@singledispatch
def _draw(chart: Any, figure: Any) -> None:  # noqa: ARG001 - the others draw on it
    raise TypeError(f"no picture of {type(chart).__name__}")


@_draw.register
def _points(chart: Points, figure: Any) -> None:
    deep = chart.place.shape[1] == 3
    categories = np.unique(chart.category).tolist()
    figure.set_size_inches(7.5, 5 + 0.16 * (len(categories) // 2))
    axes = figure.add_subplot(projection="3d" if deep else None)
    for number, category in enumerate(categories):
        place = chart.place[chart.category == category]
        axes.scatter(
            *place.T, s=8, alpha=0.75, color=colour(number), marker=_SIGNS[marker(number)], label=category,
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
    drawn = axes.imshow(chart.values, cmap="RdBu_r", vmin=-1, vmax=1)
    places = range(len(chart.names))
    axes.set_xticks(places, chart.names, rotation=90, fontsize=7)
    axes.set_yticks(places, chart.names, fontsize=7)
    figure.colorbar(drawn, label=chart.unit, shrink=0.7)


@_draw.register
def _lines(chart: Lines, figure: Any) -> None:
    figure.set_size_inches(7, 4 + 0.09 * len(chart.lines))
    axes = figure.add_subplot()
    for number, (name, (x, y)) in enumerate(chart.lines.items()):
        sign = _SIGNS[marker(number)] if len(x) < 40 else ""
        dash = _DASHES[number // 8 % len(_DASHES)]
        axes.plot(x, y, color=colour(number), marker=sign, markersize=4, linestyle=dash, label=name)
        if name in chart.spans:
            axes.fill_between(x, *chart.spans[name], color=colour(number), alpha=0.12, linewidth=0)
    for place, word in chart.marked.items():
        axes.axvline(place, color="#888", linestyle=":")
        axes.annotate(word, (place, axes.get_ylim()[0]), color="#666")
    axes.set(xlabel=chart.x, ylabel=chart.y)
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2, fontsize=7)


@_draw.register
def _bars(chart: Bars, figure: Any) -> None:
    figure.set_size_inches(max(7, 0.75 * len(chart.names)), 4.2)
    axes = figure.add_subplot()
    wide = 0.8 / max(len(chart.groups), 1)
    for number, (group, values) in enumerate(chart.groups.items()):
        there = [(place, value) for place, value in enumerate(values) if value is not None]
        x = [place + (number - (len(chart.groups) - 1) / 2) * wide for place, _ in there]
        y = [value[0] for _, value in there]
        # A bootstrap's interval need not hold the figure itself; matplotlib wants distances from it.
        error = [[max(v[0] - v[1], 0) for _, v in there], [max(v[2] - v[0], 0) for _, v in there]]
        axes.bar(x, y, wide, yerr=error, color=colour(number), label=group, capsize=2, ecolor="#555")
    axes.set_xticks(range(len(chart.names)), chart.names, rotation=30, ha="right")
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
    at = {name: np.mean([left.index(a) for a, b in chart.pairs if b == name]) for name in right}
    along = np.linspace(0, 1, 50)
    bend = along**2 * (3 - 2 * along)
    for a, b in chart.pairs:
        start = left.index(a)
        axes.plot(along, start + bend * (at[b] - start), color=colour(right.index(b)), linewidth=4, alpha=0.6)
    for name in left:
        axes.text(-0.02, left.index(name), name, ha="right", va="center", fontsize=7)
    for name in right:
        axes.text(1.02, at[name], name, ha="left", va="center", fontsize=7)
    axes.set(xlim=(-1.0, 1.8), ylim=(len(left) - 0.5, -0.5))
    axes.axis("off")
