"""What a dataset on disk contains, and what is wrong with it: the report of ``kce scan``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import xxhash

from kce.data.leaks import NONE, Leak, LeakFinder
from kce.data.sample_csv import sample_csv_writer
from kce.data.splits import Split, SplitReport, disjoint_split, official_split
from kce.data.walk import printable
from kce.errors import BadData, KCEError, UnknownName
from kce.labels import CLASH_HINT, Meaning, clashes
from kce.system.documents import Document
from kce.types import Dataset, Progress, Remark, Sample

MAX_UNPARSED = 0.005  # share of the names; above it the adapter and the folder do not belong together
MAX_LINES = 10_000  # of each list of the report; one more line then counts the rest


@dataclass(frozen=True)
class ScanReport(Document):
    """What a scan found. Lists have lines "path: reason".

    A list has at most 10,000 lines and then ends with "... and N more": a wrong root may contain millions of bad names,
    and a report must stay small.

    Attributes:
        dataset: Name of the dataset.
        root: The folder, as the user named it.
        samples: Number of distinct samples.
        by_category: Category -> number of samples.
        real_categories: The categories that contain reals; all others contain forgeries.
        by_split: Split -> number of samples; "none" = without a split.
        unparsed: Media files whose names or folders the adapter cannot interpret.
        missing: Files that a list of the dataset names and that do not exist; empty folders.
        conflicts: Files on which lists of the dataset disagree; duplicate keys.
        extra: Samples that no list of the dataset names.
        errors: Why the result cannot be used, such as folders that may contain reals or forgeries.
        ignored: Number of files that are not samples.
        expected: Category -> published number of samples; None = not known.
        split: How the split was made; None unless one was requested.
        leaks: Identities and recordings found in more than one split; None unless a split was requested.
        corrupt: Samples that cannot be decoded; None unless this was checked.
        unknown_recordings: Number of samples whose recording is unknown, since they have no group.
    """

    NOUN: ClassVar[str] = "a scan report"

    dataset: str
    root: str
    samples: int
    by_category: Mapping[str, int]
    real_categories: tuple[str, ...]
    by_split: Mapping[str, int]
    unparsed: tuple[str, ...]
    missing: tuple[str, ...]
    conflicts: tuple[str, ...]
    extra: tuple[str, ...]
    errors: tuple[str, ...]
    ignored: int
    expected: Mapping[str, int] | None = None
    split: SplitReport | None = None
    leaks: tuple[Leak, ...] | None = None
    corrupt: tuple[str, ...] | None = None
    unknown_recordings: int = 0


class ScanFailed(BadData):
    """A scan that was completed, but whose result cannot be used; `report` is what it would have returned."""

    def __init__(self, message: str, hint: str = "", report: ScanReport | None = None) -> None:
        super().__init__(message, hint)
        self.report = report


class _Lines:
    """Lines of a list of the report: all are counted, the first are kept."""

    def __init__(self) -> None:
        self.count = 0
        self._kept: list[str] = []

    def add(self, path: str, reason: str) -> None:
        self.count += 1
        if self.count <= MAX_LINES:
            self._kept.append(printable(f"{path}: {reason}" if reason else path))

    def shown(self) -> tuple[str, ...]:
        more = self.count - MAX_LINES
        return (*self._kept, f"... and {more} more") if more > 0 else tuple(self._kept)


class _Counts:
    """What has been counted so far."""

    def __init__(self) -> None:
        self.categories: Counter[tuple[str, str, bool]] = Counter()  # dataset, method, real
        self.splits: Counter[str] = Counter()
        self.ignored = 0
        self.unknown_recordings = 0
        self.lines = {kind: _Lines() for kind in ("unparsed", "missing", "conflict", "extra", "error")}
        self.hint = ""  # of the first error

    def add_sample(self, sample: Sample) -> None:
        self.categories[sample.dataset, sample.method, sample.real] += 1
        self.splits[sample.split or NONE] += 1
        self.unknown_recordings += not sample.group

    def add_remark(self, remark: Remark) -> None:
        if remark.kind == "ignored":
            self.ignored += 1
        else:
            self.lines[remark.kind].add(remark.path, remark.reason)
            if remark.kind == "error":
                self.hint = self.hint or remark.hint

    def by_meaning(self) -> Counter[Meaning]:
        """Number of samples by what their categories stand for; ambiguous names are errors."""
        counts: Counter[Meaning] = Counter()
        for what, number in self.categories.items():
            counts[Meaning.of(*what)] += number
        for name, both in clashes(counts).items():
            self.add_remark(Remark("error", name, f"this name is ambiguous: {both}", CLASH_HINT))
        return counts


def _no_progress(what: str, done: int, total: int | None) -> None:
    pass


def scan(
    dataset: Dataset,
    root: str | Path,
    csv: str | Path | None = None,
    progress: Progress = _no_progress,
    *,
    decode: bool = False,
    split: str = "",
    seed: int = 0,
    workers: int | None = None,
) -> ScanReport:
    """Read a dataset to its end and report what it contains.

    Of several samples with one key, the first one counts; the others are conflicts. Memory: about 100 bytes per sample
    for the keys, and about 400 bytes with a split.

    Args:
        dataset: The dataset.
        root: The folder as the user named it; paths in the CSV file are relative to it.
        csv: File to write, with one row per sample (``kce.data.sample_csv``). Rows are written as a stream to a
            temporary file beside it, which takes its place at the end.
        progress: Called every 1000 items, and after each decoded sample.
        decode: Whether to decode one frame of each sample, after a scan that has not failed. Samples that cannot be
            decoded are in the list `corrupt`; they count as samples all the same.
        split: "official" or "disjoint": report, and write to the CSV file, the splits of ``kce.data.splits``; samples
            that such a split drops have none. The dataset is read twice. Empty: the splits that the samples have.
        seed: Seed of a disjoint split.
        workers: Processes that decode; default: one per processor, at most 8.

    Raises:
        UnknownName: For a split that does not exist.
        ScanFailed: There is no sample, more than 0.5 % of the names cannot be parsed, or there is an error, such as a
            folder that may contain reals or forgeries. It carries the report. The CSV file has been written unless
            there is an error.
        KCEError: The CSV file cannot be written, or the dataset yields something else than samples and remarks.
    """
    made = _make_split(dataset, split, seed, progress) if split else None
    finder = LeakFinder()
    counts = _Counts()
    samples = _unique_samples(dataset, counts, progress)
    if made:
        samples = _with_split(samples, made, finder)
    with sample_csv_writer(Path(csv), root) if csv else nullcontext(lambda _: None) as write:
        for sample in samples:
            counts.add_sample(sample)
            write(sample)
        report = _report(dataset, root, counts, made, finder)
        _fail_for_errors(report, counts)  # before the file is there: its labels would be guesses
    _fail_if_unusable(report, counts.lines["unparsed"].count)
    return replace(report, corrupt=_corrupt(dataset, report.samples, workers, progress)) if decode else report


def _report(dataset: Dataset, root: str | Path, counts: _Counts, made: Split | None, finder: LeakFinder) -> ScanReport:
    meanings = counts.by_meaning()
    categories: Counter[str] = Counter()
    for meaning, number in meanings.items():
        categories[meaning.category] += number
    return ScanReport(
        dataset=dataset.name,
        root=str(root),
        samples=categories.total(),
        by_category=dict(sorted(categories.items())),
        real_categories=tuple(sorted({meaning.category for meaning in meanings if meaning.real})),
        by_split=dict(sorted(counts.splits.items())),
        unparsed=counts.lines["unparsed"].shown(),
        missing=counts.lines["missing"].shown(),
        conflicts=counts.lines["conflict"].shown(),
        extra=counts.lines["extra"].shown(),
        errors=counts.lines["error"].shown(),
        ignored=counts.ignored,
        expected=dict(getattr(dataset, "expected", None) or {}) or None,
        split=made.report if made else None,
        leaks=tuple(finder.leaks()) if made else None,
        unknown_recordings=counts.unknown_recordings,
    )


def _make_split(dataset: Dataset, split: str, seed: int, progress: Progress) -> Split:
    if split not in ("official", "disjoint"):
        raise UnknownName.among("split", split, ("official", "disjoint"))
    samples = _unique_samples(dataset, _Counts(), progress, "split")
    return official_split(samples) if split == "official" else disjoint_split(samples, seed=seed)


def _with_split(samples: Iterable[Sample], made: Split, finder: LeakFinder) -> Iterator[Sample]:
    for sample in samples:
        placed = replace(sample, split=made.by_key.get(sample.key, ""))
        if sample.key not in made.dropped:
            finder.add(placed.dataset, placed)
        yield placed


def _corrupt(dataset: Dataset, total: int, workers: int | None, progress: Progress) -> tuple[str, ...]:
    from kce.data.decode_check import check_decoding  # brings numpy along

    lines = _Lines()
    samples = _unique_samples(dataset, _Counts(), _no_progress)
    for done, (sample, error) in enumerate(check_decoding(samples, workers), 1):
        if error:
            lines.add(sample.key, error)
        progress("decode", done, total)
    return lines.shown()


def _unique_samples(dataset: Dataset, counts: _Counts, progress: Progress, what: str = "scan") -> Iterator[Sample]:
    """The samples, each key once; remarks are counted on the way."""
    seen: set[int] = set()
    done = 0
    for done, item in enumerate(_items(dataset), 1):
        if done % 1000 == 0:
            progress(what, done, None)
        if isinstance(item, Remark):
            counts.add_remark(item)
            continue
        digest = xxhash.xxh3_64_intdigest(item.key.encode("utf-8", "surrogatepass"))
        if digest in seen:
            counts.add_remark(Remark("conflict", item.key, f"a second sample has this key: {item.path}"))
            continue
        seen.add(digest)
        yield item
    progress(what, done, done)


def _items(dataset: Dataset) -> Iterable[Sample | Remark]:
    for item in dataset:
        if not isinstance(item, Sample | Remark):
            raise KCEError(
                f"the dataset {dataset.name} yielded a value of type {type(item).__name__}",
                "adapters must yield kce.Sample or kce.Remark",
            )
        yield item


def _fail_for_errors(report: ScanReport, counts: _Counts) -> None:
    if number := counts.lines["error"].count:
        more = f"; and {number - 1} more" if number > 1 else ""
        raise ScanFailed(f"{report.dataset} below {report.root}: {report.errors[0]}{more}", counts.hint, report)


def _fail_if_unusable(report: ScanReport, unparsed: int) -> None:
    names = report.samples + unparsed
    message = f"{unparsed} of {names} names below {report.root} cannot be parsed as {report.dataset}"
    first = f", the first: {report.unparsed[0]}" if unparsed else ""
    if not report.samples:
        raise ScanFailed(
            (message + first) if unparsed else f"no samples of {report.dataset} found below {report.root}",
            f"is it the right folder, and is it unpacked? {report.ignored} files were ignored",
            report,
        )
    if unparsed > MAX_UNPARSED * names:
        raise ScanFailed(
            message + first, "is it the right dataset? Move files that do not belong to it elsewhere", report
        )
