"""The bench of aligners on image worlds: small worlds, a real network, and the arithmetic of its figures."""

from __future__ import annotations

import json
import subprocess
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import kce
from kce.bench import aligner_cells, aligner_report, aligners
from kce.bench.aligner_cells import AlignCell, AlignSetting, read_aligner_bench, run_recipe
from kce.bench.aligners import list_mistakes
from kce.bench.drawn_faces import UNIFORM, read_methods
from kce.bench.rebuild import rebuild_bench_report
from kce.errors import KCEError, Refused, UnknownName
from kce.registry.registry import Registry
from kce.training.device import resolve_precision
from tests.support import browser

Kce = Callable[..., subprocess.CompletedProcess[str]]
SMALL = """
world = "world:artefact=0.0,categories=6,images=8,identities=4"
aligners = ["none", "real-anchor"]
clusterers = ["kmeans", "hdbscan:min_cluster_size=2"]
[cut]
detector = "whole"
frames = 1
[run]
unknown = ["FaceForensics++_NeuralTextures"]
backbone = "tiny"
reducer = "none"
[training.quick]
epochs = 1
held_out = 0.0
"""
REGISTRY = Registry.load(Path("/"))


@pytest.fixture
def recipe_path(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL, encoding="utf-8")
    return path


def test_a_training_may_have_a_network_and_plans_of_its_own(recipe_path: Path) -> None:
    own = 'backbone = "resnet18"\nlayer = "logits"\nvote = "distances"\nreducer = "pca:n_components=3"\n'
    recipe_path.write_text(SMALL + f"[training.other]\nepochs = 1\n{own}", encoding="utf-8")
    bench = read_aligner_bench(recipe_path)
    quick, other = (run_recipe(bench, name) for name in bench.training)
    assert (quick.backbone, quick.layer, quick.vote, quick.reducer) == ("tiny", "features", "means", "none")
    assert (other.backbone, other.layer, other.vote) == ("resnet18", "logits", "distances")
    assert other.reducer == "pca:n_components=3"
    recipe_path.write_text(SMALL + 'layer = "pixels"\n', encoding="utf-8")
    with pytest.raises(KCEError, match="layer"):
        read_aligner_bench(recipe_path)


def test_trainings_that_differ_only_in_their_plans_train_once(at: Path, recipe_path: Path) -> None:
    other = SMALL[SMALL.index("[training.quick]") :].replace("quick", "logits") + 'layer = "logits"\n'
    again = other.replace("logits]", "longer]").replace("epochs = 1", "epochs = 2")
    recipe_path.write_text(SMALL + other + again, encoding="utf-8")
    assert aligner_cells.same_networks(read_aligner_bench(recipe_path)) == {
        "quick": ("quick", "logits"), "logits": ("quick", "logits"), "longer": ("longer",)
    }  # fmt: skip
    words = {"recipe": recipe_path, "worlds": 1, "nets": 1, "amount": 0.0, "kind": "jpeg", "aligner": "none",
             "clusterer": "kmeans", "k": "known", "progress": False}  # fmt: skip
    planned = kce.bench.aligners(to="out", dry_run=True, **words).to_dict()["cost"]["trainings"]
    assert {one["name"]: one["networks"] for one in planned} == {"quick": 1, "longer": 1}
    alone = kce.bench.aligners(to="out", training="logits", **words)
    left = kce.bench.aligners(to="out", dry_run=True, **words).to_dict()["cost"]["trainings"]
    assert [one["name"] for one in left] == ["longer"]
    done = kce.bench.aligners(to="out", **words)
    assert all(cell["status"] == "ok" for cell in done.cells)
    assert [cell for cell in done.cells if cell["training"] == "logits"] == list(alone.cells)
    networks = [path.stat().st_ino for path in sorted((at / "out").rglob("first.safetensors"))]
    assert len(networks) == 3
    assert len(set(networks)) == 2
    recorded = json.loads((at / "out" / "bench.json").read_text(encoding="utf-8"))["recipe"]["training"]
    assert {settings["precision"] for settings in recorded.values()} == {resolve_precision("auto")}


