from __future__ import annotations

import csv
import json
import logging
import re
import shutil
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from kce.audit.unlearned import UNLEARNED_NOTE
from kce.demo import compare_runs, run_under_plans
from kce.errors import KCEError, Refused, UnknownName
from kce.faces.folder import read_faces
from kce.features.table import find_table, open_table
from kce.merging.aligner_inputs import collect_reals, find_fallback_reals, sample_real_rows
from kce.merging.class_count import ClassCount
from kce.merging.plan_file import partition_hash, plan_origin, read_plan, write_plan
from kce.merging.plans import MergePlan
from kce.pipeline.recipe import Evaluate, Recipe, read_recipe, write_recipe
from kce.pipeline.recipe_checks import check_choices
from kce.pipeline.run import STAGES, run
from kce.pipeline.run_report import RunReport
from kce.registry.registry import Registry
from kce.report.demo_report import DemoReport
from kce.report.report import write_report
from kce.system.documents import document_from_table, write_document
from kce.training.settings import TrainSettings
from kce.training.weights import file_sha256, read_weights_metadata
from kce.types import Features
from tests.support.corpus import KNOWN, METHODS, UNKNOWN, face_folder, truth

REGISTRY = Registry.load(Path("/"))


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory) -> Recipe:
    at = tmp_path_factory.mktemp("corpus")
    agreement = f'agreement:truth="{truth(at / "truth.toml").as_posix()}"'
    return Recipe(
        faces=str(face_folder(at)),
        unknown=tuple(UNKNOWN),
        backbone="tiny:size=32,width=2",
        reducer="pca:n_components=8",
        train=TrainSettings(epochs=2, lr=0.01),
        evaluate=Evaluate("pca:n_components=8", ("calinski-harabasz", agreement), 12, 30),
    )


@pytest.fixture(scope="module")
def done(chosen: Recipe, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, object]]]:
    folder = tmp_path_factory.mktemp("study")
    return folder, run_under_plans(folder, chosen, ["none", "name", "random", "clusters"], REGISTRY)


def test_every_category_has_one_class_and_plans_are_as_large_as_they_say(
    done: tuple[Path, dict[str, dict[str, object]]],
) -> None:
    reports = done[1]
    for found in reports.values():
        assert set(found["plan"]) == set(KNOWN)
        assert found["precision"] == "32"
        assert found["classes"] == len(set(found["plan"].values()))
    assert {plan: found["classes"] for plan, found in reports.items()} == {
        "none": 6,
        "name": 5,
        "random": 5,
        "clusters": 5,
    }
    sizes = {
        plan: sorted(list(found["plan"].values()).count(c) for c in found["plan"].values())
        for plan, found in reports.items()
    }
    assert sizes["random"] == sizes["clusters"]


def test_every_plan_is_scored_on_the_same_rows_with_n_seed_and_interval(
    done: tuple[Path, dict[str, dict[str, object]]],
) -> None:
    lines = compare_runs(done[1])
    assert {(line.n, line.seed) for line in lines.values()} == {(24, 0)}
    for line in lines.values():
        low, high = line.interval
        assert low < line.calinski_harabasz < high
        assert 0 < line.variance_share < 1
        assert -1 <= line.ari_truth <= 1


def test_runs_share_the_first_model_and_its_features(done: tuple[Path, dict[str, dict[str, object]]]) -> None:
    folder = done[0]
    final = file_sha256(folder / "none" / "final.safetensors")
    assert file_sha256(folder / "clusters" / "first.safetensors") == final
    assert file_sha256(folder / "random" / "first.safetensors") == final
    # The first that needed them made the features of the known categories; the others read them there.
    assert set(open_table(folder / "random" / "features.h5", "known").label_counts) == set(KNOWN)
    assert find_table(folder / "clusters" / "features.h5", "known") is None
    assert not (folder / "name" / "first.safetensors").exists()


