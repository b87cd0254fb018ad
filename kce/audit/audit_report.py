"""The schema of ``audit.json``, what its words mean, and what a reader must know first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import msgspec

from kce.registry.result_provenance import Provenance  # noqa: TC001 - the schema is read from it
from kce.system.documents import Document

WORDS = {
    "trace": "the mean of a category's rows less the mean of its dataset's reals: what a forgery leaves in features",
    "trace length": "how far a category lies from its reals, in standard deviations of a category's rows; near 0 the"
    " features do not show the forgery",
    "effect": "the distance of two traces over the root mean square of their lengths: 0 = equal, 1.41 = at a right"
    " angle, with nothing in common",
    "margin": "the effect below which two categories count as the same: they are nearer than the nearest two that one"
    " dataset distinguishes",
    "AUROC a to b": "how well what separates a from its own reals separates b from b's: 0.5 = chance, 1 = always; AUROC"
    " within: a category against its own reals",
    "p differ": "p value of the hypothesis that the two traces are equal, over recordings, after Holm's correction",
    "p agree": "p value of the hypothesis that neither category's score separates the other, after Holm's correction",
    "probe": "balanced accuracy of a linear classifier of the dataset of a class's rows, cross-validated over"
    " recordings: at chance (1 over the number of datasets) they cannot be separated",
    "iLISI": "how mixed the datasets are among a row's nearest neighbours from other recordings, by the inverse Simpson"
    " index (Korsunsky et al. 2019): 0 = one dataset, 1 = all equally",
    "anchored": "the same without the means of the datasets' reals: what a dataset adds to its forgeries alone",
    "forgery": "the share that the traces of a class have in common, of that and what separates its datasets: near 1"
    " the class is a forgery, near 0 it is datasets",
}
"""Word -> its meaning."""

NO_REALS = "its categories: it has no reals"
"""The anchor of a dataset without reals."""


def audit_remarks(report: Mapping[str, Any]) -> list[str]:
    """What a reader must know first: which datasets have no reals and what to do about it, and unknown recordings.

    Args:
        report: What ``audit.json`` holds.
    """
    remarks = []
    if without := [dataset["name"] for dataset in report["datasets"] if not dataset["reals"]]:
        remarks.append(
            f"there are no reals of {', '.join(without)}, so pairs with their categories stay undecided; audit the "
            "table of the reals too (FEATURES.h5:/reals; a run with an aligner that needs reals stores it), or name "
            'the dataset whose reals serve in registry.toml: [dataset.NAME] reals = "OTHER"'
        )
    if unknown := report["unknown_recordings"]:
        remarks.append(
            f"the recording of {unknown} of {report['n']} rows is unknown: those of one dataset count as one recording,"
            " so much stays undecided"
        )
    return remarks


@dataclass(frozen=True)
class AuditedScore:
    """A score with its 95 % interval, None if the score is at the end of its range; `n` rows were scored."""

    value: float
    interval: tuple[float, float] | None
    n: int
    seed: int


@dataclass(frozen=True)
class AuditedDataset:
    """A dataset: its number of real rows, and what its traces are measured from."""

    name: str
    reals: int
    anchor: str


@dataclass(frozen=True)
class AuditedCategory:
    """A category: rows, recordings, and the AUROC within its own dataset."""

    name: str
    dataset: str
    method: str
    n: int
    recordings: int
    within: AuditedScore | None


@dataclass(frozen=True)
class AuditedMargin:
    """The effect below which two categories count as the same, and the two that it is taken from."""

    value: float
    nearest: tuple[str, ...]


@dataclass(frozen=True)
class BothWays:
    """The AUROC of each category's score on the other."""

    a_to_b: AuditedScore | None
    b_to_a: AuditedScore | None


@dataclass(frozen=True)
class AuditedPair:
    """Two categories of different datasets; ``kce.audit.relations`` says what the values are."""

    a: str
    b: str
    same_name: bool
    relation: str
    reason: str
    n: int | None
    seed: int
    auroc: BothWays
    cosine: float | None
    cosine_interval: tuple[float, float] | None
    distance: float | None
    effect: float | None
    interval: tuple[float, float] | None
    p: float | None
    p_holm: float | None
    p_agree: float | None
    p_agree_holm: float | None


@dataclass(frozen=True)
class AuditFinding:
    """A pair whose names say something else than its features."""

    kind: str
    a: str
    b: str
    p: float
    text: str


class AuditedClass(msgspec.Struct, frozen=True, rename={"name": "class"}):
    """A class of a plan: how well its datasets are mixed; ``kce.audit.dataset_mixing`` says what the values are."""

    name: str
    members: tuple[str, ...]
    datasets: tuple[str, ...]
    reason: str
    chance: float | None
    probe: AuditedScore | None
    ilisi: AuditedScore | None
    probe_anchored: AuditedScore | None
    ilisi_anchored: AuditedScore | None
    forgery: AuditedScore | None


@dataclass(frozen=True)
class PlanChange:
    """What the proposed plan changes."""

    kind: Literal["split", "merge", "rename"]
    classes: tuple[str, ...]
    categories: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class AuditReport(Document):
    """What an audit found.

    Attributes:
        n: Number of rows.
        seed: Seed of all random choices.
        datasets: The datasets of the rows, and what their traces are measured from.
        categories: The forged categories, with the AUROC within their own dataset.
        margin: The effect below which two categories count as the same.
        pairs: All pairs of categories of different datasets, with relation, effect, interval and p values.
        findings: Pairs with the same name that differ, and with different names that agree.
        clusters: The classes that were examined, and how well their datasets are mixed.
        proposals: What the proposed plan changes.
        plan: Category -> class, as proposed.
        provenance: Where the figures come from.
        unknown_recordings: Rows whose recording is unknown; those of one dataset count as one recording.
    """

    NOUN: ClassVar[str] = "the report of an audit"
    HINT: ClassVar[str] = "`kce audit --to` writes it"

    n: int
    seed: int
    datasets: tuple[AuditedDataset, ...]
    categories: tuple[AuditedCategory, ...]
    margin: AuditedMargin
    pairs: tuple[AuditedPair, ...]
    findings: tuple[AuditFinding, ...]
    clusters: tuple[AuditedClass, ...]
    proposals: tuple[PlanChange, ...]
    plan: Mapping[str, str]
    unknown_recordings: int = 0
    provenance: Provenance | None = None
