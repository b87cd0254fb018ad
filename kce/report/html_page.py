"""One file with tables and figures that opens anywhere and asks no network for anything."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.report import thumbnails
from kce.report.charts import Bars, Flow, Matrix, Points

if TYPE_CHECKING:
    from kce.report.charts import Chart, Exhibit, Sheet

HERE = Path(__file__).resolve().parent


def page(
    title: str,
    tables: Sequence[Sheet],
    charts: Sequence[Exhibit],
    remarks: Sequence[str] = (),
    faces: Mapping[str, Any] | None = None,
) -> str:
    """The page as html.

    faces  behind the points of charts: their "keys", "datasets" (category -> dataset) and "thumbnails"
    """
    import jinja2
    from plotly.offline import get_plotlyjs

    from kce.report.plotly_charts import document

    data = {
        "exhibits": {e.name: {label: document(chart) for label, chart in e.variants.items()} for e in charts},
        **(faces or {"keys": [], "datasets": {}, "thumbnails": []}),
        "sheet": thumbnails.SHEET,
        "across": thumbnails.ACROSS,
    }
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = environment.from_string((HERE / "report.html.j2").read_text(encoding="utf-8"))
    return template.render(
        title=title,
        remarks=remarks,
        sheets=tables,
        exhibits=[
            {
                "name": e.name,
                "title": e.title,
                "note": e.note,
                "variants": e.variants,
                "points": _has(e, Points),
                "names": _has(e, Bars, Flow, Matrix),
            }
            for e in charts
        ],
        plotly=get_plotlyjs(),
        # Names come from folders of others, and none of them may end the script it stands in.
        data=json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
        script=(HERE / "report.js").read_text(encoding="utf-8"),
    )


def _has(exhibit: Exhibit, *kinds: type[Chart]) -> bool:
    return any(isinstance(chart, kinds) for chart in exhibit.variants.values())
