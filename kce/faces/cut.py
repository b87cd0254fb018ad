"""Samples + detector -> face folder.

Which faces a folder holds follows from the dataset and the settings alone: within a category samples are taken in the
order of a hash of seed and key, until there are enough. What was done with each sample is noted in a journal as soon
as its pictures are on the disk, and becomes ``faces.csv`` and ``problems.csv`` at the end. A cut that was killed and
is started again takes from both what is done and whole, and does the rest.
"""

from __future__ import annotations

import errno
import math
import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xxhash

from kce import __version__
from kce.data.media import is_video
from kce.errors import BadData, KCEError, Refused
from kce.faces.crop import Found, cutter
from kce.faces.folder import LOCK, Row, digest, place
from kce.faces.journal import Done, Ledger, Problem, Settings, base_of, limits_agree
from kce.registry import defaults
from kce.registry.registry import Registry
from kce.system.atomic import atomic_replace
from kce.system.lock import file_lock
from kce.system.worker_pool import InlineWorkers, TaskLost, Workers, start_workers
from kce.types import Progress, Remark, Sample


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
    registry_folder: str | os.PathLike[str] | None = None,
    progress: Progress = lambda *_: None,
) -> dict[str, Any]:
    """Cut the largest face out of every picture, and out of `frames` frames of every video, into the folder `to`.

    detector         "name:key=value,..." as the registry of `registry_folder` (default: the working folder) knows it
    frames           of each video, spread evenly; a shorter one gives what it has
    per_category     this many faces of each category (all where None). Samples are drawn by `seed`; the last video's
                     surplus is thinned evenly. Raised later, the folder is extended; lowered, it is refused
    margin           side of the square around the face's centre, in units of the face's longer side
    workers          processes; one means none beside this. Default: as many as there are processors, at most 8

    Returns {"faces", "by_category", "no_face", "unreadable", "too_short", "problems", "short_categories"} of the
    categories of `dataset`, whether cut now or before. A sample that was once found unreadable is not tried again.
    Raises Refused for a folder made otherwise (detector, frames, seed, margin), or from other files where only some
    are taken; KCEError for a folder another cut is working in, and for a full disk: all that is done stays.
    """
    _check(frames, per_category, margin, workers)
    home = str(Path(registry_folder or Path.cwd()).resolve())
    part = Registry.load(home).resolve("detector", detector)
    settings = Settings(part.spec, frames, seed, float(margin), __version__)
    samples = _listed(dataset, progress)
    with _room(Path(to)) as root:
        ledger = Ledger(root, settings)
        quotas = _quotas(ledger, samples, seed, per_category)
        limits = dict.fromkeys((quota.category for quota in quotas), per_category or 0)
        limits_agree(root, ledger.limits, limits, per_category or 0)
        for quota in quotas:
            _take_stock(quota, ledger)
        _verify(quotas, ledger, progress)
        if any(quota.following for quota in quotas):
            count = workers or min(os.cpu_count() or 1, 8)
            with start_workers(count, cutter, (detector, home, frames, margin)) as hands:
                ledger.begin(limits)
                _cut(quotas, ledger, hands, frames, progress)
        ledger.finish(limits, lambda base: rank(seed, base))
        return _report(quotas, ledger, per_category)


# ------------------------------------------------------------------------------------------------ which, and how many


@dataclass
class Quota:
    """A category: its samples in the order of the draw, and how far it has come."""

    category: str
    order: list[tuple[str, Sample]]
    limit: float  # faces wanted; infinite where all are
    todo: deque[tuple[str, Sample]] = field(default_factory=deque)
    have: int = 0
    promised: int = 0  # what the samples under way may give at most

    @property
    def following(self) -> tuple[str, Sample] | None:
        """The next sample to cut; None while those under way may be enough."""
        return self.todo[0] if self.todo and self.have + self.promised < self.limit else None


def _quotas(ledger: Ledger, samples: dict[str, Sample], seed: int, per_category: int | None) -> list[Quota]:
    """The categories, sorted. A sample that was cut before and is in the dataset no longer keeps its place."""
    named: dict[str, list[tuple[str, Sample]]] = {}
    for base, sample in samples.items():
        named.setdefault(sample.category, []).append((base, sample))
    for base, done in ledger.done.items():
        if done.rows and base not in samples and done.rows[0].category in named:
            named[done.rows[0].category].append((base, _recalled(done.rows[0])))
    limit = math.inf if per_category is None else per_category
    return [
        Quota(category, sorted(its, key=lambda item: (rank(seed, item[0]), item[0])), limit)
        for category, its in sorted(named.items())
    ]


