"""From what a user names to rows of features: pictures, videos, a face folder, a dataset, or a stored table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kce.data.unlabelled import UnlabelledMedia
from kce.errors import BadData, KCEError, Refused
from kce.faces.cut import cut
from kce.faces.cut_settings import CutSettings
from kce.faces.folder import read_faces
from kce.faces.loader import Pixels
from kce.features.extract import extract_features
from kce.features.streams import StoredRows
from kce.features.table import FeatureTable, open_table, split_table_address
from kce.system.documents import read_document
from kce.training.weights import file_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kce.pipeline.traced_run import TracedRun
    from kce.registry.registry import Registry
    from kce.types import Progress, Remark, Sample

FACES, FEATURES, TABLE = "faces", "features.h5", "inputs"


@dataclass(frozen=True, eq=False)
class TraceInputs:
    """What is traced.

    Attributes:
        rows: Features of its faces.
        face_folder: Where the faces are; None for a stored table.
        problems: Files without a face, or that cannot be read, as "path: reason".
        several_faces: Pictures or frames with several faces, of which the largest was cut.
    """

    rows: StoredRows
    face_folder: Path | None = None
    problems: tuple[str, ...] = ()
    several_faces: int = 0


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
        KCEError: An input does not exist, or not one face was found.
        BadData: A stored table is of another network.
    """
    if not inputs:
        raise KCEError("nothing is given to trace", "name pictures, videos, folders, or FEATURES.h5:/TABLE")
    path, name = split_table_address(inputs[0])
    if len(inputs) == 1 and name:
        return TraceInputs(StoredRows.all_of(_own_table(open_table(path, name), run)))
    if len(inputs) == 1 and root is None and (Path(inputs[0]) / "faces.csv").is_file():
        return TraceInputs(_extracted(run, Path(inputs[0]), to, registry, devices, progress), Path(inputs[0]))
    media: Iterable[Sample | Remark]
    if root is not None:
        if len(inputs) != 1:
            raise KCEError("--root belongs to one dataset", "give one dataset's name, or no --root")
        media = registry.build("dataset", inputs[0], root=root)
    else:
        media = UnlabelledMedia([Path(one) for one in inputs])
    settings = _cut_settings(run, detector)
    report = cut(
        media,
        to / FACES,
        detector=detector or settings.detector,
        frames=frames or settings.frames,
        seed=settings.seed,
        margin=settings.margin,
        registry_folder=registry.folder,
        accept_losses=True,
        progress=progress,
    )
    if not report.faces:
        raise KCEError(
            f"not one face was found in {', '.join(inputs)}",
            "`--detector whole` takes pictures that are faces already; problems.csv says why others have none",
        )
    rows = _extracted(run, to / FACES, to, registry, devices, progress)
    return TraceInputs(rows, to / FACES, report.problems, report.several_faces)


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
    run: TracedRun, folder: Path, to: Path, registry: Registry, devices: int, progress: Progress
) -> StoredRows:
    pixels, weights, train = Pixels(read_faces(folder), run.size), run.weights, run.recipe.train
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
