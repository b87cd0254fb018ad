"""``kce.report``: the page, figures and tables of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.api.progress import shown_progress
from kce.api.results import Result
from kce.system.text import counted

if TYPE_CHECKING:
    from kce.api.arguments import AnyPath
    from kce.types import Progress


class ReportResult(Result):
    """The files of a report."""

    @property
    def report(self) -> Path:
        """The page."""
        return Path(self._document["report"])

    @property
    def written(self) -> list[Path]:
        """All files."""
        return [Path(path) for path in self._document["written"]]

    def _records(self) -> list[dict[str, Any]]:
        return [{"file": str(path)} for path in self.written]

    def _summary(self) -> str:
        return f"{counted(len(self.written), 'file')}; {self.report}"


def report(folder: AnyPath, *, progress: bool | Progress = True) -> ReportResult:
    """Rebuild the report of a folder from what it stores: the page, figures for print, and tables.

    Args:
        folder: The folder of a run, a demo, a study, an audit, a bench or a trace; one that holds several has a report
            of each.
        progress: True shows bars, False nothing; or a function of what is done, how much of it, and the total or None.

    Returns:
        The files. ``to_frame()``: file.

    Raises:
        KCEError: Nothing finished is in the folder.

    Example:
        >>> report("no-such-folder", progress=False)
        Traceback (most recent call last):
        kce.errors.BadData: there is no no-such-folder/report.json
        hint: name the folder of a finished run, demo, study, audit or bench
    """
    folder = Path(folder)
    with shown_progress(progress) as show:
        made = [rebuild(folder, show) for name, rebuild in _REBUILDERS.items() if (folder / name).is_file()]
        # Where there is none, the error is that of a run: it is the folder that is named most.
        made = made or [_of_runs(folder, show)]
    return ReportResult({"report": made[0]["report"], "written": [path for one in made for path in one["written"]]})


def _of_runs(folder: Path, progress: Progress) -> dict[str, Any]:
    from kce.report.report import write_report

    return write_report(folder, files=True, progress=progress)


def _of_audit(folder: Path, _: Progress) -> dict[str, Any]:
    from kce.report.audit_page import write_audit_report

    return write_audit_report(folder)


def _of_bench(folder: Path, _: Progress) -> dict[str, Any]:
    from kce.bench.rebuild import rebuild_bench_report

    written = [str(path) for path in rebuild_bench_report(folder)]
    return {"report": written[-1], "written": written}


def _of_trace(folder: Path, _: Progress) -> dict[str, Any]:
    from kce.report.trace_page import write_trace_page

    return write_trace_page(folder)


_REBUILDERS = {"report.json": _of_runs, "audit.json": _of_audit, "bench.json": _of_bench, "trace.json": _of_trace}
"""File that a folder holds -> what writes its report."""