def test_worlds_are_made_once_and_every_cell_has_a_result(kce: Kce, kce_here: Kce, at: Path, recipe_path: Path) -> None:
    words = ("bench", "aligners", "--to", "out", "--recipe", str(recipe_path), "--worlds", "1", "--nets", "1",
             "--amount", "0", "--amount", "1", "--kind", "jpeg")  # fmt: skip
    planned = kce_here(*words, "--dry-run", "--json")
    assert planned.returncode == 0, planned.stderr
    assert not (at / "out").exists()
    done = kce(*words, "--json")
    assert done.returncode == 0, done.stderr
    assert "number of classes" not in done.stderr  # what a run warns of does not say of which cell it is
    document: dict[str, Any] = json.loads(done.stdout)
    assert {cell["id"] for cell in document["cells"]} == {cell["id"] for cell in json.loads(planned.stdout)["cells"]}
    for cell in document["cells"]:
        assert cell["status"] == "ok", cell["reason"]
        assert -0.5 <= cell["ari"] <= 1
        assert 1 <= cell["clusters"] <= cell["n"]
        if cell["k"] == "known":
            assert cell["clusters"] == cell["classes"]
        low, high = cell["between"] or (cell["clusters"], cell["clusters"])
        assert low <= cell["clusters"] <= high
        assert (cell["between"] is not None) == (cell["k"] == "estimate")
    models = {path.read_bytes() for path in (at / "out").rglob("first.safetensors")}
    assert len(models) == 2  # one for the faces stored alike, one for those that are not
    truth = tomllib.loads((at / "out" / "1" / "world" / "truth.toml").read_text(encoding="utf-8"))["method"]
    assert read_methods(at / "out", 1) == truth
    assert (at / "out" / "aligners.html").is_file()
    assert list((at / "out" / "figures").glob("*.png"))
    pages = {path: path.read_bytes() for path in (at / "out").rglob("*") if path.suffix in (".html", ".csv", ".json")}
    rebuild_bench_report(at / "out")
    assert {path: path.read_bytes() for path in pages} == pages
    before = (at / "out" / "cells.jsonl").stat().st_mtime_ns, (at / "out" / "1" / "world").stat().st_mtime_ns
    other = kce_here("bench", "compare", "out", "out")
    assert other.returncode == 2
    assert "results of another benchmark" in other.stderr
    again = kce_here(*words, "--json")
    assert json.loads(again.stdout)["cells"] == document["cells"]
    assert (at / "out" / "1" / "world").stat().st_mtime_ns == before[1]


def test_amount_zero_is_listed_once_for_all_kinds(recipe_path: Path) -> None:
    document = aligner_cells.read_aligner_bench(recipe_path)
    found = aligner_cells.list_align_cells(
        REGISTRY, document, [1], ["jpeg", "blur"], [0.0, 1.0], [0], clusterers=["kmeans"], ks=["known"]
    )
    assert [(cell.setting.kind, cell.setting.amount) for cell in found] == [
        (UNIFORM, 0.0), (UNIFORM, 0.0), ("jpeg", 1.0), ("jpeg", 1.0), ("blur", 1.0), ("blur", 1.0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"kinds": ["mist"]}, UnknownName),
        ({"amounts": [1.5]}, KCEError),
        ({"trainings": ["none"]}, UnknownName),
        ({"aligners": ["nobody"]}, UnknownName),
        ({"ks": ["guessed"]}, UnknownName),
    ],
)
def test_bad_choices_are_refused_before_any_work(
    recipe_path: Path, change: dict[str, Any], error: type[KCEError]
) -> None:
    choices: dict[str, Any] = {"worlds": [1], "kinds": ["jpeg"], "amounts": [1.0], "nets": [0], **change}
    with pytest.raises(error):
        aligner_cells.list_align_cells(REGISTRY, aligner_cells.read_aligner_bench(recipe_path), **choices)


@pytest.mark.parametrize(
    ("key", "to", "words"),
    [
        ('detector = "whole"', 'detector = "hole"', "Did you mean 'whole'"),
        ('backbone = "tiny"', 'backbone = "tinny"', "Did you mean 'tiny'"),
        ('reducer = "none"', 'reducer = "nine"', "no reducer"),
        ("epochs = 1", "epochs = -1", "epochs = -1"),
        ("epochs = 1", 'epochs = 0\nlayer = "logits"', "trains no classifier"),
    ],
)
def test_a_recipe_that_cannot_work_is_refused_before_any_work(recipe_path: Path, key: str, to: str, words: str) -> None:
    recipe_path.write_text(SMALL.replace(key, to), encoding="utf-8")
    with pytest.raises(KCEError, match=words):
        kce.bench.aligners(recipe=recipe_path, to=recipe_path.parent, dry_run=True, progress=False)


