"""What the benchmarks of ``kce.bench`` return."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.api.results import Result, interval_columns
from kce.system.text import counted

if TYPE_CHECKING:
    from kce.report.charts import ReportTable


class BenchResult(Result):
    """What a benchmark found; of a dry run, the cells that would be done.

    Attributes:
        folder: Where the results are kept; None = nowhere.
    """

    def __init__(self, document: Mapping[str, Any], folder: Path | None) -> None:
        super().__init__(document)
        self.folder = folder

    @property
    def cells(self) -> list[dict[str, Any]]:
        """Every combination that was tried, with its status and scores; in a dry run, whether it is `done`."""
        return list(self.to_dict()["cells"])

    def cost(self) -> list[str]:
        """What a dry run found left to make, and about how long its networks take on this machine, in lines of text.

        A few steps of each training are timed for it, which takes some seconds. Empty if no network is to be trained.
        """
        from kce.bench.bench_cost import BenchCost, describe_bench_cost
        from kce.registry.registry import Registry
        from kce.system.documents import model_from_table

        table = self._document.get("cost")
        cost = model_from_table(table, BenchCost, "the cost") if table else BenchCost(0, 0, 0)
        return describe_bench_cost(cost, Registry.load()) if cost.trainings else []

    def _summary(self) -> str:
        cells = counted(len(self.cells), "cell")
        if not self.cells or "status" not in self.cells[0]:
            return f"{cells}, {sum(cell['done'] for cell in self.cells)} done"
        failed = sum(cell["status"] != "ok" for cell in self.cells)
        return f"{cells}, {failed} failed"


class ClustererBench(BenchResult):
    """A ranking of clusterers."""

    @property
    def leaderboards(self) -> dict[str, Any]:
        """The rankings for a "known" and an "unknown" number of clusters; empty in a dry run."""
        return dict(self.to_dict().get("leaderboards", {}))

    def tables(self) -> list[ReportTable]:
        """The rankings, with text as the page shows it."""
        from kce.bench.leaderboard_tables import leaderboard_table

        return [leaderboard_table(k, board) for k, board in self.leaderboards.items() if board["rows"]]

    def _records(self) -> list[dict[str, Any]]:
        if not self.leaderboards:
            return self.cells
        costs = ("stability", "subsample", "seconds", "peak_mib", "worlds", "cells", "failed")
        return [
            {
                **{key: row[key] for key in ("clusterer", "aligner", "reducer", "k", "rank", "ari")},
                **interval_columns(row["interval"]),
                **row["measures"],
                **{key: row[key] for key in costs},
            }
            for board in self.leaderboards.values()
            for row in board["rows"]
        ]


class AlignerBench(BenchResult):
    """Agreement with the truth, by aligner and artefact."""

    @property
    def aligners(self) -> list[dict[str, Any]]:
        """A line for each combination of artefact, amount, training, aligner and clusterer; empty in a dry run."""
        return list(self.to_dict().get("aligners", []))

    @property
    def verdicts(self) -> dict[str, str]:
        """What can be told apart and what cannot, by the number of classes; empty in a dry run."""
        return dict(self._document.get("verdicts", {}))

    def tables(self) -> list[ReportTable]:
        """The tables, with text as the page shows it."""
        from kce.bench.aligner_report import aligner_tables

        return aligner_tables(self.aligners)

    def _records(self) -> list[dict[str, Any]]:
        if not self.aligners:
            return self.cells
        mistakes = ("merged", "split", "unlearned")
        return [
            {
                **{key: value for key, value in row.items() if key not in ("interval", *mistakes)},
                **interval_columns(row["interval"]),
            }
            for row in self.aligners
        ]


class TracerBench(BenchResult):
    """How well tracers answer, on known families and on unseen methods."""

    @property
    def tracers(self) -> list[dict[str, Any]]:
        """A line for each tracer and kind of data, the highest AUROC first; empty in a dry run."""
        return list(self.to_dict().get("tracers", []))

    @property
    def verdicts(self) -> dict[str, str]:
        """What can be told apart and what cannot, for each kind of data; empty in a dry run."""
        return dict(self._document.get("verdicts", {}))

    def tables(self) -> list[ReportTable]:
        """The tables, with text as the page shows it."""
        from kce.bench.tracer_report import tracer_tables

        return tracer_tables(self.to_dict())

    def _records(self) -> list[dict[str, Any]]:
        if not self.tracers:
            return self.cells
        records = []
        for row in self.tracers:
            record = {key: row[key] for key in ("data", "tracer", "worlds", "cells", "failed", "seconds")}
            for name, found in row["measures"].items():
                ends = interval_columns(found["interval"])
                record |= {name: found["mean"], **{f"{name} {end}": value for end, value in ends.items()}}
            records.append(record)
        return records


class BenchComparison(Result):
    """Two benchmarks of clusterers, pair by pair of their entries."""

    @property
    def compared(self) -> list[dict[str, Any]]:
        """A line for each pair of entries, over the worlds that both benchmarks have."""
        return list(self.to_dict()["compared"])

    def _records(self) -> list[dict[str, Any]]:
        return [
            {
                **{key: value for key, value in row.items() if key not in ("interval", "against")},
                **{f"against_{key}": value for key, value in row["against"].items()},
                **interval_columns(row["interval"]),
            }
            for row in self.compared
        ]

    def _summary(self) -> str:
        return f"{counted(len(self.compared), 'pair')} compared"
