"""Cells of a benchmark in worker processes: each may fail, hang or die, which is its result and nobody else's."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xxhash

from kce.bench.cell_store import append_cells
from kce.errors import KCEError
from kce.system.machine_faults import fault_of
from kce.system.worker_pool import TaskLost, Workers

if TYPE_CHECKING:
    from kce.types import Progress


def hash_cell(cell: Any) -> str:
    """Hash of all fields of a cell, a dataclass (16 hex digits)."""
    return xxhash.xxh3_64_hexdigest(json.dumps(asdict(cell), sort_keys=True).encode())


def run_pooled_cells(
    folder: Path,
    cells: Sequence[Any],
    results: dict[str, dict[str, Any]],
    pool: Callable[[], Workers],
    limit: float,
    progress: Progress,
) -> list[dict[str, Any]]:
    """Run the cells that have no result yet, and append each result to those of the folder as it comes.

    Args:
        folder: Folder of the benchmark.
        cells: All cells.
        results: Id -> result, of those that are finished; the new ones are added.
        pool: Starts the worker processes; called only if a cell is missing.
        limit: Seconds that a cell has there.
        progress: Called for every cell.

    Returns:
        The results of all cells in their order. One that the system stopped is not stored.
    """
    missing = [cell for cell in cells if cell.id not in results]
    finished = len(cells) - len(missing)
    progress("cells", finished, len(cells))
    if missing:
        with pool() as workers:
            for number, (cell, outcome) in enumerate(workers.map_ahead(missing), 1):
                results[cell.id] = {"id": cell.id, **asdict(cell), **cell_outcome(outcome, limit)}
                if results[cell.id]["status"] != "stopped":
                    append_cells(folder, [results[cell.id]])
                progress("cells", finished + number, len(cells))
    return [results[cell.id] for cell in cells]


def cell_outcome(outcome: Any, limit: float) -> dict[str, Any]:
    """Tell what became of a cell: what its worker returned, or why it returned nothing."""
    if not isinstance(outcome, TaskLost):
        return dict(outcome)
    status = "timeout" if outcome.timed_out else "stopped" if outcome.passing else "failed"
    return {"status": status, "reason": outcome.reason, "limit": limit if outcome.timed_out else None}


def failing_alone(run: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    """Make a function that runs a cell in a worker and returns what fails as its result."""

    def work(cell: Any) -> dict[str, Any]:
        try:
            return run(cell)
        except Exception as error:
            if fault := fault_of(error):
                return {"status": "stopped", "reason": fault.message}
            reason = error.message if isinstance(error, KCEError) else f"{type(error).__name__}: {error}"
            return {"status": "failed", "reason": reason}

    return work
