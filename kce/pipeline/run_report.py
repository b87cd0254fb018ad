"""The schema of a run's ``report.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from kce.registry.result_provenance import Provenance  # noqa: TC001 - the schema is read from it
from kce.system.documents import Document

if TYPE_CHECKING:
    from kce.faces.folder import Faces


@dataclass(frozen=True)
class RunReport(Document):
    """What a run made: its plan, and how well its features separate the unknown categories.

    Attributes:
        folder: The run's folder.
        plan: Category -> class.
        made: How the plan was made; of a plan that a person edited, how the one was made that was edited.
        classes: How many classes it has.
        known: Category -> faces that were there to train on.
        unknown: Category -> faces of the categories that were held out.
        evaluated: Category -> rows that were scored.
        n: Rows that were scored.
        seed: The seed of the run.
        scores: Evaluator -> name -> value.
        intervals: Evaluator -> name -> (low, high), 95 %; None where there is none.
        ranges: Evaluator -> name -> (low, high), what the score can be at least and at most; None = no bound.
        remarks: What a reader must know, such as why an interval is None or may be too narrow.
        asked: How many classes were asked for; None where no number was.
        dims: Dimensions of the features that were scored, after the reducer.
        unknown_recordings: Rows that were scored and whose recording is unknown.
        edited: Whether a person changed which categories belong together, or may have.
        plan_hash: Hash of the plan, by ``kce.merging.plan_file.partition_hash``.
        made_hash: Hash of the plan as it was made; "unknown" if that is not known.
        provenance: Where the scores come from.
        precision: In what the networks computed: 32, bf16 or 16; empty in reports of earlier versions.
        threads: Threads of each process when the run ended; with another number the last digits may differ. 0 in
            reports of earlier versions.
    """

    NOUN: ClassVar[str] = "the report of a run"
    HINT: ClassVar[str] = "start the same `kce run` again: it writes report.json"

    folder: str
    plan: Mapping[str, str]
    made: str
    classes: int
    known: Mapping[str, int]
    unknown: Mapping[str, int]
    evaluated: Mapping[str, int]
    n: int
    seed: int
    scores: Mapping[str, Mapping[str, float]]
    intervals: Mapping[str, Mapping[str, tuple[float, float] | None]]
    ranges: Mapping[str, Mapping[str, tuple[float | None, float | None]]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    asked: int | None = None
    dims: int = 0
    unknown_recordings: int = 0
    precision: str = ""
    threads: int = 0
    edited: bool = False
    plan_hash: str = ""
    made_hash: str = ""
    provenance: Provenance | None = None


def count_faces(faces: Faces) -> dict[str, int]:
    """Category -> number of its faces, sorted."""
    return faces.category.counts()
