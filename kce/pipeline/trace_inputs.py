"""From what a user names to rows of features: pictures, videos, a face folder, a dataset, or a stored table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kce.data.losses import Lines, ScanFailed
from kce.data.unlabelled import UnlabelledMedia
from kce.errors import BadData, KCEError, Refused
from kce.faces.cut import cut
from kce.faces.cut_settings import CutSettings
from kce.faces.folder import read_faces
from kce.faces.loader import Pixels
from kce.features.extract import extract_features
from kce.features.streams import StoredRows
from kce.features.table import FeatureTable, open_table, split_table_address
from kce.pipeline.trace_faces import count_small_faces, is_face_folder, readable_faces
from kce.system.documents import read_document
from kce.training.weights import file_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kce.data.losses import Losses
    from kce.faces.cut import CutReport
    from kce.faces.folder import Faces
    from kce.pipeline.traced_run import TracedRun
    from kce.registry.registry import Registry
    from kce.types import Progress, Remark, Sample

FACES, FEATURES, TABLE = "faces", "features.h5", "inputs"


@dataclass(frozen=True, eq=False)
class TraceInputs:
    """What is traced.

    Attributes:
        rows: Features of its faces.
        faces: Its faces; None for a stored table.
        problems: Files without a face, or that cannot be read, as "path: reason": the first 10,000, and how many more.
        several_faces: Pictures or frames with several faces, of which the largest was cut.
        small_faces: Faces with fewer pixels than the network sees.
        ignored_media: Suffix -> pictures, videos and archives that KCE does not read.
    """

    rows: StoredRows
    faces: Faces | None = None
    problems: tuple[str, ...] = ()
    several_faces: int = 0
    small_faces: int = 0
    ignored_media: Mapping[str, int] = field(default_factory=dict)


def check_inputs(inputs: Sequence[str], root: Path | None, registry: Registry) -> None:
    """Raise KCEError for inputs that cannot be traced, or not together, before anything is made of them."""
    if not inputs:
        raise KCEError("nothing is given to trace", "name pictures, videos, folders, or FEATURES.h5:/TABLE")
    if root is not None:
        if len(inputs) != 1:
            raise KCEError("--root belongs to one dataset", "give one dataset's name, or no --root")
        registry.resolve("dataset", inputs[0], root=root)
        return
    media = [Path(one) for one in inputs if not _check_stored(one, alone=len(inputs) == 1)]
    for path in media:
        if not path.exists() and str(path) in registry.names("dataset"):
            raise KCEError(
                f"{path} is a dataset, and its folder is not given", f"say where it is: {path} --root FOLDER"
            )
    UnlabelledMedia(media)


def _check_stored(given: str, *, alone: bool) -> bool:
    """Whether an input is a stored table or a face folder; raises KCEError for one that cannot be traced."""
    path, table = split_table_address(given)
    if not table and path.suffix.lower() in (".h5", ".hdf5"):
        raise KCEError(f"{given} holds features, and none of its tables is named", f"write it as {given}:/TABLE")
    what = f"the table {given}" if table else f"the face folder {given}" if is_face_folder(path) else ""
    if what and not alone:
        raise KCEError(f"{what} was given with other inputs", "trace it alone")
    if table:
        open_table(path, table)
    return bool(what)


def read_inputs(
    run: TracedRun,
    inputs: Sequence[str],
    to: Path,
    registry: Registry,
    *,
    root: Path | None,
    detector: str | None,
    frames: int | None,
    devices: int,
    progress: Progress,
) -> TraceInputs:
    """Cut the faces of the inputs as the run's own were, and extract their features with its final network.

    Everything is kept in `to`, so that a trace that was stopped continues.

    Args:
        run: The run.
        inputs: Pictures, videos and folders of them; or one face folder, one dataset's name, or one stored table.
        to: The folder of the trace.
        registry: Builds components.
        root: The root of a dataset that is given by name.
        detector: Another detector than the run's; "whole" for pictures that are faces already.
        frames: Frames per video; None = as the run.
        devices: GPUs, or processes on the CPU.
        progress: Called while it works.

    Raises:
        KCEError: An input is no picture or video, or not one face was found.
        BadData: A stored table is of another network.
    """
    path, name = split_table_address(inputs[0])
    if name and root is None:
        return TraceInputs(StoredRows.all_of(_own_table(open_table(path, name), run)))
    if root is None and is_face_folder(path):
        faces, damaged = readable_faces(read_faces(path), progress)
        rows = _extracted(run, faces, to, registry, devices, progress)
        return TraceInputs(rows, faces, _shown(damaged), small_faces=count_small_faces(path, run.size))
    media: Iterable[Sample | Remark]
    if root is not None:
        media = registry.build("dataset", inputs[0], root=root)
    else:
        media = UnlabelledMedia([Path(one) for one in inputs])
    settings = _cut_settings(run, detector)
    try:
        report = cut(
            media,
            to / FACES,
            detector=detector or settings.detector,
            frames=settings.frames if frames is None else frames,
            seed=settings.seed,
            margin=settings.margin,
            registry_folder=registry.folder,
            accept_losses=True,
            progress=progress,
        )
    except ScanFailed as error:
        if root is not None:
            raise
        raise _no_media(inputs, error) from error
    if not report.faces:
        raise _no_face(inputs, report)
    faces = read_faces(to / FACES)
    return TraceInputs(
        _extracted(run, faces, to, registry, devices, progress),
        faces,
        _shown((*report.errors, *report.unparsed, *report.missing, *report.conflicts, *report.problems)),
        report.several_faces,
        count_small_faces(to / FACES, run.size),
        report.ignored_media,
    )


def _shown(problems: Iterable[str]) -> tuple[str, ...]:
    """As many problems as are listed: a folder may hold a million files that are no pictures."""
    lines = Lines()
    for problem in problems:
        lines.add(problem, "")
    return lines.shown()


def _no_media(inputs: Sequence[str], error: ScanFailed) -> KCEError:
    """The error about inputs without a picture or video, even a damaged one."""
    losses: Losses = error.report
    first = next(iter((*losses.unparsed, *losses.missing)), "")
    if first.startswith(f"{inputs[0]}: ") and len(inputs) == 1:
        return KCEError(first, error.hint)
    return KCEError(f"there is no picture or video in {_named(inputs)}{': ' if first else ''}{first}", error.hint)


def _named(inputs: Sequence[str]) -> str:
    return inputs[0] if len(inputs) == 1 else f"{len(inputs):,} inputs"


def _no_face(inputs: Sequence[str], report: CutReport) -> KCEError:
    """The error about inputs of which nothing can be traced."""
    more = len(report.problems) - 1
    why = f": {report.problems[0]}" if report.problems else ""
    others = f"; and {more:,} more" if more > 0 else ""
    hint = "give pictures or videos that other programs can open"
    if report.no_face:
        hint = "`--detector whole` takes pictures that are faces already; another detector may find more"
    where = f" in {_named(inputs)}"
    if report.problems[:1] and report.problems[0].startswith(f"{inputs[0]}: "):
        where = ""
    return KCEError(f"not one face was found{where}{why}{others}", hint)


def _own_table(table: FeatureTable, run: TracedRun) -> FeatureTable:
    """Raise BadData unless the rows are of the run's final network."""
    weights = table.provenance.get("weights", "")
    if weights != file_sha256(run.weights):
        of = "another network" if weights else "a network that is not recorded"
        raise BadData(
            f"the features of {table.address} are of {of}, not of {run.weights}",
            "trace the pictures, or the face folder, that they were made from",
        )
    return table


def _extracted(
    run: TracedRun, faces: Faces, to: Path, registry: Registry, devices: int, progress: Progress
) -> StoredRows:
    pixels, weights, train = Pixels(faces, run.size), run.weights, run.recipe.train
    try:
        extract_features(
            pixels,
            weights,
            registry,
            to / FEATURES,
            TABLE,
            train.batch_size,
            precision=train.precision,
            devices=devices,
            progress=progress,
        )
    except Refused as refused:
        raise Refused(
            f"{to} holds a trace of other faces, or to another network: {refused.message}",
            f"name another folder with --to; or move {to / FEATURES} away, and all faces are extracted again",
        ) from refused
    return StoredRows.all_of(open_table(to / FEATURES, TABLE))


def _cut_settings(run: TracedRun, detector: str | None) -> CutSettings:
    """How the run's own faces were cut."""
    path = Path(run.recipe.faces) / "cut.toml"
    if path.is_file():
        return read_document(path, CutSettings)
    if detector is None:
        raise KCEError(
            f"how the faces of the run were cut is not known: there is no {path}",
            "say with --detector how faces are found; `whole` for pictures that are faces already",
        )
    return CutSettings(detector=detector, frames=10, seed=0, margin=1.25, kce="")
