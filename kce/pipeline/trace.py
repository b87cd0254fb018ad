"""``kce trace``: from faces to families, with everything that it says in tables beside each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kce.errors import KCEError, MachineFault
from kce.pipeline.trace_groups import Grouped, Unexplained, check_clusterer, group_faces, ungrouped
from kce.pipeline.trace_inputs import TraceInputs, check_inputs, read_inputs
from kce.pipeline.trace_output import GROUPS, TRACES, VIDEOS, write_tables
from kce.pipeline.trace_record import RECORD, claim_trace_folder
from kce.pipeline.trace_storage import compare_stored
from kce.pipeline.traced_run import TracedRun, known_rows, open_traced_run
from kce.registry import isolation
from kce.registry.result_provenance import record_provenance
from kce.system.documents import write_document
from kce.system.lock import folder_lock, make_folder
from kce.system.regular import require_inside
from kce.tracing.conformal import check_level
from kce.tracing.fitted import FittedTracer
from kce.tracing.trace_report import TraceReport

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kce.registry.registry import Registry
    from kce.tracing.storage import StorageTest
    from kce.types import Progress

REPORT = "trace.json"
UNLIKE = "stored unlike the known faces"
"""The warning on every answer, if the inputs as a whole are."""


def trace(
    folder: Path,
    inputs: Sequence[str],
    to: Path,
    registry: Registry,
    *,
    tracer: str,
    level: float = 0.95,
    discover: str = "",
    root: Path | None = None,
    detector: str | None = None,
    frames: int | None = None,
    devices: int = 1,
    progress: Progress = lambda *_: None,
) -> TraceReport:
    """Trace faces to the families of a run.

    Args:
        folder: The run's folder.
        inputs: As ``kce.pipeline.trace_inputs.read_inputs`` takes them.
        to: The folder of the trace; one that is there is continued.
        registry: Builds components.
        tracer: The tracer, "name:key=value,...".
        level: In (0, 1).
        discover: The clusterer that groups what no family explains; empty = it is not grouped. One that takes a number
            of clusters and is given none gets an estimate.
        root: The root of a dataset that is given by name.
        detector: Another detector than the run's.
        frames: Frames per video; None = as the run.
        devices: GPUs, or processes on the CPU.
        progress: Called while it works.

    Returns:
        What ``trace.json`` has.
    """
    check_level(level)
    run = open_traced_run(folder, registry)
    seed = run.recipe.seed
    part = registry.resolve_seeded("tracer", tracer, seed)
    if part.built_in:
        part.build()  # wrong parameters are an error before the faces are cut
    if discover:
        check_clusterer(registry, discover, seed)
    check_inputs(inputs, root, registry)
    make_folder(to)
    require_inside(to, TRACES, VIDEOS, GROUPS, REPORT, RECORD)
    with folder_lock(to, "trace"):
        claim_trace_folder(to, inputs, root)
        given = read_inputs(
            run, inputs, to, registry, root=root, detector=detector, frames=frames, devices=devices, progress=progress
        )
        known, held_out = known_rows(run, to, registry, devices, progress)
        with isolation.component(part, registry, run.recipe.timeout) as component:
            fitted = FittedTracer(component, known, held_out, run.plan, level, seed)
            storage = _compared(run, given)
            warning = UNLIKE if storage and storage.unlike else ""
            counts, video_counts, grouped = write_tables(
                to,
                fitted,
                given.rows,
                warning,
                partial(_group, run, registry, discover) if discover else None,
                seed,
                progress,
            )
        report = TraceReport(
            run=str(folder),
            inputs=tuple(inputs),
            tracer=part.spec,
            level=level,
            seed=seed,
            families={name: tuple(run.plan.members(name)) for name in fitted.families},
            calibration={
                name: own.recordings for name, own in zip(fitted.families, fitted.calibration.by_family, strict=True)
            },
            too_few=fitted.calibration.too_few(level),
            faces=sum(counts.values()),
            answers=dict(counts.most_common()),
            videos=sum(video_counts.values()),
            video_answers=dict(video_counts.most_common()),
            storage=storage,
            groups=tuple(grouped.groups),
            problems=given.problems,
            several_faces=given.several_faces,
            remarks=(*_storage_remarks(storage, given), *_remarks(run, fitted, given), *grouped.remarks),
            face_folder="" if given.faces is None else str(given.faces.root.absolute()),
            known_faces=run.recipe.faces,
            provenance=record_provenance(
                registry,
                [("tracer", part.spec), *([("clusterer", grouped.spec)] if grouped.spec else [])],
                n={"faces": sum(counts.values()), "videos": sum(video_counts.values())},
                seeds=[seed],
                data=", ".join(inputs),
                data_hash=given.rows.table.hash,
            ),
        )
        write_document(to / REPORT, report)
    return report


def _compared(run: TracedRun, given: TraceInputs) -> StorageTest | None:
    """How the inputs are stored, against the known faces."""
    return None if given.faces is None else compare_stored(run, given.faces)


def _storage_remarks(storage: StorageTest | None, given: TraceInputs) -> Iterator[str]:
    if storage is None:
        why = "there are no pictures" if given.faces is None else "there are too few recordings"
        yield f"whether the inputs are stored as the known faces are was not tested: {why}"
    elif storage.unlike:
        yield (
            f"the inputs are stored unlike the faces of every known category (the nearest is {storage.nearest}, p "
            f"{storage.p:.3f}): no answer can be relied on, and the family of a face is excluded more often than the "
            "level says"
        )


def _group(
    run: TracedRun, registry: Registry, clusterer: str, unexplained: Unexplained
) -> tuple[list[str], NDArray[np.float32], Grouped]:
    """Group what no family explains; a clusterer that fails is a remark, because the answers do not depend on it.

    Returns:
        The keys of the faces, their features, and their groups.
    """
    key, x = unexplained.sample()
    try:
        grouped = group_faces(registry, clusterer, key, x, run.recipe.seed, timeout=run.recipe.timeout)
    except MachineFault:
        raise
    except KCEError as error:
        grouped = ungrouped(len(key), error)
    if unexplained.count > len(key):
        some = f"{len(key):,} of {unexplained.count:,} unexplained faces, chosen at random, are all that were clustered"
        grouped = grouped._replace(remarks=(*grouped.remarks, some))
    return key, x, grouped


def _remarks(run: TracedRun, fitted: FittedTracer, given: TraceInputs) -> Iterable[str]:
    if given.ignored_media:
        counts = ", ".join(f"{count:,} {suffix}" for suffix, count in given.ignored_media.items())
        yield f"files that KCE does not read were left out ({counts}): convert them, or unpack archives"
    if given.small_faces:
        yield (
            f"{given.small_faces:,} of {len(given.rows):,} faces are smaller than the {run.size} x {run.size} pixels "
            "that the network sees, and were enlarged: what a forgery leaves may be gone from them"
        )
    if too_few := fitted.calibration.too_few(fitted.level):
        counts = ", ".join(f"{name} ({count})" for name, count in too_few.items())
        yield (
            f"too few held-out recordings to exclude these families at {fitted.level:.0%}, whatever a face looks like: "
            f"{counts}"
        )
    if missing := int((run.faces.take(run.held_out).group == "").sum()):
        yield (
            f"the recording of {missing} of {int(run.held_out.sum())} calibration faces is unknown: each counts as a "
            "recording of its own, so p values may be too small"
        )
