"""Charts for the page: plotly figures as plain dictionaries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import numpy as np
import plotly.graph_objects as go

from kce.report.charts import Bars, Chart, Flow, Lines, Matrix, Points, colour, marker
from kce.report.escaping import plotly_text

_MAX_SVG_POINTS = 2000  # more are drawn with WebGL to stay fluid, although not every browser has it
_MARKERS_3D = {
    "circle": "circle",
    "diamond": "diamond",
    "square": "square",
    "cross": "cross",
    "triangle-up": "diamond-open",
}


def plotly_figure(chart: Chart) -> dict[str, Any]:
    """Return a chart as plotly.js draws it, {"data", "layout"}; arrays are base64, not lists of numbers."""
    figure = _figure(chart)
    figure.update_layout(
        template="none",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": "#777", "size": 13},  # readable on white and on black
        margin={"l": 56, "r": 12, "t": 36, "b": 44},  # the tool bar is above the figure
        legend={"orientation": "h", "y": -0.22, "itemsizing": "constant"},
        hovermode="closest",
        autosize=True,
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": "#999", "activecolor": "#0072B2"},
    )
    for axis in (figure.update_xaxes, figure.update_yaxes):
        axis(gridcolor="rgba(128,128,128,.25)", zeroline=False, automargin=True)
    document: dict[str, Any] = json.loads(figure.to_json())
    return document


@singledispatch
def _figure(chart: Any) -> go.Figure:
    raise TypeError(f"cannot draw a {type(chart).__name__}")


@_figure.register
def _points(chart: Points) -> go.Figure:
    figure = go.Figure()
    in_3d = chart.xy.shape[1] == 3
    for number, category in enumerate(np.unique(chart.category).tolist()):
        member = chart.category == category
        xy = chart.xy[member].astype(np.float32)
        symbol = _MARKERS_3D[marker(number)] if in_3d else marker(number)
        common = {
            "mode": "markers",
            "name": plotly_text(category),
            "customdata": chart.face[member].astype(np.int32),
            "hoverinfo": "none",  # the page shows its own card
            "marker": {"size": 3 if in_3d else 7, "opacity": 0.8, "color": colour(number), "symbol": symbol},
        }
        if in_3d:
            figure.add_scatter3d(x=xy[:, 0], y=xy[:, 1], z=xy[:, 2], **common)
        else:
            draw = figure.add_scatter if len(chart.face) <= _MAX_SVG_POINTS else figure.add_scattergl
            draw(x=xy[:, 0], y=xy[:, 1], **common)
    titles = dict(zip(("xaxis", "yaxis", "zaxis"), chart.axes, strict=False))
    if in_3d:
        plain = {"gridcolor": "rgba(128,128,128,.35)", "backgroundcolor": "rgba(0,0,0,0)"}
        scene = {axis: {"title": {"text": title}, **plain} for axis, title in titles.items()}
        return figure.update_layout(scene=scene, height=620)
    return figure.update_layout(xaxis_title=chart.axes[0], yaxis_title=chart.axes[1], height=560)


@_figure.register
def _matrix(chart: Matrix) -> go.Figure:
    names = list(map(plotly_text, chart.names))
    heat = go.Heatmap(
        z=chart.values.astype(np.float32), x=names, y=names, zmin=-1, zmax=1, colorscale="RdBu", reversescale=True,
        colorbar={"title": {"text": chart.unit}}, hovertemplate="%{y}<br>%{x}<br>%{z:.2f}<extra></extra>",
    )  # fmt: skip
    figure = go.Figure(heat)
    # Not left to plotly: it takes names such as "1" for numbers, and "2020-01-01" for dates.
    return figure.update_layout(
        height=260 + 18 * len(names),
        xaxis={"tickangle": -60, "type": "category"},
        yaxis={"autorange": "reversed", "type": "category"},
    )


@_figure.register
def _lines(chart: Lines) -> go.Figure:
    figure = go.Figure()
    dashes = ("solid", "dash", "dot", "dashdot", "longdash")
    for number, (name, (x, y)) in enumerate(chart.lines.items()):
        line = {"color": colour(number), "dash": dashes[number // 8 % len(dashes)]}
        mode = "lines+markers" if len(x) < 40 else "lines"
        figure.add_scatter(
            x=list(x), y=list(y), name=plotly_text(name), mode=mode, line=line, marker={"symbol": marker(number)},
            error_y=_error_bars(y, *chart.intervals[name]) if name in chart.intervals else None,
        )  # fmt: skip
    for position, label in chart.labels.items():
        figure.add_vline(x=position, line={"dash": "dot", "color": "#888"}, annotation_text=plotly_text(label))
    return figure.update_layout(xaxis_title=chart.x, yaxis_title=chart.y, height=440)


@_figure.register
def _bars(chart: Bars) -> go.Figure:
    figure = go.Figure()
    patterns = ("", "/", "x", "-", ".")
    for number, (group, values) in enumerate(chart.groups.items()):
        present = [(name, value) for name, value in zip(chart.names, values, strict=True) if value is not None]
        figure.add_bar(
            name=plotly_text(group),
            x=[plotly_text(name) for name, _ in present],
            y=[value[0] for _, value in present],
            error_y=_error_bars(*([bar[part] for _, bar in present] for part in range(3))),
            marker={"color": colour(number), "pattern": {"shape": patterns[number // 8 % len(patterns)]}},
        )
    return figure.update_layout(barmode="group", xaxis_type="category", yaxis_title=chart.y, height=460)


def _error_bars(values: Sequence[float], low: Sequence[float], high: Sequence[float]) -> dict[str, Any]:
    """Intervals as plotly takes them: distances from each value."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [top - value for value, top in zip(values, high, strict=True)],
        "arrayminus": [value - bottom for value, bottom in zip(values, low, strict=True)],
        "color": "#777",
    }


@_figure.register
def _flow(chart: Flow) -> go.Figure:
    left = list(dict.fromkeys(a for a, _ in chart.pairs))
    right = list(dict.fromkeys(b for _, b in chart.pairs))
    index = {name: number for number, name in enumerate(right)}
    colours = [colour(index[b]) for _, b in chart.pairs]
    sankey = go.Sankey(
        node={"label": list(map(plotly_text, [*left, *right])), "pad": 8, "thickness": 12, "color": "#888"},
        link={
            "source": [left.index(a) for a, _ in chart.pairs],
            "target": [len(left) + index[b] for _, b in chart.pairs],
            "value": [1] * len(chart.pairs),
            "color": [f"{code}88" for code in colours],
        },
    )
    return go.Figure(sankey).update_layout(height=160 + 20 * len(left))
