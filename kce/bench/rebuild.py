"""The report of a benchmark again, from the cells that its folder stores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kce.bench.aligner_cells import AlignResult
from kce.bench.aligner_report import summarize_aligners, write_aligner_report
from kce.bench.bench_reports import AlignerReport, LeaderboardReport, TracerReport
from kce.bench.cell_store import RECORD, BenchRecord, read_cells
from kce.bench.clusterers import ClusterResult
from kce.bench.leaderboard import make_leaderboards, write_leaderboards
from kce.bench.tracer_report import write_tracer_report
from kce.bench.tracers import TracerResult
from kce.system.documents import read_document
from kce.system.lock import folder_lock

if TYPE_CHECKING:
    from kce.registry.result_provenance import Provenance


def rebuild_bench_report(folder: Path) -> list[Path]:
    """Write the report of a benchmark from its stored cells.

    Args:
        folder: Folder of the benchmark, of clusterers, of aligners or of tracers.

    Returns:
        The paths of all files; the page is the last.

    Raises:
        BadData: The folder has no results.
        KCEError: Another process writes in the folder.
    """
    bench = read_document(folder / RECORD, BenchRecord).bench
    with folder_lock(folder, "bench"):
        if bench == "clusterers":
            results = read_cells(folder, bench, ClusterResult)
            source = _recorded(folder / "leaderboard.json", LeaderboardReport)
            return write_leaderboards(folder, make_leaderboards(folder, results), results, source)
        if bench == "tracers":
            results = read_cells(folder, bench, TracerResult)
            return write_tracer_report(folder, results, _recorded(folder / "tracers.json", TracerReport))
        results = read_cells(folder, bench, AlignResult)
        source = _recorded(folder / "aligners.json", AlignerReport)
        return write_aligner_report(folder, summarize_aligners(results), results, source)


def _recorded(path: Path, model: type[LeaderboardReport | AlignerReport | TracerReport]) -> Provenance | None:
    """Where the results come from, as the report said that the benchmark wrote; None where it wrote none."""
    return read_document(path, model).provenance if path.is_file() else None
