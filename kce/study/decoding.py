"""What a study decodes: how many faces, how often, and how often with a cache of decoded faces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kce.faces.loader import BUDGET, fits_in_memory
from kce.faces.pixel_cache import faces_that_fit, place_bytes
from kce.study.grid import sum_counts, unmerged_images

if TYPE_CHECKING:
    from kce.study.grid import StudyRun


@dataclass(frozen=True)
class Decoding:
    """What the jobs of a study decode, without the samples that an aligner needs.

    A face that networks take at two sizes counts twice.

    Attributes:
        faces: Faces that are decoded at least once.
        times: How many are decoded without a cache, each time it happens.
        cached_times: How many with the cache.
        cache: Bytes that the cache will take.
        whole_cache: Bytes of a cache in which all faces of the folder have a place.
    """

    faces: int = 0
    times: int = 0
    cached_times: int = 0
    cache: int = 0
    whole_cache: int = 0


@dataclass(frozen=True)
class RunKeys:
    """The keys of what a run makes: two models, and the features of each."""

    first: Any
    known: Any
    final: Any
    unknown: Any


def estimate_decoding(
    runs: Sequence[tuple[StudyRun, RunKeys]],
    counts: Mapping[str, int],
    sizes: Mapping[str, int],
    making: Collection[Any],
    limit: int,
) -> Decoding:
    """Add up what is decoded for what is left to make.

    Each job is a process of its own. It keeps the faces of a training in memory if they fit.

    Args:
        runs: Runs, and the keys of what each makes.
        counts: Category -> faces in the face folder.
        sizes: Backbone -> side of its faces in pixels.
        making: Keys of what is left to make.
        limit: Bytes of the cache.
    """
    left = set(making)
    times: Counter[int] = Counter()  # size -> faces, in the order in which sizes are first needed
    used: dict[int, set[str]] = {}

    def taken(key: Any) -> bool:
        is_left = key in left
        left.discard(key)
        return is_left

    def note(size: int, count: int, categories: Collection[str]) -> None:
        if count:
            times[size] += count
            used.setdefault(size, set()).update(categories)

    for run, keys in runs:
        if not run.extracts:
            continue
        size, known = sizes[run.recipe.first], sum_counts(counts, run.known)
        trained = _decoded_by_training(run, None, counts, size) if taken(keys.first) else 0
        extracted = known if taken(keys.known) else 0
        shared = not run.reals and fits_in_memory(known, size, BUDGET)
        note(size, max(trained, extracted) if shared else trained + extracted, (*run.known, *run.reals))
    for run, keys in runs:
        size = sizes[run.recipe.backbone]
        if taken(keys.final):
            note(size, _decoded_by_training(run, run.images, counts, size), (*run.known, *run.reals))
        if taken(keys.unknown):
            note(size, sum_counts(counts, run.recipe.unknown), run.recipe.unknown)
    return _sum(times, {size: sum_counts(counts, names) for size, names in used.items()}, sum(counts.values()), limit)


def _sum(times: Mapping[int, int], used: Mapping[int, int], folder: int, limit: int) -> Decoding:
    """Add up the sizes: {size: faces decoded}, {size: different faces among them}, faces in the folder."""
    faces, cached_times, cache = 0, 0.0, 0.0
    for size, decoded in times.items():
        different = min(used[size], decoded)
        places = faces_that_fit(limit, size, folder)
        limit -= places * place_bytes(size)
        share = places / folder if folder else 0.0
        faces += different
        cached_times += share * different + (1 - share) * decoded
        cache += share * different * place_bytes(size)
    whole = sum(folder * place_bytes(size) for size in times)
    return Decoding(faces, sum(times.values()), round(cached_times), round(cache), whole)


def _decoded_by_training(run: StudyRun, images: int | None, counts: Mapping[str, int], size: int) -> int:
    train, most = run.recipe.train, max(counts.get(category, 0) for category in run.known)
    there = sum_counts(counts, run.known) + sum(min(counts.get(category, 0), most) for category in run.reals)
    seen = min((images or unmerged_images(run, counts)) + round(train.held_out * there), there)
    return seen if fits_in_memory(there, size, BUDGET) else seen * train.epochs
