"""A dataset of a third party as the world of the benches on faces."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import kce
from kce.bench.bench_reports import TracerReport
from kce.bench.cell_store import BenchRecord
from kce.bench.drawn_worlds import DrawnWorld, is_drawn_world, parse_drawn_world, resolve_drawn_worlds
from kce.bench.tracer_report import summarize_tracers, write_tracer_report
from kce.errors import KCEError, Refused, UnknownName
from kce.system.documents import read_document
from kce.training.device import resolve_precision
from kce.training.weights import read_weights_metadata
from tests.bench.test_aligners import SMALL
from tests.support.portraits import portraits_plugin

DRAWN = """
world = "world:artefact=0.0,identities=8,images=16,categories=6"
backbone = "tiny:size=32,width=2"
unknown = ["FaceForensics++_NeuralTextures", "ForgeryNet_SC-FEGAN"]
[cut]
detector = "whole"
frames = 2
[training.softmax]
epochs = 1
held_out = 0.0
precision = "fast"
"""
FEW: dict[str, Any] = {"amount": [0.0, 1.0], "kind": ["jpeg", "blur"], "worlds": 2, "nets": 1, "clusterer": "kmeans",
                       "aligner": "none", "k": "known", "progress": False}  # fmt: skip


@pytest.fixture
def portraits(at: Path) -> str:
    """The dataset's spec, in a working folder that has its plugin and two recipes."""
    (at / "aligners.toml").write_text(SMALL, encoding="utf-8")
    (at / "drawn.toml").write_text(DRAWN, encoding="utf-8")
    return portraits_plugin(at)


def tracers(world: str | list[str], **choices: Any) -> kce.TracerBench:
    choices = {"tracer": "mahalanobis", "recipe": "drawn.toml", "seeds": 1, "level": 0.5, **choices}
    return kce.bench.tracers(world=world, progress=False, **choices)


# ------------------------------------------------------------------------------------------------- aligners


def test_aligners_are_tried_on_placements_of_one_world(at: Path, portraits: str) -> None:
    portraits += ",images=8"
    # Two processes store the faces of one world in two ways at the same time.
    done = kce.bench.aligners(to="out", world=portraits, recipe="aligners.toml", workers=2, **FEW)
    assert {cell["reason"] for cell in done.cells} == {""}
    assert {cell["world"] for cell in done.cells} == {1, 2}
    assert [path.name for path in (at / "pictures").glob("[!.]*")] == ["made"]
    assert not list((at / "out").glob("*/world"))
    provenance = done.to_dict()["provenance"]
    assert f"dataset {portraits}" in provenance["parts"]
    assert provenance["data"].startswith(portraits)
    # Another world is not mixed with it, be it that of the recipe or other pictures.
    shutil.copytree(at / "pictures", at / "others")
    for other in (None, portraits.replace("pictures,", "others,")):
        with pytest.raises(Refused, match=r"recipe\.world portraits:") as raised:
            kce.bench.aligners(to="out", world=other, recipe="aligners.toml", **FEW)
        assert raised.value.hint == "use another folder"
    again = kce.bench.aligners(to="out", world=portraits, recipe="aligners.toml", **FEW)
    assert again.cells == done.cells


@pytest.mark.parametrize(
    ("world", "words"),
    [
        ("nobody", "no dataset named 'nobody'"),
        ("untrue", r"no method truth\(\)"),
        ("folder", "takes no placement"),
        ("portraits:root=nowhere", "no folder of photographs"),
        ("world:categories=4", "no forged category of world:categories=4 named 'FaceForensics"),
    ],
)
def test_aligners_refuse_what_is_no_world_before_any_work(at: Path, portraits: str, world: str, words: str) -> None:
    with pytest.raises(KCEError, match=words) as raised:
        kce.bench.aligners(to="out", world=world, recipe="aligners.toml", **FEW)
    assert raised.value.hint
    assert not (at / "out").exists()


# ------------------------------------------------------------------------------------------------- tracers


