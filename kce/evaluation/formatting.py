"""Numbers, intervals and their reservations as text, for every table on the page, in the terminal and in files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kce.evaluation.intervals import LEAST_VALUES

MISSING = "-"


def format_number(value: float | None, form: str = ".1f") -> str:
    """Format a number; "-" for None.

    >>> format_number(0.12345, ".3f"), format_number(None)
    ('0.123', '-')
    """
    return MISSING if value is None else f"{value:{form}}"


def format_interval(interval: Sequence[float] | None, form: str) -> str:
    """Format the bounds of an interval; "-" for None.

    >>> format_interval((1.0, 2.5), ".1f")
    '1.0 to 2.5'
    """
    return f"{interval[0]:{form}} to {interval[1]:{form}}" if interval else MISSING


def describe_missing_intervals(intervals: Iterable[Sequence[float] | None], of: str) -> str:
    """Say why means over values have no interval, in a sentence for a note; empty if all have one.

    >>> describe_missing_intervals([(1.0, 2.0), None], "worlds")
    ' -: no interval of fewer than 3 worlds, or of equal values.'
    >>> describe_missing_intervals([(1.0, 2.0)], "worlds")
    ''
    """
    if all(interval is not None for interval in intervals):
        return ""
    return f" {MISSING}: no interval of fewer than {LEAST_VALUES} {of}, or of equal values."


def describe_unknown_recordings(unknown: int, rows: int) -> str:
    """Say that intervals treat files as if they were recordings.

    >>> describe_unknown_recordings(12, 500)
    'the recording of 12 of 500 rows is unknown: they were resampled file by file, so intervals may be too narrow'
    """
    return (
        f"the recording of {unknown} of {rows} rows is unknown: they were resampled file by file, "
        "so intervals may be too narrow"
    )
