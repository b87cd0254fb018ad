"""Samples + detector -> face folder.

Which faces a folder contains depends on the dataset and the settings alone: within a category, samples are taken in the
order of a hash of seed and key until there are enough faces. The result for each sample is recorded in a journal once
its pictures are on the disk; at the end the journal becomes ``faces.csv`` and ``problems.csv``. A cut that was killed
and is started again reuses all complete results, and does the rest.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from kce.data.limits import MAX_FAILURES, MEMORY_OF_WORKER
from kce.data.losses import Finder, Losses
from kce.data.suffixes import is_video
from kce.data.world_dataset import make_world
from kce.errors import BadData, KCEError, MachineFault
from kce.faces.crop import CroppedFace, make_cropper
from kce.faces.cut_settings import CutSettings, refuse_lower_limits
from kce.faces.cut_worker import start_workers
from kce.faces.engine_pool import EnginePool, LostMachine
from kce.faces.face_store import FaceStore, open_store
from kce.faces.file_names import LOCK, content_hash, face_path
from kce.faces.journal import CutRecord, CutResult
from kce.faces.left_out import write_left_out
from kce.faces.sample_rows import sample_columns
from kce.faces.selection import (
    CategoryQuota,
    cut_order,
    list_samples,
    make_quotas,
    reuse_results,
    thin_out,
    verify_faces,
)
from kce.faces.tables import FaceRow, Problem
from kce.registry import defaults
from kce.registry.registry import Registry, nearest_registry
from kce.system.documents import Document
from kce.system.lock import file_lock, make_folder
from kce.system.machine_faults import summarize_faults
from kce.system.os_errors import system_failure
from kce.system.text import printable
from kce.system.version import __version__
from kce.system.worker_pool import InlineWorkers, TaskLost, Workers, default_worker_count, lost_fault

if TYPE_CHECKING:
    from kce.faces.cut_worker import CropperArguments
    from kce.registry.registry import ResolvedComponent
    from kce.types import Progress, Remark, Sample

    Pool = Workers | InlineWorkers | EnginePool


@dataclass(frozen=True, kw_only=True)
class CutReport(Losses, Document):
    """What was found in the categories of a dataset, by this cut and earlier ones.

    Attributes:
        faces: Number of faces.
        by_category: Category -> number of faces.
        no_face: Number of pictures and frames without a face.
        unreadable: Number of files and frames that could not be read.
        too_short: Number of videos with too few frames.
        problems: These files, as "path: reason".
        short_categories: Category -> number of faces, of those with fewer than requested.
        several_faces: Number of pictures and frames in which the detector found several faces; the largest was cut.
    """

    NOUN: ClassVar[str] = "the report of a cut"

    faces: int
    by_category: Mapping[str, int]
    no_face: int
    unreadable: int
    too_short: int
    problems: tuple[str, ...]
    short_categories: Mapping[str, int]
    several_faces: int = 0


class FacelessCategory(BadData):
    """A cut that was completed, but left a category without a face; `report` is what it would have returned."""

    def __init__(self, report: CutReport, categories: list[str]) -> None:
        what = f"the category {categories[0]} has" if len(categories) == 1 else f"{len(categories)} categories have"
        names = "" if len(categories) == 1 else f": {', '.join(categories)}"
        hint = "problems.csv says why; another detector may find more, and --accept-losses goes on without"
        super().__init__(f"{what} no face{names}; the others are cut", hint)
        self.report = report


def cut(
    dataset: Iterable[Sample | Remark],
    to: str | os.PathLike[str],
    *,
    detector: str = defaults.DETECTOR,
    frames: int = 10,
    per_category: int | None = None,
    seed: int = 0,
    margin: float = 1.25,
    workers: int | None = None,
    engine: str | None = None,
    skip_failing: bool = False,
    registry_folder: str | os.PathLike[str] | None = None,
    accept_losses: bool = False,
    pack: bool = False,
    progress: Progress = lambda *_: None,
) -> CutReport:
    """Crop the largest face of every picture, and of several frames of every video, into a face folder.

    A dataset that a scan would call unusable is refused before anything is cut. What is left out of it is in the report
    and in ``left_out.csv`` in the folder. A sample that was once found unreadable is not tried again.

    A failure that is not the file's own (a process killed from outside, a disk that went away, too little memory, too
    few threads or open files) is not recorded: the others are cut, and then it is an error. The next cut tries those
    files again. If the disk is full, everything done so far is kept.

    A file may take 10 minutes, and half a minute more for each frame, and 2 GiB of memory; else it is unreadable.

    Args:
        dataset: The samples.
        to: The folder. It may contain faces that were cut in the same way, of this and of other datasets.
        detector: The detector, "name:key=value,...".
        frames: Frames per video, spread evenly; a shorter video gives all it has.
        per_category: Number of faces of each category; None = all. Samples are chosen at random by `seed`, and the
            frames of the last video are thinned out evenly. A higher number extends a folder; a lower one is refused.
        seed: Seed of the random order in which samples are cut.
        margin: Side of the square around the centre of the face, in units of the longer side of the face.
        workers: Number of processes; 0 = this process alone, where a file has no limits and a decoder that crashes
            ends everything. Default: one per processor, at most 8 and one per GiB of memory that is available.
        engine: The engine whose machines do it, "name:key=value,...", instead of processes of this one; all must see
            the dataset, and the registry with its plugins, under the same paths. The faces are the same.
        skip_failing: Whether files whose failure is not their own are recorded as unreadable, instead of an error.
        accept_losses: Whether to go on with the samples that are left where files are lost (``kce.data.losses``).
        pack: Whether the faces are packed in tar files (``kce.data.shards``). A folder stays as it was begun.
        registry_folder: The folder whose registry knows the detector; default: the working folder.
        progress: Called while it works.

    Returns:
        What was found in the categories of the dataset, by this cut and earlier ones.

    Raises:
        ScanFailed: The dataset has no sample, or too much of it is lost.
        FacelessCategory: No face was cut of a category, all others are cut, and `accept_losses` is false.
        Refused: The folder was cut with different settings (detector, frames, seed, margin), or of another synthetic
            world; or, with `per_category`, the dataset's files have changed; or, with `pack`, its faces are single
            files.
        MachineFault: Some files could not be read for a reason that is not their own.
        KCEError: A setting is out of range, another process is writing in the folder, or the disk is full.
    """
    _check_options(frames, per_category, margin, workers)
    if engine is not None and workers is not None:
        raise KCEError("workers are processes of this machine, and an engine has its own", f"say {engine} alone")
    registry_path = str(Path(registry_folder or Path.cwd()).resolve())
    registry = Registry.load(registry_path)
    component = registry.resolve("detector", detector)
    machines = registry.resolve("engine", engine) if engine is not None else None
    settings = CutSettings(component.spec, frames, seed, float(margin), __version__)
    finder = Finder()
    make_world(dataset, progress)
    samples = list_samples(dataset, finder, progress)
    losses, origin = finder.losses(), getattr(dataset, "root", "")
    made_from = str(getattr(dataset, "made_from", ""))  # of a synthetic world, which is made by now
    finder.fail_if_unusable(getattr(dataset, "name", "the dataset"), origin, losses, accept_losses=accept_losses)
    with _locked_folder(Path(to)) as root:
        record = CutRecord(root, settings)
        record.note_worlds(dict.fromkeys((sample.dataset for sample in samples.values()), made_from))
        quotas = make_quotas(record, samples, seed, per_category)
        limits = dict.fromkeys((quota.category for quota in quotas), per_category or 0)
        refuse_lower_limits(root, record.settings.per_category, limits, per_category or 0)
        for quota in quotas:
            reuse_results(quota, record)
        with closing(open_store(root, record.all_rows, pack=pack)) as store:
            verify_faces(quotas, record, store, progress)
            if any(quota.next for quota in quotas):
                arguments = (detector, registry_path, frames, margin)
                pool = _start_workers(workers, arguments) if machines is None else _on_machines(machines, arguments)
                with pool:
                    record.begin(limits)
                    failures = _cut_samples(quotas, record, store, pool, frames, progress, skip_failing)
                if failures:
                    fault = summarize_faults(failures)
                    skip = "if it is always the same file, `--skip-failing` records it as unreadable"
                    raise MachineFault(fault.message, f"{fault.hint}; {skip}")
            store.finish(record.all_rows(), complete=record.damaged <= limits.keys())
        write_left_out(root, str(origin), losses)
        record.finish(limits, lambda key: cut_order(seed, key))
        record.refuse_unfinished()
        report = _report(quotas, record, per_category, losses)
    faceless = sorted(name for name, count in report.by_category.items() if not count)
    if faceless and not accept_losses:
        raise FacelessCategory(report, faceless)
    return report


def _start_workers(workers: int | None, arguments: CropperArguments) -> Workers | InlineWorkers:
    if workers == 0:
        return InlineWorkers(make_cropper, arguments)
    return start_workers(workers or default_worker_count(MEMORY_OF_WORKER), arguments)


def _on_machines(engine: ResolvedComponent, arguments: CropperArguments) -> EnginePool:
    names = nearest_registry(Path(arguments[1]))
    return EnginePool(engine.build(), arguments, [str(names)] if names else [])


def _cut_samples(
    quotas: list[CategoryQuota],
    record: CutRecord,
    store: FaceStore,
    pool: Pool,
    frames: int,
    progress: Progress,
    skip_failing: bool,
) -> list[MachineFault]:
    """Cut until every category has enough or no samples left. Results come in order, whichever worker made them.

    Returns the faults of samples that were not cut and not recorded. In a category with a limit, nothing after such a
    sample is recorded either: which samples come next depends on how many faces it has.
    """
    failures: list[MachineFault] = []
    blocked: set[str] = set()

    def max_faces(sample: Sample) -> int:
        return frames if is_video(sample.path) else 1

    goals = {
        quota.category: min(quota.limit, quota.faces + sum(max_faces(sample) for _, sample in quota.todo))
        for quota in quotas
    }
    total, done = int(sum(goals.values())), sum(min(quota.faces, quota.limit) for quota in quotas)
    waiting: deque[tuple[CategoryQuota, str, Sample]] = deque()
    unfinished = deque(quotas)
    while True:
        for quota in unfinished:
            if len(waiting) >= pool.ahead:
                break
            while len(waiting) < pool.ahead and quota.next:
                key, sample = quota.todo.popleft()
                quota.pending += max_faces(sample)
                waiting.append((quota, key, sample))
                pool.submit(str(sample.path))
        if not waiting:
            if not failures:
                progress("cutting faces", total, total)
            return failures
        quota, key, sample = waiting.popleft()
        result = _faces_or_fault(pool.take(), sample, skip_failing)
        quota.pending -= max_faces(sample)
        if isinstance(result, MachineFault):
            failures.append(result)
            if math.isfinite(quota.limit):
                blocked.add(quota.category)
            for other in quotas:
                if other.category in blocked or len(failures) == MAX_FAILURES:
                    other.todo.clear()
            continue
        if quota.category in blocked:
            continue
        faces, problems = result
        faces = thin_out(faces, quota.limit - quota.faces)
        record.add(key, _write_faces(store, key, sample, faces, problems))
        quota.faces += len(faces)
        done += len(faces) if math.isfinite(quota.limit) else max_faces(sample)
        progress("cutting faces", int(min(done, total)), total)
        while unfinished and not unfinished[0].pending and not unfinished[0].next:
            unfinished.popleft()


def _faces_or_fault(
    result: Any, sample: Sample, skip_failing: bool
) -> tuple[list[CroppedFace], list[str]] | MachineFault:
    """What a worker found in a file and what is wrong with it; or the fault of the machine that prevented it."""
    fault = result if isinstance(result, MachineFault) else lost_fault(result, str(sample.path))
    if fault and (not skip_failing or isinstance(fault, LostMachine)):
        return fault
    if fault:
        return [], [f"unreadable: {fault.message.removeprefix(f'{sample.path}: ')}"]
    return ([], [f"unreadable: {result.reason}"]) if isinstance(result, TaskLost) else result


def _write_faces(
    store: FaceStore, key: str, sample: Sample, faces: list[CroppedFace], problems: list[str]
) -> CutResult:
    columns = sample_columns(sample)
    rows = []
    for face in faces:
        face_key = key if face.frame is None else f"{key}#{face.frame}"
        frame = sample.frame if face.frame is None else face.frame
        row = FaceRow(
            key=face_key,
            **columns,
            frame="" if frame is None else str(frame),
            box=" ".join(f"{edge:.2f}" for edge in (face.box.left, face.box.top, face.box.right, face.box.bottom)),
            score=f"{face.box.score:.4f}",
            file=face_path(sample.category, face_key),
            hash=content_hash(face.png),
            faces="" if face.faces is None else str(face.faces),
        )
        store.write(row, face.png)
        rows.append(row)
    source, category = columns["source"], columns["category"]
    return CutResult(tuple(rows), tuple(Problem(key, source, printable(reason), category) for reason in problems))


def _report(quotas: list[CategoryQuota], record: CutRecord, per_category: int | None, losses: Losses) -> CutReport:
    counts = {quota.category: sum(len(record.rows(key)) for key, _ in quota.order) for quota in quotas}
    results = [record.results[key] for quota in quotas for key, _ in quota.order if key in record.results]
    problems = [problem for result in results for problem in result.problems]

    def number(kind: str) -> int:
        return sum(problem.reason.startswith(kind) for problem in problems)

    return CutReport(
        **vars(losses),
        faces=sum(counts.values()),
        by_category=counts,
        no_face=number("no face"),
        unreadable=number("unreadable"),
        too_short=number("too short"),
        problems=tuple(f"{problem.path}: {problem.reason}" for problem in problems),
        short_categories={name: count for name, count in counts.items() if count < (per_category or 0)},
        several_faces=sum(row.faces not in ("", "1") for result in results for row in result.rows),
    )


def _check_options(frames: int, per_category: int | None, margin: float, workers: int | None) -> None:
    for name, value, least in (("frames", frames, 1), ("per_category", per_category, 1), ("workers", workers, 0)):
        if value is not None and value < least:
            raise KCEError(f"{name} is {value}", f"it must be {least} or more")
    if not 0.1 <= margin <= 10:
        raise KCEError(f"margin is {margin}", "it must be between 0.1 and 10")


@contextmanager
def _locked_folder(root: Path) -> Iterator[Path]:
    """The folder, for one cut at a time; errors that the user can fix become KCEError."""

    def busy() -> KCEError:
        return KCEError(f"another cut is running in {root}", "wait until it ends, or cut into another folder")

    try:
        make_folder(root)
        with file_lock(root / LOCK, busy):
            yield root
    except OSError as error:
        raise system_failure(f"{root} cannot be written", error) from error
