"""The tables of a trace, read line by line."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def read_trace_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Read ``traces.csv`` or ``videos.csv``.

    Args:
        path: The table.

    Yields:
        For each line `key`, or `video` and `faces`; `answer`; `warning`; `possible`, a list of families; `p`, family ->
        p value; and for a face `neighbours`, a list of "category: key".
    """
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            line: dict[str, Any] = {name: row[name] for name in ("key", "video", "answer") if name in row}
            if "faces" in row:
                line["faces"] = int(row["faces"])
            line["warning"] = row["warning"]
            line["possible"] = row["possible"].split(";") if row["possible"] else []
            line["p"] = {name.removeprefix("p "): float(value) for name, value in row.items() if name.startswith("p ")}
            if "key" in row:
                line["neighbours"] = [value for name, value in row.items() if name.startswith("neighbour_") and value]
            yield line


def read_groups(path: Path) -> dict[str, str]:
    """Read ``groups.csv``: key -> group, empty for a face that is in none; nothing if there is no such table."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return {row["key"]: row["group"] for row in csv.DictReader(file)}
    except FileNotFoundError:
        return {}
