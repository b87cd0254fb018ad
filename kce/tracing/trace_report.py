"""The schema of ``trace.json``: what is said about some inputs as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from kce.registry.result_provenance import Provenance  # noqa: TC001 - the schema is read from it
from kce.system.documents import Document


@dataclass(frozen=True)
class TraceGroup:
    """Faces that look alike and that no family explains.

    Attributes:
        name: "new-1" is the largest.
        faces: How many there are.
        nearest: Keys of the faces nearest to the centre.
    """

    name: str
    faces: int
    nearest: tuple[str, ...]


@dataclass(frozen=True)
class StorageComparison:
    """How the inputs as a whole are stored, against the known faces; see ``kce.tracing.storage``.

    Attributes:
        unlike: Whether they are stored otherwise than every known category: then no answer can be relied on.
        nearest: The known category whose storage most of them are nearest to.
        p: p value of the hypothesis that each is stored as one of the known categories is.
        effect: Probability that one lies farther out than a held-out recording of the category it is nearest to.
        recordings: Number of recordings of the inputs that were compared.
    """

    unlike: bool
    nearest: str
    p: float
    effect: float
    recordings: int


@dataclass(frozen=True)
class TraceReport(Document):
    """What a trace found.

    Attributes:
        run: Folder of the run whose families faces are traced to.
        inputs: What was given.
        tracer: The tracer with all its parameters.
        level: How often, in the long run, the family of a new recording is not excluded.
        seed: Seed of the calibration.
        families: Family -> its known categories; the reals are the family "real".
        calibration: Family -> recordings that its p values are from.
        too_few: Families with too few recordings to be excluded at the level -> recordings.
        faces: Number of faces traced.
        answers: Answer -> faces.
        videos: Number of videos traced.
        video_answers: Answer -> videos.
        storage: How the storage of the inputs compares with that of the known faces; None if it could not be compared.
        groups: What no family explains, grouped.
        problems: Inputs without a face, or that cannot be read, as "path: reason".
        several_faces: Pictures or frames with several faces, of which the largest was traced.
        remarks: What a reader must know.
        face_folder: The face folder of the inputs; empty for stored features.
        known_faces: The face folder of the run.
        provenance: Where the figures come from.
    """

    NOUN: ClassVar[str] = "the report of a trace"
    HINT: ClassVar[str] = "start the same `kce trace` again: it writes trace.json"

    run: str
    inputs: tuple[str, ...]
    tracer: str
    level: float
    seed: int
    families: Mapping[str, tuple[str, ...]]
    calibration: Mapping[str, int]
    too_few: Mapping[str, int]
    faces: int
    answers: Mapping[str, int]
    videos: int
    video_answers: Mapping[str, int]
    storage: StorageComparison | None = None
    groups: tuple[TraceGroup, ...] = ()
    problems: tuple[str, ...] = ()
    several_faces: int = 0
    remarks: tuple[str, ...] = ()
    face_folder: str = ""
    known_faces: str = ""
    provenance: Provenance | None = None
