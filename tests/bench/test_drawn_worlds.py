"""Drawn worlds: what they are called, that nothing unseen is trained on, and a benchmark on one, stored in two ways."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kce
from kce import KCEError
from kce.bench.bench_reports import TracerReport
from kce.bench.drawn_networks import load_drawn_trial, network_folder
from kce.bench.drawn_worlds import (
    DRAWN_SUITE,
    DrawnRecipe,
    DrawnWorld,
    parse_drawn_world,
    read_drawn_recipe,
    resolve_drawn_worlds,
)
from kce.bench.rebuild import rebuild_bench_report
from kce.bench.tracer_trials import CALIBRATE, FIT, TRACED
from kce.errors import Refused
from kce.system.documents import read_document
from kce.training.weights import read_weights_metadata

RECIPE = """
schema = 1
world = "world:artefact=0.0,identities=8,images=16,categories=7"
backbone = "tiny:size=32,width=2"
unknown = ["FaceForensics++_NeuralTextures", "ForgeryNet_SC-FEGAN"]
[cut]
detector = "yunet"
frames = 2
[training.recommended]
epochs = 1
held_out = 0.0
loss = "within-dataset"
[training.softmax]
epochs = 1
held_out = 0.0
"""
WORLDS = ["drawn:number=3", "drawn:number=3,kind=blur"]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "drawn.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def benched(tmp_path_factory: pytest.TempPathFactory, recipe: Path) -> Any:
    folder = tmp_path_factory.mktemp("drawn")
    tracers = ["mahalanobis", "nearest-neighbours:k=1"]
    return kce.bench.tracers(
        world=[*WORLDS, "small:rows=200"], tracer=tracers, recipe=recipe, seeds=1, level=0.5, to=folder, progress=False
    )


@pytest.mark.parametrize("name", ["drawn", "drawn:number=2,kind=mixed,amount=0.25", "drawn:training=softmax"])
def test_a_full_name_stands_for_itself(name: str) -> None:
    (full,) = resolve_drawn_worlds(name, ["recommended", "softmax"])
    assert resolve_drawn_worlds(full, ["recommended", "softmax"]) == [full]
    assert parse_drawn_world(full) == parse_drawn_world(name)
    assert full.count("=") == 4


def test_the_suite_has_every_kind_of_storage_on_the_same_worlds() -> None:
    worlds = [parse_drawn_world(name) for name in resolve_drawn_worlds(DRAWN_SUITE, read_drawn_recipe().training)]
    kinds = {(world.kind, world.amount) for world in worlds}
    assert {kind for kind, _ in kinds} == {"uniform", "jpeg", "h264", "blur", "noise", "margin", "sharpen", "mixed"}
    assert len(worlds) == len(set(worlds)) == len(kinds) * len({world.number for world in worlds})


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("drawn:number=0", "number = 0"),
        ("drawn:number=x", "number"),
        ("drawn:kind=jpg", "Did you mean 'jpeg'"),
        ("drawn:kind=jpeg,amount=2", "out of range"),
        ("drawn:kind=jpeg,amount=0", "contradict"),
        ("drawn:amount=1", "contradict"),
        ("drawn:training=best", "no training"),
        ("drawn:people=3", "people"),
    ],
)
def test_wrong_names_are_errors_before_any_work(name: str, words: str) -> None:
    with pytest.raises(KCEError, match=words) as raised:
        kce.bench.tracers(world=name, dry_run=True, progress=False)
    assert raised.value.hint


@pytest.mark.parametrize(
    ("key", "to", "words"),
    [
        ('"yunet"', '"yunnet"', "Did you mean 'yunet'"),
        ('"tiny:', '"tinny:', "Did you mean 'tiny'"),
    ],
)
def test_a_recipe_that_cannot_work_is_an_error_before_any_work(tmp_path: Path, key: str, to: str, words: str) -> None:
    (tmp_path / "a.toml").write_text(RECIPE.replace(key, to), encoding="utf-8")
    with pytest.raises(KCEError, match=words):
        kce.bench.tracers(world="drawn", recipe=tmp_path / "a.toml", dry_run=True, progress=False)


@pytest.mark.parametrize("line", ["unknown = []", "[training]"])
def test_a_recipe_that_lacks_something_is_an_error(tmp_path: Path, line: str) -> None:
    start = RECIPE.split("[training", maxsplit=1)[0] if line == "[training]" else RECIPE
    kept = [one for one in start.splitlines() if not one.startswith(line.split(" ", maxsplit=1)[0])]
    (tmp_path / "a.toml").write_text("\n".join([line, *kept] if " " in line else [*kept, line]), encoding="utf-8")
    with pytest.raises(KCEError, match="is empty"):
        kce.bench.tracers(world="drawn", recipe=tmp_path / "a.toml", dry_run=True, progress=False)


def test_every_cell_of_drawn_worlds_is_measured_and_reported_apart_from_others(benched: Any) -> None:
    assert [cell["status"] for cell in benched.cells] == ["ok"] * 6
    report = read_document(benched.folder / "tracers.json", TracerReport)
    assert {row.data for row in report.tracers} == {"features", "uniform, recommended", "blur 1, recommended"}
    assert set(report.verdicts) == set(report.differences) == {row.data for row in report.tracers}
    assert {(row.data, row.n) for row in report.storage} == {("blur 1, recommended", 1)}
    cells = {(cell["world"], cell["tracer"]): cell["scores"] for cell in benched.cells}
    blurred, alike = (cells[parse_drawn_world(name).name, "mahalanobis"]["auroc"] for name in reversed(WORLDS))
    (row,) = (one for one in report.storage if one.tracer == "mahalanobis" and one.measure == "auroc")
    assert row.mean == pytest.approx(blurred - alike)
    page = (benched.folder / "tracers.html").read_text(encoding="utf-8")
    assert "Stored differently against stored alike" in page
    kinds = {part.split(" ", maxsplit=1)[0] for part in benched.to_dict()["provenance"]["parts"]}
    assert kinds == {"backbone", "dataset", "detector", "tracer"}
    *_, rebuilt = rebuild_bench_report(benched.folder)
    assert rebuilt.read_text(encoding="utf-8") == page


def test_a_network_sees_half_of_the_recordings_and_no_unseen_method(benched: Any, recipe: Path) -> None:
    world = DrawnWorld(3)
    unknown = read_document(recipe, DrawnRecipe).unknown
    trial = load_drawn_trial(benched.folder / "worlds", world, 0, unknown)
    parts = [trial.rows.take(trial.of(part)) for part in (FIT, CALIBRATE, TRACED)]
    groups = [set(part.recording.tolist()) for part in parts]
    assert groups[0].isdisjoint(groups[1] | groups[2])
    assert groups[1].isdisjoint(groups[2])
    unseen = set(trial.rows.label[np.isin(trial.method, trial.unseen)].tolist())
    assert unseen
    assert unseen <= set(unknown)
    assert not (unseen & (set(parts[0].label.tolist()) | set(parts[1].label.tolist())))
    weights = read_weights_metadata(benched.folder / "worlds" / network_folder(world, 0) / "network.safetensors")
    assert set(weights["plan"]) == set(parts[0].label.tolist())
    assert 0 < weights["images"] <= len(parts[0])


def test_reals_are_a_family_only_where_the_network_has_them(tmp_path: Path, recipe: Path, benched: Any) -> None:
    again = kce.bench.tracers(
        world="drawn:number=3,training=softmax", tracer="mahalanobis", recipe=recipe, seeds=1, level=0.5,
        to=benched.folder, progress=False,
    )  # fmt: skip
    (cell,) = again.cells
    (with_reals,) = (
        one for one in benched.cells if one["world"] == DrawnWorld(3).name and one["tracer"] == "mahalanobis"
    )
    assert cell["families"] == with_reals["families"] - 1


def test_results_of_another_recipe_are_not_continued(tmp_path: Path, benched: Any) -> None:
    (tmp_path / "b.toml").write_text(RECIPE.replace("frames = 2", "frames = 3"), encoding="utf-8")
    with pytest.raises(Refused, match="recipe"):
        kce.bench.tracers(world=WORLDS[0], recipe=tmp_path / "b.toml", seeds=1, to=benched.folder, progress=False)


def test_the_command_lists_what_it_would_do(at: Path, kce_json: Any, recipe: Path) -> None:
    document = kce_json("bench", "tracers", "--world", "drawn:number=3", "--recipe", str(recipe), "--dry-run")
    assert {cell["world"] for cell in document["cells"]} == {DrawnWorld(3).name}
    assert json.dumps(document)
