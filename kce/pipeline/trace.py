"""``kce trace``: from faces to families, with everything that it says in tables beside each other."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kce.errors import KCEError, MachineFault
from kce.pipeline.trace_groups import Grouped, Unexplained, check_clusterer, group_faces, ungrouped
from kce.pipeline.trace_inputs import TraceInputs, check_inputs, read_inputs
from kce.pipeline.trace_record import RECORD, claim_trace_folder
from kce.pipeline.trace_storage import compare_stored
from kce.pipeline.traced_run import TracedRun, known_rows, open_traced_run
from kce.registry import isolation
from kce.registry.result_provenance import record_provenance
from kce.system.atomic import atomic_replace
from kce.system.documents import write_document
from kce.system.lock import folder_lock, make_folder
from kce.system.os_errors import system_failure
from kce.system.regular import require_inside
from kce.tracing.conformal import UNKNOWN, check_level
from kce.tracing.fitted import FittedTracer
from kce.tracing.joining import Joining
from kce.tracing.trace_report import TraceReport
from kce.tracing.videos import Videos

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.registry.registry import Registry
    from kce.tracing.storage import StorageTest
    from kce.types import Progress

TRACES, VIDEOS, GROUPS, REPORT = "traces.csv", "videos.csv", "groups.csv", "trace.json"
UNLIKE = "stored unlike the known faces"
"""The warning on every answer, if the inputs as a whole are."""


class _Written(NamedTuple):
    """What the tables say."""

    answers: Counter[str]
    video_answers: Counter[str]
    grouped: Grouped


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
            counts, video_counts, grouped = _write_tables(
                to,
                fitted,
                given,
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


def _write_tables(
    to: Path,
    fitted: FittedTracer,
    given: TraceInputs,
    warning: str,
    group: Callable[[Unexplained], tuple[list[str], NDArray[np.float32], Grouped]] | None,
    seed: int,
    progress: Progress,
) -> _Written:
    """Write a line for each face, each video and each grouped face; faces are read in batches and forgotten.

    The tables replace older ones together, once all are complete: they never belong to different traces.
    """
    counts: Counter[str] = Counter()
    video_counts: Counter[str] = Counter()
    videos, unexplained, done, grouped = Videos(), Unexplained(), 0, Grouped([], [])
    said: list[NDArray[np.int16]] = []  # the answers, two bytes each
    code = {name: number for number, name in enumerate([UNKNOWN, *fitted.families])}
    known = [f"{label}: {key}" for key, label in zip(fitted.known.key, fitted.known.label, strict=True)]
    with ExitStack() as tables:
        write = tables.enter_context(
            _csv(to / TRACES, ["key", *_columns(fitted), *(f"neighbour_{n + 1}" for n in range(5))])
        )
        for traced in fitted.trace(given.rows):
            lines = _lines(traced.answer, traced.known, traced.p, traced.possible, warning, fitted)
            for row, line in enumerate(lines):
                near = [known[number] for number in traced.neighbours[row].tolist()]
                write([traced.key[row], *line, *near, *[""] * (5 - len(near))])
            counts.update(traced.answer)
            videos.add(traced)
            if group is not None:
                own = [row for row, answer in enumerate(traced.answer) if answer == UNKNOWN]
                unexplained.add(traced.key[own].tolist(), traced.x[own])
                said.append(np.array([code[answer] for answer in traced.answer], np.int16))
            done += len(traced.key)
            progress("tracing faces", done, len(given.rows))
        write = tables.enter_context(_csv(to / VIDEOS, ["video", "faces", *_columns(fitted)]))
        for answer in videos.answers(fitted):
            (line,) = _lines(
                [answer.answer], np.array([answer.known]), answer.p[None], answer.possible[None], warning, fitted
            )
            write([answer.key, answer.faces, *line])
            video_counts[answer.answer] += 1
        if group is not None:
            progress("grouping faces", 0, None)
            key, x, grouped = group(unexplained)
            joining = Joining(fitted, x, grouped.names, seed)
            write = tables.enter_context(_csv(to / GROUPS, ["key", "group", "answer"]))
            joined: Counter[str] = Counter()
            names, group_of = list(code), dict(zip(key, grouped.names, strict=True))
            for batch, codes in zip(given.rows.batches(), said, strict=True):
                answers = [names[number] for number in codes.tolist()]
                for one, name, own in zip(batch.key.tolist(), joining.join(batch.x, answers), answers, strict=True):
                    if name or (own == UNKNOWN and one in group_of):
                        write([one, name or group_of[one], own])
                        joined[name] += 1
            grouped = grouped._replace(groups=[replace(one, joined=joined[one.name]) for one in grouped.groups])
            progress("grouping faces", len(key), len(key))
    if group is None:
        (to / GROUPS).unlink(missing_ok=True)  # of an earlier trace into this folder
    return _Written(counts, video_counts, grouped)


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


def _columns(fitted: FittedTracer) -> list[str]:
    return ["answer", "possible", "warning", "known", *(f"p {name}" for name in fitted.families)]


def _lines(
    answer: list[str], known: np.ndarray, p: np.ndarray, possible: np.ndarray, warning: str, fitted: FittedTracer
) -> Iterator[list[Any]]:
    for own, any_p, values, left in zip(answer, known.tolist(), p.tolist(), possible.tolist(), strict=True):
        names = [name for name, is_left in zip(fitted.families, left, strict=True) if is_left]
        yield [own, ";".join(names), warning, any_p, *values]


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


@contextmanager
def _csv(path: Path, head: Sequence[str]) -> Iterator[Any]:
    """Write a table whole or not at all; raises MachineFault if the system does not let it be written."""
    try:
        with atomic_replace(path) as part, part.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(head)
            yield writer.writerow
    except OSError as error:
        raise system_failure(f"{path} cannot be written", error) from error
