"""The estimate of what a study decodes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from kce.faces.pixel_cache import place_bytes
from kce.pipeline.recipe import Recipe
from kce.study import cost, decoding
from kce.study.decoding import Decoding, RunKeys, estimate_decoding
from kce.study.grid import unmerged_images
from kce.training.settings import TrainSettings

COUNTS = {"A_One": 1000, "A_Two": 1000, "B_One": 500, "B_Two": 500}


@dataclass(frozen=True)
class Run:
    """What the estimate reads of a run."""

    recipe: Recipe
    known: tuple[str, ...]
    extracts: str = ""
    images: int | None = None
    reals: tuple[str, ...] = ()


def run(number: int, *, clusters: bool, size: int = 64, known: tuple[str, ...] = ("A_One", "A_Two")) -> Any:
    unknown = tuple(sorted(COUNTS.keys() - set(known)))
    train = TrainSettings(epochs=3, held_out=0.1, per_class=900)
    recipe = Recipe(backbone=f"tiny:size={size}", unknown=unknown, train=train)
    keys = RunKeys(f"first {known}", f"known {known}", f"final {number}", f"unknown {number}")
    return Run(recipe, known, "first" if clusters else ""), keys


def estimate(runs: list[Any], limit: int = 0, making: set[str] | None = None) -> Decoding:
    keys = {key for _, own in runs for key in vars(own).values()} if making is None else making
    return estimate_decoding(runs, COUNTS, {f"tiny:size={size}": size for size in (64, 32)}, keys, limit)


@pytest.fixture(autouse=True)
def _no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "BUDGET", 0)


def test_each_epoch_and_each_extraction_decodes_its_faces() -> None:
    one = estimate([run(0, clusters=False)])
    assert (one.faces, one.times, one.cache) == (3000, 2000 * 3 + 1000, 0)
    assert one.cached_times == one.times
    assert one.whole_cache == 3000 * place_bytes(64)
    clustered = estimate([run(0, clusters=True)])
    assert clustered.times == one.times + 2000 * 3 + 2000
    assert clustered.faces == 3000


def test_what_is_shared_or_done_is_decoded_once_or_not_at_all() -> None:
    one, two = run(0, clusters=True), run(1, clusters=True)
    both = estimate([one, two])
    assert both.times == estimate([one]).times + 2000 * 3 + 1000
    assert estimate([one, two], making=set()) == Decoding()
    assert estimate([one, two], making={"unknown 1"}).times == 1000


def test_what_fits_into_memory_is_decoded_once_by_each_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "BUDGET", 2**29)
    assert estimate([run(0, clusters=True)]).times == 2000 + 2000 + 1000


def test_a_cache_with_room_for_all_decodes_each_face_once_at_each_size() -> None:
    runs = [run(0, clusters=True), run(1, clusters=False, size=32), run(2, clusters=True, known=("B_One", "B_Two"))]
    whole = estimate(runs).whole_cache
    cached = estimate(runs, whole)
    assert cached.cached_times == cached.faces == 6000
    assert cached.cache == whole
    half = estimate(runs, 1500 * place_bytes(64))
    assert half.cache == 1500 * place_bytes(64)
    assert cached.cached_times < half.cached_times < half.times


def test_the_estimate_says_how_often_and_what_a_cache_would_take() -> None:
    def lines(found: Decoding) -> list[str]:
        price = cost.StudyCost(1, 1, 1, 1, 1.0, 1, 1, 1, 1, 1, {}, found)
        return cost.describe_cost(price)[3:]

    found = Decoding(1000, 12500, 12500, 0, 3 * 2**30 - 5)
    assert lines(found) == ["1,000 faces to decode, each 12.5 times on average; with --cache 3GB once"]
    assert lines(replace(found, whole_cache=2**20 + 1))[0].endswith("with --cache 2MB once")
    cached = replace(found, cached_times=2000, cache=2**30)
    assert lines(cached) == ["1,000 faces to decode, each 12.5 times on average; with the cache 2.0 times"]
    assert lines(Decoding()) == []


def test_reals_that_are_trained_on_are_decoded_and_shared_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "BUDGET", 2**29)
    monkeypatch.setitem(COUNTS, "A_real", 700)
    clustered, keys = run(0, clusters=True)
    rivals = replace(clustered, reals=("A_real",), recipe=replace(clustered.recipe, unknown=("B_One", "B_Two")))
    # 2,700 faces for each network, as many as there are, and 2,000 of known categories once more for their features.
    assert estimate([(rivals, keys)]).times == 2700 + 2000 + 2700 + 1000


def test_without_a_number_of_images_it_is_the_largest_that_all_classes_can_give() -> None:
    one, _ = run(0, clusters=True, known=("A_One", "B_One"))
    assert unmerged_images(one, COUNTS) == 2 * 900
    largest = replace(one, recipe=replace(one.recipe, train=replace(one.recipe.train, per_class=None)))
    assert unmerged_images(largest, COUNTS) == 2 * 450  # of 500, a tenth is held out
