"""Names of others at the edges of a report: each form has one function that makes text of them, and nothing else.

HTML itself is escaped by the template.
"""

from __future__ import annotations

import re
from typing import Any

from kce.system.text import visible_text

_LATEX = str.maketrans(
    {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
     "^": r"\textasciicircum{}", "\\": r"\textbackslash{}", "±": r"$\pm$", "<": r"\textless{}", ">": r"\textgreater{}",
     "|": r"\textbar{}", "[": "{[}", "]": "{]}", "*": "{*}", "`": r"\textasciigrave{}", '"': r"\textquotedbl{}"}
)  # fmt: skip
_MARKDOWN = re.compile(r"[\\`*\[\]<>|]|(?<![^\W_])_|_(?![^\W_])")
_PLOTLY = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_FORMULA = ("=", "+", "-", "@")


def latex_text(text: str) -> str:
    r"""Return LaTeX that prints the text. A bracket or star is in braces: after ``\\`` it would be an argument.

    Example:
        >>> latex_text("50 % of \\input{x}")
        '50 \\% of \\textbackslash{}input\\{x\\}'
    """
    return visible_text(text).translate(_LATEX)


def markdown_text(text: str) -> str:
    r"""Return Markdown that prints the text, also in a cell of a table.

    Example:
        >>> markdown_text("A_x|<b>")
        'A_x\\|\\<b\\>'
    """
    return _MARKDOWN.sub(lambda match: f"\\{match[0]}", visible_text(text))


def spreadsheet_cell(value: Any) -> Any:
    """Return the value for a CSV file that people open in a spreadsheet: no text of it is taken for a formula.

    A text that begins as a formula does gets an apostrophe in front; numbers stay as they are.

    Example:
        >>> spreadsheet_cell("=1+1"), spreadsheet_cell("-0.5"), spreadsheet_cell(-0.5)
        ("'=1+1", '-0.5', -0.5)
    """
    if not isinstance(value, str):
        return value
    text = visible_text(value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def plotly_text(text: str) -> str:
    """Return the text for a name in a plotly figure, which takes some HTML; `report.js` undoes it where it needs to.

    Example:
        >>> plotly_text("<b>A</b>")
        '&lt;b&gt;A&lt;/b&gt;'
    """
    return re.sub("[&<>]", lambda match: _PLOTLY[match[0]], visible_text(text))
