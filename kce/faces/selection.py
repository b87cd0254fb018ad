"""Which samples of each category are cut, and how many of their faces are kept."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import xxhash

from kce.errors import BadData, Refused
from kce.faces.journal import CutRecord, CutResult
from kce.faces.sample_rows import folder_key, sample_columns, sample_of_row
from kce.labels import CLASH_HINT, Meaning, clashes
from kce.system.text import printable
from kce.types import Remark, Sample

if TYPE_CHECKING:
    from kce.data.losses import Finder
    from kce.faces.face_store import FaceStore
    from kce.types import Progress, Remark, Sample

_T = TypeVar("_T")


@dataclass
class CategoryQuota:
    """The samples of a category, and how many faces it has and needs.

    Attributes:
        category: The category.
        order: Key in the folder and sample, in the order in which samples are cut.
        limit: Number of faces that are requested; infinite = all.
        todo: The part of `order` that is still to be cut.
        faces: Number of faces that it has.
        pending: Number of faces that the samples being cut may give at most.
    """

    category: str
    order: list[tuple[str, Sample]]
    limit: float
    todo: deque[tuple[str, Sample]] = field(default_factory=deque)
    faces: int = 0
    pending: int = 0

    @property
    def next(self) -> tuple[str, Sample] | None:
        """The next sample to cut; None if the samples being cut may be enough."""
        return self.todo[0] if self.todo and self.faces + self.pending < self.limit else None


def list_samples(dataset: Iterable[Sample | Remark], finder: Finder, progress: Progress) -> dict[str, Sample]:
    """All samples of a dataset by their keys in the folder; what else it yields is counted by the finder."""
    found = finder.samples(dataset, lambda done, total: progress("listing samples", done, total), folder_key)
    return {folder_key(sample): sample for sample in found}


def refuse_clashes(meanings: Iterable[Meaning], where: str = "") -> None:
    """Raise BadData if the name of a category is ambiguous."""
    for name, both in clashes(meanings).items():
        raise BadData(f"{where}the name {name} is ambiguous: {both}", CLASH_HINT)


def make_quotas(
    record: CutRecord, samples: dict[str, Sample], seed: int, per_category: int | None
) -> list[CategoryQuota]:
    """The categories, sorted. Samples that were cut before and have left the dataset since keep their position.

    Raises:
        BadData: The folder has a category of this name that is something else.
    """
    before = {(row.dataset, row.method, row.real == "1") for result in record.results.values() for row in result.rows}
    sampled = {(sample.dataset, sample.method, sample.real) for sample in samples.values()}
    now = {(printable(dataset), printable(method), real) for dataset, method, real in sampled}
    refuse_clashes((Meaning.of(*what) for what in before | now), f"{record.root}: ")
    by_category: dict[str, list[tuple[str, Sample]]] = {}
    for key, sample in samples.items():
        by_category.setdefault(sample.category, []).append((key, sample))
    for key, result in record.results.items():
        if result.rows and key not in samples and result.rows[0].category in by_category:
            by_category[result.rows[0].category].append((key, sample_of_row(result.rows[0])))
    limit = math.inf if per_category is None else per_category
    return [
        CategoryQuota(category, sorted(named, key=lambda item: (cut_order(seed, item[0]), item[0])), limit)
        for category, named in sorted(by_category.items())
    ]


def cut_order(seed: int, key: str) -> int:
    """Sort key of samples; it depends on the seed and the sample's key in the folder alone.

    Face folders are extended in this order, so it belongs to their format and stays as it is.
    """
    return xxhash.xxh64_intdigest(f"{seed}/{key}".encode())


def reuse_results(quota: CategoryQuota, record: CutRecord) -> None:
    """Check that earlier results are those of the first samples in the order, and give them the current labels.

    If the limit was raised, the last sample, whose faces may have been thinned out for the lower limit, is cut again.

    Raises:
        Refused: A sample before the last one has not been cut, or a sample has changed its category.
    """
    done = [key for key, _ in quota.order if key in record.results]
    whole = quota.category not in record.damaged  # of a damaged table nobody knows which samples it had
    if whole and math.isfinite(quota.limit) and done != [key for key, _ in quota.order[: len(done)]]:
        new = next(key for key, _ in quota.order if key not in record.results)
        raise Refused(
            f"{quota.category} in {record.root} was sampled without {new}, which the dataset now has",
            "cut into a new folder, or all faces (without a number per category)",
        )
    for key, sample in quota.order:
        if key not in record.results:
            continue
        rows, problems = record.results[key]
        if rows and rows[0].category != quota.category:
            raise Refused(f"{key} was cut as {rows[0].category}; it is {quota.category} now", "cut into a new folder")
        columns = sample_columns(sample)
        record.results[key] = CutResult(
            tuple(row._replace(**columns) for row in rows),
            tuple(problem._replace(path=columns["source"], category=columns["category"]) for problem in problems),
        )
    before = record.settings.per_category.get(quota.category, 0)
    if 0 < before < quota.limit and sum(len(record.results[key].rows) for key in done) >= before:
        record.forget(done[-1], permanently=True)


def verify_faces(quotas: Sequence[CategoryQuota], record: CutRecord, store: FaceStore, progress: Progress) -> None:
    """Discard results whose pictures are missing or damaged, and fill in what is left to do."""
    files = [(key, row) for quota in quotas for key, _ in quota.order for row in record.rows(key)]
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        intact = threads.map(lambda item: store.is_intact(item[1]), files)
        for number, ((key, _), good) in enumerate(zip(files, intact, strict=True), 1):
            if not good and key in record.results:
                record.forget(key)
            if number % 1000 == 0 or number == len(files):
                progress("checking existing faces", number, len(files))
    for quota in quotas:
        quota.todo.extend(item for item in quota.order if item[0] not in record.results)
        quota.faces = sum(len(record.rows(key)) for key, _ in quota.order)


def thin_out(items: list[_T], count: float) -> list[_T]:
    """At most `count` items, spread evenly.

    >>> thin_out(["a", "b", "c", "d", "e"], 2)
    ['b', 'd']
    """
    if len(items) <= count:
        return items
    return [items[(2 * i + 1) * len(items) // (2 * int(count))] for i in range(int(count))]
