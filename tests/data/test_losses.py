"""What is lost of a dataset is said, by scan and by cut, and too much of it is a failure."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kce import Remark, Sample
from kce.data.links import following_links
from kce.data.losses import Finder, ScanFailed
from kce.data.scan import ScanReport, scan
from kce.errors import KCEError
from kce.faces.cut import cut
from kce.types import FolderRemark
from tests.support.planted import build, plant

GOOD = "A_FaceSwap", "A_FSGAN", "A_real"


def grow(root: Path, *categories: str, files: int = 3, suffix: str = ".png") -> Path:
    return plant(root, [f"{category}/{n}{suffix}" for category in categories for n in range(files)])


def look(root: Path, name: str = "folder", **more: Any) -> ScanReport:
    return scan(build(name, root), root, **more)


def failure(root: Path, name: str = "folder") -> ScanFailed:
    with pytest.raises(ScanFailed) as caught:
        look(root, name)
    assert caught.value.hint
    return caught.value


def numbers(items: Iterable[Sample | Remark]) -> Finder:
    finder = Finder()
    for _ in finder.samples(items, lambda *_: None):
        pass
    return finder


# --- links


def test_a_linked_folder_counts_with_the_files_behind_it(tmp_path: Path) -> None:
    root = grow(tmp_path / "d", "A_FaceSwap", "A_FSGAN", files=150)
    (root / "A_real").symlink_to(grow(tmp_path / "else", "A_real", files=150) / "A_real")
    error = failure(root)
    assert "A_real: a link that leads out of the root, to a folder with 150 files" in error.message
    assert f"--follow-links {tmp_path}/else/A_real" in error.hint
    assert error.report.unparsed_files == 150
    assert look(root, accept_losses=True).by_category == {"A_FSGAN": 150, "A_FaceSwap": 150}


def test_a_category_behind_a_link_is_missed_however_small_it_is(tmp_path: Path) -> None:
    root = grow(tmp_path / "d", "A_FaceSwap", "A_FSGAN", files=300)
    (root / "A_real").symlink_to(grow(tmp_path / "else", "A_real", files=1) / "A_real")
    assert "no sample" in failure(root).message
    assert "A_real" in failure(root).message


def test_links_into_named_folders_are_followed(tmp_path: Path) -> None:
    store = grow(tmp_path / "store", *GOOD)
    root = tmp_path / "d"
    root.mkdir()
    for name in GOOD[:2]:
        (root / name).symlink_to(store / name)
    grow(root, "B_real", files=0)
    (root / "B_real").mkdir()
    (root / "B_real" / "x.png").symlink_to(store / "A_real" / "0.png")
    failure(root)
    with following_links([store]):
        report = look(root)
        keys = {item.key for item in build("folder", root) if isinstance(item, Sample)}
    assert report.by_category == {"A_FSGAN": 3, "A_FaceSwap": 3, "B_real": 1}
    assert "A_FSGAN/0.png" in keys
    with following_links([tmp_path / "d"]):
        failure(root)
    with pytest.raises(KCEError, match="no folder"), following_links([tmp_path / "nowhere"]):
        pass


def test_loops_of_links_end(tmp_path: Path) -> None:
    root, store = grow(tmp_path / "d", *GOOD), grow(tmp_path / "store", "one", "two")
    (root / "A_real" / "store").symlink_to(store)
    for name in ("one", "two"):
        (store / name / "up").symlink_to("..")
        (store / name / "root").symlink_to(root)
        (store / name / "self").symlink_to(".")
    (store / "one" / "other").symlink_to(store / "two")
    with following_links([tmp_path]):
        assert look(root).by_category["A_real"] == 3 + 6


def test_a_link_into_a_hidden_folder_of_the_root_is_followed(tmp_path: Path) -> None:
    root = grow(tmp_path, "A_FaceSwap", ".store/7f")
    (root / "A_real").symlink_to(root / ".store" / "7f")
    assert look(root).by_category == {"A_FaceSwap": 3, "A_real": 3}


def test_a_link_to_a_folder_without_media_is_no_loss(tmp_path: Path) -> None:
    root = grow(tmp_path / "d", *GOOD)
    (root / "notes").symlink_to(plant(tmp_path / "notes", ["a.txt"]))
    assert look(root).samples == 9


@pytest.mark.parametrize("name", ["A_other", "A_v1.2", "A_real/9.png", "A_real/9.heic"])
def test_a_link_to_something_that_is_gone_is_a_loss(tmp_path: Path, name: str) -> None:
    root = grow(tmp_path / "d", *GOOD)
    (root / name).symlink_to(tmp_path / "unmounted" / "x")
    assert name in failure(root).message


def test_a_link_that_is_gone_and_was_no_media_is_none(tmp_path: Path) -> None:
    root = grow(tmp_path / "d", *GOOD)
    (root / "A_real" / "notes.txt").symlink_to(tmp_path / "gone.txt")
    assert look(root).samples == 9


def test_too_many_files_behind_a_link_are_a_failure_by_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kce.data.links.MAX_COUNTED", 5)
    root = grow(tmp_path / "d", *GOOD, files=700)
    (root / "A_real" / "more").symlink_to(grow(tmp_path / "else", "x", files=9))
    assert "cannot be counted" in failure(root).message


# --- folders


def test_a_folder_that_cannot_be_read_is_a_failure_by_itself() -> None:
    good = [Sample(f"a/{n}", Path("a"), "A", "m") for n in range(10_000)]
    lost = FolderRemark("unparsed", "a/x", "the folder cannot be read: Permission denied", files=None)
    finder = numbers([*good, lost])
    with pytest.raises(ScanFailed, match="a/x: the folder cannot be read") as caught:
        finder.fail_if_unusable("A", "root", None, accept_losses=False)
    assert "--accept-losses" in caught.value.hint
    finder.fail_if_unusable("A", "root", None, accept_losses=True)


@pytest.mark.parametrize("content", [[], [".DS_Store"], ["Thumbs.db", "desktop.ini"]])
def test_a_category_without_a_file_is_missed(tmp_path: Path, content: list[str]) -> None:
    root = grow(tmp_path, *GOOD)
    (root / "A_empty").mkdir()
    plant(root, [f"A_empty/{name}" for name in content])
    assert "A_empty: the folder is empty" in failure(root).message


def test_an_empty_folder_within_a_category_is_said(tmp_path: Path) -> None:
    root = grow(tmp_path, *GOOD)
    (root / "A_real" / "video").mkdir()
    assert look(root).missing == ("A_real/video: the folder is empty",)


def test_folders_that_systems_leave_behind_are_nothing(tmp_path: Path) -> None:
    root = grow(tmp_path, *GOOD, "@eaDir/x.png", "lost+found", "$RECYCLE.BIN", "System Volume Information")
    assert look(root).samples == 9


# --- suffixes


def test_media_that_are_not_read_are_counted_by_suffix(tmp_path: Path) -> None:
    root = grow(tmp_path, *GOOD)
    plant(root, ["A_real/a.PSD", "A_real/b.psd", "A_real/c.xcf", "A_real/notes.txt", "A_real/._d.psd", "e.psd"])
    report = look(root)
    assert report.ignored_media == {".psd": 2, ".xcf": 1}
    assert report.ignored == 6


def test_a_category_of_media_that_are_not_read_is_missed(tmp_path: Path) -> None:
    grow(grow(tmp_path, *GOOD, files=1000), "A_Phone", suffix=".dng")
    assert "A_Phone: 3 files" in failure(tmp_path).message
    assert ".dng" in failure(tmp_path).message


def test_media_of_a_suffix_that_only_this_adapter_does_not_read(tmp_path: Path) -> None:
    plant(tmp_path, ["real/0000.mp4", "real/0001.avi", "real/cover.jpg", "fake/0000_fake.MOV"])
    error = failure(tmp_path, "UADFV")
    assert error.report.ignored_media == {".avi": 1, ".mov": 1}
    assert "UADFV_FakeApp" in error.message


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz", ".7z"])
def test_a_category_that_is_still_packed_is_missed(tmp_path: Path, suffix: str) -> None:
    root = plant(grow(tmp_path, *GOOD), [f"A_packed{suffix}"])
    assert "A_packed: 1 files are left out (an archive: unpack it)" in failure(root).message
    plant(root, ["A_packed/0.png"])
    assert look(root).by_category["A_packed"] == 1


def test_a_folder_of_which_all_is_ignored_is_named(tmp_path: Path) -> None:
    root = plant(grow(tmp_path, *GOOD), [f"A_arrays/{n}.npy" for n in range(5)])
    (line,) = look(root).without_samples
    assert line.startswith("A_arrays: 5 files")


# --- names


def test_names_that_differ_in_unicode_form_alone_are_blamed(tmp_path: Path) -> None:
    root = grow(tmp_path, *GOOD)
    names = [unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD")]
    if len(os.listdir(plant(tmp_path / "try", names))) < 2:  # noqa: PTH208
        pytest.skip("this file system has one form only")
    (tmp_path / "try").rename(root / "A_twins")
    folders = [unicodedata.normalize(form, "A_ü/0.png") for form in ("NFC", "NFD")]
    plant(root, folders)
    report = look(root)
    assert report.by_category["A_twins"] == report.by_category["A_ü"] == 1
    assert len(report.conflicts) == 3
    assert all("composed" in line for line in report.conflicts)


# --- the same for a cut


def pictures(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(root / path), np.full((32, 32, 3), 90, np.uint8))
    return root


def test_a_cut_fails_where_a_scan_does_and_cuts_nothing(tmp_path: Path) -> None:
    root = pictures(tmp_path / "d", "A_x/0.png", "A_real/0.png")
    (root / "A_y").symlink_to(grow(tmp_path / "else", "A_y") / "A_y")
    with pytest.raises(ScanFailed) as caught:
        cut(build("folder", root), tmp_path / "faces", detector="whole", workers=0)
    assert (caught.value.message, caught.value.hint) == (failure(root).message, failure(root).hint)
    assert not (tmp_path / "faces").exists()
    report = cut(build("folder", root), tmp_path / "faces", detector="whole", workers=0, accept_losses=True)
    assert report.faces == 2
    assert report.unparsed == look(root, accept_losses=True).unparsed
    assert "A_y" in (tmp_path / "faces" / "left_out.csv").read_text()


def test_what_is_left_out_is_kept_by_dataset(tmp_path: Path) -> None:
    one = plant(pictures(tmp_path / "one", "A_x/0.png", "A_real/0.png"), ["A_x/a.psd"])
    two = plant(pictures(tmp_path / "two", "B_x/0.png", "B_real/0.png"), ["B_x/b.xcf"])
    for root in (one, two, one):
        cut(build("folder", root), tmp_path / "faces", detector="whole", workers=0)
    table = (tmp_path / "faces" / "left_out.csv").read_text()
    assert table.splitlines()[1:] == [f"{one},ignored_media,.psd: 1 files", f"{two},ignored_media,.xcf: 1 files"]
    (one / "A_x" / "a.psd").unlink()
    cut(build("folder", one), tmp_path / "faces", detector="whole", workers=0)
    assert ".psd" not in (tmp_path / "faces" / "left_out.csv").read_text()


def test_commands_say_the_same(at: Path, kce_here: Callable[..., Any]) -> None:
    root = plant(pictures(at / "d", "A_x/0.png", "A_real/0.png"), ["A_x/a.psd"])
    for command in (("scan",), ("cut", "--to", "faces", "--detector", "whole", "--workers", "1")):
        done = kce_here(command[0], "folder", "--root", "d", *command[1:])
        assert done.returncode == 0
        assert "ignored media: 1 .psd" in done.stderr
    (root / "A_y").symlink_to(pictures(at / "else", "A_y/0.png") / "A_y")
    for command in (("scan",), ("cut", "--to", "faces", "--detector", "whole", "--workers", "1")):
        done = kce_here(command[0], "folder", "--root", "d", *command[1:])
        assert done.returncode == 2
        assert "A_y: a link that leads out" in done.stderr
    assert kce_here("scan", "folder", "--root", "d", "--accept-losses").returncode == 0
    assert kce_here(*command, "folder", "--root", "d", "--follow-links", "else").returncode == 0
    assert "A_y" in (at / "faces" / "faces.csv").read_text()


# --- samples and what is said to be lost are all media files on disk

CATEGORY = st.sampled_from(["A_x", "A_y", "A_real", "A_z"])
FILE = st.sampled_from(
    ["0.png", "1.jpg", "v.mp4", "a.psd", "b.dng", "note.txt", ".hid.png", "deep/0.png", "deep/1.mkv"]
)
MEDIA = (".png", ".jpg", ".mp4", ".mkv", ".psd", ".dng")


@settings(max_examples=40)
@given(
    files=st.sets(st.tuples(CATEGORY, FILE), min_size=1, max_size=20),
    linked=st.sets(CATEGORY, max_size=2),
    loose=st.sets(st.sampled_from(["x.png", "y.psd", "z.txt"])),
)
def test_every_media_file_is_a_sample_or_said_to_be_lost(
    tmp_path_factory: pytest.TempPathFactory,
    files: set[tuple[str, str]],
    linked: set[str],
    loose: set[str],
) -> None:
    base = tmp_path_factory.mktemp("tree")
    root, store = base / "d", base / "store"
    root.mkdir()
    plant(root, [f"{category}/{file}" for category, file in files if category not in linked])
    plant(root, loose)
    for category in linked & {category for category, _ in files}:
        plant(store, [f"{category}/{file}" for name, file in files if name == category])
        (root / category).symlink_to(store / category)
    hidden = {file for _, file in files if file.startswith(".")}
    media = [(c, f) for c, f in files if f.endswith(MEDIA) and f not in hidden]
    try:
        report = look(root)
    except ScanFailed as error:
        report = error.report
    said = report.unparsed_files + sum(report.ignored_media.values())
    on_disk = len(media) + sum(name == "x.png" for name in loose)
    assert report.samples + said == on_disk
    read = {category for category, file in media if category not in linked and not file.endswith((".psd", ".dng"))}
    if {category for category, _ in media} - read and report.samples:
        with pytest.raises(ScanFailed):
            look(root)
