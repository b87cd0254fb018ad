"""What a dataset on disk holds, and what is wrong with it: the report of ``kce scan``."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import xxhash

from kce.data.splits import NONE, Sides, Split, disjoint, official
from kce.data.walk import escaped
from kce.errors import BadData, KCEError, UnknownName
from kce.system.atomic import atomic_replace
from kce.types import Dataset, Progress, Remark, Sample

COLUMNS = ("key", "path", "dataset", "method", "category", "label", "group", "identities", "split", "frame")
MAX_UNPARSED = 0.005  # share of names; above it the adapter and the tree do not belong together
LISTED = 10_000  # entries a list of the report shows; the last line then counts the rest
_LISTS = {"unparsed": "unparsed", "missing": "missing", "conflict": "conflicts", "extra": "extra"}


class ScanFailed(BadData):
    """The scan came to its end and what it found cannot be used. `report` is what it would have returned."""

    def __init__(self, message: str, hint: str = "", report: dict[str, Any] | None = None) -> None:
        super().__init__(message, hint)
        self.report = report or {}


class _Lines:
    """Lines of the report: all are counted, the first are kept."""

    def __init__(self) -> None:
        self.count = 0
        self._kept: list[str] = []

    def add(self, path: str, reason: str) -> None:
        self.count += 1
        if self.count <= LISTED:
            self._kept.append(escaped(f"{path}: {reason}" if reason else path))

    def told(self) -> list[str]:
        more = self.count - LISTED
        return [*self._kept, f"... and {more} more"] if more > 0 else self._kept


class _Found:
    """What has been counted so far."""

    def __init__(self) -> None:
        self.categories: Counter[str] = Counter()
        self.splits: Counter[str] = Counter()
        self.ignored = 0
        self.lines = {kind: _Lines() for kind in _LISTS}

    def sample(self, sample: Sample) -> None:
        self.categories[sample.category] += 1
        self.splits[sample.split or NONE] += 1

    def remark(self, remark: Remark) -> None:
        if remark.kind == "ignored":
            self.ignored += 1
        else:
            self.lines[remark.kind].add(remark.path, remark.reason)

    def lists(self) -> dict[str, list[str]]:
        return {name: self.lines[kind].told() for kind, name in _LISTS.items()}


def _ignore_progress(what: str, done: int, total: int | None) -> None:
    pass


def scan(
    dataset: Dataset,
    root: str | Path,
    csv: str | Path | None = None,
    progress: Progress = _ignore_progress,
    *,
    decode: bool = False,
    split: str = "",
    seed: int = 0,
    workers: int | None = None,
) -> dict[str, Any]:
    """Reads a dataset to its end and reports what it holds.

    `root` is the folder as the user gave it; paths in the csv are relative to it. The report has `dataset`, `root`,
    `samples` (number), `by_category` and `by_split` (numbers; "none" = no split), the lists `unparsed`, `missing`,
    `conflicts` and `extra` of lines "path: reason", `ignored` (number), and `expected` (published numbers per category,
    or None).
    A list shows at most the first 10,000 and ends with "... and N more" where there are more: a wrong root may hold
    millions of bad names, and a report must stay small. Of samples with one key the first counts; the others are
    conflicts. Memory: some 100 bytes per sample, to know the keys.

    With `csv` one row per sample is written, as a stream, to a file beside it that takes its place at the end.

    split    "official" or "disjoint" (by `seed`): the splits of the report and the csv are those of `kce.data.splits`,
             and
             what that drops is "none". The report then has `split`: what was made and how (`Split.report`), and
             `leaks`: who is on two sides. The dataset is read once more for it, and memory is some 400 bytes per sample
    decode   one frame of each sample is decoded, by `workers` processes (`kce.data.decode_check`), after a scan that
             has not
             failed. The report then has the list `corrupt`; its samples are counted, and in the csv, all the same

    Raises UnknownName for a split that is none; ScanFailed, with the report and after the csv was written, when there
    is no sample or more than 0.5 % of the names cannot be parsed; KCEError when the csv cannot be written.
    """
    made = _split(dataset, split, seed, progress) if split else None
    sides = Sides()
    found = _Found()
    samples = _unique(dataset, found, progress)
    if made:
        samples = _parted(samples, made, sides)
    if csv is None:
        for sample in samples:
            found.sample(sample)
    else:
        with _rows(Path(csv)) as write:
            prefix = os.path.join(root, "")  # noqa: PTH118 - a string, since paths are compared with it a million times
            for sample in samples:
                found.sample(sample)
                write(_row(sample, prefix))
    report: dict[str, Any] = {
        "dataset": dataset.name,
        "root": str(root),
        "samples": found.categories.total(),
        "by_category": dict(sorted(found.categories.items())),
        "by_split": dict(sorted(found.splits.items())),
        **found.lists(),
        "ignored": found.ignored,
        "expected": dict(getattr(dataset, "expected", None) or {}) or None,
    }
    if made:
        report["split"] = {**made.report, "leaks": sides.leaks()}
    _judge(report, found.lines["unparsed"].count)
    if decode:
        report["corrupt"] = _corrupt(dataset, report["samples"], workers, progress)
    return report


def _split(dataset: Dataset, split: str, seed: int, progress: Progress) -> Split:
    if split not in ("official", "disjoint"):
        raise UnknownName.among("split", split, ("official", "disjoint"))
    samples = _unique(dataset, _Found(), progress, "split")
    return official(samples) if split == "official" else disjoint(samples, seed=seed)


def _parted(samples: Iterable[Sample], made: Split, sides: Sides) -> Iterator[Sample]:
    for sample in samples:
        placed = replace(sample, split=made.by_key.get(sample.key, ""))
        if sample.key not in made.dropped:
            sides.see(placed.dataset, placed)
        yield placed


def _corrupt(dataset: Dataset, total: int, workers: int | None, progress: Progress) -> list[str]:
    from kce.data.decode_check import undecodable  # brings numpy along

    lines = _Lines()
    samples = _unique(dataset, _Found(), _ignore_progress)
    for done, (sample, why) in enumerate(undecodable(samples, workers), 1):
        if why:
            lines.add(sample.key, why)
        progress("decode", done, total)
    return lines.told()


def _unique(dataset: Dataset, found: _Found, progress: Progress, what: str = "scan") -> Iterator[Sample]:
    """The samples, each key once; remarks are counted on the way."""
    seen: set[int] = set()
    done = 0
    for done, item in enumerate(_items(dataset), 1):
        if done % 1000 == 0:
            progress(what, done, None)
        if isinstance(item, Remark):
            found.remark(item)
            continue
        digest = xxhash.xxh3_64_intdigest(item.key.encode("utf-8", "surrogatepass"))
        if digest in seen:
            found.remark(Remark("conflict", item.key, f"a second sample has this key: {item.path}"))
            continue
        seen.add(digest)
        yield item
    progress(what, done, done)


def _items(dataset: Dataset) -> Iterable[Sample | Remark]:
    for item in dataset:
        if not isinstance(item, Sample | Remark):
            raise KCEError(
                f"the dataset {dataset.name} yields {type(item).__name__}, which is neither Sample nor Remark",
                "its adapter must yield kce.Sample or kce.Remark",
            )
        yield item


def _judge(report: dict[str, Any], unparsed: int) -> None:
    names = report["samples"] + unparsed
    what = f"{unparsed} of {names} names below {report['root']} cannot be parsed as {report['dataset']}"
    first = f", the first: {report['unparsed'][0]}" if unparsed else ""
    if not report["samples"]:
        raise ScanFailed(
            (what + first) if unparsed else f"no sample of {report['dataset']} below {report['root']}",
            f"is it the right folder, and is it unpacked? {report['ignored']} files were ignored",
            report,
        )
    if unparsed > MAX_UNPARSED * names:
        raise ScanFailed(what + first, "is it the right dataset? Move what does not belong to it", report)


def _row(sample: Sample, prefix: str) -> list[str]:
    return [
        sample.key,
        _relative(str(sample.path), prefix),
        sample.dataset,
        sample.method,
        sample.category,
        "real" if sample.real else "fake",
        sample.group,
        ";".join(sample.identities),
        sample.split,
        "" if sample.frame is None else str(sample.frame),
    ]


def _relative(path: str, prefix: str) -> str:
    relative = path[len(prefix) :] if path.startswith(prefix) else os.path.relpath(path, prefix)
    return relative.replace(os.sep, "/")


@contextmanager
def _rows(path: Path) -> Iterator[Callable[[Sequence[str]], None]]:
    """Writes rows to a file that appears whole, or not at all."""
    with ExitStack() as stack:
        with _reporting_unwritable(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_dir():
                raise KCEError(f"{path} is a folder", "give the name of a file for the csv")
            part = stack.enter_context(atomic_replace(path, path.with_name(f".{path.name}.{os.getpid()}.part")))
            file = part.open("w", encoding="utf-8", errors="backslashreplace", newline="")
            stack.callback(_close, file)
        plain = csv.writer(file, lineterminator="\n")
        quoted = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)

        def write(row: Sequence[str]) -> None:
            with _reporting_unwritable(path):
                # To readers a carriage return ends a row, but the writer quotes only the line ends that it writes.
                (quoted if "\r" in "".join(row) else plain).writerow(row)

        write(COLUMNS)
        yield write
        with _reporting_unwritable(path):
            file.close()
            stack.close()


def _close(file: IO[str]) -> None:
    with suppress(OSError):  # closing writes what is left, and fails again on a full disk
        file.close()


@contextmanager
def _reporting_unwritable(path: Path) -> Iterator[None]:
    """Turn an OSError about the file into an error for the user."""
    try:
        yield
    except OSError as error:
        raise KCEError(
            f"{path} cannot be written: {error.strerror}", "is there room, and may you write there?"
        ) from error
