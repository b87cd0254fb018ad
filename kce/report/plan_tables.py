"""The merge plans of a page as tables whose cells open the faces behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kce.report.charts import ReportTable
from kce.report.figures import run_plan
from kce.report.gallery import known_label, plan_label

if TYPE_CHECKING:
    from kce.report.sources import ReportSource

PLAN = "plan"
"""Name of the plan table of a run and a demo: a row for each category, a column for each plan."""


@dataclass(frozen=True)
class PlanTable:
    """A table of plans.

    Attributes:
        table: The table: a row for each category, and after that a column for each plan with its class.
        map: Label of the map of the faces from which the plans were made.
        new: Whether it is not among the tables of the report yet.
    """

    table: ReportTable
    map: str
    new: bool = False

    @property
    def name(self) -> str:
        """Name of the table."""
        return self.table.name

    @property
    def columns(self) -> Sequence[str]:
        """Title of each plan's column."""
        return list(self.table.head[1:])

    @property
    def classes(self) -> Mapping[str, Sequence[str]]:
        """Category -> its class in each plan, in the order of the rows; empty where a plan lacks the category."""
        return {row[0]: list(row[1:]) for row in self.table.rows}


def plan_tables(source: ReportSource, tables: Sequence[ReportTable]) -> list[PlanTable]:
    """Find the plan table of a run or a demo, or make one for each group of a study, of its first seed.

    Args:
        source: The runs.
        tables: The tables of the report.
    """
    if source.kind != "study":
        return [PlanTable(table, known_label("")) for table in tables if table.name == PLAN]
    first = min(run.seed for run in source.runs)
    made = []
    for number, group in enumerate(dict.fromkeys(run.group for run in source.runs), 1):
        runs = [run for run in source.runs if (run.group, run.seed) == (group, first)]
        plans = {plan_label(source, run): plan for run in runs if (plan := run_plan(run.folder))}
        categories = sorted({category for plan in plans.values() for category in plan})
        if categories:
            rows = [[category, *(plan.get(category, "") for plan in plans.values())] for category in categories]
            note = f"The class of each known category, in the runs with seed {first}."
            title = f"Merge plans, group {group}"
            head = ["category", *plans]
            table = ReportTable(f"{PLAN}-{number}", title, note, head, rows, [False] * len(head))
            made.append(PlanTable(table, known_label(group), new=True))
    return made
