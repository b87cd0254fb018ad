"""What a dataset on disk contains, and what is wrong with it: the report of ``kce scan``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from kce.data.leaks import NONE, Leak, LeakFinder
from kce.data.losses import Finder, Lines, Losses, ScanFailed
from kce.data.sample_csv import sample_csv_writer
from kce.data.splits import Split, SplitReport, disjoint_split, official_split
from kce.data.world_dataset import make_world
from kce.errors import MachineFault, UnknownName
from kce.system.documents import Document

if TYPE_CHECKING:
    from kce.types import Dataset, Progress, Sample

__all__ = ["ScanFailed", "ScanReport", "scan"]


@dataclass(frozen=True, kw_only=True)
class ScanReport(Losses, Document):
    """What a scan found.

    Attributes:
        dataset: Name of the dataset.
        root: The folder, as the user named it.
        samples: Number of distinct samples.
        by_category: Category -> number of samples.
        real_categories: The categories that contain reals; all others contain forgeries.
        by_split: Split -> number of samples; "none" = without a split.
        expected: Category -> published number of samples; None = not known.
        split: How the split was made; None unless one was requested.
        leaks: Identities and recordings found in more than one split; None unless a split was requested.
        corrupt: Samples that cannot be decoded; None unless this was checked.
        unknown_recordings: Number of samples whose recording is unknown, since they have no group.
        several_faces: Of a face folder, the number of faces that were the largest of several; None = not known.
    """

    NOUN: ClassVar[str] = "a scan report"

    dataset: str
    root: str
    samples: int
    by_category: Mapping[str, int]
    real_categories: tuple[str, ...]
    by_split: Mapping[str, int]
    expected: Mapping[str, int] | None = None
    split: SplitReport | None = None
    leaks: tuple[Leak, ...] | None = None
    corrupt: tuple[str, ...] | None = None
    unknown_recordings: int = 0
    several_faces: int | None = None


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
    accept_losses: bool = False,
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
        accept_losses: Whether to go on with the samples that are left where files are lost (``kce.data.losses``).

    Raises:
        UnknownName: For a split that does not exist.
        ScanFailed: There is no sample, too much is lost, or there is an error, such as a folder that may contain reals
            or forgeries, or files could not be read for a reason that is not their own. It carries the report. The CSV
            file has been written unless there is an error.
        KCEError: The CSV file cannot be written, or the dataset yields something else than samples and remarks.
    """
    make_world(dataset, progress)
    made = _make_split(dataset, split, seed, progress) if split else None
    leaks, finder = LeakFinder(), Finder()
    splits: Counter[str] = Counter()
    unknown = 0
    samples = finder.samples(dataset, lambda done, total: progress("scan", done, total))
    if made:
        samples = _with_split(samples, made, leaks)
    with sample_csv_writer(Path(csv), root) if csv else nullcontext(lambda _: None) as write:
        for sample in samples:
            splits[sample.split or NONE] += 1
            unknown += not sample.group
            write(sample)
        report = ScanReport(
            **vars(finder.losses()),
            dataset=dataset.name,
            root=str(root),
            samples=finder.count,
            by_category=finder.by_category(),
            real_categories=finder.real_categories(),
            by_split=dict(sorted(splits.items())),
            expected=dict(getattr(dataset, "expected", None) or {}) or None,
            split=made.report if made else None,
            leaks=tuple(leaks.leaks()) if made else None,
            unknown_recordings=unknown,
            several_faces=getattr(dataset, "several_faces", None),
        )
        finder.fail_for_errors(dataset.name, root, report)  # before the file is there: its labels would be guesses
    finder.fail_if_unusable(dataset.name, root, report, accept_losses=accept_losses)
    if not decode:
        return report
    try:
        return replace(report, corrupt=_corrupt(dataset, report.samples, workers, progress))
    except MachineFault as fault:  # what was found is shown all the same
        raise ScanFailed(fault.message, fault.hint, report, explained=True) from fault


def _make_split(dataset: Dataset, split: str, seed: int, progress: Progress) -> Split:
    if split not in ("official", "disjoint"):
        raise UnknownName.among("split", split, ("official", "disjoint"))
    samples = Finder().samples(dataset, lambda done, total: progress("split", done, total))
    return official_split(samples) if split == "official" else disjoint_split(samples, seed=seed)


def _with_split(samples: Iterable[Sample], made: Split, finder: LeakFinder) -> Iterator[Sample]:
    for sample in samples:
        placed = replace(sample, split=made.by_key.get(sample.key, ""))
        if sample.key not in made.dropped:
            finder.add(placed.dataset, placed)
        yield placed


def _corrupt(dataset: Dataset, total: int, workers: int | None, progress: Progress) -> tuple[str, ...]:
    from kce.data.decode_check import check_decoding  # brings numpy along

    lines = Lines()
    samples = Finder().samples(dataset, lambda *_: None)
    for done, (sample, error) in enumerate(check_decoding(samples, workers), 1):
        if error:
            lines.add(sample.key, error)
        progress("decode", done, total)
    return lines.shown()
