"""What the functions of ``kce.api`` return: a document that was made, and how it is shown."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any

from kce.errors import optional_library
from kce.system.text import visible_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

_SHOWN_ROWS = 50  # of the table in a notebook


class Result:
    """What a call made. Attributes are named as the keys of ``to_dict``.

    A result has no more than its document, so that what a script sees is what ``--json`` prints.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = dict(document)

    def to_dict(self) -> dict[str, Any]:
        """Return what the command prints with ``--json``: only dicts, lists, texts, numbers, booleans and None."""
        document: dict[str, Any] = json.loads(json.dumps(self._document))  # no tuples, and nothing is shared
        return document

    def to_frame(self) -> pd.DataFrame:
        """Return the main table, with numbers that are not rounded; an interval is two columns, low and high.

        Raises:
            KCEError: pandas is not installed.
        """
        return optional_library("pandas").DataFrame(self._records())

    def _records(self) -> list[dict[str, Any]]:
        """The lines of the main table, column -> value."""
        raise NotImplementedError

    def _summary(self) -> str:
        """The result in a few words, for ``repr``."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {visible_text(self._summary())}>"

    def _repr_html_(self) -> str:
        """The summary and the main table, as a notebook shows them."""
        records = self._records()
        more = len(records) - _SHOWN_ROWS
        note = f"<p>and {more} more rows; <code>.to_frame()</code> has them all</p>" if more > 0 else ""
        return f"<p>{_escaped(self._summary())}</p>{_html_table(records[:_SHOWN_ROWS])}{note}"


def interval_columns(interval: Sequence[float] | None) -> dict[str, float | None]:
    """An interval as the columns low and high.

    >>> interval_columns([0.5, 1.0]), interval_columns(None)
    ({'low': 0.5, 'high': 1.0}, {'low': None, 'high': None})
    """
    low, high = interval or (None, None)
    return {"low": low, "high": high}


def _html_table(records: Sequence[Mapping[str, Any]]) -> str:
    head = list(dict.fromkeys(name for record in records for name in record))
    cells = "".join(f"<th>{_escaped(name)}</th>" for name in head)
    rows = "".join(
        f"<tr>{''.join(f'<td>{_escaped(_cell(record.get(name)))}</td>' for name in head)}</tr>" for record in records
    )
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{rows}</tbody></table>" if records else ""


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _escaped(text: str) -> str:
    return html.escape(visible_text(text))