def test_no_unknown_category_reaches_training_or_the_plan(chosen: Recipe, tmp_path: Path) -> None:
    """Whatever the unknown faces look like, models and plan stay as they are, to the last bit."""
    found = []
    for seed in (0, 99):
        at = tmp_path / str(seed)
        faces = face_folder(at, seed=0)
        if seed:
            for path in sorted(folder for folder in faces.iterdir() if folder.name.startswith("C_")):
                donor = next(iter(sorted((faces / path.name).glob("*.png")))).read_bytes()
                for picture in path.glob("*.png"):
                    picture.write_bytes(donor)
        run(at / "run", replace(chosen, faces=str(faces)), REGISTRY, until="unknown")
        found.append(
            [
                file_sha256(at / "run" / "first.safetensors"),
                file_sha256(at / "run" / "final.safetensors"),
                (at / "run" / "plan.toml").read_text(),
                open_table(at / "run" / "features.h5", "unknown").read_all().x,
            ]
        )
    assert found[0][:3] == found[1][:3]
    assert not np.array_equal(found[0][3], found[1][3])
    labels = set(open_table(tmp_path / "0" / "run" / "features.h5", "known").read_all().label.tolist())
    assert labels == set(KNOWN)


def test_an_unknown_category_cannot_be_smuggled_in(chosen: Recipe, tmp_path: Path) -> None:
    with pytest.raises(KCEError, match="both known and unknown"):
        run(tmp_path / "a", replace(chosen, known=(*KNOWN, UNKNOWN[0])), REGISTRY)
    run(tmp_path / "b", replace(chosen, plan="name"), REGISTRY, until="plan")
    plan = read_plan(tmp_path / "b" / "plan.toml")
    write_plan(tmp_path / "b" / "plan.toml", replace(plan, classes={**plan.classes, UNKNOWN[0]: "FaceSwap"}))
    with pytest.raises(KCEError, match=UNKNOWN[0]):
        run(tmp_path / "b", replace(chosen, plan="name"), REGISTRY)
    assert not (tmp_path / "b" / "final.safetensors").exists()


