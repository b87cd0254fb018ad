"""The report of a folder: ``report.html``, figures for print, and tables for papers.

Everything is made from what the folder stores, so a report can be made again at any time: ``kce report FOLDER``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.report import gallery, tables
from kce.report.figures import ShownFaces
from kce.report.html_page import render_page
from kce.report.matplotlib_charts import write_chart_files
from kce.report.page_faces import page_faces
from kce.report.sources import ReportSource, read_report_source
from kce.report.table_export import write_tables
from kce.system.atomic import write_atomic
from kce.system.lock import folder_lock

if TYPE_CHECKING:
    from kce.report.charts import ReportFigure, ReportTable
    from kce.types import Progress


def write_report(folder: Path, *, files: bool = False, progress: Progress = lambda *_: None) -> dict[str, Any]:
    """Write the report of a run, a demo or a study.

    Args:
        folder: What to report on.
        files: Whether to write the figures as PNG and SVG (``figures/``) and the tables as CSV, Markdown and LaTeX
            (``tables/``) too.
        progress: Called while figures are made.

    Returns:
        {"report": path of the page, "written": paths of all files}.

    Raises:
        BadData: If there is no finished run in the folder.
        KCEError: If another process writes in the folder.
    """
    source = read_report_source(folder)
    with folder_lock(folder, "report"):
        return _write(folder, source, files, progress)


def _write(folder: Path, source: ReportSource, files: bool, progress: Progress) -> dict[str, Any]:
    faces = ShownFaces()
    report_tables = tables.report_tables(source)
    report_figures = gallery.all_figures(source, faces, progress)
    path = folder / "report.html"
    write_atomic(path, _render(source, report_tables, report_figures, faces).encode())
    written = [path]
    if files:
        written += write_tables(folder / "tables", report_tables, source.document["provenance"])
        charts = [(figure, label, chart) for figure in report_figures for label, chart in figure.variants.items()]
        for number, (figure, label, chart) in enumerate(charts, 1):
            name = figure.name if len(figure.variants) == 1 else f"{figure.name}, {label}"
            written += write_chart_files(folder / "figures", _file_name(name), chart)
            progress("figures for print", number, len(charts))
    return {"report": str(path), "written": [str(path) for path in written]}


def _file_name(text: str) -> str:
    return "-".join("".join(c if c.isalnum() or c in "._+" else " " for c in text).split())


def _render(
    source: ReportSource, tables: Sequence[ReportTable], figures: Sequence[ReportFigure], shown: ShownFaces
) -> str:
    faces = page_faces(source, tables, figures, shown)
    document = source.document
    return render_page(
        document.get("title", f"KCE {source.kind}"),
        [*tables, *faces.tables],
        figures,
        document.get("remarks", []),
        faces.data,
        document["provenance"],
    )
