"""Where the scores of a study come from: the provenance of its runs, joined."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import xxhash

from kce.registry.result_provenance import current_command


def join_provenance(reports: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
    """Join the provenance of runs, with every version that occurs.

    Args:
        reports: Name of a run -> its report, as plain tables.

    Returns:
        The keys of ``Provenance``; None if no run has any. `made` is when the last one was made.
    """
    own = [report["provenance"] for report in reports.values() if report["provenance"]]
    if not own:
        return None
    hashes = sorted({one["data_hash"] for one in own})
    faces = max(one["n"]["known faces"] + one["n"]["unknown faces"] for one in own)
    return {
        "made": max(one["made"] for one in own),
        "command": current_command(),
        "n": {"runs": len(own), "rows": min(one["n"]["rows"] for one in own), "faces": faces},
        "seeds": sorted({seed for one in own for seed in one["seeds"]}),
        "versions": _joined(one["versions"] for one in own),
        "parts": _joined(one["parts"] for one in own),
        "data": f"faces of {len(hashes)} divisions into known and unknown categories",
        "data_hash": hashes[0] if len(hashes) == 1 else xxhash.xxh3_128_hexdigest(" ".join(hashes).encode()),
    }


def describe_versions(reports: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a remark if runs were made with different versions, as when a study goes on after an update."""
    own = [report["provenance"]["versions"] for report in reports.values() if report["provenance"]]
    differing = [f"{name} {versions}" for name, versions in _joined(own).items() if " or " in versions]
    return [f"runs were made with different versions: {', '.join(differing)}"] if differing else []


def _joined(tables: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Key -> the values that it has in any table."""
    values: dict[str, set[str]] = {}
    for table in tables:
        for key, value in table.items():
            values.setdefault(key, set()).add(value)
    return {key: " or ".join(sorted(own)) for key, own in values.items()}
