"""The tables of a trace, read line by line."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any


def read_trace_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Read ``traces.csv`` or ``videos.csv``.

    Args:
        path: The table.

    Yields:
        For each line `key`, or `video` and `faces`; `answer`; `warning`; `possible`, a list of families; `known`, the p
        value of all families together; `p`, family -> p value; and for a face `neighbours`, a list of "category: key".
    """
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            line: dict[str, Any] = {name: row[name] for name in ("key", "video", "answer") if name in row}
            if "faces" in row:
                line["faces"] = int(row["faces"])
            line["warning"] = row["warning"]
            line["possible"] = row["possible"].split(";") if row["possible"] else []
            line["known"] = float(row["known"])
            line["p"] = {name.removeprefix("p "): float(value) for name, value in row.items() if name.startswith("p ")}
            if "key" in row:
                line["neighbours"] = [value for name, value in row.items() if name.startswith("neighbour_") and value]
            yield line


def read_groups(path: Path, keys: Collection[str]) -> dict[str, str]:
    """Read the groups of some faces from ``groups.csv``.

    Args:
        path: The table; it need not exist.
        keys: The faces.

    Returns:
        Key -> group, empty for an unexplained face that is in none. Others are left out.
    """
    wanted = set(keys)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return {row["key"]: row["group"] for row in csv.DictReader(file) if row["key"] in wanted}
    except FileNotFoundError:
        return {}
