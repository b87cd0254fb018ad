"""What a bench says it will cost: everything that is left is counted, and a training is timed as it is done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import kce
from kce.bench import bench_cost
from kce.bench.aligner_cells import list_align_cells, read_aligner_bench, with_resolved_precision
from kce.bench.aligners import run_align_cells
from kce.bench.bench_cost import BenchCost, Trainings, aligner_cost, describe_bench_cost, faces_per_second
from kce.registry.registry import Registry
from kce.training.settings import TrainSettings
from kce.training.weights import read_weights_metadata
from tests.bench.test_aligners import SMALL
from tests.bench.test_worlds_of_others import DRAWN

REGISTRY = Registry.load(Path("/"))
TINY = "tiny:size=32,width=2"
# Categories of videos have all their pictures, and a training needs rivals in each dataset.
RECIPE = (
    SMALL.replace("frames = 1", "frames = 4").replace('"tiny"', f'"{TINY}"')
    + """
[training.rivals]
epochs = 1
held_out = 0.0
loss = "within-dataset"
augment = ["codec"]
"""
)


@pytest.fixture
def recipe(at: Path) -> str:
    (at / "a.toml").write_text(RECIPE, encoding="utf-8")
    (at / "d.toml").write_text(DRAWN, encoding="utf-8")
    return "a.toml"


def few(**choices: Any) -> dict[str, Any]:
    return {"worlds": 2, "nets": 3, "amount": [0.0, 0.5, 1.0], "kind": ["jpeg", "blur"], "dry_run": True,
            "progress": False, **choices}  # fmt: skip


def test_a_dry_run_counts_everything_once_and_times_nothing(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_cost, "Workers", None)
    planned = kce.bench.aligners(to="out", recipe=recipe, **few())
    cost = planned.to_dict()["cost"]
    assert (cost["worlds"], cost["folders"], cost["cells"]) == (2, 2 * 4, len(planned.cells))
    assert {one["name"]: one["networks"] for one in cost["trainings"]} == {"quick": 2 * 5 * 3, "rivals": 2 * 5 * 3}
    drawn = ["drawn:number=1,training=softmax", "drawn:number=1,kind=jpeg,training=softmax"]
    planned_tracers = kce.bench.tracers(
        world=[*drawn, "small:rows=200"], recipe="d.toml", seeds=2, tracer=["mahalanobis", "nearest-neighbours"],
        dry_run=True, progress=False,
    )  # fmt: skip
    cost = planned_tracers.to_dict()["cost"]
    assert (cost["worlds"], cost["folders"], cost["cells"]) == (1, 1, 2 * 2 * 2)
    assert [one["networks"] for one in cost["trainings"]] == [2 * 2]


def test_what_exists_costs_nothing_and_a_training_sees_as_many_faces_as_was_said(
    recipe: str, caplog: pytest.LogCaptureFixture, at: Path
) -> None:
    bench = with_resolved_precision(read_aligner_bench(at / recipe))
    cells = list_align_cells(REGISTRY, bench, [1], ["jpeg"], [0.0], [0], aligners=["none"], clusterers=["kmeans"])
    before = aligner_cost(at / "out", cells, bench, REGISTRY, 1)
    with caplog.at_level("INFO", "kce.api.bench"):
        few_cells = few(worlds=1, nets=1, amount=0.0, kind="jpeg", dry_run=False)
        kce.bench.aligners(to="out", recipe=recipe, aligner="none", clusterer="kmeans", **few_cells)
    said = [record.getMessage() for record in caplog.records]
    assert said[0] == "1 world to draw, 0 face folders to store differently, 2 networks to train, 4 cells"
    assert [line.partition(":")[0] for line in said[1:3]] == ["quick", "rivals"]
    assert said[3].startswith("about ")
    for one in before.trainings:
        trained = (at / "out").glob(f"1/faces-runs/{one.name}-0/*/first.safetensors")
        seen = {read_weights_metadata(path)["images"] for path in trained}
        assert len(seen) == 1
        assert one.faces == pytest.approx(seen.pop(), rel=0.05)
    assert aligner_cost(at / "out", [], bench, REGISTRY, 1) == BenchCost(0, 0, 0)
    more = list_align_cells(REGISTRY, bench, [1], ["jpeg"], [0.0, 1.0], [0], clusterers=["hdbscan:min_cluster_size=2"])
    left = aligner_cost(at / "out", more, bench, REGISTRY, 1)
    assert (left.worlds, left.folders, left.networks) == (0, 1, 2)
    caplog.clear()
    run_align_cells(at / "out", cells, bench, REGISTRY)
    assert not caplog.records


def test_the_time_is_that_of_all_networks_over_all_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Pool:
        def __init__(self, *_: Any, **__: Any) -> None: ...
        def __enter__(self) -> Pool:
            return self

        def __exit__(self, *_: object) -> None: ...
        def map_ahead(self, tasks: Any) -> Any:
            return [(task, 100.0) for task in tasks]

    monkeypatch.setattr(bench_cost, "Workers", Pool)
    settings = TrainSettings(epochs=10)
    one = Trainings("paper", 30, 1200, TINY, settings)  # 120 s each
    lines = describe_bench_cost(BenchCost(1, 2, 90, (one,), 2), REGISTRY)
    assert (
        lines[1]
        == "paper: 30 networks of about 2 min, 10 epochs of about 1,200 faces, 10.0 s for each 1,000 faces of an epoch"
    )
    assert lines[2].startswith("about 30 min for networks with 2 processes")
    silent = Trainings("paper", 30, None, TINY, settings)
    lines = describe_bench_cost(BenchCost(1, 2, 90, (silent,), 2), REGISTRY)
    assert len(lines) == 2
    assert "does not say how many" in lines[1]
    kept = Trainings("untrained", 1, 1200, TINY, TrainSettings(epochs=0))
    lines = describe_bench_cost(BenchCost(0, 0, 3, (kept,)), REGISTRY)
    assert lines[:2] == [
        "0 worlds to draw, 0 face folders to store differently, 0 networks to train, 3 cells",
        "untrained: 1 network of about 12 s, not trained, features of about 1,200 faces, 10.0 s for each 1,000 faces",
    ]
    assert lines[2].startswith("about 12 s for networks with 1 process")
    assert describe_bench_cost(BenchCost(1, 0, 3), REGISTRY) == [
        "1 world to draw, 0 face folders to store differently, 0 networks to train, 3 cells"
    ]


def test_what_cannot_be_timed_is_said() -> None:
    wrong = Trainings("paper", 2, 100, "tiny:size=0", TrainSettings())
    lines = describe_bench_cost(BenchCost(0, 0, 2, (wrong,)), REGISTRY)
    assert len(lines) == 2
    assert lines[1].startswith("paper: a step could not be timed: ")


def test_a_step_is_timed_with_its_augmentation(monkeypatch: pytest.MonkeyPatch) -> None:
    from kce.training import augment

    changed: list[int] = []
    monkeypatch.setitem(augment.AUGMENTATIONS, "flip", lambda image, _: changed.append(1) or image)
    settings = TrainSettings(batch_size=4, augment=("flip",), precision="fast")
    assert faces_per_second(TINY, settings, REGISTRY) > 0
    assert len(changed) % 4 == 0
    assert len(changed) >= 8
    changed.clear()
    assert faces_per_second(TINY, replace(settings, epochs=0), REGISTRY) > 0
    assert not changed


def test_the_command_says_what_it_will_cost(kce_here: Any, recipe: str) -> None:
    done = kce_here("bench", "aligners", "--to", "out", "--recipe", recipe, "--worlds", "1", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "networks to train" in done.stdout
    assert "for networks with 1 process" in done.stdout


def test_features_without_training_are_of_all_faces(at: Path) -> None:
    own = "[training.kept]\nepochs = 0\nper_class = 2\n"
    (at / "kept.toml").write_text(RECIPE + own, encoding="utf-8")
    cost = kce.bench.aligners(to="out", recipe="kept.toml", training="kept", **few(worlds=1, nets=1)).to_dict()["cost"]
    (kept,) = cost["trainings"]
    assert kept["faces"] == 9 * 8  # five categories of known forgeries, four of reals
