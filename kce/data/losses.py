"""What an adapter finds besides samples, and when so much is lost that a dataset cannot be used as it is.

``kce scan`` and ``kce cut`` go through this one place: what makes one fail makes the other fail.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import xxhash

from kce.data.places import Places
from kce.errors import BadData, KCEError
from kce.labels import CLASH_HINT, Meaning, clashes
from kce.system.text import printable
from kce.types import Dataset, FolderRemark, Remark, Sample

MAX_LOST = 0.005  # share of the files; above it the adapter and the folder do not belong together
MAX_MISSING = 0.1  # share of the files of a list, of known category; above it the list is not one of these files
MAX_LINES = 10_000  # of each list of a report; one more line then counts the rest
MAX_NAMED = 5  # categories named in an error
ACCEPT = "add `--accept-losses` to go on with what is left"


@dataclass(frozen=True)
class Losses:
    """What was found that is not a sample. Lists have lines "path: reason".

    A list has at most 10,000 lines and then ends with "... and N more": a wrong root may contain millions of bad names,
    and a report must stay small.

    Attributes:
        unparsed: Media files whose names or folders the adapter cannot interpret; folders that cannot be read, and
            links out of the root.
        unparsed_files: Number of files behind these lines, as far as they can be counted.
        missing: Files that a list of the dataset names and that do not exist; empty folders.
        conflicts: Files on which lists of the dataset disagree; duplicate keys.
        extra: Samples that no list of the dataset names.
        errors: What makes the dataset unusable as it is, such as folders that may contain reals or forgeries.
        ignored: Number of files that are not samples.
        ignored_media: Suffix -> number of pictures and videos that would be samples if the adapter read their suffix;
            they count as ignored.
        vanished: Categories of which files are lost and no sample is left; folders in the place of a category in which
            that is so.
        without_samples: Folders in such a place in which all files are ignored.
    """

    unparsed: tuple[str, ...] = ()
    unparsed_files: int = 0
    missing: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    ignored: int = 0
    ignored_media: Mapping[str, int] = field(default_factory=dict)
    vanished: tuple[str, ...] = ()
    without_samples: tuple[str, ...] = ()


class ScanFailed(BadData):
    """A dataset that was read to its end, but cannot be used as it is.

    Attributes:
        report: What a scan would have returned; the losses for a cut.
        explained: Whether the cause is known, so that it is not another dataset.
    """

    def __init__(self, message: str, hint: str = "", report: Any = None, *, explained: bool = False) -> None:
        super().__init__(message, hint)
        self.report = report
        self.explained = explained


class Lines:
    """Lines of a list of a report: all are counted, the first are kept."""

    def __init__(self) -> None:
        self.count = 0
        self._kept: list[str] = []

    def add(self, path: str, reason: str) -> None:
        """Add a line "path: reason"."""
        self.count += 1
        if self.count <= MAX_LINES:
            self._kept.append(printable(f"{path}: {reason}" if reason else path))

    def shown(self) -> tuple[str, ...]:
        """The lines, and how many more there were."""
        more = self.count - MAX_LINES
        return (*self._kept, f"... and {more} more") if more > 0 else tuple(self._kept)


class Finder:
    """Counts what an adapter yields; its samples go through ``samples``."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, bool]] = Counter()  # dataset, method, real
        self._lines = {kind: Lines() for kind in ("unparsed", "missing", "conflict", "extra", "error")}
        self._hints: dict[str, str] = {}  # kind of a remark, or "uncountable" -> the first hint
        self._ignored = 0
        self._unread: Counter[str] = Counter()
        self._lost_files = 0
        self._missing_files = 0  # named in a list that says their category
        self._uncountable = Lines()
        self._places = Places()
        self._lost_by_category: dict[str, tuple[int, str, str]] = {}  # files that are lost, first reason and hint

    def samples(
        self,
        dataset: Dataset | Iterable[Sample | Remark],
        progress: Callable[[int, int | None], None],
        key_of: Callable[[Sample], str] = lambda sample: sample.key,
    ) -> Iterator[Sample]:
        """The samples, each key once; of several with one key the first counts, and the others are conflicts.

        Args:
            dataset: The dataset.
            progress: Called with the number of samples and remarks so far, every 1000 and at the end, and with the
                total, as far as it is known.
            key_of: What tells samples apart.
        """
        seen: set[int] = set()
        done = 0
        for done, item in enumerate(dataset, 1):
            if done % 1000 == 0:
                progress(done, None)
            if isinstance(item, Remark):
                self.add_remark(item)
                continue
            if not isinstance(item, Sample):
                raise KCEError(
                    f"the dataset {getattr(dataset, 'name', '')} yielded a value of type {type(item).__name__}",
                    "adapters must yield kce.Sample or kce.Remark",
                )
            digest = xxhash.xxh3_64_intdigest(key_of(item).encode("utf-8", "surrogatepass"))
            if digest in seen:
                self.add_remark(Remark("conflict", item.key, f"a second sample has this key: {item.path}{_twin(item)}"))
                continue
            seen.add(digest)
            what = item.dataset, item.method, item.real
            self._counts[what] += 1
            self._places.add_sample(item.key, what)
            yield item
        progress(done, done)
        for name, both in clashes(self._meanings()).items():
            self.add_remark(Remark("error", name, f"this name is ambiguous: {both}", CLASH_HINT))

    def _meanings(self) -> list[Meaning]:
        return [Meaning.of(*what) for what in self._counts]

    @property
    def count(self) -> int:
        """Number of samples."""
        return self._counts.total()

    def by_category(self) -> dict[str, int]:
        """Category -> number of samples."""
        counts: Counter[str] = Counter()
        for what, number in self._counts.items():
            counts[Meaning.of(*what).category] += number
        return dict(sorted(counts.items()))

    def real_categories(self) -> tuple[str, ...]:
        """The categories of reals."""
        return tuple(sorted({meaning.category for meaning in self._meanings() if meaning.real}))

    def add_remark(self, remark: Remark) -> None:
        """Count a remark."""
        files = remark.files if isinstance(remark, FolderRemark) else 1
        if remark.hint:
            self._hints.setdefault("uncountable" if files is None else remark.kind, remark.hint)
        if remark.kind in ("ignored", "unread"):
            self._ignored += not isinstance(remark, FolderRemark)  # whose files have remarks of their own, or none
            if remark.kind == "unread":
                name = remark.path.rpartition("/")[2]
                self._unread[f".{name.rpartition('.')[2].lower()}" if "." in name else ""] += 1
        else:
            self._lines[remark.kind].add(remark.path, remark.reason)
        if remark.kind == "unparsed":
            self._lost_files += files or 0
            if files is None:
                self._uncountable.add(remark.path, remark.reason)
        if remark.category:
            self._missing_files += remark.kind == "missing"
            lost, reason, hint = self._lost_by_category.get(remark.category, (0, remark.reason, remark.hint))
            self._lost_by_category[remark.category] = (lost + (files or 0), reason, hint)
        else:
            self._places.add_remark(remark, files)

    def losses(self) -> Losses:
        """What was found so far."""
        places, without_samples, _ = self._places.without_samples()
        categories = [
            f"{category}: {files} files are left out ({reason})"
            for category, files, reason, _ in self._lost_categories()
        ]
        return Losses(
            unparsed=self._lines["unparsed"].shown(),
            unparsed_files=self._lost_files,
            missing=self._lines["missing"].shown(),
            conflicts=self._lines["conflict"].shown(),
            extra=self._lines["extra"].shown(),
            errors=self._lines["error"].shown(),
            ignored=self._ignored,
            ignored_media=dict(sorted(self._unread.items())),
            vanished=(*categories, *places),
            without_samples=without_samples,
        )

    def _lost_categories(self) -> list[tuple[str, int, str, str]]:
        """Categories of which files are lost and no sample is left: name, files, the first reason and hint."""
        have = self.by_category()
        return [(name, *lost) for name, lost in sorted(self._lost_by_category.items()) if name not in have]

    def fail_for_errors(self, name: str, root: object, report: Any) -> None:
        """Raise ScanFailed if there is a remark of the kind "error"; parameters as in ``fail_if_unusable``."""
        if number := self._lines["error"].count:
            more = f"; and {number - 1} more" if number > 1 else ""
            first = self._lines["error"].shown()[0]
            raise ScanFailed(
                f"{name}{_below(root)}: {first}{more}", self._hints.get("error", ""), report, explained=True
            )

    def fail_if_unusable(self, name: str, root: object, report: Any, *, accept_losses: bool) -> None:
        """Fail if there is no sample, or if too much is lost.

        Args:
            name: The dataset's name.
            root: Its folder, for messages; empty if unknown.
            report: What the error carries.
            accept_losses: Whether to go on with the samples that are left.

        Raises:
            ScanFailed: There is an error, or no sample; more than 0.5 % of the files cannot be interpreted; files are
                lost that cannot be counted; a whole category is; or more than a tenth of the files of a list are
                missing.
        """
        self.fail_for_errors(name, root, report)
        losses = self.losses()
        samples, lost = self.count, self._lost_files
        vanished_hint = next((hint for *_, hint in self._lost_categories() if hint), self._places.without_samples()[2])
        if not samples:
            message = f"no samples of {name} found{_below(root)}"
            if lost:
                message = f"{lost} of {lost} files{_below(root)} cannot be interpreted as {name}"
            first = next(iter((*losses.vanished, *losses.unparsed)), "")
            message += f", the first: {first}" if lost else f": {first}" if first else ""
            hints = (vanished_hint, self._hints.get("uncountable"), self._hints.get("unparsed"))
            hint = next(filter(None, hints), "")
            ignored = f"is it the right folder, and is it unpacked? {losses.ignored} files were ignored"
            raise ScanFailed(message, hint or ignored, report, explained=bool(hint))
        if accept_losses:
            return
        default = "make them readable, or move elsewhere what does not belong to the dataset"
        if losses.vanished:
            more = len(losses.vanished) - MAX_NAMED
            message = f"no sample{_below(root)} is left of {'; of '.join(losses.vanished[:MAX_NAMED])}"
            message += f"; and of {more} more" if more > 0 else ""
            hint = vanished_hint or default
        elif self._uncountable.count:
            message = f"files{_below(root)} are lost that cannot be counted: {self._uncountable.shown()[0]}"
            hint = self._hints.get("uncountable", default)
        elif lost > MAX_LOST * (samples + lost):
            message = f"{lost} of {samples + lost} files{_below(root)} cannot be interpreted as {name}"
            message += f", the first: {losses.unparsed[0]}"
            hint = self._hints.get("unparsed", "is it the right dataset? Move files that do not belong to it elsewhere")
        elif self._missing_files > MAX_MISSING * (samples + self._missing_files):
            message = (
                f"{self._missing_files} of {samples + self._missing_files} files that the list of {name} names are "
            )
            message += f"missing{_below(root)}, the first: {losses.missing[0]}"
            hint = "is it the list of these files, and is the root the folder that its paths start from?"
        else:
            return
        explained = bool(losses.vanished or self._uncountable.count or "unparsed" in self._hints)
        raise ScanFailed(message, f"{hint}; or {ACCEPT}", report, explained=explained)


def _below(root: object) -> str:
    return f" below {root}" if str(root) else ""


def _twin(sample: Sample) -> str:
    """What to do about a key that comes twice because a name is there in both Unicode forms."""
    path = str(sample.path)
    forms = {path, *(unicodedata.normalize(form, path) for form in ("NFC", "NFD"))}
    if sum(map(os.path.lexists, forms)) < 2:
        return ""
    return "; its name is there in composed and in decomposed Unicode form: rename one of the two"