def test_the_parameters_of_a_world_are_the_benchs_and_all_others_its_datasets() -> None:
    world = parse_drawn_world("portraits:seed=3,root=a b,number=2,kind=jpeg,training=softmax")
    assert world == DrawnWorld(2, "jpeg", 1.0, "softmax", "portraits:root=a b,seed=3")
    assert world.name == "portraits:root=a b,seed=3,number=2,kind=jpeg,amount=1.0,training=softmax"
    assert is_drawn_world(world.name)
    assert parse_drawn_world(world.name) == world
    assert resolve_drawn_worlds("portraits:root=a b,number=2,seed=3", ["recommended"])[0].startswith(
        "portraits:root=a b,s"
    )
    folders = {
        DrawnWorld(1, dataset=dataset).below(Path("worlds")) for dataset in ("", "portraits", "portraits:seed=1")
    }
    assert len(folders) == 3


@pytest.mark.slow
def test_tracers_are_tried_on_worlds_of_two_datasets_in_one_folder(at: Path, portraits: str) -> None:
    theirs = f"{portraits},number=2,kind=jpeg,training=softmax"
    done = tracers(["drawn:number=2,training=softmax", theirs], to="out")
    assert [cell["status"] for cell in done.cells] == ["ok", "ok"]
    assert [cell["unseen"] > 0 for cell in done.cells] == [True, True]
    report = read_document(at / "out" / "tracers.json", TracerReport)
    assert {row.data for row in report.tracers} == {"uniform, softmax", f"{portraits}, jpeg 1, softmax"}
    assert {f"dataset {portraits}", "dataset world:artefact=0.0,identities=8,images=16,categories=6"} <= set(
        done.to_dict()["provenance"]["parts"]
    )
    used = resolve_precision("fast")  # recorded as what it came to, so that two are never mixed
    assert read_document(at / "out" / "bench.json", BenchRecord).recipe["training"]["softmax"]["precision"] == used
    for weights in (at / "out" / "worlds").rglob("network.safetensors"):
        assert read_weights_metadata(weights)["provenance"]["precision"] == used
    (own,) = (at / "out" / "worlds").glob("portraits_root*")
    assert {path.name for path in own.joinpath("2").iterdir()} == {"faces", "truth.toml", "jpeg-1", "jpeg-1-networks"}
    assert (at / "out" / "worlds" / "2" / "world").is_dir()
    # A version of the dataset that differs is not mixed with it.
    plugin = at / "plugins" / "portraits.py"
    plugin.write_text(plugin.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    with pytest.raises(Refused, match="dataset portraits"):
        tracers(theirs, to="out")


@pytest.mark.parametrize(
    ("world", "words"),
    [
        ("portrats:root=x", "no world named 'portrats'. Did you mean 'portraits'"),
        ("nobody", "drawn, drawn-suite"),
        ("untrue:number=1,training=softmax", r"no method truth\(\)"),
        ("folder:number=1,training=softmax", "takes no placement"),
        ("portraits:number=0,root=pictures,training=softmax", "number = 0"),
        ("portraits:root=nowhere,training=softmax", "no folder of photographs"),
        ("portraits:root=pictures,training=best", "no training"),
        ("portraits:root=pictures,people=3,training=softmax", "people"),
        ("world:categories=4,training=softmax", "no category that the recipe holds out"),
        ("drawn:dataset=portraits,training=softmax", "no parameter of a drawn world named 'dataset'"),
    ],
)
def test_tracers_refuse_what_is_no_world_before_any_work(at: Path, portraits: str, world: str, words: str) -> None:
    with pytest.raises(KCEError, match=words) as raised:
        tracers(world, to="out")
    assert raised.value.hint
    assert not (at / "out").exists()


def test_an_unknown_world_is_one_of_all_that_there_are(at: Path, portraits: str) -> None:
    with pytest.raises(UnknownName, match="Known: ") as raised:
        tracers("nobody", dry_run=True)
    known = raised.value.message.partition("Known: ")[2].split(", ")
    assert {"plain", "suite", "drawn", "drawn-suite", "portraits", "world"} <= {*known}
    assert not {"nameless", "folder", "FaceForensics++"} & {*known}


def test_a_page_of_a_world_with_a_long_name_can_be_written(tmp_path: Path) -> None:
    world = DrawnWorld(1, dataset=f"portraits:root=/{'long/' * 60}").name
    cells = [
        {"id": tracer, "world": world, "tracer": tracer, "seed": 0, "level": 0.9, "status": "ok", "seconds": 1.0,
         "scores": {"auroc": 0.5}} for tracer in ("a", "b")
    ]  # fmt: skip
    assert len(summarize_tracers(cells)) == 2
    assert all(path.is_file() for path in write_tracer_report(tmp_path, cells))
