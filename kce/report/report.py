"""``report.html``, one file that asks no network for anything; figures for print; tables for papers.

Everything comes from what a folder holds, so a report can be made again at any time: `kce report FOLDER`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.report import figures, html_page, matplotlib_charts, sources, table_export, thumbnails
from kce.report import tables as reporttables
from kce.report.figures import Faces
from kce.system.atomic import write_atomic

if TYPE_CHECKING:
    from kce.registry.registry import Registry
    from kce.report.charts import Exhibit, Sheet
    from kce.types import Progress


def write(
    folder: Path, registry: Registry, prints: bool = False, progress: Progress = lambda *_: None
) -> dict[str, Any]:
    """Write the report of a run, a demo or a study; returns the paths of all that was written.

    prints  also the figures as png and svg (``figures/``) and the tables as csv, markdown and LaTeX (``tables/``)
    Raises BadData where the folder holds none that is done.
    """
    found = sources.read(folder)
    shown = Faces()
    tables = reporttables.of(found)
    charts = figures.all_figures(found, registry, shown, progress)
    path = folder / "report.html"
    write_atomic(path, _page(found, tables, charts, shown).encode())
    written = [path]
    if prints:
        for sheet in tables:
            written += table_export.write(folder / "tables", sheet)
        todo = [(exhibit, label, chart) for exhibit in charts for label, chart in exhibit.variants.items()]
        for number, (exhibit, label, chart) in enumerate(todo, 1):
            name = exhibit.name if len(exhibit.variants) == 1 else f"{exhibit.name}, {label}"
            written += matplotlib_charts.write(folder / "figures", _file_name(name), chart)
            progress("figures for print", number, len(todo))
    return {"report": str(path), "written": [str(path) for path in written]}


def _file_name(text: str) -> str:
    return "-".join("".join(c if c.isalnum() or c in "._+" else " " for c in text).split())


def _page(found: sources.Folder, tables: Sequence[Sheet], charts: Sequence[Exhibit], shown: Faces) -> str:
    keys = list(shown.numbers)
    faces = found.faces()
    document = found.document
    return html_page.page(
        document.get("title", f"KCE {found.kind}"), tables, charts, document.get("remarks", []),
        {"keys": keys, "datasets": _datasets(found, faces), "thumbnails": thumbnails.sheets(faces, keys)},
    )  # fmt: skip


def _datasets(found: sources.Folder, faces: Any) -> Mapping[str, str]:
    """category -> dataset, for the boxes that filter."""
    if faces is not None:
        return dict(zip(faces.category.tolist(), faces.dataset.tolist(), strict=True))
    categories = {category for view in found.views for category in (*view.report["known"], *view.report["unknown"])}
    return {category: category.partition("_")[0] for category in sorted(categories)}
