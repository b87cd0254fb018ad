"""Tracing to a trained run: pictures, folders, stored features; what is wrong with them; and what is written."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from kce import BadData, KCEError
from kce.errors import Refused
from kce.faces.cut import cut
from kce.merging.plan_file import read_plan, write_plan
from kce.pipeline.recipe import Recipe
from kce.pipeline.run import run
from kce.pipeline.trace import trace
from kce.registry.registry import Registry
from kce.system.documents import read_document
from kce.tracing.trace_report import TraceReport
from kce.training.settings import TrainSettings
from kce.types import MergePlan
from tests.support.corpus import KNOWN, UNKNOWN, pattern, pictures
from tests.support.failing import registry_with_failing_clusterer

REGISTRY = Registry.load(Path("/"))
BACKBONE = "tiny:size=16,width=2"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures, a face folder, and a run whose final network was trained for a moment."""
    at = tmp_path_factory.mktemp("traced")
    root = pictures(at / "pictures", count=48, groups=48)
    cut(REGISTRY.build("dataset", "folder", root=root), at / "faces", detector="whole", workers=0)
    train = TrainSettings(epochs=1, held_out=0.5, batch_size=32)
    recipe = Recipe(faces=str(at / "faces"), unknown=tuple(UNKNOWN), backbone=BACKBONE, plan="name", train=train)
    run(at / "run", recipe, REGISTRY, until="final")
    return at


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A folder with a few pictures."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(6):
        rng = np.random.default_rng(number)
        cv2.imwrite(
            str(folder / f"{number}.png"), pattern("dots" if number % 2 else "checks", rng, size=8 + 10 * number)
        )
    return folder


def call(made: Path, given: Any, to: Path, **options: Any) -> TraceReport:
    given = [str(one) for one in (given if isinstance(given, list) else [given])]
    return trace(made / "run", given, to, REGISTRY, **{"tracer": "mahalanobis", **options})


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_face_has_a_line_whose_answer_follows_from_its_p_values(made: Path, inputs: Path, tmp_path: Path) -> None:
    report = call(made, inputs, tmp_path / "out", discover="kmeans:n_clusters=1")
    rows = lines(tmp_path / "out" / "traces.csv")
    assert sorted(row["key"] for row in rows) == [f"input/{number}.png" for number in range(6)]
    assert report.faces == 6 == sum(report.answers.values())
    families = list(report.families)
    assert families == sorted({category.partition("_")[2] for category in KNOWN})
    for row in rows:
        p = {name: float(row[f"p {name}"]) for name in families}
        assert all(0 < value <= 1 for value in p.values())
        possible = [name for name in families if p[name] > 0.05]
        assert row["possible"] == ";".join(possible)
        assert row["answer"] == (max(possible, key=p.__getitem__) if possible else "unknown")
        assert row["neighbour_1"].split(": ")[0] in KNOWN
    assert read_document(tmp_path / "out" / "trace.json", TraceReport) == report
    assert sum(group.faces for group in report.groups) == report.answers.get("unknown", 0)


def test_started_again_it_makes_the_same_files_and_cuts_nothing_twice(made: Path, inputs: Path, tmp_path: Path) -> None:
    def bytes_of(folder: Path) -> dict[str, bytes]:
        return {name: (folder / name).read_bytes() for name in ("traces.csv", "videos.csv")}

    call(made, inputs, tmp_path / "out")
    first, features = bytes_of(tmp_path / "out"), (tmp_path / "out" / "features.h5").stat().st_mtime_ns
    call(made, inputs, tmp_path / "out")
    assert bytes_of(tmp_path / "out") == first
    assert (tmp_path / "out" / "features.h5").stat().st_mtime_ns == features
    (inputs / "7.png").write_bytes((inputs / "1.png").read_bytes())
    with pytest.raises(Refused, match="a trace of other faces") as error:
        call(made, inputs, tmp_path / "out")
    assert "--to" in error.value.hint
    (tmp_path / "out" / "features.h5").rename(tmp_path / "old.h5")
    assert call(made, inputs, tmp_path / "out").faces == 7