def rank(seed: int, base: str) -> int:
    """A sample's place in the draw: it depends on nothing but the seed and its own key."""
    return xxhash.xxh64_intdigest(f"{seed}/{base}".encode())


def _take_stock(quota: Quota, ledger: Ledger) -> None:
    """See that what is done is a beginning of the draw; set free a last video that was thinned for a lower limit."""
    done = [base for base, _ in quota.order if base in ledger.done]
    if math.isfinite(quota.limit) and done != [base for base, _ in quota.order[: len(done)]]:
        new = next(base for base, _ in quota.order if base not in ledger.done)
        raise Refused(
            f"{quota.category} in {ledger.root} was drawn without {new}; the dataset has it now",
            "cut into a new folder, or all faces (without a number per category)",
        )
    for base, sample in quota.order:
        if base not in ledger.done:
            continue
        rows, problems = ledger.done[base]
        if rows and rows[0].category != quota.category:
            raise Refused(f"{base} was cut as {rows[0].category}; it is {quota.category} now", "cut into a new folder")
        # Labels are the dataset's, however long ago the face was cut.
        about = _about(base, sample)
        ledger.done[base] = Done(
            tuple(row._replace(**about) for row in rows),
            tuple(problem._replace(path=about["source"]) for problem in problems),
        )
    before = ledger.limits.get(quota.category, 0)
    if 0 < before < quota.limit and sum(len(ledger.done[base].rows) for base in done) >= before:
        ledger.forget(done[-1], for_good=True)


def _verify(quotas: list[Quota], ledger: Ledger, progress: Progress) -> None:
    """Have samples cut again whose pictures are missing or not what they were; and see what is left to do."""
    files = [(base, row) for quota in quotas for base, _ in quota.order for row in ledger.rows(base)]
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        whole = threads.map(lambda item: _is_whole(ledger.root, item[1]), files)
        for number, ((base, _), sound) in enumerate(zip(files, whole, strict=True), 1):
            if not sound and base in ledger.done:
                ledger.forget(base)
            if number % 1000 == 0 or number == len(files):
                progress("checking what is there", number, len(files))
    for quota in quotas:
        quota.todo.extend(item for item in quota.order if item[0] not in ledger.done)
        quota.have = sum(len(ledger.rows(base)) for base, _ in quota.order)


def _is_whole(root: Path, row: Row) -> bool:
    try:
        return digest((root / row.file).read_bytes()) == row.hash
    except OSError:
        return False


def _cut(quotas: list[Quota], ledger: Ledger, hands: Workers | InlineWorkers, frames: int, progress: Progress) -> None:
    """Cut until every quota is met or has nothing left. Results come in the order of the draw, whoever made them."""

    def most(sample: Sample) -> int:
        return frames if is_video(sample.path) else 1

    bars = {
        quota.category: min(quota.limit, quota.have + sum(most(sample) for _, sample in quota.todo)) for quota in quotas
    }
    total, gone = int(sum(bars.values())), sum(min(quota.have, quota.limit) for quota in quotas)
    waiting: deque[tuple[Quota, str, Sample]] = deque()
    left = deque(quotas)
    while True:
        for quota in left:
            if len(waiting) >= hands.ahead:
                break
            while len(waiting) < hands.ahead and quota.following:
                base, sample = quota.todo.popleft()
                quota.promised += most(sample)
                waiting.append((quota, base, sample))
                hands.submit(str(sample.path))
        if not waiting:
            progress("cutting faces", total, total)
            return
        quota, base, sample = waiting.popleft()
        result = hands.take()
        found, reasons = ([], [f"unreadable: {result.reason}"]) if isinstance(result, TaskLost) else result
        found = thin(found, quota.limit - quota.have)
        _keep(ledger, base, sample, found, reasons)
        quota.promised -= most(sample)
        quota.have += len(found)
        gone += len(found) if math.isfinite(quota.limit) else most(sample)
        progress("cutting faces", int(min(gone, total)), total)
        while left and not left[0].promised and not left[0].following:
            left.popleft()


