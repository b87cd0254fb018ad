"""The schema of a study's ``report.json``: the comparison of its plans, what it cost, and what failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from kce.evaluation.paired_tests import MeanEstimate, RatioEstimate  # noqa: TC001 - the schema is read from them
from kce.registry.result_provenance import Provenance  # noqa: TC001 - the schema is read from it
from kce.study.ranking import BY_INDEX, Ranking
from kce.system.documents import Document

Interval = tuple[float, float]


@dataclass(frozen=True)
class GroupSummary:
    """A group of a study: its unknown categories, and categories that its runs had to do without."""

    unknown: tuple[str, ...]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlanSummary:
    """The scores of a plan with a backbone; without a finished run n is 0 and the rest is None.

    Attributes:
        backbone: Name of the backbone in the study; `plan` is a name in the study too.
        plan: The plan.
        groups: Group -> mean over seeds.
        n: Finished repeats (group and seed).
        mean: Mean of the score over repeats.
        rank: Place among the plans of its backbone, 1 the best; None for one with fewer finished repeats than others.
        deviation: Standard deviation over repeats.
        interval: Student's, 95 %.
        variance_share: Mean share of the variance between categories; None where plans are compared by another score
            than the index.
        adjusted: Mean of the index relative to chance; None likewise.
        above_chance: Number of repeats in which label permutations reach the index at most 5 % of the time.
        gain_over_name: Gain of the mean over that of the plan by name.
    """

    backbone: str
    plan: str
    groups: Mapping[str, MeanEstimate]
    n: int
    mean: float | None = None
    deviation: float | None = None
    interval: Interval | None = None
    variance_share: float | None = None
    adjusted: float | None = None
    above_chance: int | None = None
    gain_over_name: RatioEstimate | None = None
    rank: int | None = None


@dataclass(frozen=True)
class PlanDifference:
    """The paired difference of the plans `plan` and `over`, with p values before and after Holm's correction."""

    backbone: str
    plan: str
    over: str
    n: int
    mean: float
    interval: Interval | None
    p: float | None
    p_permutation: float | None
    p_holm: float | None
    p_permutation_holm: float | None


@dataclass(frozen=True)
class PublishedCell:
    """A published value beside ours, and the ratio of each to the plan by name; None where it is not known."""

    group: str | int | None
    published: float
    ours: float | None
    published_ratio: float | None
    ours_ratio: float | None


@dataclass(frozen=True)
class PublishedRow:
    """A row of a published table beside ours, with its means; `n` is the number of our repeats."""

    backbone: str
    plan: str
    cells: tuple[PublishedCell, ...]
    published_mean: float
    ours_mean: float | None
    published_mean_ratio: float | None
    ours_mean_ratio: float | None
    n: int


@dataclass(frozen=True)
class ClaimVerdict:
    """A published gain in percent, the measured one with its interval, and the verdict."""

    backbone: str
    plan: str
    over: str
    percent: float
    n: int
    measured: float | None
    interval: Interval | None
    verdict: str


@dataclass(frozen=True)
class RunSummary:
    """A finished run: what it was, and all its scores.

    Attributes:
        run: Its name, which is its folder below the study's ``runs``.
        group: Name of the group in the study.
        plan: Name of the plan in the study; `backbone` is a name in the study too.
        backbone: The backbone.
        component: The backbone's component.
        seed: Its seed.
        classes: Number of classes that was asked for; None if the clusterer decided.
        images: Number of images of the final training; None if that depended on the classes.
        known: Categories that were trained on.
        unknown: Categories that were evaluated.
        missing: Categories of the study that were not there.
        n: Rows that were scored.
        found_classes: Classes of the plan that was made.
        scores: Evaluator -> score -> value.
        intervals: Evaluator -> score -> interval.
        unknown_recordings: Rows that were scored and whose recording is unknown.
        precision: In what its networks computed; empty in reports of earlier versions.
        made: How its plan was made; of an edited one, how the plan was made that was edited.
        edited: Whether a person edited its plan, or may have.
    """

    run: str
    group: str | int
    plan: str
    backbone: str
    component: str
    seed: int
    classes: int | None
    images: int | None
    known: tuple[str, ...]
    unknown: tuple[str, ...]
    missing: tuple[str, ...]
    n: int
    found_classes: int
    scores: Mapping[str, Mapping[str, float]]
    intervals: Mapping[str, Mapping[str, Interval | None]]
    unknown_recordings: int = 0
    precision: str = ""
    made: str = ""
    edited: bool = False


@dataclass(frozen=True)
class StudyReport(Document):
    """``report.json`` of a study.

    Attributes:
        title: Title of the study.
        measure: What plans are compared by, in a sentence.
        ranked_by: The same: evaluator, score and direction.
        evaluated_rows: Numbers of rows on which runs were scored; more than one if groups differ.
        seeds: Seeds of its runs.
        groups: Name -> group.
        plans: One summary for each plan and backbone.
        differences: Every plan against the baselines.
        published: Published tables beside ours.
        claims: Published gains, and whether they were reproduced.
        runs: The finished runs.
        remarks: What a reader must know.
        estimate: The cost that was estimated at the start.
        seconds: Seconds of all jobs together.
        failed: Name of a job -> its error.
        report: Path of the page.
        provenance: Where the scores come from; None without a finished run.
    """

    NOUN: ClassVar[str] = "the report of a study"
    HINT: ClassVar[str] = "start the same `kce study` again: it writes report.json"

    title: str
    measure: str
    evaluated_rows: tuple[int, ...]
    seeds: tuple[int, ...]
    groups: Mapping[str, GroupSummary]
    plans: tuple[PlanSummary, ...]
    differences: tuple[PlanDifference, ...]
    published: tuple[PublishedRow, ...]
    claims: tuple[ClaimVerdict, ...]
    runs: tuple[RunSummary, ...]
    remarks: tuple[str, ...] = ()
    estimate: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    failed: Mapping[str, str] = field(default_factory=dict)
    report: str = ""
    provenance: Provenance | None = None
    ranked_by: Ranking = BY_INDEX