def test_a_file_that_is_not_a_benchmark_is_refused(tmp_path: Path) -> None:
    (tmp_path / "no.toml").write_text("world = 'world'\n", encoding="utf-8")
    with pytest.raises(KCEError, match="aligners is missing"):
        aligner_cells.read_aligner_bench(tmp_path / "no.toml")
    with pytest.raises(KCEError):
        aligner_cells.read_aligner_bench(tmp_path / "none.toml")
    (tmp_path / "key.toml").write_text(SMALL + "colour = 1\n", encoding="utf-8")
    with pytest.raises(UnknownName, match="colour"):
        aligner_cells.read_aligner_bench(tmp_path / "key.toml")


def test_a_folder_of_another_bench_is_refused(tmp_path: Path, recipe_path: Path) -> None:
    document = aligner_cells.read_aligner_bench(recipe_path)
    aligners.run_align_cells(tmp_path / "out", [], document, REGISTRY)
    with pytest.raises(Refused):
        aligners.run_align_cells(tmp_path / "out", [], replace(document, world="world"), REGISTRY)


def test_mistakes_are_listed_by_method() -> None:
    method = {"A_x": "warp", "B_y": "warp", "B_z": "blend", "C_x": "halo"}
    assert list_mistakes(method, {"A_x": "1", "B_y": "1", "B_z": "2", "C_x": "3"}) == ([], [])
    assert list_mistakes(method, {"A_x": "1", "B_y": "2", "B_z": "2", "C_x": "3"}) == (["blend + warp"], ["warp"])


def result(
    world: int,
    net: int,
    ari: float | None,
    amount: float = 1.0,
    clusters: int = 3,
    between: tuple[int, int] | None = None,
) -> dict[str, Any]:
    setting = AlignSetting(world, "jpeg" if amount else UNIFORM, amount, "paper", net)
    about = aligners._describe(AlignCell(setting, "none", "kmeans", "known"))
    if ari is None:
        return {**about, "status": "failed", "reason": "it fails"}
    return {**about, "status": "ok", "reason": "", "n": 4, "classes": 3, "clusters": clusters, "ari": ari,
            "between": between, "merged": ["a + b"], "split": ["a"], "unlearned": ["b"]}  # fmt: skip


def test_an_estimated_number_is_judged_by_what_it_holds_possible() -> None:
    """The true number is 3."""
    ranges = {(2, 4): 3, (3, 3): 3, (4, 5): 5, (2, 6): 4, (5, 6): 6}
    cells = [result(1, net, 0.5, clusters=k, between=one) for net, (one, k) in enumerate(ranges.items())]
    (row,) = aligner_report.summarize_aligners([*cells, result(2, 0, 0.5), result(2, 1, None)])
    assert [row[name] for name in ("k_between", "k_held", "k_decided", "k_decided_within_1")] == [5, 3, 4, 2]
    (table, _) = aligner_report.aligner_tables([row])
    assert dict(zip(table.head, table.rows[0], strict=True))["k decided"] == "2 of 4"


def test_scores_are_means_over_worlds_and_a_failure_counts_zero(tmp_path: Path) -> None:
    cells = [result(1, 0, 1.0), result(1, 1, 0.8), result(2, 0, 0.4, clusters=5), result(2, 1, None)]
    (row,) = aligner_report.summarize_aligners(cells)
    assert row["ari"] == pytest.approx((0.9 + 0.2) / 2)
    assert (row["worlds"], row["cells"], row["failed"], row["worst"], row["k_within_1"]) == (2, 4, 1, 0.0, 0.5)
    assert row["interval"] is None  # two worlds
    (more,) = aligner_report.summarize_aligners([*cells, result(3, 0, 1.0)])
    assert -0.5 <= more["interval"][0] < more["ari"] < more["interval"][1] <= 1
    assert row["merged"] == {"a + b": 3}
    assert row["unlearned"] == {"b": 3}
    paths = aligner_report.write_aligner_report(tmp_path, [row], cells)
    assert all(path.is_file() for path in paths)


@browser.needed
def test_the_page_draws_a_line_for_each_aligner(tmp_path: Path) -> None:
    cells = [
        result(world, 0, 0.5 + world / 10 - amount / 4, amount) for world in (1, 2, 3) for amount in (0.0, 0.5, 1.0)
    ]
    aligner_report.write_aligner_report(tmp_path, aligner_report.summarize_aligners(cells), cells)
    with browser.opened(tmp_path / "aligners.html") as seen:
        browser.drawn(seen.page, "curves")
        points = seen.page.evaluate("document.getElementById('plot-curves')._fullData.map(trace => trace.x)")
    assert points == [[0, 0.5, 1]]
    assert seen.errors == []
