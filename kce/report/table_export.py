"""Tables as files: csv for programs, markdown for notes, LaTeX for papers."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from kce.system.atomic import write_atomic

if TYPE_CHECKING:
    from pathlib import Path

    from kce.report.charts import Sheet

_ESCAPED = str.maketrans(
    {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
     "^": r"\textasciicircum{}", "\\": r"\textbackslash{}", "±": r"$\pm$"}
)  # fmt: skip


def write(folder: Path, sheet: Sheet) -> list[Path]:
    """Write a table as <name>.csv, .md and .tex."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for kind, form in (("csv", as_csv), ("md", as_markdown), ("tex", as_latex)):
        path = folder / f"{sheet.name}.{kind}"
        write_atomic(path, form(sheet).encode())
        written.append(path)
    return written


def as_csv(sheet: Sheet) -> str:
    """The records where there are any, figures whole and in columns of their own; else the rows as people read them."""
    text = io.StringIO(newline="")
    if sheet.records:
        columns = dict.fromkeys(column for record in sheet.records for column in record)
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sheet.records)
    else:
        plain = csv.writer(text, lineterminator="\n")
        plain.writerows([sheet.head, *sheet.rows])
    return text.getvalue()


def as_markdown(sheet: Sheet) -> str:
    def line(cells: list[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rule = ["---:" if number else "---" for number in sheet.numbers]
    lines = [line(list(sheet.head)), line(rule), *(line(list(row)) for row in sheet.rows)]
    return f"{sheet.title}\n\n" + "\n".join(lines) + f"\n\n{sheet.note}\n"


def as_latex(sheet: Sheet) -> str:
    """A booktabs table; names with signs that LaTeX reads are escaped."""

    def line(cells: list[str]) -> str:
        return " & ".join(cell.translate(_ESCAPED) for cell in cells) + r" \\"

    columns = "".join("r" if number else "l" for number in sheet.numbers)
    body = "\n".join(line(list(row)) for row in sheet.rows)
    return "\n".join(
        (
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            line(list(sheet.head)),
            r"\midrule",
            body,
            r"\bottomrule",
            r"\end{tabular}",
            f"% {sheet.title}: {sheet.note}",
            "",
        )
    )
