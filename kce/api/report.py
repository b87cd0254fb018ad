"""``kce.report``: the page, figures and tables of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.api.progress import shown_progress
from kce.api.results import Result, counted

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
        folder: The folder of a run, a demo or a study.
        progress: True shows bars, False nothing; or a function of what is done, how much of it, and the total or None.

    Returns:
        The files. ``to_frame()``: file.

    Raises:
        KCEError: Nothing finished is in the folder.

    Example:
        >>> report("no-such-folder", progress=False)
        Traceback (most recent call last):
        kce.errors.BadData: there is no no-such-folder/report.json
        hint: name the folder of a finished run, demo or study
    """
    from kce.report.report import write_report

    with shown_progress(progress) as show:
        return ReportResult(write_report(Path(folder), files=True, progress=show))
