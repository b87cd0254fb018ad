"""A small study from end to end, with the real engines: this machine's and a Ray cluster of two workers."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

import kce
from kce.errors import BadData, KCEError
from kce.faces.folder import read_detector
from kce.features import pieces
from kce.features.table import open_table
from kce.registry.registry import Registry
from kce.study import comparison, cost, study
from kce.system import shipped
from kce.system.lock import folder_lock
from kce.training.weights import file_sha256, read_weights_metadata
from tests.registry.test_registry import write
from tests.support import browser
from tests.support.corpus import KNOWN, UNKNOWN, face_folder

if TYPE_CHECKING:
    from kce.system.job import Job

REGISTRY = Registry.load(Path("/"))
STUDY = """
title = "small"
[cut]
detector = "whole"
[backbone]
tiny = "tiny:size=32,width=2"
other = "tiny:size=32,width=3"
[run]
extractor = "tiny"
rules = [["A_FaceSwap", "B_FaceSwap"]]
[run.train]
per_class = 10
epochs = EPOCHS
held_out = 0.0
save_every = 0.0
lr = 0.01
[run.evaluate]
evaluators = ["calinski-harabasz", "permuted-labels:rounds=49"]
per_category = 12
resamples = 20
[plan.none]
plan = "none"
backbones = ["tiny"]
[plan.none-equal]
plan = "none"
images_as = "name"
backbones = ["tiny"]
[plan.name]
plan = "name"
[plan.random]
plan = "random"
reducer = "pca:n_components=4"
backbones = ["tiny"]
[plan.kmeans]
reducer = "pca:n_components=4"
[plan.kmeans-again]
reducer = "pca:n_components=5"
backbones = ["tiny"]
[[group]]
name = 1
unknown = ["C_Unseen", "C_Strange"]
[[group]]
name = 2
unknown = ["A_Blur", "B_Reenact"]
[[published]]
backbone = "tiny"
plan = "name"
groups = [1, 2]
values = [10.0, 20.0]
[[published]]
backbone = "tiny"
plan = "kmeans"
groups = [1, 2]
values = [20.0, 30.0]
[[claim]]
backbone = "tiny"
plan = "kmeans"
over = "name"
percent = 66.7
"""


def one_group(text: str = STUDY) -> str:
    """A study with the first group and five of its eight runs, for tests that do them again."""
    text = text[: text.index("[[group]]\nname = 2")] + text[text.index("[[published]]") :]
    for plan, following in (("none-equal", "name"), ("random", "kmeans"), ("kmeans-again", None)):
        end = text.index(f"[plan.{following}]") if following else text.index("[[group]]")
        text = text[: text.index(f"[plan.{plan}]")] + text[end:]
    for two, one in {"groups = [1, 2]": "groups = [1]", "[10.0, 20.0]": "[10.0]", "[20.0, 30.0]": "[20.0]"}.items():
        text = text.replace(two, one)
    return text


def written(folder: Path, text: str = STUDY, epochs: int = 1) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "small.toml").write_text(text.replace("EPOCHS", str(epochs)))
    return folder / "small.toml"


def done(
    study_path: Path, faces: Path, to: Path, engine: str = "local:runs=2,threads=1", **more: Any
) -> dict[str, Any]:
    plan = study.prepare_study(str(study_path), to, REGISTRY, faces=faces, **more)
    workers = REGISTRY.build("engine", engine)
    try:
        price = study.estimate_cost(plan, workers.slots)
        tasks = study.run_study(plan, workers, lambda _: None)
    finally:
        workers.stop()
    return study.finish_study(plan, tasks, price)


def outcome(found: dict[str, Any]) -> Any:
    """What two ways of doing a study must agree in."""
    return [found[part] for part in ("plans", "differences", "claims", "published", "runs", "failed")]


def check_one_group(found: dict[str, Any], whole: dict[str, Any]) -> None:
    """The runs of ``one_group`` are those of the whole study; the rest of a report is made of its runs."""
    assert found["failed"] == {}
    runs = {(run["plan"], run["backbone"]): run for run in whole["runs"] if run["group"] == 1}
    assert len(found["runs"]) == 5
    assert all(run == runs[run["plan"], run["backbone"]] for run in found["runs"])


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return face_folder(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def local(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("study")
    return folder, done(written(folder), faces, folder / "out")


@pytest.fixture(scope="module")
def reported(local: tuple[Path, dict[str, Any]]) -> tuple[Path, dict[str, Any]]:
    """The same, with the whole report."""
    made = kce.report(local[0] / "out", progress=False)
    assert made.report == local[0] / "out" / "report.html"
    return local


def test_a_plan_whose_aligner_lacks_reals_is_refused_or_left_out(faces: Path, tmp_path: Path) -> None:
    # A plan by name asks for no reals, whatever its aligner, and does not speak for the one after it.
    plans = '[plan.by-name]\nplan = "name"\naligner = "real-anchor"\n[plan.anchored]\naligner = "real-anchor"\n'
    text = STUDY.replace("[[group]]\nname = 1", f"{plans}[[group]]\nname = 1", 1)
    study_path = written(tmp_path, text)
    with pytest.raises(BadData, match=r"plan 'anchored'.*no reals of A, B in") as error:
        study.prepare_study(str(study_path), tmp_path / "out", REGISTRY, faces=faces)
    assert "--allow-missing" in error.value.hint
    plan = study.prepare_study(str(study_path), tmp_path / "out", REGISTRY, faces=faces, allow_missing=True)
    assert {"anchored", "by-name"} & {run.plan for run in plan.runs} == {"by-name"}
    assert any("left out: the plan anchored" in remark for remark in plan.remarks)


def test_every_run_is_reported_with_n_seed_and_interval(local: tuple[Path, dict[str, Any]]) -> None:
    folder, found = local
    assert found["failed"] == {}
    assert len(found["runs"]) == 2 * (4 + 2 * 2)
    assert found["evaluated_rows"] == [24]
    for line in found["plans"]:
        assert line["n"] == 2
        assert line["interval"] is None  # two cells
        assert set(line["groups"]) == {"1", "2"}
    for run in found["runs"]:
        assert run["n"] == 24
        low, high = run["intervals"]["calinski-harabasz"]["calinski_harabasz"]
        assert low < high
        assert 0 < run["scores"]["permuted-labels"]["p"] <= 1
    names = {(line["backbone"], line["plan"]): line for line in found["plans"]}
    assert names["tiny", "name"]["gain_over_name"]["gain"] == 0.0
    assert json.loads((folder / "out" / "report.json").read_text())["plans"] == json.loads(json.dumps(found["plans"]))


def test_a_study_of_few_cells_says_why_it_has_no_intervals(reported: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = reported
    for name, cells in (("plans-compared", "pairs"), ("differences", "pairs"), ("claims", "pairs of group and seed")):
        text = (folder / "out" / "tables" / f"{name}.md").read_text("utf-8")
        assert f"-: no interval of fewer than 3 {cells}, or of equal values." in text


def test_what_runs_share_was_made_once(local: tuple[Path, dict[str, Any]], faces: Path) -> None:
    """Every training leaves other weights; equal ones are one file under several names."""
    folder, _ = local
    files = list((folder / "out" / "runs").rglob("*.safetensors"))
    made: dict[str, set[int]] = {}
    for path in files:
        made.setdefault(file_sha256(path), set()).add(path.stat().st_ino)
    assert all(len(inodes) == 1 for inodes in made.values())
    assert len(files) > len(made)
    plan = study.prepare_study(str(folder / "small.toml"), folder / "out", REGISTRY, faces=faces)
    assert len(made) <= plan.dry_run()["trainings"]
    for group in ("group-1", "group-2"):
        at = folder / "out" / "runs" / group / "seed-0" / "tiny"
        assert file_sha256(at / "none" / "final.safetensors") == file_sha256(at / "random" / "first.safetensors")
        known = [path for path in at.parent.glob("*/*/features.h5") if "known" in h5_tables(path)]
        assert len(known) == 1


def h5_tables(path: Path) -> list[str]:
    import h5py

    with h5py.File(path) as file:
        return list(file)


def test_another_backbone_uses_the_plan_of_the_extractor(local: tuple[Path, dict[str, Any]]) -> None:
    folder, found = local
    plans = {(run["backbone"], run["plan"], run["group"]): run for run in found["runs"]}
    for group in (1, 2):
        at = folder / "out" / "runs" / f"group-{group}" / "seed-0"
        one, other = (at / backbone / "kmeans" / "plan.toml" for backbone in ("tiny", "other"))
        assert one.read_text() == other.read_text()
        assert not (other.parent / "first.safetensors").exists()
        assert plans["other", "kmeans", group]["classes"] == 5


def test_a_budget_of_images_is_spent_to_the_last(local: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = local
    at = folder / "out" / "runs" / "group-1" / "seed-0" / "tiny"
    assert read_weights_metadata(at / "none-equal" / "final.safetensors")["images"] == 50
    assert read_weights_metadata(at / "name" / "final.safetensors")["images"] == 50
    assert read_weights_metadata(at / "none" / "final.safetensors")["images"] == 60


def test_a_finished_study_is_not_repeated(local: tuple[Path, dict[str, Any]], faces: Path) -> None:
    folder, found = local
    made = [path for path in (folder / "out").rglob("*") if path.suffix in (".safetensors", ".h5", ".toml")]
    before = {path: path.stat().st_mtime_ns for path in made}
    again = done(folder / "small.toml", faces, folder / "out")
    assert outcome(again) == outcome(found)
    assert {path: path.stat().st_mtime_ns for path in made} == before


def test_a_failing_plan_stops_no_other_and_its_reason_is_reported(faces: Path, tmp_path: Path) -> None:
    broken = '[plan.broken]\nreducer = "tsne:n_components=99"\nbackbones = ["tiny"]\n[plan.none-equal]'
    text = STUDY.replace("[plan.none-equal]", broken)
    found = done(written(tmp_path, one_group(text)), faces, tmp_path / "out")
    broken = {name: error for name, error in found["failed"].items() if "broken" in name}
    assert set(broken) == {"group-1/seed-0/tiny/broken: plan", "group-1/seed-0/tiny/broken"} == set(found["failed"])
    assert "n_components" in broken["group-1/seed-0/tiny/broken: plan"]
    assert {line["plan"]: line["n"] for line in found["plans"] if line["backbone"] == "tiny"} == {
        "none": 1, "broken": 0, "name": 1, "kmeans": 1,
    }  # fmt: skip
    # One group alone has no interval, and so no verdict.
    assert found["claims"][0]["verdict"] == "undecidable"


# Ray leaves its log files to the garbage collector.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_ray_cluster_whose_worker_is_killed_ends_with_the_results_of_the_local_engine(
    local: tuple[Path, dict[str, Any]], faces: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ray")
    plan = study.prepare_study(str(written(tmp_path, one_group())), tmp_path / "out", REGISTRY, faces=faces)
    killed: list[int] = []

    def kill(tasks: Any) -> None:
        """The worker of the first run that is seen at work."""
        for task in tasks.values():
            holder = Path(task.job.parameters["folder"]) / ".lock.holder"
            if not killed and task.state == "running" and task.job.parameters["until"] == "scores" and holder.is_file():
                killed.append(json.loads(holder.read_text())["process"])
                os.kill(killed[0], signal.SIGKILL)

    engine = REGISTRY.build("engine", "ray:runs=2")
    try:
        assert engine.slots == 2
        tasks = study.run_study(plan, engine, kill)
    finally:
        engine.stop()
    assert killed
    assert {task.state for task in tasks.values()} == {"done"}
    found = study.finish_study(plan, tasks, study.estimate_cost(plan, 2))
    check_one_group(found, local[1])


class Here:
    """An engine that does each job at once, in this process."""

    slots = 2

    def submit(self, job: Job) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(job())
        return done

    def stop(self) -> None:
        pass


def piece_study(faces: Path, to: Path, monkeypatch: pytest.MonkeyPatch) -> study.StudyPlan:
    """One plan and group of the study, whose tables of 96 and 32 rows have pieces of at least 16."""
    monkeypatch.setattr(study, "PIECE_ROWS", 16)
    monkeypatch.setattr(pieces, "_SHARD_ROWS", 8)
    text = STUDY.replace("held_out", "batch_size = 8\nheld_out")
    text = text[: text.index("[plan.none]")] + text[text.index("[plan.kmeans]") : text.index("[plan.kmeans-ag")]
    text = text.replace("[plan.kmeans]", '[plan.kmeans]\nbackbones = ["tiny"]')
    text += '[[group]]\nname = 1\nunknown = ["C_Unseen", "C_Strange"]\n'
    return study.prepare_study(str(written(to, text)), to / "out", REGISTRY, faces=faces)


def rows_of(folder: Path) -> dict[str, Any]:
    """Every table of a study's runs."""
    found: dict[str, Any] = {}
    for path in folder.rglob("features.h5"):
        for table in h5_tables(path):
            rows = open_table(path, table).read_all()
            columns = [rows.key, rows.label, rows.group, rows.x]
            found[f"{path.relative_to(folder)}:/{table}"] = [column.tolist() for column in columns]
    return found