def thin(found: list[Found], room: float) -> list[Found]:
    """At most `room` of them, spread evenly."""
    if len(found) <= room:
        return found
    return [found[(2 * i + 1) * len(found) // (2 * int(room))] for i in range(int(room))]


def _keep(ledger: Ledger, base: str, sample: Sample, found: list[Found], reasons: list[str]) -> None:
    """Write a sample's faces, then note it."""
    about = _about(base, sample)
    rows = []
    for face in found:
        key = base if face.frame is None else f"{base}#{face.frame}"
        frame = sample.frame if face.frame is None else face.frame
        file = place(sample.category, key)
        path = ledger.root / file
        path.parent.mkdir(exist_ok=True)
        with atomic_replace(path, sync=False) as part:  # flushing a million small files takes hours
            part.write_bytes(face.png)
        rows.append(
            Row(
                key=key,
                **about,
                frame="" if frame is None else str(frame),
                box=" ".join(f"{edge:.2f}" for edge in (face.box.left, face.box.top, face.box.right, face.box.bottom)),
                score=f"{face.box.score:.4f}",
                file=file,
                hash=digest(face.png),
            )
        )
    problems = tuple(Problem(base, about["source"], _text(reason)) for reason in reasons)
    ledger.note(base, Done(tuple(rows), problems))


def _report(quotas: list[Quota], ledger: Ledger, per_category: int | None) -> dict[str, Any]:
    counts = {quota.category: sum(len(ledger.rows(base)) for base, _ in quota.order) for quota in quotas}
    done = [ledger.done[base] for quota in quotas for base, _ in quota.order if base in ledger.done]
    problems = [problem for one in done for problem in one.problems]

    def number(kind: str) -> int:
        return sum(problem.reason.startswith(kind) for problem in problems)

    return {
        "faces": sum(counts.values()),
        "by_category": counts,
        "no_face": number("no face"),
        "unreadable": number("unreadable"),
        "too_short": number("too short"),
        "problems": [f"{problem.path}: {problem.reason}" for problem in problems],
        "short_categories": {name: count for name, count in counts.items() if count < (per_category or 0)},
    }


# -------------------------------------------------------------------------------------------------- samples and rows


def _listed(dataset: Iterable[Sample | Remark], progress: Progress) -> dict[str, Sample]:
    """All samples by key."""
    samples: dict[str, Sample] = {}
    for item in dataset:
        if isinstance(item, Remark):
            continue
        base = base_key(item)
        if base in samples:
            raise BadData(
                f"two samples have the key {base}: {samples[base].path}, {item.path}", "mend the dataset's adapter"
            )
        samples[base] = item
        if len(samples) % 1000 == 0:
            progress("listing samples", len(samples), None)
    progress("listing samples", len(samples), len(samples))
    if not samples:
        raise KCEError("the dataset has no samples", "`kce scan` says what it finds below this root")
    return samples


def base_key(sample: Sample) -> str:
    """<dataset>/<sample's key>: unique in a face folder."""
    own = sample.key.removeprefix(f"{sample.dataset}/")
    return _text(f"{sample.dataset}/{own}")


def _about(base: str, sample: Sample) -> dict[str, str]:
    """The columns of a row that are the sample's, as they are written."""
    return {
        "category": _text(sample.category),
        "dataset": _text(sample.dataset),
        "method": _text(sample.method),
        "real": str(int(sample.real)),
        # Nobody says which recording it is from: then a file is its own, and so is a folder of frames.
        "group": _text(sample.group) or (base if sample.frame is None else base.rpartition("/")[0]),
        "identities": _text(";".join(sample.identities)),
        "split": _text(sample.split),
        "source": _text(str(sample.path)),
    }


def _recalled(row: Row) -> Sample:
    """The sample a row came from."""
    identities = tuple(filter(None, row.identities.split(";")))
    base, path, real = base_of(row), Path(row.source), row.real == "1"
    frame = int(row.frame) if row.frame and not is_video(path) else None
    return Sample(base, path, row.dataset, row.method, real, row.group, identities, row.split, frame)


def _text(name: str) -> str:
    """The same, writable: names on a disk need not be."""
    return name.encode("utf-8", "backslashreplace").decode()


# ---------------------------------------------------------------------------------------------------------- the edges


def _check(frames: int, per_category: int | None, margin: float, workers: int | None) -> None:
    for name, value in (("frames", frames), ("per_category", per_category), ("workers", workers)):
        if value is not None and value < 1:
            raise KCEError(f"{name} is {value}", "it must be 1 or more")
    if not 0.1 <= margin <= 10:
        raise KCEError(f"margin is {margin}", "it must lie between 0.1 and 10")


@contextmanager
def _room(root: Path) -> Iterator[Path]:
    """The folder, for one cut at a time; what the disk refuses is the user's to mend."""

    def busy() -> KCEError:
        return KCEError(f"another cut is working in {root}", "wait until it ends, or cut into another folder")

    try:
        root.mkdir(parents=True, exist_ok=True)
        with file_lock(root / LOCK, busy):
            yield root
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise KCEError(
                f"the disk is full: {root}", "make room and start the same command again: what is done stays"
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR):
            raise KCEError(f"{root} cannot be written ({error.strerror})", "choose a folder of your own") from error
        raise
