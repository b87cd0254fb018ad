"""What reals add to a study: to the images of its trainings, to what its networks see, and to the estimate of both."""

from __future__ import annotations

from pathlib import Path

import pytest

from kce.errors import KCEError
from kce.features.table import open_table
from kce.registry.registry import Registry
from kce.study import cost, study
from kce.training.weights import file_sha256, read_weights_metadata
from tests.support.corpus import face_folder

REGISTRY = Registry.load(Path("/"))
STUDY = """
title = "with reals"
[cut]
detector = "whole"
[backbone]
tiny = "tiny:size=32,width=2"
[run]
extractor = "tiny"
rules = [["A_FaceSwap", "B_FaceSwap"]]
[run.train]
loss = "within-dataset"
per_class = 10
epochs = 2
held_out = 0.0
[run.evaluate]
evaluators = ["calinski-harabasz"]
per_category = 12
resamples = 20
[plan.none]
plan = "none"
[plan.none-equal]
plan = "none"
images_as = "name"
[plan.name]
plan = "name"
[plan.seen]
aligner = "codec-delta"
reducer = "none"
[plan.anchored]
aligner = "real-anchor"
reducer = "none"
[[group]]
name = 1
unknown = ["C_Unseen", "C_Strange"]
"""


def prepared(faces: Path | None, at: Path, text: str = STUDY) -> study.StudyPlan:
    (at / "study.toml").write_text(text)
    return study.prepare_study(str(at / "study.toml"), at / "out", REGISTRY, faces=faces)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[study.StudyPlan, cost.StudyCost]:
    """The study, and what it was expected to cost."""
    at = tmp_path_factory.mktemp("study")
    plan = prepared(face_folder(at, reals=12), at)
    expected = study.estimate_cost(plan, 1)
    engine = REGISTRY.build("engine", "local:runs=1")
    try:
        tasks = study.run_study(plan, engine, lambda _: None)
    finally:
        engine.stop()
    assert {task.error for task in tasks.values()} == {""}
    return plan, expected


def test_plans_of_equal_budgets_are_trained_on_equal_numbers_of_images(
    done: tuple[study.StudyPlan, cost.StudyCost],
) -> None:
    plan, _ = done
    images = {run.plan: run.images for run in plan.runs}
    assert images == {
        "none": 80,
        "none-equal": 70,
        "name": 70,
        "seen": 70,
        "anchored": 70,
    }  # 6 or 5 classes, 2 of reals
    for run in plan.runs:
        made = read_weights_metadata(plan.run_folder(run) / "final.safetensors")
        assert made["images"] == run.images


def test_the_estimate_counts_the_images_of_reals(done: tuple[study.StudyPlan, cost.StudyCost]) -> None:
    plan, expected = done
    networks = {file_sha256(path): path for path in plan.folder.rglob("*.safetensors")}
    made = [read_weights_metadata(path)["images"] for path in networks.values()]
    # One plan by clusters may have turned out to be another one, or that by name, and shares its network then.
    assert sum(made) * 2 <= expected.images
    assert expected.images == 2 * sum({"none": 80, "none-equal": 70, "name": 70, "seen": 70, "anchored": 70}.values())


def test_the_estimate_counts_what_is_seen_for_aligners(done: tuple[study.StudyPlan, cost.StudyCost]) -> None:
    plan, expected = done
    runs = {run.plan: run for run in plan.runs}
    found = {table: rows for run in plan.runs for table, rows in run.aligner_tables}
    assert {name for name in found if "+" in name} == {
        f"{table}+{view}" for table in ("known", "reals") for view in ("jpeg70", "scale90+jpeg80", "scale80+jpeg60")
    }
    file = plan.run_folder(runs["seen"]) / "features.h5"
    assert found == {table: len(open_table(file, table)) for table in found}
    assert runs["anchored"].aligner_tables == (("reals", found["reals"]),)
    speeds = {cost.first_network(runs["seen"]): cost.BackboneSpeed(1, 1, 1, 1, 32)}
    counts = plan.faces.category.counts() if plan.faces else {}
    outputs = {output.key: output for output in cost.list_outputs(plan.runs, counts, speeds)}
    assert sum(outputs[cost.aligner_table_key(runs["seen"], table)].seconds for table in found) == sum(found.values())
    assert expected.seconds > 0
    assert study.estimate_cost(plan, 1).seconds == 0  # all of it is there


def test_too_few_reals_are_said_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(KCEError, match=r"too few images for the plan: A_real has 6") as error:
        prepared(face_folder(tmp_path, reals=6), tmp_path)
    assert error.value.hint
    prepared(tmp_path / "faces", tmp_path, STUDY.replace("within-dataset", "softmax"))


def test_without_faces_the_number_of_images_is_not_known(tmp_path: Path) -> None:
    text = STUDY.replace('title = "with reals"', 'title = "x"\ncategories = ["A_1", "A_2", "C_Unseen", "C_Strange"]')
    assert {run.images for run in prepared(None, tmp_path, text).runs} == {None}