@pytest.fixture(scope="module")
def without_pieces(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one-go")
    with pytest.MonkeyPatch.context() as patch:
        plan = piece_study(faces, folder, patch)
        patch.setattr(study, "PIECE_ROWS", 1000)
        carry_out(plan, Here())
    return folder


def carry_out(plan: study.StudyPlan, engine: Any, report: Any = lambda _: None) -> None:
    try:
        tasks = study.run_study(plan, engine, report)
    finally:
        engine.stop()
    assert {task.state for task in tasks.values()} == {"done"}


def test_an_extraction_in_pieces_has_the_rows_of_one_in_one_go(
    without_pieces: Path, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = piece_study(faces, tmp_path, monkeypatch)
    run = "group-1/seed-0/tiny/kmeans"
    assert list(plan.make_tasks(2)) == [
        f"{run}: first model",
        f"{run}: known rows 1 to 48",
        f"{run}: known rows 49 to 96",
        f"{run}: known features",
        f"{run}: plan",
        f"{run}: final model",
        f"{run}: unknown rows 1 to 16",
        f"{run}: unknown rows 17 to 32",
        run,
    ]
    carry_out(plan, Here())
    assert rows_of(tmp_path / "out") == rows_of(without_pieces / "out")
    assert not list((tmp_path / "out").rglob("*.parts"))
    state = json.loads((tmp_path / "out" / "study.json").read_text())
    assert {job["machine"] for job in state["jobs"].values()} == {socket.gethostname()}
    # What is published has no pieces: the same command finds nothing to do.
    assert list(plan.make_tasks(2)) == [f"{run}: known features", f"{run}: plan", run]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("engine", "process"), [("local:runs=1,threads=1", "spawn_main"), ("ray:runs=2", "ray::group-1")]
)
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_worker_that_is_killed_in_a_piece_changes_no_row(
    without_pieces: Path, faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, process: str
) -> None:
    if engine.startswith("ray"):
        pytest.importorskip("ray")
    plan = piece_study(faces, tmp_path, monkeypatch)
    killed: list[int] = []

    def kill(tasks: Any) -> None:
        if not killed and any(task.state == "running" and "rows" in task.job.parameters for task in tasks.values()):
            at_work = psutil.Process().children(recursive=True)
            killed.extend([worker.pid for worker in at_work if process in " ".join(worker.cmdline())][:1])
            for worker in killed:
                os.kill(worker, signal.SIGKILL)

    carry_out(plan, REGISTRY.build("engine", engine), kill)
    assert killed
    assert rows_of(tmp_path / "out") == rows_of(without_pieces / "out")


_SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, pytest.param(signal.SIGTERM, marks=_SLOW), pytest.param(signal.SIGKILL, marks=_SLOW)],
)
def test_a_stopped_study_continues_and_has_the_same_results(
    local: tuple[Path, dict[str, Any]], faces: Path, tmp_path: Path, number: int
) -> None:
    study_path, to = written(tmp_path, one_group()), tmp_path / "out"
    words = [
        sys.executable,
        "-m",
        "kce",
        "study",
        str(study_path),
        "--faces",
        str(faces),
        "--to",
        str(to),
        "--cache",
        "1GB",
    ]
    if number == signal.SIGTERM:  # as in a script: a shell has its background jobs ignore Ctrl-C
        words = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *words]
    going = subprocess.Popen([*words, "--engine", "local:runs=2,threads=1"], stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 120
    while not list(to.glob("runs/*/*/*/*/final.safetensors")) and time.monotonic() < until:
        time.sleep(0.1)
    os.kill(going.pid, number)
    said = going.communicate(timeout=120)[1]
    if number != signal.SIGKILL:
        assert going.returncode == 130, said
        assert "continues where it stopped" in said
    assert len(list(to.glob("runs/*/*/*/*/report.json"))) < 5
    while any(psutil.pid_exists(worker) for worker in holders(to)):  # a killed study's workers soon see that it is gone
        time.sleep(0.1)
    assert list(to.glob("pixel-cache/32px-*.pixels"))
    check_one_group(done(study_path, faces, to, cache=2**30), local[1])
    assert not (to / "pixel-cache").exists()


def holders(folder: Path) -> list[int]:
    """The processes that were at work in the folder and did not end by themselves."""
    return [json.loads(path.read_text())["process"] for path in folder.rglob(".lock.holder")]


def test_a_second_study_in_the_folder_gets_an_error_that_names_the_first(faces: Path, tmp_path: Path) -> None:
    plan = study.prepare_study(str(written(tmp_path)), tmp_path / "out", REGISTRY, faces=faces)
    holder = "import sys, time; from pathlib import Path; from kce.system.lock import folder_lock\n"
    holder += f"with folder_lock(Path({str(tmp_path / 'out')!r}), 'study'): print('held', flush=True); time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", holder], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        engine = REGISTRY.build("engine", "local:runs=1")
        with pytest.raises(KCEError, match=rf"writing in .*: study, process {other.pid} on .*, since 20"):
            study.run_study(plan, engine, lambda _: None)
        engine.stop()
    finally:
        other.kill()
        other.communicate()
    with folder_lock(tmp_path / "out", "study"):  # a killed holder holds nothing
        pass


