"""The shipped study against the facts of the paper, and what a study may not say."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from kce.data.world_table import world_truth
from kce.errors import KCEError
from kce.registry.registry import Registry
from kce.study import grid, study
from kce.study.study_file import Study, read_study, shipped_studies
from kce.system import shipped
from plugins.datasets.world import table
from tests.conftest import REPOSITORY

REGISTRY = Registry.load(Path("/"))
PAPER = json.loads((REPOSITORY / "tests" / "facts" / "sun2023.json").read_text(encoding="utf-8"))
STUDY = read_study("sun2023")
PLANS = ["none", "name", "random", "kmeans-none", "kmeans-tsne2", "kmeans-pca32", "kmeans-pca64", "kmeans-pca128"]


def runs(seeds: int = 1, defined: Study = STUDY, **more: Any) -> list[grid.StudyRun]:
    by = {"methods": {}, "reals": {}, "missing": False, **more}
    return grid.list_runs(defined, "", by["methods"], by["reals"], range(seeds), REGISTRY, by["missing"])


def test_categories_rules_and_groups_are_the_paper_s() -> None:
    assert list(STUDY.categories) == PAPER["categories"]
    assert {str(group.name): list(group.unknown) for group in STUDY.groups} == {
        name: its["unknown"] for name, its in PAPER["groups"].items()
    }
    assert [list(rule) for rule in STUDY.recipe(STUDY.plan("name"), "xception").rules] == PAPER["rules"]
    # Two plans more than the public list: as many images as merging by name leaves, unmerged; and anchored features.
    assert [plan.name for plan in STUDY.plans if plan.name not in ("none-equal", "kmeans-pca64-anchored")] == PLANS


def test_every_group_has_the_printed_classes_and_images() -> None:
    for run in runs():
        its = PAPER["groups"][str(run.group)]
        assert set(run.known) | set(run.recipe.unknown) == set(PAPER["categories"])
        assert not set(run.known) & set(run.recipe.unknown)
        unmerged = run.plan.startswith("none")
        assert run.classes == (27 if unmerged else its["merged_classes"])
        assert run.images == (its["images_unmerged"] if run.plan == "none" else its["images_merged"])
        assert run.recipe.train.epochs == 3
        assert run.recipe.evaluate.reducer == "pca:n_components=64"


def test_what_is_trained_on_what() -> None:
    by_backbone = {b: {r.plan for r in runs() if r.backbone == b} for b in ("xception", "f3net", "resnet18")}
    assert by_backbone["xception"] >= set(PLANS)
    assert by_backbone["f3net"] == by_backbone["resnet18"] == {"name", "kmeans-pca64"}
    assert {run.recipe.first for run in runs() if run.recipe.clusters} == {"xception"}


@pytest.mark.parametrize("seeds", [1, 3])
def test_nothing_is_trained_twice(seeds: int) -> None:
    found = runs(seeds)
    # Of each group and seed: the first model is that of the plan `none`, so every run is one training.
    assert len(found) == len({run.name for run in found}) == 4 * 14 * seeds
    assert grid.count_trainings(found) == 4 * 14 * seeds
    alone = [run for run in found if run.plan == "kmeans-pca64" and run.backbone == "f3net"]
    assert grid.count_trainings(alone) == 2 * len(alone)  # their extractor is a network more


def test_the_published_table_and_the_claims_are_the_paper_s() -> None:
    names = {"kmeans_none_2048": "kmeans-none", "kmeans_tsne_2": "kmeans-tsne2"}
    ours = [[row.backbone.removesuffix("18"), row.plan, *row.values] for row in STUDY.published]
    theirs = [
        [row["backbone"], names.get(row["merge"], row["merge"].replace("_pca_", "-pca")), *row["values"]]
        for row in PAPER["scores"]
    ]
    assert ours == theirs
    for row, printed in zip(STUDY.published, PAPER["scores"], strict=True):
        assert sum(row.values) / len(row.values) == pytest.approx(printed["average"], abs=2e-7)
    assert [claim.percent for claim in STUDY.claims] == [claim["printed_percent"] for claim in PAPER["claims"]]


def test_the_small_scale_has_the_same_names() -> None:
    world = REGISTRY.resolve("dataset", STUDY.scales["small"].world, root="x")
    truth = world_truth(table.forgeries(world.parameters["categories"]))
    assert {category for category, method in truth.items() if method != "real"} == set(PAPER["categories"])


def test_missing_categories_leave_the_groups_whose_unknown_are_there() -> None:
    methods = {c: c for c in PAPER["categories"] if c not in ("FakeAVCeleb_FaceSwap", "ForgeryNet_StyleGAN2")}
    with pytest.raises(KCEError, match=r"2 categories.*FakeAVCeleb_FaceSwap, ForgeryNet_StyleGAN2") as error:
        runs(methods=methods)
    assert "2, 3, 4" in error.value.hint
    found = runs(methods=methods, missing=True)
    assert {run.group for run in found} == {2, 3, 4}
    assert all(run.missing == ("FakeAVCeleb_FaceSwap", "ForgeryNet_StyleGAN2") for run in found)
    with pytest.raises(KCEError, match="missing"):
        runs(methods={"FaceForensics++_FaceSwap": "FaceSwap"}, missing=True)


SMALL = """
categories = ["A_1", "A_2", "B_1", "B_2", "C_1", "C_2"]
[backbone]
tiny = "tiny"
[run.train]
per_class = 10
[plan.none]
plan = "none"
[plan.clusters]
reducer = "none"
[[group]]
name = 1
unknown = ["A_1", "B_1"]
[[group]]
name = 2
unknown = ["A_2", "B_2"]
"""


@pytest.mark.parametrize(
    ("change", "to", "message"),
    [
        ('unknown = ["A_2"', 'unknown = ["A_9"', "A_9.*Did you mean"),
        ('unknown = ["A_2"', 'unknown = ["A_1"', "groups 1 and 2 overlap: both evaluate A_1"),
        ('unknown = ["A_2", "B_2"]', 'unknown = ["A_2", "B_2"]\nknown = ["A_2", "C_1"]', "evaluates A_2 and trains"),
        ('unknown = ["A_2", "B_2"]', 'unknown = ["A_2"]', "holds out 1"),
        ('"C_1", "C_2"]', '"C_1", "C_1"]', "C_1 is there twice"),
        ("name = 2", "name = 1", "group 1 is there twice"),
        ('[plan.none]', '[plan.none]\nbackbones = ["tinny"]', "tinny.*Did you mean 'tiny'"),
        ('[plan.none]', '[plan.none]\nimages_as = "names"', "no plan .*'names'"),
        ('reducer = "none"', "k = 7", "k = 7"),
        ('reducer = "none"', "k = 0", "k = 0"),
        ('reducer = "none"', 'reduser = "none"', "reduser.*Did you mean 'reducer'"),
        ('reducer = "none"', 'plan = "mine.toml"', "mine.toml"),
        ("per_class = 10", "", "how many images"),
        ("[run.train]", "[rum.train]", "rum"),
        ("per_class = 10", "per_class = 10\nrate = 0.1", "run.train.rate is now called lr"),
        ("per_class = 10", "per_class = 10\nepochs = 0", "epochs = 0 trains nothing"),
        ("per_class = 10", 'per_class = "ten"', 'run.train.per_class = "ten" is not a whole number'),
        ('reducer = "none"', "reducer = 3", "plan.clusters.reducer = 3 is not a text"),
        ('reducer = "none"', 'backbones = "tiny"', r'plan.clusters.backbones = "tiny" is not a list \(a text each\)'),
        ('unknown = ["A_2"', 'unknown = [2', r"group\[1\].unknown\[0\] = 2 is not a text"),
        ("name = 2", "name = 2.5", r"group\[1\].name = 2.5 is not a text or a whole number"),
        ("[run.train]", "[scale.small]\nworld = 3\n[run.train]", "scale.small.world = 3 is not a text"),
        ("[run.train]", '[cut]\nper_category = "all"\n[run.train]', 'cut.per_category = "all" is not a whole number'),
        ("[backbone]", "schema = 3\n[backbone]", "has schema 3; this KCE reads and writes a study of schema 1"),
        ('tiny = "tiny"', 'tiny = "tinny"', "tinny"),
        ("[backbone]", "[[backbone]]", "backbone = .* is not a table"),
        ("categories", "categories = [", "is not a study"),
    ],
)  # fmt: skip
def test_a_bad_study_is_refused_before_any_work(tmp_path: Path, change: str, to: str, message: str) -> None:
    assert change in SMALL
    (tmp_path / "s.toml").write_text(SMALL.replace(change, to, 1))
    with pytest.raises(KCEError, match=message):
        study.prepare_study(str(tmp_path / "s.toml"), tmp_path / "out", REGISTRY)


def test_a_plan_file_is_cut_to_what_each_group_knows(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(SMALL.replace('reducer = "none"', 'plan = "mine.toml"'))
    lines = {"A_1": "x", "A_2": "x", "B_1": "y", "B_2": "y", "C_1": "y", "C_2": "x"}
    text = "schema = 1\n[classes]\n" + "".join(f'"{c}" = "{name}"\n' for c, name in lines.items())
    (tmp_path / "mine.toml").write_text(text)
    found = [run for run in runs(defined=read_study(str(tmp_path / "s.toml"))) if run.plan == "clusters"]
    assert [run.classes for run in found] == [2, 2]
    assert grid.restrict_plan(tmp_path / "mine.toml", found[0].known).classes == {
        c: name for c, name in lines.items() if c not in ("A_1", "B_1")
    }
    for bad, message in ((text + '"A_7" = "x"\n', "A_7"), (text + '"A_1" = "x"\n', "twice")):
        (tmp_path / "mine.toml").write_text(bad)
        with pytest.raises(KCEError, match=message):
            runs(defined=read_study(str(tmp_path / "s.toml")))
    (tmp_path / "mine.toml").write_text(text.replace('"C_2" = "x"\n', ""))
    with pytest.raises(KCEError, match="C_2"):
        runs(defined=read_study(str(tmp_path / "s.toml")))


def test_the_shipped_recipes_are_toml_that_says_what_it_is() -> None:
    for path in shipped.RECIPES.glob("*.toml"):
        assert tomllib.loads(path.read_text(encoding="utf-8"))
    assert "sun2023" in shipped_studies()
    with pytest.raises(KCEError, match="Did you mean 'sun2023'"):
        read_study("sun2032")
