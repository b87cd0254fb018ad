"""The HTML page of a report: one self-contained file that loads nothing from the network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.report import thumbnails
from kce.report.charts import Bars, Flow, Matrix, Points
from kce.report.citation import bibliography, provenance_lines
from kce.report.packing import pack_array
from kce.system.text import visible_text

if TYPE_CHECKING:
    from kce.report.charts import Chart, ReportFigure, ReportTable

_FOLDER = Path(__file__).resolve().parent


def render_page(
    title: str,
    tables: Sequence[ReportTable],
    figures: Sequence[ReportFigure],
    remarks: Sequence[str] = (),
    faces: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> str:
    """Render a page with tables and interactive figures.

    Args:
        title: Its heading.
        tables: Tables in the order in which they are shown.
        figures: Figures, shown after the tables.
        remarks: What a reader must know first.
        faces: Faces behind the points in figures, as ``page_faces`` returns their data; None if there are none.
        provenance: Where the figures come from, with the keys of ``Provenance``; None = not recorded.

    Returns:
        The page as HTML.
    """
    import jinja2
    from plotly.offline import get_plotlyjs

    from kce.report.plotly_charts import plotly_figure

    data = {
        "figures": {figure.name: [plotly_figure(chart) for chart in figure.variants.values()] for figure in figures},
        "labels": {figure.name: list(figure.variants) for figure in figures},
        "faces": faces,
        "sheet": {"pictures": thumbnails.PER_SHEET, "across": thumbnails.ACROSS, "side": thumbnails.SIDE},
        **_maps(figures),
    }
    plan_tables = {plan["table"] for plan in faces["plans"]} if faces else set()
    environment = jinja2.Environment(
        autoescape=True, finalize=_visible, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = environment.from_string((_FOLDER / "report.html.j2").read_text(encoding="utf-8"))
    return template.render(
        title=title,
        remarks=remarks,
        provenance=provenance_lines(provenance) if provenance else [],
        bibliography=bibliography(provenance["versions"]["kce"]) if provenance else bibliography(),
        tables=tables,
        plan_tables=plan_tables,
        figures=[
            {
                "name": figure.name,
                "title": figure.title,
                "note": figure.note,
                "variants": figure.variants,
                "points": _has_chart(figure, Points),
                "wide": _has_chart(figure, Bars, Flow, Matrix),  # long names need room
            }
            for figure in figures
        ],
        plotly=get_plotlyjs(),
        # Names come from other people's folders; none of them may close the script element.
        data=json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
        scripts=[(_FOLDER / name).read_text(encoding="utf-8") for name in ("report.js", "faces.js")],
    )


def _maps(figures: Sequence[ReportFigure]) -> dict[str, Any]:
    """Figure -> for each variant which neighbours its points have; maps of the same rows share them."""
    numbers: dict[int, int] = {}
    neighbours: list[dict[str, Any]] = []
    maps: dict[str, list[int | None]] = {figure.name: [None] * len(figure.variants) for figure in figures}
    for figure in figures:
        for place, chart in enumerate(figure.variants.values()):
            if not isinstance(chart, Points) or chart.neighbours is None:
                continue
            near = chart.neighbours
            if id(near) not in numbers:
                numbers[id(near)] = len(neighbours)
                columns = {"faces": chart.face, "row": near.row, "distance": near.distance}
                packed = {name: pack_array(column) for name, column in columns.items()}
                neighbours.append({**packed, "count": near.row.shape[1], "dim": near.dim})
            maps[figure.name][place] = numbers[id(near)]
    return {"neighbours": neighbours, "maps": maps}


def _visible(value: Any) -> Any:
    """What the template prints: names without control characters. Our own scripts are marked as they are."""
    return visible_text(value, keep="\n\t") if type(value) is str else value


def _has_chart(figure: ReportFigure, *kinds: type[Chart]) -> bool:
    return any(isinstance(chart, kinds) for chart in figure.variants.values())
