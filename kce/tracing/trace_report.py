"""The schema of ``trace.json``: what is said about some inputs as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from kce.registry.result_provenance import Provenance  # noqa: TC001 - the schema is read from it
from kce.system.documents import Document
from kce.tracing.groups import NewGroup  # noqa: TC001 - so are these
from kce.tracing.storage import StorageTest  # noqa: TC001


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
        problems: Inputs without a face, or that cannot be read, as "path: reason": the first 10,000, and how many more;
            problems.csv of the face folder has all.
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
    storage: StorageTest | None = None
    groups: tuple[NewGroup, ...] = ()
    problems: tuple[str, ...] = ()
    several_faces: int = 0
    remarks: tuple[str, ...] = ()
    face_folder: str = ""
    known_faces: str = ""
    provenance: Provenance | None = None
