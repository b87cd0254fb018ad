"""The benchmark of tracers: what is unseen reaches nothing, cells run once, and the report says what was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import kce
from kce import KCEError
from kce.bench.bench_reports import TracerReport
from kce.bench.rebuild import rebuild_bench_report
from kce.bench.tracers import TracerCell, list_tracer_cells, run_tracer_cells
from kce.registry.registry import Registry
from kce.system.documents import read_document

REGISTRY = Registry.shipped()
WORLD = "small:rows=200"


def cells() -> list[TracerCell]:
    tracers = ["mahalanobis", "nearest-neighbours"]
    return list_tracer_cells(REGISTRY, tracers, [WORLD], range(2), 0.9, "kmeans:n_clusters=2")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("tracers")
    cells = list_tracer_cells(
        REGISTRY, ["mahalanobis", "nearest-neighbours"], [WORLD], range(2), 0.9, "kmeans:n_clusters=2"
    )
    results = run_tracer_cells(folder, cells, REGISTRY)
    return folder, results


def test_every_cell_has_scores_in_their_range(done: tuple[Path, list[dict[str, Any]]]) -> None:
    _, results = done
    assert [result["status"] for result in results] == ["ok"] * 4
    for result in results:
        scores = result["scores"]
        assert result["known"] > 0 < result["unseen"]
        assert 0.75 <= scores["coverage"] <= 1
        assert scores["accuracy"] > 0.5
        assert all(-0.5 <= value <= 1 for name, value in scores.items() if name != "set_size")
        assert {"discover_known", "discover_novel", "discover_all"} <= scores.keys()


def test_finished_cells_are_not_run_again_and_the_report_is_made_from_them(
    done: tuple[Path, list[dict[str, Any]]],
) -> None:
    folder, results = done
    cells = list_tracer_cells(
        REGISTRY, ["mahalanobis", "nearest-neighbours"], [WORLD], range(2), 0.9, "kmeans:n_clusters=2"
    )
    assert run_tracer_cells(folder, cells, REGISTRY) == results
    *_, page = rebuild_bench_report(folder)
    report = read_document(folder / "tracers.json", TracerReport)
    assert {row.tracer for row in report.tracers} == {"mahalanobis", "nearest-neighbours"}
    assert report.tracers[0].measures["auroc"].mean >= report.tracers[1].measures["auroc"].mean
    assert all(row.measures["auroc"].interval is None for row in report.tracers)  # of one world
    assert "one world" in report.verdicts["features"]
    assert not report.storage
    text = page.read_text(encoding="utf-8")
    assert "false unknown" in text
    assert "Unknown faces, grouped" in text


def test_a_tracer_that_fails_is_a_failed_cell_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "registry.toml").touch()
    (tmp_path / "plugins" / "broken.py").write_text(
        "from kce import hookimpl\n"
        "class Broken:\n"
        "    def fit(self, features, plan): raise RuntimeError('no idea')\n"
        "    def score(self, x): return x\n"
        "@hookimpl\n"
        "def kce_tracers(): return {'broken': Broken}\n"
    )
    own = Registry.load(tmp_path)
    (result,) = run_tracer_cells(tmp_path / "bench", list_tracer_cells(own, ["broken"], [WORLD], [0], 0.9), own)
    assert result["status"] == "failed"
    assert "no idea" in result["reason"]
    *_, page = rebuild_bench_report(tmp_path / "bench")
    assert "1/1" in page.read_text(encoding="utf-8")


def test_the_function_and_the_command_list_what_they_would_do(at: Path, kce_json: Any) -> None:
    planned = kce.bench.tracers(world=WORLD, tracer="mahalanobis", seeds=2, dry_run=True, progress=False)
    assert [cell["done"] for cell in planned.cells] == [False, False]
    document = kce_json("bench", "tracers", "--world", WORLD, "--tracer", "mahalanobis", "--seeds", "2", "--dry-run")
    assert json.dumps(document["cells"]) == json.dumps(planned.cells)


@pytest.mark.parametrize(
    ("options", "words"), [({"level": 1.0}, "not between 0 and 1"), ({"tracer": "no"}, "no tracer")]
)
def test_wrong_choices_are_errors_before_any_work(options: dict[str, Any], words: str) -> None:
    with pytest.raises(KCEError, match=words):
        kce.bench.tracers(world=WORLD, dry_run=True, progress=False, **options)