def test_missing_categories_are_an_error_or_marked(faces: Path, tmp_path: Path) -> None:
    named = [*KNOWN, *UNKNOWN, "C_Absent"]
    text = f"categories = {json.dumps(named)}\n{STUDY}"
    study_path = written(tmp_path, text)
    with pytest.raises(KCEError, match="1 categories of the study are missing: C_Absent"):
        study.prepare_study(str(study_path), tmp_path / "out", REGISTRY, faces=faces)
    plan = study.prepare_study(str(study_path), tmp_path / "out", REGISTRY, faces=faces, allow_missing=True)
    assert all(run["missing"] == ["C_Absent"] for run in plan.dry_run()["runs"])


def test_too_few_images_are_an_error_that_says_what_would_work(faces: Path, tmp_path: Path) -> None:
    study_path = written(tmp_path, STUDY.replace("per_class = 10", "per_class = 100"))
    with pytest.raises(KCEError, match="too few images") as error:
        study.prepare_study(str(study_path), tmp_path / "out", REGISTRY, faces=faces)
    assert "at most 16" in error.value.hint
    assert study.prepare_study(str(study_path), tmp_path / "out", REGISTRY, faces=faces, per_class=16).runs


def test_a_study_that_does_not_fit_is_refused_with_numbers(faces: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    plan = study.prepare_study(str(written(tmp_path)), tmp_path / "out", REGISTRY, faces=faces)
    found = study.estimate_cost(plan, 2)
    assert found.trainings == plan.dry_run()["trainings"]
    assert found.seconds > 0
    assert found.disk > 0
    cost.check_resources(replace(found, disk_free=2**60, memory_free=2**60))
    with pytest.raises(KCEError, match=r"about 1024.0 GB of disk, and 1 MB are free"):
        cost.check_resources(replace(found, disk=2**40, disk_free=2**20, memory_free=2**60))
    with pytest.raises(KCEError, match=r"of memory, and 1 MB are free"):
        cost.check_resources(replace(found, disk_free=2**60, memory_free=2**20))


def test_plans_of_a_study_may_compute_in_different_precisions(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each network is measured in each precision, and nothing is shared between the two."""
    measured: list[tuple[str, str]] = []

    def measure(backbone: str, precision: str, registry: Registry) -> cost.BackboneSpeed:
        measured.append((backbone, precision))
        return cost.BackboneSpeed(10.0 if precision == "bf16" else 100.0, 1000.0, 1000, 8, 32)

    monkeypatch.setattr(cost, "measure_backbone", measure)
    text = STUDY.partition("[plan.none]")[0] + "".join(
        f'[plan.{precision}]\nbackbones = ["tiny"]\n[plan.{precision}.train]\nprecision = "{precision}"\n'
        for precision in ("32", "bf16")
    )
    text += '[[group]]\nname = 1\nunknown = ["C_Unseen", "C_Strange"]\n'
    plan = study.prepare_study(str(written(tmp_path, text)), tmp_path / "out", REGISTRY, faces=faces)
    found = study.estimate_cost(plan, 1)
    assert measured == [("tiny:size=32,width=2", "32"), ("tiny:size=32,width=2", "bf16")]
    assert found.trainings == 4
    known = {name: seconds for name, seconds in found.jobs.items() if "known features" in name}
    assert len(known) == 2
    assert known["group-1/seed-0/tiny/bf16: known features"] > 5 * known["group-1/seed-0/tiny/32: known features"]


def test_a_comparison_says_where_runs_computed_in_different_precisions() -> None:
    same = {"a": {"precision": "32"}, "b": {"precision": "32"}}
    assert comparison.describe_precisions(same) == []
    (remark,) = comparison.describe_precisions({**same, "c": {"precision": "bf16"}, "d": {"precision": ""}})
    assert "2 in 32, 1 in bf16, 1 in unknown" in remark


def test_the_cost_of_a_continued_study_is_that_of_what_is_left(
    local: tuple[Path, dict[str, Any]], faces: Path, tmp_path: Path
) -> None:
    study_path, out = local[0] / "small.toml", tmp_path / "out"
    new = study.estimate_cost(study.prepare_study(str(study_path), out, REGISTRY, faces=faces), 2)
    assert new.left == new.trainings
    shutil.copytree(local[0] / "out", out)
    plan = study.prepare_study(str(study_path), out, REGISTRY, faces=faces)
    done = study.estimate_cost(plan, 2)
    assert (done.trainings, done.left, done.images, done.seconds, done.disk) == (new.trainings, 0, 0, 0, 0)
    name = out / "runs" / "group-1" / "seed-0" / "other" / "name"
    (name / "final.safetensors").unlink()
    (name / "features.h5").write_bytes(b"damaged")
    some = study.estimate_cost(plan, 2)
    assert (some.trainings, some.left, some.images) == (new.trainings, 1, 5 * 10)
    assert set(some.jobs) == {"group-1/seed-0/other/name"}
    assert 0 < some.disk < new.disk
    assert any("1 of " in line for line in cost.describe_cost(some))
    # What the runs of both networks were clustered from is gone; the other network itself has nothing left to do.
    shutil.copytree(local[0] / "out" / "runs", out / "runs", dirs_exist_ok=True)
    one = out / "runs" / "group-1" / "seed-0" / "tiny"
    (one / "random" / "features.h5").unlink()
    again = study.estimate_cost(plan, 2)
    assert again.left == 0
    assert set(again.jobs) == {"group-1/seed-0/tiny/random: known features", "group-1/seed-0/tiny/random"}


def test_the_expected_times_of_the_jobs_add_up_to_the_total(faces: Path, tmp_path: Path) -> None:
    plan = study.prepare_study(str(written(tmp_path)), tmp_path / "out", REGISTRY, faces=faces)
    found = study.estimate_cost(plan, 2)
    assert set(found.jobs) <= set(plan.make_tasks())
    assert sum(found.jobs.values()) == pytest.approx(2 * found.seconds)
    # The final model of "none" is the first one of the plans by clusters, made in the job that is done before.
    none, known = "group-1/seed-0/tiny/none", "group-1/seed-0/tiny/random: known features"
    assert found.jobs[none] < found.jobs[known]


def test_plans_are_compared_by_the_shipped_index_alone(faces: Path, tmp_path: Path) -> None:
    plugin = "from kce import hookimpl\n@hookimpl\ndef kce_evaluators(): return {'own': dict}\n"
    registry = write(tmp_path, '[evaluator.calinski-harabasz]\nuse = "mine:own"\n', mine=plugin)
    with pytest.raises(KCEError, match="redefines the evaluator calinski-harabasz"):
        study.prepare_study(str(written(tmp_path)), tmp_path / "out", registry, faces=faces)


def test_faces_from_another_detector_are_noted(faces: Path, tmp_path: Path) -> None:
    study_path = written(tmp_path, STUDY.replace('detector = "whole"', 'detector = "retinaface"'))
    plan = study.prepare_study(str(study_path), tmp_path / "out", REGISTRY, faces=faces)
    assert plan.remarks == ("the faces were cut with whole; the study asks for retinaface",)
    assert read_detector(faces) == "whole"


def test_a_dry_run_prints_the_runs_and_starts_nothing(
    kce_here: Callable[..., Any], faces: Path, tmp_path: Path
) -> None:
    study_path = written(tmp_path)
    words = ["study", study_path, "--faces", faces, "--to", "out", "--dry-run"]
    found = json.loads(kce_here(*words, "--json").stdout)
    assert len(found["runs"]) == 16
    assert {"group", "plan", "backbone", "seed", "classes", "images", "known", "unknown"} <= set(found["runs"][0])
    assert not (tmp_path / "out").exists()
    estimate = found["estimate"]
    assert min(estimate[key] for key in ("seconds", "disk", "memory", "images", "slots")) > 0
    assert estimate["trainings"] == found["trainings"]
    said = kce_here(*words).stdout
    assert re.search(r"about \d+ h \d\d min, .* at a time on this machine", said)
    assert re.search(r"of disk \(.* free\) and .* of memory", said)
    assert study.prepare_study("sun2023", tmp_path, REGISTRY, seeds=2).dry_run()["trainings"] == 112
    without = json.loads(kce_here("study", "sun2023", "--scale", "small", "--dry-run", "--json").stdout)
    assert any("of the trainings alone" in remark for remark in without["remarks"])
    for words, message in (
        (["study", "sun2024", "--dry-run"], "Did you mean 'sun2023'"),
        (["study", "sun2023", "--to", "x"], "no faces"),
        (["study", "sun2023", "--faces", faces], "no folder"),
        (["study", "sun2023", "--faces", faces, "--to", "x"], "categories of the study are missing"),
        (["study", "sun2023", "--scale", "smal", "--to", "x"], "Did you mean 'small'"),
        (["study", study_path, "--faces", faces, "--to", "x", "--engine", "locl"], "Did you mean 'local'"),
    ):
        refused = kce_here(*words)
        assert refused.returncode == 2, refused.stderr
        assert message in refused.stderr
        assert "Traceback" not in refused.stderr


@pytest.mark.slow
def test_a_cut_of_the_paper_s_study_runs_in_small_from_the_shell(kce: Callable[..., Any], tmp_path: Path) -> None:
    """The shipped study, its own world with all 31 names, one group and a third of its plans."""
    text = (shipped.RECIPES / "sun2023.toml").read_text(encoding="utf-8")
    head, _, rest = text.partition("[[group]]\nname = 2")
    text = head + rest[rest.index("# Table 4") :]
    for plan in ("none-equal", "random", "kmeans-none", "kmeans-tsne2", "kmeans-pca32", "kmeans-pca128"):
        start = text.index(f"[plan.{plan}]")
        text = text[:start] + text[text.index("\n\n", start) + 2 :]
    published = [part for part in text.split("\n\n") if not re.search(r"kmeans-(none|tsne2|pca32|pca128)\"", part)]
    text = "\n\n".join(published).replace("groups = [1, 2, 3, 4]", "groups = [1, 7, 8, 9]")
    text = text.replace("images=40", "images=8").replace("per_class = 32", "per_class = 6")
    text = text.replace("epochs = 6", "epochs = 1").replace("resnet18:size=64", "resnet18:size=32")
    (tmp_path / "cut.toml").write_text(text, encoding="utf-8")
    done = kce("study", "cut.toml", "--scale", "small", "--to", "out", "--engine", "local:runs=2,threads=1")
    assert done.returncode == 0, done.stderr
    assert "note: scaled down (small)" in done.stderr
    found = json.loads((tmp_path / "out" / "report.json").read_text())
    assert len(found["runs"]) == 8
    assert "kmeans-pca64-anchored" in {run["plan"] for run in found["runs"]}  # with the reals of every dataset
    assert {run["component"] for run in found["runs"]} == {"tiny", "f3net-tiny", "resnet18:size=32"}
    assert {len(run["known"]) for run in found["runs"]} == {27}
    assert [run["classes"] for run in found["runs"] if run["plan"] != "none"] == [19] * 7
    assert len(found["claims"]) == 4
    for path in ("report.html", "figures/known.png", "tables/claims.tex", "tables/published.csv"):
        assert (tmp_path / "out" / path).stat().st_size > 0


def test_the_files_of_its_tables_have_unrounded_numbers(reported: tuple[Path, dict[str, Any]]) -> None:
    folder, found = reported

    def table(name: str) -> list[dict[str, str]]:
        return list(csv.DictReader((folder / "out" / "tables" / f"{name}.csv").read_text("utf-8").splitlines()))

    for line, run in zip(table("runs"), found["runs"], strict=True):
        assert line["plan"] == run["plan"]
        ch = "calinski-harabasz", "calinski_harabasz"
        assert float(line[" ".join(ch)]) == run["scores"][ch[0]][ch[1]]
        ends = [float(line[f"{' '.join(ch)} {end}"]) for end in ("low", "high")]
        assert ends == run["intervals"][ch[0]][ch[1]]
        assert float(line["permuted-labels p"]) == run["scores"]["permuted-labels"]["p"]
    for line, difference in zip(table("differences"), found["differences"], strict=True):
        assert float(line["mean"]) == difference["mean"]
        assert (difference["interval"], line["low"], line["high"]) == (None, "", "")  # two cells
    assert float(table("claims")[0]["percent"]) == 66.7
    assert {line["missing"] for line in table("published")} == {""}
    for line, plan in zip(table("plans-compared"), found["plans"], strict=True):
        assert float(line["group 2"]) == plan["groups"]["2"]["mean"]


@browser.needed
def test_the_page_of_a_study_shows_its_tables_and_lets_one_choose(reported: tuple[Path, dict[str, Any]]) -> None:
    folder, found = reported
    with browser.opened(folder / "out" / "report.html") as seen:
        assert seen.page.locator("#plans-compared tbody tr").count() == len(found["plans"])
        assert seen.page.locator("#claims tbody tr").count() == 1
        assert seen.page.locator("#published tbody tr").count() == 6
        assert seen.page.locator("#differences tbody tr").count() == len(found["differences"])
        assert seen.page.locator("#runs tbody tr").count() == len(found["runs"])
        browser.drawn(seen.page, "unknown")
        names = "document.getElementById('plot-unknown').data.map(trace => trace.name).join()"
        first = seen.page.evaluate(names)
        seen.page.locator("select[data-for=unknown]").select_option("group 2, tiny, kmeans")
        seen.page.wait_for_function(f"{names} !== {first!r}")
        assert seen.page.evaluate(names) == "A_Blur,B_Reenact"
        browser.drawn(seen.page, "known")
        # Each group has its plans, and the faces that they are about.
        plans = {run["plan"] for run in found["runs"]}
        for number in (1, 2):
            head = seen.page.locator(f"#plan-{number} thead th").all_inner_texts()
            assert head[0] == "category"
            assert {name.removeprefix("tiny ") for name in head[1:] if name.startswith("tiny ")} == plans
        seen.page.locator("#plan-2 tbody button").first.click()
        assert seen.page.locator("#panel section").first.locator(".tiles button").count() == 12
        seen.page.locator("#panel .tiles button").first.click()
        assert seen.page.locator("#panel .near button").count() == 5
        classes = [name for name in seen.page.locator("#panel dt").all_inner_texts() if name.startswith("Class")]
        assert classes == [f"Class, plan {name}" for name in head[1:]]  # those of this group alone
        seen.page.keyboard.press("Escape")
        assert seen.errors == []
    with browser.opened(folder / "out" / "report.html", width=320, height=640) as seen:
        for name in ("bars", "unknown", "known", "similarity", "plans"):
            browser.drawn(seen.page, name)
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= 320
        # Between names there is room for what they are about.
        assert seen.page.locator("#plot-similarity .heatmaplayer").bounding_box()["width"] > 200