def test_a_folder_never_answers_for_other_inputs_whose_files_have_the_same_names(
    made: Path, inputs: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for number in range(6):
        (other / f"{number}.png").write_bytes((inputs / "0.png").read_bytes())
    call(made, inputs, tmp_path / "out")
    before = {path: path.read_bytes() for path in sorted((tmp_path / "out").rglob("*")) if path.is_file()}
    for given, words in ((other, "other is none of them"), ([inputs, other], "other is none of them")):
        with pytest.raises(Refused, match=words) as error:
            call(made, given, tmp_path / "out")
        assert "--to" in error.value.hint
    assert {path: path.read_bytes() for path in sorted((tmp_path / "out").rglob("*")) if path.is_file()} == before
    call(made, inputs, tmp_path / "out")


@pytest.mark.parametrize("what", ["run", "pictures"])
def test_a_folder_with_something_else_is_not_written_into(made: Path, inputs: Path, what: str) -> None:
    names = sorted(path.name for path in (made / what).iterdir())
    with pytest.raises(Refused, match="not the folder of a trace"):
        call(made, inputs, made / what)
    assert sorted(path.name for path in (made / what).iterdir() if path.name != ".lock") == [
        name for name in names if name != ".lock"
    ]


def test_faces_smaller_than_the_network_sees_are_said(made: Path, inputs: Path, tmp_path: Path) -> None:
    report = call(made, inputs, tmp_path / "out")  # from 8 to 58 pixels; the network sees 16
    assert any("1 of 6 faces are smaller than the 16 x 16 pixels" in remark for remark in report.remarks)
    again = call(made, tmp_path / "out" / "faces", tmp_path / "again")
    assert any("1 of 6 faces are smaller" in remark for remark in again.remarks)
    assert not any("smaller" in remark for remark in call(made, made / "faces", tmp_path / "known").remarks)


def test_traces_to_one_run_do_not_lock_each_other_out(made: Path, inputs: Path, tmp_path: Path) -> None:
    from kce.pipeline.traced_run import known_rows, open_traced_run
    from kce.system.lock import folder_lock

    run = open_traced_run(made / "run", REGISTRY)
    known_rows(run, tmp_path, REGISTRY, 1, lambda *_: None)
    code = (
        "import sys; from pathlib import Path; from kce.pipeline.traced_run import *; from kce import Registry\n"
        "registry = Registry.load('/'); run = open_traced_run(Path(sys.argv[1]), registry)\n"
        "known, held_out = known_rows(run, Path('.'), registry, 1, lambda *_: None); print(len(known), len(held_out))"
    )
    with folder_lock(made / "run", "run"):
        done = subprocess.run(
            [sys.executable, "-c", code, str(made / "run")], capture_output=True, text=True, check=True, cwd=tmp_path
        )
    assert [int(number) for number in done.stdout.split()] == [(~run.held_out).sum(), run.held_out.sum()]


def test_an_input_without_anything_stops_no_other(made: Path, inputs: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (inputs / "more.zip").write_bytes(b"")
    report = call(made, [empty, inputs], tmp_path / "out")
    assert report.faces == 6
    assert report.problems == (f"{empty}: the folder is empty",)
    assert any("1 .zip" in remark for remark in report.remarks)
    with pytest.raises(KCEError, match="empty: the folder is empty"):
        call(made, empty, tmp_path / "none")
    (empty / "notes.txt").write_text("words")
    with pytest.raises(KCEError, match=r"no picture or video in .*empty"):
        call(made, empty, tmp_path / "none")


def test_files_folders_and_equal_names_can_be_traced_together(made: Path, inputs: Path, tmp_path: Path) -> None:
    other = tmp_path / "more" / "photos"
    other.mkdir(parents=True)
    (other / "0.png").write_bytes((inputs / "0.png").read_bytes())
    report = call(made, [inputs, other, inputs / "3.png"], tmp_path / "out")
    assert report.faces == 8
    assert len({row["key"] for row in lines(tmp_path / "out" / "traces.csv")}) == 8


def test_a_face_folder_and_a_stored_table_give_the_same(made: Path, tmp_path: Path) -> None:
    one = call(made, made / "faces", tmp_path / "one")
    table = f"{tmp_path / 'one' / 'features.h5'}:/inputs"
    other = call(made, table, tmp_path / "other")
    assert one.answers == other.answers
    assert (tmp_path / "one" / "traces.csv").read_bytes() == (tmp_path / "other" / "traces.csv").read_bytes()
    assert one.faces == 48 * 8


def test_damaged_and_missing_faces_of_a_face_folder_stop_no_other(made: Path, inputs: Path, tmp_path: Path) -> None:
    call(made, inputs, tmp_path / "out")
    folder = tmp_path / "out" / "faces"
    files = sorted(folder.glob("*/*.png"))
    files[0].write_bytes(files[0].read_bytes()[:50])
    files[1].unlink()
    report = call(made, folder, tmp_path / "again")
    assert report.faces == 4
    assert sorted(report.problems)[0].startswith(f"{files[0]}: ")
    assert f"{files[1]}: is missing" in report.problems
    for path in files:
        path.write_bytes(b"words")
    with pytest.raises(BadData, match="png"):
        call(made, folder, tmp_path / "none")


def test_a_dataset_is_traced_by_its_name(made: Path, tmp_path: Path) -> None:
    report = call(made, "folder", tmp_path / "out", root=made / "pictures", frames=1)
    assert report.faces == 48 * 8


def test_what_cannot_be_decoded_is_listed_and_stops_no_other(made: Path, inputs: Path, tmp_path: Path) -> None:
    (inputs / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 40)
    report = call(made, inputs, tmp_path / "out")
    assert report.faces == 6
    assert [problem for problem in report.problems if "broken.png" in problem]


def test_pictures_without_a_face_are_an_error_that_says_what_to_do(made: Path, inputs: Path, tmp_path: Path) -> None:
    with pytest.raises(KCEError, match="not one face was found") as error:
        call(made, inputs, tmp_path / "out", detector="yunet")
    assert "--detector whole" in error.value.hint
    assert "no face; and 5 more" in error.value.message


def test_a_file_that_is_no_picture_is_an_error_that_names_it_once(made: Path, tmp_path: Path) -> None:
    (tmp_path / "junk.png").write_text("words")
    with pytest.raises(KCEError, match=r"(?m)found: .*junk\.png: unreadable: not a picture$") as error:
        call(made, tmp_path / "junk.png", tmp_path / "out", detector="whole")
    assert error.value.message.count("junk.png") == 1
    assert "--detector" not in error.value.hint


@pytest.mark.parametrize(
    ("given", "words", "hint"),
    [
        ([], "nothing is given", "name pictures"),
        (["nowhere"], "there is no nowhere", "check the path"),
        (["notes.txt"], "no picture or video", "datasets"),
        (["CelebDFv2"], "CelebDFv2 is a dataset, and its folder is not given", "CelebDFv2 --root FOLDER"),
        (["some.h5"], "some.h5 holds features", "some.h5:/TABLE"),
        (["gone.h5:/known"], "no feature file gone.h5", "check the path"),
        (["cut", "cut"], "the face folder cut was given with other inputs", "alone"),
        (["notes.txt", "some.h5:/known"], "the table some.h5:/known was given with other inputs", "alone"),
    ],
)
def test_what_is_no_input_is_an_error_and_leaves_no_folder(
    made: Path, at: Path, given: list[str], words: str, hint: str
) -> None:
    Path("notes.txt").write_text("words")
    Path("cut").mkdir()
    Path("cut/faces.csv").write_text("")
    with pytest.raises(KCEError, match=words) as error:
        call(made, given, at / "out")
    assert hint in error.value.hint
    assert not (at / "out").exists()


@pytest.mark.parametrize("level", [0.0, 1.0, 1.5])
def test_a_level_that_is_none_is_an_error(made: Path, inputs: Path, tmp_path: Path, level: float) -> None:
    with pytest.raises(KCEError, match="not between 0 and 1"):
        call(made, inputs, tmp_path / "out", level=level)


def test_features_of_another_network_are_refused(made: Path, tmp_path: Path) -> None:
    from kce.features.store import write_table

    with write_table(tmp_path / "f.h5", "known", {"weights": "0" * 64}) as writer:
        writer.append(["a"], ["A_x"], [""], np.zeros((1, 8), np.float32))
        writer.publish()
    with pytest.raises(BadData, match="of another network"):
        call(made, f"{tmp_path / 'f.h5'}:/known", tmp_path / "out")


def test_few_held_out_recordings_are_said_and_exclude_nothing(made: Path, inputs: Path, tmp_path: Path) -> None:
    report = call(made, inputs, tmp_path / "out", level=0.99)
    assert set(report.too_few) == set(report.families)
    assert any("too few held-out recordings" in remark for remark in report.remarks)
    assert report.answers == {"unknown": 6}
    assert all(row["possible"] == ";".join(report.families) for row in lines(tmp_path / "out" / "traces.csv"))


def copied_run(made: Path, to: Path) -> Path:
    """The run again, in another folder."""
    import shutil

    shutil.copytree(made / "run", to / "run")
    (to / "faces").symlink_to(made / "faces")
    return to


def test_a_run_without_a_final_network_is_an_error(made: Path, inputs: Path, tmp_path: Path) -> None:
    other = copied_run(made, tmp_path)
    (other / "run" / "final.safetensors").unlink()
    with pytest.raises(KCEError, match="no final network") as error:
        call(other, inputs, tmp_path / "out")
    assert "kce run" in error.value.hint
    with pytest.raises(KCEError, match="not the folder of a run"):
        trace(inputs, [str(inputs)], tmp_path / "out", REGISTRY, tracer="max-softmax")


def test_faces_of_the_run_that_are_gone_are_an_error(made: Path, inputs: Path, tmp_path: Path) -> None:
    other = copied_run(made, tmp_path)
    (tmp_path / "faces").unlink()
    with pytest.raises(KCEError, match="trained on are not in") as error:
        call(other, inputs, tmp_path / "out")
    assert "recipe.toml" in error.value.hint


def test_a_plan_that_was_edited_after_training_is_refused(made: Path, inputs: Path, tmp_path: Path) -> None:
    other = copied_run(made, tmp_path)
    plan = read_plan(other / "run" / "plan.toml")
    write_plan(other / "run" / "plan.toml", MergePlan({**plan.classes, KNOWN[0]: "mine"}, plan.votes, plan.made))
    with pytest.raises(Refused, match="edited after the final model was trained"):
        call(other, inputs, tmp_path / "out")


def test_a_face_folder_that_changed_since_the_training_is_refused(made: Path, inputs: Path, tmp_path: Path) -> None:
    import shutil

    other = tmp_path / "other"
    shutil.copytree(made / "run", other / "run")
    shutil.copytree(made / "faces", other / "faces")
    recipe = (other / "run" / "recipe.toml").read_text(encoding="utf-8")
    (other / "run" / "recipe.toml").write_text(recipe.replace(str(made), str(other)), encoding="utf-8")
    assert call(other, inputs, tmp_path / "as-it-was").faces == 6
    more = pictures(other / "more", count=4, seed=9)
    dataset = REGISTRY.build("dataset", "folder", root=more)
    shutil.rmtree(other / "faces")
    cut(dataset, other / "faces", detector="whole", workers=0)
    with pytest.raises(Refused, match="not those that the final network was trained on"):
        call(other, inputs, tmp_path / "out")


def test_a_video_has_one_answer_from_all_its_faces(made: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (40, 40))
    for _ in range(12):
        writer.write(pattern("dots", rng))
    writer.release()
    report = call(made, path, tmp_path / "out", frames=4)
    assert (report.faces, report.videos) == (4, 1)
    (row,) = lines(tmp_path / "out" / "videos.csv")
    assert (row["video"], row["faces"]) == ("input/clip.avi", "4")
    assert row["answer"] in report.video_answers
    assert json.loads((tmp_path / "out" / "trace.json").read_text())["videos"] == 1


def test_inputs_that_are_stored_otherwise_have_a_warning_on_every_answer(made: Path, tmp_path: Path) -> None:
    alike = call(made, made / "pictures" / KNOWN[0], tmp_path / "alike")
    assert alike.storage is not None
    assert not alike.storage.unlike
    assert {row["warning"] for row in lines(tmp_path / "alike" / "traces.csv")} == {""}
    other = tmp_path / "jpeg"
    other.mkdir()
    for path in sorted((made / "pictures" / KNOWN[0]).rglob("*.png"))[:20]:
        picture = cv2.GaussianBlur(cv2.imread(str(path)), (0, 0), 1.5)
        cv2.imwrite(str(other / f"{path.stem}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 10])
    report = call(made, other, tmp_path / "other")
    assert report.storage is not None
    assert report.storage.unlike
    assert {row["warning"] for row in lines(tmp_path / "other" / "traces.csv")} == {"stored unlike the known faces"}
    assert any("no answer can be relied on" in remark for remark in report.remarks)


def test_of_stored_features_it_is_said_that_storage_was_not_tested(made: Path, inputs: Path, tmp_path: Path) -> None:
    call(made, inputs, tmp_path / "one")
    report = call(made, f"{tmp_path / 'one' / 'features.h5'}:/inputs", tmp_path / "other")
    assert report.storage is None
    assert any("was not tested" in remark for remark in report.remarks)


def test_every_unexplained_face_has_its_group_in_a_table_and_on_the_page(made: Path, tmp_path: Path) -> None:
    from kce.report.trace_page import write_trace_page

    out = tmp_path / "out"
    report = call(made, made / "pictures" / KNOWN[0], out, discover="kmeans", level=0.5)
    unknown = [row["key"] for row in lines(out / "traces.csv") if row["answer"] == "unknown"]
    rows = lines(out / "groups.csv")
    assert len(unknown) >= 3
    assert [row["key"] for row in rows if row["answer"] == "unknown"] == unknown
    answer_of = {row["key"]: row["answer"] for row in lines(out / "traces.csv")}
    assert [row["key"] for row in rows] == [key for key in answer_of if key in {row["key"] for row in rows}]
    assert all(row["answer"] == answer_of[row["key"]] and (row["group"] or row["answer"] == "unknown") for row in rows)
    assert report.provenance is not None
    assert any("clusterer kmeans:n_clusters=" in part for part in report.provenance.parts)
    for group in report.groups:
        members = {row["key"]: row["answer"] for row in rows if row["group"] == group.name}
        assert list(members.values()).count("unknown") == group.faces
        assert len(members) == group.faces + group.joined
        assert {members[key] for key in group.nearest} == {"unknown"}
    page = Path(write_trace_page(out)["report"]).read_text(encoding="utf-8")
    assert page.count("<h3>new-") == len(report.groups)
    assert page.count("<h3>unknown, new-") == len(unknown)
    assert "no picture of" not in page
    call(made, made / "pictures" / KNOWN[0], out, level=0.5)
    assert not (out / "groups.csv").exists()


def test_from_python_each_listed_face_has_its_group_although_nothing_is_kept(made: Path) -> None:
    import kce

    given = made / "pictures" / KNOWN[0]
    found = kce.trace(made / "run", given, discover="kmeans", level=0.5, progress=False)
    groups = {line["key"]: line["group"] for line in found.traces if line["answer"] == "unknown"}
    assert groups
    names = {group["name"] for group in found.to_dict()["groups"]}
    assert set(groups.values()) <= names
    joined = [line["group"] for line in found.traces if line["answer"] != "unknown" and line["group"]]
    assert set(joined) <= names
    assert len(joined) == sum(group["joined"] for group in found.to_dict()["groups"])
    assert all("group" not in line for line in kce.trace(made / "run", given, level=0.5, progress=False).traces)


def test_a_table_that_cannot_be_written_is_an_error_before_any_work(made: Path, inputs: Path, tmp_path: Path) -> None:
    import kce

    for csv_path, words in ((tmp_path / "gone" / "x.csv", "cannot be written"), (tmp_path, "is a folder")):
        with pytest.raises(KCEError, match=words):
            kce.trace(made / "run", inputs, to=tmp_path / "out", csv=csv_path, progress=False)
        assert not (tmp_path / "out").exists()
    kce.trace(made / "run", inputs, to=tmp_path / "out", csv=tmp_path / "x.csv", progress=False)
    assert (tmp_path / "x.csv").read_bytes() == (tmp_path / "out" / "traces.csv").read_bytes()
    assert not list(tmp_path.glob(".kce-*"))


def test_a_clusterer_that_fails_costs_no_answer(made: Path, tmp_path: Path) -> None:
    registry = registry_with_failing_clusterer(tmp_path)
    given = [str(made / "pictures" / KNOWN[0])]
    options: dict[str, Any] = {"tracer": "mahalanobis", "level": 0.5}
    report = trace(made / "run", given, tmp_path / "out", registry, discover="bad", **options)
    assert any("were not grouped" in remark and "broken" in remark for remark in report.remarks)
    assert report.answers["unknown"] == len(lines(tmp_path / "out" / "groups.csv"))


@pytest.mark.parametrize("option", [{"discover": "kmeans:n_clusters=0"}, {"tracer": "mahalanobis:ridge=-1.0"}])
def test_components_that_cannot_work_are_errors_before_faces_are_cut(
    made: Path, inputs: Path, tmp_path: Path, option: dict[str, str]
) -> None:
    with pytest.raises(KCEError):
        call(made, inputs, tmp_path / "out", **option)
    assert not (tmp_path / "out").exists()


def test_the_page_shows_faces_and_escapes_their_names(made: Path, tmp_path: Path) -> None:
    from kce.report.trace_page import write_trace_page

    folder = tmp_path / "photos"
    folder.mkdir()
    name = "<img src=x onerror=alert(1)>.png"
    cv2.imwrite(str(folder / "plain.png"), pattern("dots", np.random.default_rng(0)))
    (folder / name).write_bytes((folder / "plain.png").read_bytes())
    call(made, folder, tmp_path / "out")
    written = write_trace_page(tmp_path / "out")
    page = Path(written["report"]).read_text(encoding="utf-8")
    assert "<img" not in page
    assert "&lt;img src=x onerror" in page
    assert page.count('<li class="card">') == 2
    assert "data:image/webp" in page
    assert "background-position" in page
    assert "http-equiv" in page


def test_a_page_is_made_without_pictures_that_are_gone(made: Path, inputs: Path, tmp_path: Path) -> None:
    import shutil

    from kce.report.trace_page import write_trace_page

    call(made, inputs, tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "faces")
    page = Path(write_trace_page(tmp_path / "out")["report"]).read_text(encoding="utf-8")
    assert page.count("no picture of input/") == 6
