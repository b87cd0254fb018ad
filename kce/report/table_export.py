"""Tables as files: CSV for programs, Markdown for notes, LaTeX for papers."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from kce.report.citation import describe_provenance, write_citation_files
from kce.report.escaping import latex_text, markdown_text, spreadsheet_cell
from kce.system.atomic import write_atomic
from kce.system.regular import make_folder_inside
from kce.system.text import visible_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from kce.report.charts import ReportTable


def write_tables(
    folder: Path, tables: Sequence[ReportTable], provenance: Mapping[str, Any] | None = None
) -> list[Path]:
    """Write tables for programs, notes and papers, and where they come from.

    A csv file is a plain table that any program reads, so its provenance stands beside it, in ``provenance.json``;
    Markdown and LaTeX have it in the file.

    Args:
        folder: Each table is written there as <name>.csv, .md and .tex.
        tables: The tables.
        provenance: With the keys of ``Provenance``; None = not recorded.

    Returns:
        The paths of all files.
    """
    make_folder_inside(folder.parent, folder.name)
    source = describe_provenance(provenance)
    written = []
    for table in tables:
        texts = {
            "csv": table_as_csv(table),
            "md": f"{table_as_markdown(table)}\n{markdown_text(source)}\n",
            "tex": f"{table_as_latex(table)}% {visible_text(source)}\n",
        }
        for suffix, text in texts.items():
            written.append(folder / f"{table.name}.{suffix}")
            write_atomic(written[-1], text.encode())
    return [*written, *(write_citation_files(folder, provenance) if provenance else [])]


def table_as_csv(table: ReportTable) -> str:
    """Return the records as CSV, with unrounded numbers and a column for each bound of an interval; else the rows.

    A name that a spreadsheet would take for a formula has an apostrophe in front.
    """
    text = io.StringIO(newline="")
    rows: list[Sequence[Any]]
    if table.records:
        columns = dict.fromkeys(column for record in table.records for column in record)
        rows = [list(columns), *([record.get(column) for column in columns] for record in table.records)]
    else:
        rows = [table.head, *table.rows]
    csv.writer(text, lineterminator="\n").writerows([spreadsheet_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


def table_as_markdown(table: ReportTable) -> str:
    """Return the table as Markdown, with its title above and its note below."""

    def line(cells: list[str]) -> str:
        return "| " + " | ".join(map(markdown_text, cells)) + " |"

    rule = ["---:" if numeric else "---" for numeric in table.numeric]
    lines = [line(list(table.head)), line(rule), *(line(list(row)) for row in table.rows)]
    return f"{markdown_text(table.title)}\n\n" + "\n".join(lines) + f"\n\n{markdown_text(table.note)}\n"


def table_as_latex(table: ReportTable) -> str:
    """Return the table for LaTeX with booktabs; special characters are escaped."""

    def line(cells: list[str]) -> str:
        return " & ".join(map(latex_text, cells)) + r" \\"

    columns = "".join("r" if numeric else "l" for numeric in table.numeric)
    body = "\n".join(line(list(row)) for row in table.rows)
    return "\n".join(
        (
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            line(list(table.head)),
            r"\midrule",
            body,
            r"\bottomrule",
            r"\end{tabular}",
            f"% {visible_text(table.title)}: {visible_text(table.note)}",
            "",
        )
    )
