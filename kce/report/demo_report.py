"""The schema of a demo's ``report.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from kce.pipeline.run_report import RunReport  # noqa: TC001 - the schema is read from it
from kce.registry.result_provenance import Provenance  # noqa: TC001 - the schema is read from it
from kce.system.documents import Document


@dataclass(frozen=True)
class PlanScores:
    """How one plan of the demo did, on the same rows as the others.

    Attributes:
        classes: Number of classes of the plan.
        n: Rows that were scored.
        seed: Random seed of the demo.
        calinski_harabasz: The index of the unknown categories.
        interval: Its (low, high), 95 %.
        variance_share: Share of the variance that lies between categories.
        ari_truth: Agreement of the plan with the world's methods.
    """

    classes: int
    n: int
    seed: int
    calinski_harabasz: float
    interval: tuple[float, float] | None
    variance_share: float
    ari_truth: float | None


@dataclass(frozen=True)
class DemoReport(Document):
    """What the demo made.

    Attributes:
        report: Path of the page.
        plan: Category -> class of the plan by clusters.
        plans: Plan -> its scores.
        runs: Plan -> the report of its run.
        provenance: Where the scores come from.
    """

    NOUN: ClassVar[str] = "the report of a demo"
    HINT: ClassVar[str] = "start the same `kce demo` again: it writes report.json"

    report: str
    plan: Mapping[str, str]
    plans: Mapping[str, PlanScores]
    runs: Mapping[str, RunReport]
    provenance: Provenance | None = None
