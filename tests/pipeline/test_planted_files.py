"""Face folders and run folders that somebody sent: whatever stands in the place of a file, nothing hangs, nothing
outside the folder is read or written, and the answer is the right one or a clear error."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kce.errors import BadData, KCEError
from kce.faces.cut import cut
from kce.faces.folder import load_pixels, read_faces
from kce.pipeline.recipe import Evaluate, Recipe
from kce.pipeline.run import run
from kce.registry.registry import Registry
from kce.report.report import write_report
from kce.training.settings import TrainSettings
from tests.support.corpus import KNOWN, UNKNOWN, face_folder
from tests.support.time_limit import at_most

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="named pipes and links as POSIX has them")

REGISTRY = Registry.load(Path("/"))
RUN_FILES = (
    "recipe.toml", "plan.toml", "features.h5", "first.safetensors", "final.safetensors", "train.csv", "report.json",
    "report.html", ".lock", ".lock.holder", "first.safetensors.resume", "report.html.part", "features.h5.parts",
    "figures", "tables", "tensorboard",
)  # fmt: skip
FACE_FILES = ("faces.csv", "problems.csv", "cut.toml", "cut.journal", ".lock", KNOWN[0], "png")


def recipe(at: Path) -> Recipe:
    return Recipe(
        faces=str(at / "faces"),
        unknown=tuple(UNKNOWN),
        backbone="tiny:size=16,width=2",
        reducer="pca:n_components=8",
        train=TrainSettings(epochs=1, lr=0.01),
        evaluate=Evaluate("pca:n_components=8", ("calinski-harabasz",), 8, 10),
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    at = tmp_path_factory.mktemp("made")
    face_folder(at, count=8)
    run(at / "run", recipe(at), REGISTRY)
    return at


@pytest.fixture
def sent(made: Path, tmp_path: Path) -> Path:
    """A copy of both folders, and a folder of ours beside it."""
    shutil.copytree(made, tmp_path / "sent", ignore=shutil.ignore_patterns("pictures"))
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "file").write_text("ours")
    return tmp_path / "sent"


def right_or_refused(*calls: Callable[[], object]) -> list[str]:
    """What each call says when it is refused; empty where it does its work."""
    said: list[tuple[str, str]] = []
    for call in calls:
        with at_most(60):
            try:
                call()
                said.append(("", "nothing to do"))
            except KCEError as error:
                said.append((error.message, error.hint))
    assert all(hint for _, hint in said), said
    return [message for message, _ in said]


def plant(path: Path, what: str, ours: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    if what == "pipe":
        os.mkfifo(path)
    elif what == "device":
        path.symlink_to("/dev/zero")
    elif what == "folder":
        path.mkdir()
    else:
        path.symlink_to(ours if path.suffix in ("", ".parts") and not path.name.startswith(".") else ours / "file")


def check_ours(ours: Path) -> None:
    assert [path.name for path in ours.iterdir()] == ["file"]
    assert (ours / "file").read_text() == "ours"


def use_run(sent: Path) -> list[str]:
    return right_or_refused(lambda: run(sent / "run", recipe(sent), REGISTRY))


def use_faces(sent: Path, pictures: Path) -> list[str]:
    def read() -> None:
        faces = read_faces(sent / "faces")
        load_pixels(faces, (faces.category == KNOWN[0]).nonzero()[0], 16)

    def cut_again() -> None:
        cut(
            Registry.load(Path("/")).build("dataset", "folder", root=pictures),
            sent / "faces",
            detector="whole",
            workers=1,
        )

    return right_or_refused(read, cut_again)


@pytest.mark.parametrize("name", ["recipe.toml", "plan.toml", "features.h5", "final.safetensors", "train.csv", ".lock"])
def test_a_named_pipe_in_a_run_folder(sent: Path, name: str) -> None:
    plant(sent / "run" / name, "pipe", sent.parent / "ours")
    (said,) = use_run(sent)
    assert said == "" or name in said


@pytest.mark.parametrize("name", ["plan.toml", "report.html.part", "features.h5", ".lock", "train.csv"])
def test_a_link_out_of_a_run_folder(sent: Path, name: str) -> None:
    plant(sent / "run" / name, "link", sent.parent / "ours")
    (said,) = use_run(sent)
    assert (said == "") == (name == "report.html.part"), "what KCE reads or writes must not be a link"
    check_ours(sent.parent / "ours")


@pytest.mark.parametrize("what", ["pipe", "link"])
@pytest.mark.parametrize("name", FACE_FILES)
def test_a_planted_file_in_a_face_folder(sent: Path, made: Path, name: str, what: str) -> None:
    path = next((sent / "faces" / KNOWN[0]).glob("*.png")) if name == "png" else sent / "faces" / name
    plant(path, what, sent.parent / "ours")
    read, again = use_faces(sent, made / "pictures")
    check_ours(sent.parent / "ours")
    if name == "png":
        assert "out of" in read if what == "link" else "not a file" in read or "is a" in read
        assert again == "", "the face is cut again"
        assert use_faces(sent, made / "pictures") == ["", ""]


def test_a_picture_that_is_a_link_is_not_shown_in_a_report(sent: Path, made: Path) -> None:
    path = next((sent / "faces" / UNKNOWN[0]).glob("*.png"))
    secret = sent.parent / "ours" / "file"
    shutil.copy(path, secret)
    path.unlink()
    path.symlink_to(secret)
    faces = read_faces(sent / "faces")
    with pytest.raises(BadData, match="leads out of"):
        load_pixels(faces, (faces.category == UNKNOWN[0]).nonzero()[0], 16)


def test_the_folder_itself_may_be_a_link(sent: Path, made: Path) -> None:
    for name in ("run", "faces"):
        (sent / name).rename(sent.parent / name)
        (sent / name).symlink_to(sent.parent / name)
    assert use_run(sent) == [""]
    assert use_faces(sent, made / "pictures") == ["", ""]


@pytest.mark.slow
@pytest.mark.parametrize("what", ["pipe", "link", "device", "folder"])
@pytest.mark.parametrize("name", RUN_FILES)
def test_a_planted_file_in_a_run_folder(sent: Path, name: str, what: str) -> None:
    plant(sent / "run" / name, what, sent.parent / "ours")
    use_run(sent)
    right_or_refused(lambda: write_report(sent / "run", files=name in ("figures", "tables")))
    check_ours(sent.parent / "ours")