def test_what_is_not_known_or_was_not_made_is_said_in_the_report(
    chosen: Recipe, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    faces = tmp_path / "faces"
    shutil.copytree(chosen.faces, faces, ignore=shutil.ignore_patterns("cut.toml"))
    table = list(csv.DictReader((faces / "faces.csv").read_text(encoding="utf-8").splitlines()))
    with (faces / "faces.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, table[0].keys())
        writer.writeheader()
        writer.writerows(row | {"group": ""} for row in table)
    coarse = chosen.changed(faces=str(faces), clusterer="birch:threshold=1e9", k=4, reducer="none")
    result = run(tmp_path / "run", coarse, REGISTRY)
    assert (result["asked"], result["classes"], result["unknown_recordings"], result["n"]) == (4, 1, 24, 24)
    assert result["made"].endswith("asked for 4 classes, made 1; of features; aligner none; reducer none")
    assert read_plan(tmp_path / "run" / "plan.toml").asked == 4
    assert any("recording of 24 of 24 rows is unknown" in remark for remark in result["remarks"])
    assert any("recording of 96 of 96 known faces is unknown" in remark for remark in result["remarks"])
    assert any("held-out accuracy may be too high" in record.getMessage() for record in caplog.records)
    write_report(tmp_path / "run", files=True)
    for name in ("report.html", "tables/scores.tex", "tables/scores.md"):
        text = (tmp_path / "run" / name).read_text(encoding="utf-8")
        assert "recording of 24 of 24 rows is unknown" in text
    rows = csv.DictReader((tmp_path / "run/tables/scores.csv").read_text(encoding="utf-8").splitlines())
    assert {row["unknown_recordings"] for row in rows} == {"24"}
    assert "Asked for 4 classes; the plan has 1." in (tmp_path / "run/tables/plan.md").read_text(encoding="utf-8")


def test_a_plan_edited_by_hand_is_the_plan(chosen: Recipe, tmp_path: Path) -> None:
    by_name = replace(chosen, plan="name")
    run(tmp_path / "a", by_name, REGISTRY, until="plan")
    classes = dict.fromkeys(KNOWN, "left") | {KNOWN[0]: "right", KNOWN[1]: "right"}
    write_plan(tmp_path / "a" / "plan.toml", MergePlan(classes))
    assert run(tmp_path / "a", by_name, REGISTRY)["plan"] == classes
    (tmp_path / "mine.toml").write_text((tmp_path / "a" / "plan.toml").read_text())
    other = run(tmp_path / "b", replace(chosen, plan=str(tmp_path / "mine.toml")), REGISTRY, until="plan")
    assert other["plan"] == classes


def test_an_estimated_number_of_classes_comes_with_what_is_possible(
    chosen: Recipe, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    estimated = replace(chosen, k="estimate", train=replace(chosen.train, epochs=1))
    counts = set()
    for vote in ("means", "rows"):
        caplog.clear()
        with caplog.at_level(logging.INFO, logger="kce"):
            run(tmp_path / vote, replace(estimated, vote=vote), REGISTRY, "plan")  # type: ignore[arg-type]
        plan = read_plan(tmp_path / vote / "plan.toml")
        assert plan.asked is not None
        assert plan.between is not None
        count = ClassCount(plan.asked, *plan.between)
        assert count.describe() in plan.made
        assert re.search("; of features; aligner none; reducer pca:n_components=[0-9]+", plan.made)
        assert count.describe() in [record.getMessage() for record in caplog.records]
        counts.add(count)
    assert len(counts) == 1  # it does not depend on what is clustered
    # What is undecidable is said whenever the plan is used, and in the report.
    path = tmp_path / "means" / "plan.toml"
    classes = read_plan(path).classes
    a, b = next(pair for pair in combinations(KNOWN, 2) if classes[pair[0]] == classes[pair[1]])
    text = re.sub(r"^doubtful = .*$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    text = re.sub(r"between = .*", f'between = [1, 99]\ndoubtful = [["{a}", "{b}", 0.66]]', text)
    path.write_text(text, encoding="utf-8")
    caplog.clear()
    report = run(tmp_path / "means", estimated, REGISTRY)
    assert any("undecidable" in record.getMessage() for record in caplog.records)
    assert any("1 to 99 are possible" in remark for remark in report["remarks"])
    assert any("probably too high" in remark for remark in report["remarks"])  # the loss is softmax
    assert any(f"{a} with {b} (66%)" in remark for remark in report["remarks"])
    assert not report["edited"]


def test_an_edited_plan_says_so_everywhere_and_comes_too_late_after_the_final_training(
    chosen: Recipe, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, quick = tmp_path / "run", replace(chosen, train=replace(chosen.train, epochs=1))
    run(folder, quick, REGISTRY, until="plan")
    plan = read_plan(folder / "plan.toml")
    written = (folder / "plan.toml").read_text(encoding="utf-8")
    classes = dict.fromkeys(KNOWN, "left") | {KNOWN[0]: "right"}
    for category, name in classes.items():
        written = re.sub(rf'^(.?{re.escape(category)}.? = )".*?"', rf'\1"{name}"', written, flags=re.MULTILINE)
    (folder / "plan.toml").write_text(written, encoding="utf-8")
    report = run(folder, quick, REGISTRY)
    assert report["plan"] == classes
    assert (report["edited"], report["made"]) == (True, plan.made)
    assert report["plan_hash"] != report["made_hash"] == partition_hash(plan)
    assert any("edited by a person" in remark for remark in report["remarks"])
    assert any("edited by a person" in record.getMessage() for record in caplog.records)
    recorded = read_recipe(folder / "recipe.toml").resolved
    assert recorded is not None
    assert recorded.plan == plan_origin(read_plan(folder / "plan.toml"))
    assert recorded.plan.edited
    write_report(folder, files=True)
    assert "edited by a person" in (folder / "tables" / "plan.tex").read_text(encoding="utf-8")
    # Nobody else takes it for a plan by clusters.
    other = run(tmp_path / "other", quick, REGISTRY, "plan", [folder])
    assert other["plan"] == dict(plan.classes)
    # Another edit cannot reach the model any more; names alone can change.
    (folder / "plan.toml").write_text(written.replace('"right"', '"rightmost"'), encoding="utf-8")
    run(folder, quick, REGISTRY)
    (folder / "plan.toml").write_text(written.replace('"right"', '"left"'), encoding="utf-8")
    kept = (folder / "recipe.toml").read_bytes()
    with pytest.raises(Refused, match="edited after the final model was trained") as refused:
        run(folder, quick, REGISTRY)
    assert f"{KNOWN[0]}: was 'right', now 'left'" in refused.value.message
    assert "undo the edit" in refused.value.hint
    assert (folder / "recipe.toml").read_bytes() == kept


def test_a_stopped_run_goes_on_and_ends_alike(
    chosen: Recipe, done: tuple[Path, dict[str, dict[str, object]]], tmp_path: Path
) -> None:
    for stage in STAGES:
        found = run(tmp_path / "run", chosen, REGISTRY, until=stage)
    whole = done[1]["clusters"]
    assert found["provenance"]["data_hash"] == whole["provenance"]["data_hash"]
    own = found.keys() - {"folder", "provenance"}
    assert {key: found[key] for key in own} == {key: whole[key] for key in own}


def test_a_folder_with_other_choices_is_refused(chosen: Recipe, tmp_path: Path) -> None:
    run(tmp_path, chosen, REGISTRY, until="first")
    with pytest.raises(Refused, match=r"clusterer: was 'kmeans', now 'hdbscan'"):
        run(tmp_path, replace(chosen, clusterer="hdbscan"), REGISTRY)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"unknown": ()}, "no category is held out"),
        ({"unknown": ("C_Unsen",)}, "Did you mean 'C_Unseen'"),
        ({"clusterer": "kmean"}, "Did you mean 'kmeans'"),
        ({"reducer": "pca:n=3"}, "no parameter"),
        ({"plan": "clusterz"}, "Did you mean 'clusters'"),
        ({"k": 7}, "k = 7 classes of 6 known"),
        ({"k": 0}, "not a number of classes"),
        ({"k": 3, "clusterer": "hdbscan"}, "finds its own"),
        ({"known": ("A_Warp",)}, "nothing to merge"),
        ({"vote": "mean"}, "Did you mean 'means'"),
        ({"train": TrainSettings(epochs=-1)}, "epochs = -1"),
        ({"train": TrainSettings(epochs=0), "layer": "logits"}, "epochs = 0 trains no classifier"),
        ({"train": TrainSettings(epochs=0, checkpoint="best")}, "epochs = 0 trains nothing"),
        ({"train": TrainSettings(lr=-1.0)}, "not a learning rate"),
        ({"train": TrainSettings(per_class=10_000)}, "10000"),
    ],
)
def test_what_cannot_be_is_said_before_any_work(
    chosen: Recipe, tmp_path: Path, choices: dict[str, object], message: str
) -> None:
    with pytest.raises(KCEError, match=message):
        run(tmp_path / "run", chosen.changed(**choices), REGISTRY)
    assert list(tmp_path.rglob("*.safetensors")) == []


@pytest.mark.parametrize(
    "clusterer",
    [
        "hdbscan:min_cluster_size=2",
        "gaussian-mixture:covariance_type=spherical",
        "agglomerative",
        "dbscan:eps=5.0,min_samples=1",
    ],
)
def test_components_are_swapped_by_name(
    chosen: Recipe, done: tuple[Path, dict[str, dict[str, object]]], tmp_path: Path, clusterer: str
) -> None:
    found = run(
        tmp_path,
        replace(chosen, clusterer=clusterer, vote="rows" if "gauss" in clusterer else "means"),
        REGISTRY,
        "plan",
        [done[0] / "clusters"],
    )
    assert set(found["plan"]) == set(KNOWN)


def test_a_run_without_training_says_so_wherever_its_results_are(
    chosen: Recipe, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    untrained = replace(chosen, train=replace(chosen.train, epochs=0, loss="softmax"), k="estimate")
    found = {plan: run(tmp_path / plan, replace(untrained, plan=plan), REGISTRY) for plan in ("none", "clusters")}
    index = [one["scores"]["calinski-harabasz"] for one in found.values()]
    assert index[0] == index[1]  # the report says why
    for remarks in [one["remarks"] for one in found.values()]:
        assert any(remark.startswith("nothing was trained (epochs = 0)") for remark in remarks)
        assert not any("softmax" in remark for remark in remarks)
    assert "nothing was trained" in caplog.text
    write_report(tmp_path / "clusters")
    assert "nothing was trained" in (tmp_path / "clusters" / "report.html").read_text(encoding="utf-8")


def test_a_plan_of_distances_without_chance_says_so(
    chosen: Recipe, done: tuple[Path, dict[str, dict[str, object]]], tmp_path: Path
) -> None:
    distances = replace(chosen, vote="distances", clusterer="cannot-link")
    found = run(tmp_path, distances, REGISTRY, "plan", [done[0] / "clusters"])
    assert len(set(found["plan"].values())) == 5
    plan = read_plan(tmp_path / "plan.toml")
    assert plan.made.startswith("by clusters of distances: cannot-link")
    assert any("resampled, with" in vote for vote in plan.votes.values())


def test_the_recipe_of_a_run_is_read_back_as_it_was(chosen: Recipe, tmp_path: Path) -> None:
    write_recipe(tmp_path / "recipe.toml", chosen, REGISTRY)
    assert read_recipe(tmp_path / "recipe.toml") == chosen
    write_recipe(tmp_path / "recipe.toml", replace(chosen, seed=7), REGISTRY)
    resolved = (tmp_path / "recipe.toml").read_text().partition("[resolved]")[2]
    assert "kmeans:n_init=10,seed=7,n_clusters=name" in resolved


def test_a_run_records_what_auto_came_to_and_never_mixes_two_precisions(chosen: Recipe, tmp_path: Path) -> None:
    short = replace(chosen, train=replace(chosen.train, epochs=1))
    with pytest.raises(KCEError, match="precision 16 needs a CUDA GPU"):
        run(tmp_path, replace(short, train=replace(short.train, precision="16")), REGISTRY, "first")
    assert not (tmp_path / "recipe.toml").exists()
    run(tmp_path, short, REGISTRY, "first")
    recipe = tmp_path / "recipe.toml"
    text, weights = recipe.read_text(), file_sha256(tmp_path / "first.safetensors")
    assert read_recipe(recipe).train.precision == "32"
    assert run(tmp_path, replace(short, train=replace(short.train, precision="32")), REGISTRY, "first") == {}
    # As if the run had begun on a machine with a GPU.
    recipe.write_text(text.replace('precision = "32"', 'precision = "bf16"'))
    with pytest.raises(Refused, match=r"train\.precision: was 'bf16', now '32'") as error:
        run(tmp_path, short, REGISTRY, "first")
    assert "--precision bf16 continues it as it began" in error.value.hint
    with pytest.raises(Refused, match=r"train\.precision: was 'bf16', now '32'") as error:
        run(tmp_path, replace(short, seed=1), REGISTRY, "first")
    assert "--precision" not in error.value.hint
    # A recipe that does not record it: the weights say that they were made in 32.
    recipe.write_text(text.replace('precision = "32"\n', ""))
    run(tmp_path, short, REGISTRY, "first")
    assert file_sha256(tmp_path / "first.safetensors") == weights


def test_a_recipe_says_where_each_part_came_from_and_what_to_install(chosen: Recipe, tmp_path: Path) -> None:
    from kce import __version__

    write_recipe(tmp_path / "recipe.toml", chosen, REGISTRY)
    there = read_recipe(tmp_path / "recipe.toml")
    assert there == chosen
    assert set(there.origins.values()) == {f"kce-toolkit {__version__}"}
    assert {"backbone tiny", "clusterer kmeans", "evaluator calinski-harabasz"} <= set(there.origins)
    text = (tmp_path / "recipe.toml").read_text()
    for origin, hint in (
        ("kce-genie 0.1.0", 'pip install "kce-genie==0.1.0"'),
        (f"halves.py sha256:{'0' * 64}", "halves.py (sha256:000000000000...): put that into the `plugins/` folder"),
    ):
        text = text.replace('clusterer = "kmeans"', 'clusterer = "genie"').replace(
            f'"clusterer kmeans" = "kce-toolkit {__version__}"', f'"clusterer genie" = "{origin}"'
        )
        (tmp_path / "recipe.toml").write_text(text)
        with pytest.raises(UnknownName, match="no clusterer named 'genie'") as error:
            check_choices(read_recipe(tmp_path / "recipe.toml"), REGISTRY)
        assert hint in error.value.hint
        text = text.replace(origin, f"kce-toolkit {__version__}").replace("genie", "kmeans")


def test_another_version_of_a_component_is_reported(
    chosen: Recipe, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_recipe(tmp_path / "recipe.toml", chosen, REGISTRY)
    resolved = replace(
        read_recipe(tmp_path / "recipe.toml").resolved, origins={"clusterer kmeans": "kce-toolkit 0.0.1"}
    )
    other = replace(chosen, resolved=resolved)
    check_choices(other, REGISTRY)
    assert "kce-toolkit 0.0.1" in caplog.text


def test_a_recipe_with_an_unknown_key_says_what_was_meant(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text('bakbone = "tiny"\n')
    with pytest.raises(UnknownName, match="Did you mean 'backbone'"):
        read_recipe(tmp_path / "r.toml")
    (tmp_path / "r.toml").write_text("[train]\nepoch = 3\n")
    with pytest.raises(UnknownName, match="Did you mean 'epochs'"):
        read_recipe(tmp_path / "r.toml")


def test_reports_are_whole_and_ask_no_network(done: tuple[Path, dict[str, dict[str, object]]], tmp_path: Path) -> None:
    folder, reports = done
    runs = {plan: document_from_table(report, RunReport, plan) for plan, report in reports.items()}
    demo = DemoReport("report.html", reports["clusters"]["plan"], compare_runs(reports), runs)
    write_document(tmp_path / "report.json", demo)
    shutil.copytree(folder, tmp_path / "runs")
    for path in (folder / "clusters", tmp_path):
        write_report(path)
        json.loads((path / "report.json").read_text())
        page = (path / "report.html").read_text()
        assert page.count("<script src") == page.count('<link rel="stylesheet"') == 0
        assert all(category in page for category in KNOWN)


def test_a_face_that_vanished_is_named(chosen: Recipe, tmp_path: Path) -> None:
    faces = face_folder(tmp_path)
    victim = faces / str(read_faces(faces).file[3])
    victim.unlink()
    with pytest.raises(KCEError, match=victim.name):
        run(tmp_path / "run", replace(chosen, faces=str(faces)), REGISTRY)


@pytest.fixture(scope="module")
def with_reals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face folder of two datasets with reals, and a third one whose fakes are kept unknown."""
    return face_folder(tmp_path_factory.mktemp("reals"), reals=12)


def test_an_aligner_is_brought_the_reals_and_views_it_asks_for(
    chosen: Recipe, with_reals: Path, tmp_path: Path
) -> None:
    wanted = replace(chosen, faces=str(with_reals), aligner="codec-delta", reducer="none")
    run(tmp_path, wanted, REGISTRY, until="known")
    faces = read_faces(with_reals)
    views = ("jpeg70", "scale90+jpeg80", "scale80+jpeg60")
    for table in ("known", *(f"known+{view}" for view in views)):
        assert set(open_table(tmp_path / "features.h5", table).label_counts) == set(KNOWN)
    for table in ("reals", *(f"reals+{view}" for view in views)):
        assert open_table(tmp_path / "features.h5", table).label_counts == {"A_real": 12, "B_real": 12}
    assert not set(open_table(tmp_path / "features.h5", "reals").read_all().key.tolist()) - set(
        faces.key[faces.real].tolist()
    )
    found = run(tmp_path, wanted, REGISTRY, until="plan")
    assert set(found["plan"]) == set(KNOWN)


@pytest.mark.parametrize("seed", range(5))
def test_reals_that_known_faces_derive_from_are_sampled_before_others(with_reals: Path, seed: int) -> None:
    faces = read_faces(with_reals)
    reals = faces.take(faces.real & (faces.dataset == "A"))
    groups = sorted(set(reals.group.tolist()))[1:3]
    known = reals.take(reals.group.isin(groups))  # stand for forgeries of these recordings
    few, all_four = (
        faces.take(sample_real_rows(faces, known.take(np.arange(size)), {"A"}, seed)) for size in (3, len(known))
    )
    assert set(few.key.tolist()) <= set(all_four.key.tolist()) == set(known.key.tolist())
    assert len(few) == 3
    apart = faces.take(faces.category == "A_FaceSwap")  # of recordings that no real is of
    assert len(sample_real_rows(faces, apart.take(np.arange(7)), {"A"}, seed)) == 7


def test_a_category_that_cannot_be_told_from_reals_is_said_to_be_there_by_chance(
    chosen: Recipe, with_reals: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert METHODS["A_Blur"] == "smooth"  # as the reals are
    train = replace(chosen.train, epochs=6)
    wanted = replace(chosen, faces=str(with_reals), aligner="real-anchor", reducer="none", train=train)
    run(tmp_path / "trained", wanted, REGISTRY, until="plan")
    votes = read_plan(tmp_path / "trained" / "plan.toml").votes
    assert [category for category in KNOWN if UNLEARNED_NOTE in votes[category]] == ["A_Blur"]
    said = [record for record in caplog.records if "A_Blur" in record.getMessage()]
    assert [record.levelname for record in said] == ["WARNING"]
    assert "train longer" in said[0].getMessage()
    caplog.clear()
    run(tmp_path / "untrained", replace(wanted, train=replace(train, epochs=0)), REGISTRY, until="plan")
    assert "chance; train it (--epochs)" in caplog.text


def test_a_dataset_without_reals_is_refused_before_any_work(chosen: Recipe, tmp_path: Path) -> None:
    with pytest.raises(KCEError, match="no reals of A, B") as refused:
        run(tmp_path, replace(chosen, aligner="real-anchor"), REGISTRY)
    assert "dataset-centre" in refused.value.hint
    assert not list(tmp_path.glob("*.safetensors"))
    run(tmp_path / "name", replace(chosen, aligner="real-anchor", plan="name"), REGISTRY, until="plan")


def test_reals_of_another_dataset_stand_in_where_the_registry_says_so(
    chosen: Recipe, with_reals: Path, tmp_path: Path
) -> None:
    faces = read_faces(with_reals)
    less = faces.take(~(faces.category == "B_real"))
    (tmp_path / "registry.toml").write_text('[dataset.B]\nuse = "folder:folder"\nreals = "A"\n', encoding="utf-8")
    registry = Registry.load(tmp_path)
    assert find_fallback_reals(less, {"A", "B"}, registry) == {"A": "A", "B": "A"}
    table = Features(np.array(["A/1"]), np.array(["A_real"]), np.array(["g"]), np.ones((1, 2), np.float32))
    both = collect_reals(table, {"A": "A", "B": "A"})
    assert both.label.tolist() == ["A_real", "B_real"]
    assert both.dataset.tolist() == ["A", "B"]


def test_within_a_dataset_reals_are_shown_and_each_face_is_told_from_its_own_dataset_alone(
    chosen: Recipe, with_reals: Path, tmp_path: Path
) -> None:
    settings = replace(chosen.train, loss="within-dataset")
    run(tmp_path, replace(chosen, faces=str(with_reals), train=settings), REGISTRY, until="final")
    first, final = (read_weights_metadata(tmp_path / f"{name}.safetensors") for name in ("first", "final"))
    assert first["classes"] == sorted([*KNOWN, "A_real", "B_real"])
    assert {"A_real", "B_real"} <= set(final["classes"])
    assert first["provenance"]["loss"] == "within-dataset"
    assert set(open_table(tmp_path / "features.h5", "known").label_counts) == set(KNOWN)
    assert set(read_plan(tmp_path / "plan.toml").classes) == set(KNOWN)


def test_a_category_that_is_alone_in_its_dataset_is_no_class_within_it(chosen: Recipe, tmp_path: Path) -> None:
    settings = replace(chosen.train, loss="within-dataset")
    alone = replace(chosen, known=("A_FaceSwap", "B_Paste", "B_FaceSwap"), train=settings)
    with pytest.raises(KCEError, match="nothing to tell A_FaceSwap from"):
        run(tmp_path, alone, REGISTRY)
