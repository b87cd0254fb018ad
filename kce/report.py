"""Scores and figures -> ``report.json`` and ``report.html``, one file that asks no network for anything."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kce import store, weights
from kce.files import write_whole
from kce.run import evaluation_rows

if TYPE_CHECKING:
    from kce.types import Features

# Okabe and Ito's colours, told apart by colour-blind readers too; beyond eight, the marker changes as well.
COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999"]
MARKERS = ["circle", "diamond", "square", "cross", "triangle-up"]


def write_run(folder: Path, document: Mapping[str, Any]) -> None:
    """The report of one run, from its scores and its stored features."""
    figures = [
        ("Unknown categories", _MAP_NOTE, _map(_evaluated(folder, document))),
        ("Training", _CURVES_NOTE, _curves({"": folder})),
    ]
    _write_html(folder / "report.html", "KCE run", [document], figures, {"plan": document["plan"]})


def write_study(folder: Path, found: Mapping[str, Any], reports: Mapping[str, Mapping[str, Any]]) -> None:
    """The report of runs that are compared."""
    write_whole(folder / "report.json", json.dumps({**found, "runs": reports}, indent=1, ensure_ascii=False).encode())
    places = {plan: Path(report["folder"]) for plan, report in reports.items()}
    figures = [("How well unknown forgeries come apart", _SCORE_NOTE, _score_bars(reports))]
    figures += [
        (f"Unknown categories, plan “{plan}”", _MAP_NOTE, _map(_evaluated(places[plan], report)))
        for plan, report in reports.items()
    ]
    figures.append(("Training", _CURVES_NOTE, _curves(places)))
    plans = {plan: report["plan"] for plan, report in reports.items() if plan != "none"}
    _write_html(folder / "report.html", "KCE study", list(reports.values()), figures, plans, found.get("plans"))


_MAP_NOTE = "Features of the evaluation rows on their first two principal components; one point is one face."
_CURVES_NOTE = "Loss and accuracy on the training faces; accuracy on the held-out ones is the mean over classes."
_SCORE_NOTE = (
    "Calinski-Harabasz index of the unknown categories, with 95 % intervals from resampled recordings. "
    "It grows with n: compare only within this table."
)


def _write_html(
    path: Path,
    title: str,
    reports: Sequence[Mapping[str, Any]],
    figures: Sequence[tuple[str, str, Any]],
    plans: Mapping[str, Mapping[str, str]],
    comparison: Mapping[str, Any] | None = None,
) -> None:
    import jinja2
    from plotly.offline import get_plotlyjs

    template = Path(__file__).with_name("report.html.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    page = environment.from_string(template).render(
        title=title,
        plotly=get_plotlyjs(),
        reports=reports,
        plans=plans,
        categories=sorted({category for plan in plans.values() for category in plan}),
        comparison=comparison,
        figures=[(head, note, _as_div(figure, number)) for number, (head, note, figure) in enumerate(figures)],
    )
    write_whole(path, page.encode())


def _as_div(figure: Any, number: int) -> str:
    config = {"displaylogo": False, "responsive": True}
    div: str = figure.to_html(full_html=False, include_plotlyjs=False, div_id=f"figure-{number}", config=config)
    return div


def _layout(figure: Any, **more: Any) -> Any:
    figure.update_layout(
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": "#777", "size": 13},  # readable on white and on black
        margin={"l": 50, "r": 10, "t": 10, "b": 40},
        legend={"orientation": "h", "y": -0.2},
        colorway=COLOURS,
        autosize=True,
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": "#999", "activecolor": "#0072B2"},
        **more,
    )
    figure.update_xaxes(gridcolor="rgba(128,128,128,.25)", zeroline=False)
    figure.update_yaxes(gridcolor="rgba(128,128,128,.25)", zeroline=False)
    return figure


def _score_bars(reports: Mapping[str, Mapping[str, Any]]) -> Any:
    import plotly.graph_objects as go

    names = list(reports)
    found = [report["scores"].get("calinski-harabasz", {}).get("calinski_harabasz") for report in reports.values()]
    spans = [report["intervals"].get("calinski-harabasz", {}).get("calinski_harabasz") for report in reports.values()]
    up = [span[1] - value if span and value is not None else 0 for span, value in zip(spans, found, strict=True)]
    down = [value - span[0] if span and value is not None else 0 for span, value in zip(spans, found, strict=True)]
    bars = go.Bar(
        x=names, y=found, error_y={"type": "data", "symmetric": False, "array": up, "arrayminus": down, "color": "#777"}
    )
    return _layout(go.Figure(bars), yaxis_title="Calinski-Harabasz", height=360)


def _map(rows: Features) -> Any:
    import plotly.graph_objects as go

    centred = rows.x - rows.x.mean(axis=0)
    left, scale, _ = np.linalg.svd(centred, full_matrices=False)
    places = left[:, :2] * scale[:2]
    figure = go.Figure()
    for number, category in enumerate(rows.categories):
        mine = rows.label == category
        figure.add_scattergl(
            x=places[mine, 0].round(3),
            y=places[mine, 1].round(3) if places.shape[1] > 1 else np.zeros(int(mine.sum())),
            mode="markers",
            name=category,
            text=rows.key[mine],
            hovertemplate="%{text}<extra>%{fullData.name}</extra>",
            marker={
                "size": 6,
                "opacity": 0.75,
                "color": COLOURS[number % len(COLOURS)],
                "symbol": MARKERS[number // len(COLOURS) % len(MARKERS)],
            },
        )
    return _layout(figure, height=480)


def _evaluated(folder: Path, document: Mapping[str, Any]) -> Features:
    table = store.open_table(folder / "features.h5", "unknown")
    return evaluation_rows(table, max(document["evaluated"].values()), document["seed"])


def _curves(places: Mapping[str, Path]) -> Any:
    import plotly.graph_objects as go

    figure = go.Figure()
    for name, folder in places.items():
        for file in sorted(folder.glob("*.safetensors")):
            history = weights.read_about(file)["history"]
            steps = [row["step"] for row in history]
            label = f"{name} {file.stem}".strip()
            figure.add_scatter(x=steps, y=[row["loss"] for row in history], name=f"{label}: loss")
            accuracy = [row["accuracy"] for row in history]
            figure.add_scatter(x=steps, y=accuracy, name=f"{label}: accuracy", line={"dash": "dot"})
            held = [(row["step"], row["held_out_accuracy"]) for row in history if row["held_out_accuracy"] is not None]
            if held:
                at, share = zip(*held, strict=True)
                figure.add_scatter(x=at, y=share, name=f"{label}: accuracy held out", mode="lines+markers")
    return _layout(figure, xaxis_title="step", height=420)
