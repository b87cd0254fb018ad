"""Cutting, on real small pictures and videos: exact squares, honest counts, and a folder that survives anything."""

from __future__ import annotations

import csv
import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from kce.data import pictures, videos
from kce.data.finished_tables import hash_file
from kce.errors import BadData, KCEError, MachineFault, Refused
from kce.faces.crop import crop, crop_faces, largest_box, valid_boxes
from kce.faces.cut import CutReport, FacelessCategory, cut
from kce.faces.folder import read_faces
from kce.faces.journal import CutRecord
from kce.system.atomic import write_atomic
from kce.types import Box, Remark, Sample
from tests.conftest import REPOSITORY
from tests.data.test_media import make_video, numbered


class Corpus:
    """Two categories with pictures, one with videos; names with spaces, brackets and Hangul."""

    def __init__(self, root: Path, pictures: int = 12, videos: int = 4, *, write: bool = True) -> None:
        self.root = root
        self.write = write  # else the files are there already
        self.samples: list[Sample | Remark] = []
        for method in ("Swap [1] 한국", "real"):
            for i in range(pictures):
                self.picture(f"{method}/{i:02} (a).png", method, numbered(i, 40, 30))
        for i in range(videos):
            path = root / "Warp" / f"{i}.mp4"
            path.parent.mkdir(exist_ok=True)
            if write:
                make_video(path, [numbered(f, 64, 48) for f in range(12 + i)])
            self.add(f"Warp/{i}.mp4", "Warp", group=f"rec{i}", identities=("a", "b"), split="test")

    def add(self, key: str, method: str, **more: Any) -> None:
        self.samples.append(Sample(key, self.root / key, "D", method, real=method == "real", **more))

    def picture(self, key: str, method: str, image: np.ndarray) -> None:
        if self.write:
            (self.root / key).parent.mkdir(parents=True, exist_ok=True)
            (self.root / key).write_bytes(pictures.encode_png(image))
        self.add(key, method)

    def __iter__(self) -> Iterator[Sample | Remark]:
        return iter(self.samples)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return Corpus(tmp_path / "data")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def table(folder: Path, name: str = "faces.csv") -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def quick(corpus: Any, to: Path, home: Path, **settings: Any) -> CutReport:
    return cut(corpus, to, **{"detector": "half", "registry_folder": home, "frames": 5, "workers": 0, **settings})


# ------------------------------------------------------------------------------------------------------------ crops


@given(
    st.integers(1, 40), st.integers(1, 40),
    st.floats(-5, 40), st.floats(-5, 40), st.floats(1, 30), st.floats(1, 30), st.floats(0.5, 2),
)  # fmt: skip
def test_a_crop_is_a_square_of_the_pictures_pixels_in_their_order(
    height: int, width: int, left: float, top: float, box_width: float, box_height: float, margin: float
) -> None:
    """Every pixel is that of the picture at the same position, or beyond the border the nearest one."""
    rows, columns = np.mgrid[:height, :width]
    image = np.dstack([rows, columns, rows]).astype(np.uint8)
    box = Box(left, top, left + box_width, top + box_height)
    cut_out = crop(image, box, margin)
    whole = left <= 0 and top <= 0 and box.right >= width and box.bottom >= height
    side = max(1, round(max(box.width, box.height) * (1 if whole else margin)))
    assert cut_out.shape == (side, side, 3)
    first = np.floor(np.array([(box.top + box.bottom - side) / 2, (box.left + box.right - side) / 2]) + 0.5).astype(int)
    expected = np.clip(first[:, None] + np.arange(side), 0, [[height - 1], [width - 1]])
    assert (cut_out[:, :, 0] == expected[0][:, None]).all()
    assert (cut_out[:, :, 1] == expected[1][None, :]).all()


def test_a_face_in_the_middle_is_cut_at_one_and_a_quarter_of_its_longer_side() -> None:
    image = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    assert np.array_equal(crop(image, Box(100, 60, 140, 140), 1.25), image[50:150, 70:170])


def test_a_picture_that_is_the_face_is_left_as_it_is() -> None:
    image = np.random.default_rng(0).integers(0, 256, (30, 30, 3), np.uint8)
    assert np.array_equal(crop(image, Box(0, 0, 30, 30), 1.25), image)
    assert crop(image[:20], Box(0, 0, 30, 20), 1.25).shape == (30, 30, 3)


def test_the_largest_valid_box_is_taken() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    good = Box(10, 10, 40, 40, 0.6)
    bad = [
        Box(0, 0, float("nan"), 5),
        Box(0, 0, float("inf"), 90),
        Box(50, 50, 20, 20),
        Box(200, 0, 290, 90),
        Box(0, 0, 900, 900),
    ]
    small = Box(0, 0, 10, 10)
    assert valid_boxes([small, *bad, good], image) == [small, good]
    assert largest_box([small, good]) == good
    assert valid_boxes(bad, image) == []


class Finds:
    """Finds these boxes in every picture."""

    def __init__(self, *boxes: Box) -> None:
        self.boxes = boxes

    def detect(self, _: np.ndarray) -> list[Box]:
        return list(self.boxes)


@pytest.mark.parametrize(
    ("boxes", "faces"),
    [
        ([Box(0, 0, 9, 9)], 1),
        ([Box(0, 0, 9, 9), Box(20, 0, 29, 9), Box(5, 5, 5, 5)], 2),
        ([Box(0, 0, 40, 30)], None),
        ([Box(0, 0, 40, 30), Box(0, 0, 9, 9)], 2),
    ],
)
def test_the_faces_of_a_picture_are_counted_where_somebody_looked_for_them(
    tmp_path: Path, boxes: list[Box], faces: int | None
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(pictures.encode_png(numbered(5, 40, 30)))
    (face,), problems = crop_faces(Finds(*boxes), str(path), 1, 1.25)
    assert (face.faces, problems) == (faces, [])


# ------------------------------------------------------------------------------------------------- what is written


def test_rows_say_where_each_face_is_from(corpus: Corpus, tmp_path: Path, home: Path) -> None:
    report = quick(corpus, tmp_path / "faces", home)
    rows = {row["key"]: row for row in table(tmp_path / "faces")}
    assert report.faces == len(rows) == 24 + 4 * 5
    assert report.by_category == {"D_Swap [1] 한국": 12, "D_Warp": 20, "D_real": 12}
    assert (report.no_face, report.unreadable, report.too_short, report.problems) == (0, 0, 0, ())
    assert report.short_categories == {}
    picture = rows["D/real/03 (a).png"]
    assert picture["group"] == ""  # unknown stays unknown
    assert {row["faces"] for row in rows.values()} == {"2"}
    assert report.several_faces == 44
    assert [picture[name] for name in ("dataset", "method", "real", "split", "frame", "identities")] == [
        "D", "real", "1", "", "", "",
    ]  # fmt: skip
    assert picture["box"] == "20.00 0.00 40.00 30.00"
    assert picture["score"] == "0.7500"
    assert picture["source"] == str(corpus.root / "real/03 (a).png")
    frames = [int(key.partition("#")[2]) for key in rows if key.startswith("D/Warp/0.mp4#")]
    assert frames == [1, 3, 6, 8, 10]
    video = rows["D/Warp/0.mp4#6"]
    assert [video[name] for name in ("group", "identities", "split", "frame", "real")] == [
        "rec0",
        "a;b",
        "test",
        "6",
        "0",
    ]
    found = read_faces(tmp_path / "faces")
    assert len(found) == 44
    place = found.key.tolist().index("D/Warp/0.mp4#6")
    whole = dict(videos.video_frames(corpus.root / "Warp/0.mp4", 5))[6]
    cut_out = pictures.read_image(tmp_path / "faces" / found.file[place])
    assert cut_out.shape == (60, 60, 3)  # 48 high x 1.25
    assert np.array_equal(cut_out[6:54, 14:46], whole[:, 32:])
    assert np.array_equal(cut_out[:6, 14:46], whole[:1, 32:].repeat(6, 0))


def test_a_key_that_names_the_dataset_does_so_once(tmp_path: Path, home: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(pictures.encode_png(numbered(5)))
    quick([Sample("D/a.png", path, "D", "X"), Sample("b.png", path, "D", "X", frame=7)], tmp_path / "faces", home)
    assert {row["key"]: row["frame"] for row in table(tmp_path / "faces")} == {"D/a.png": "", "D/b.png": "7"}


def test_what_goes_wrong_is_counted_and_listed(corpus: Corpus, tmp_path: Path, home: Path) -> None:
    corpus.picture("real/black.png", "real", np.zeros((30, 30, 3), np.uint8))
    corpus.picture("real/white.png", "real", np.full((30, 30, 3), 255, np.uint8))
    for name, data in (("empty.png", b""), ("text.mp4", b"no video\n" * 99), ("bomb.png", None)):
        if data is not None:
            (corpus.root / "real" / name).write_bytes(data)
        corpus.add(f"real/{name}", "real")
    big = cv2.imencode(".png", np.zeros((1, 1, 3), np.uint8))[1].tobytes()
    size = (50_000).to_bytes(4, "big")
    (corpus.root / "real/bomb.png").write_bytes(big[:16] + size + size + big[24:])
    make_video(corpus.root / "Warp/short.mp4", [numbered(1, 64, 48)] * 2 + [np.zeros((48, 64, 3), np.uint8)])
    corpus.add("Warp/short.mp4", "Warp")
    corpus.samples.insert(3, Remark("ignored", "mask.png"))
    report = quick(corpus, tmp_path / "faces", home)
    assert report.faces == 44 + 2
    assert (report.no_face, report.unreadable, report.too_short) == (2, 4, 1)
    problems = {(row["key"].rpartition("/")[2], row["reason"]) for row in table(tmp_path / "faces", "problems.csv")}
    assert ("black.png", "no face") in problems
    assert ("short.mp4", "no face in frame 2") in problems
    assert ("short.mp4", "too short: 3 of 5 frames") in problems
    assert ("empty.png", "unreadable: empty file") in problems
    assert ("white.png", "unreadable: the detector failed (ValueError: too bright)") in problems
    assert len(report.problems) == 7
    assert all(str(corpus.root) in line for line in report.problems)
    before = contents(tmp_path / "faces")
    assert quick(corpus, tmp_path / "faces", home) == report
    assert contents(tmp_path / "faces") == before


# --------------------------------------------------------------------------------------------------------- the sample


def test_faces_of_each_category_are_sampled_by_seed(corpus: Corpus, tmp_path: Path, home: Path) -> None:
    report = quick(corpus, tmp_path / "a", home, per_category=7)
    assert report.by_category == {"D_Swap [1] 한국": 7, "D_Warp": 7, "D_real": 7}
    keys = [row["key"] for row in table(tmp_path / "a")]
    warp = [key for key in keys if "Warp" in key]
    assert len({key.partition("#")[0] for key in warp}) == 2
    whole = [int(key.partition("#")[2]) for key in warp[:5]]
    thinned = [int(key.partition("#")[2]) for key in warp[5:]]
    assert len(whole) == 5
    assert len(thinned) == 2
    assert thinned[1] - thinned[0] > 3  # spread, not the first two
    quick(corpus, tmp_path / "b", home, per_category=7, seed=1)
    assert {row["key"] for row in table(tmp_path / "b")} != set(keys)
    corpus.samples.reverse()
    corpus.picture("Other/1.png", "Other", numbered(3))
    quick(corpus, tmp_path / "c", home, per_category=7)
    assert [row["key"] for row in table(tmp_path / "c") if "Other" not in row["key"]] == keys


def test_a_category_with_too_few_faces_is_reported(corpus: Corpus, tmp_path: Path, home: Path) -> None:
    report = quick(corpus, tmp_path / "a", home, per_category=15)
    assert report.short_categories == {"D_Swap [1] 한국": 12, "D_real": 12}
    assert report.by_category["D_Warp"] == 15


def test_requesting_more_later_gives_the_same_as_at_once(corpus: Corpus, tmp_path: Path, home: Path) -> None:
    for number in (3, 7, 11, None):
        quick(corpus, tmp_path / "grown", home, per_category=number)
        quick(corpus, tmp_path / f"fresh{number}", home, per_category=number)
        assert contents(tmp_path / "grown") == contents(tmp_path / f"fresh{number}")


def test_several_datasets_go_into_one_folder_in_any_order(corpus: Corpus, tmp_path: Path, home: Path) -> None:
    other = [Sample(s.key, s.path, "E", s.method, s.real) for s in corpus if isinstance(s, Sample)]
    for name, order in (("ab", (corpus, other)), ("ba", (other, corpus)), ("at once", ([*corpus, *other],))):
        for dataset in order:
            quick(dataset, tmp_path / name, home, per_category=6)
    assert contents(tmp_path / "ab") == contents(tmp_path / "ba") == contents(tmp_path / "at once")
    assert len(read_faces(tmp_path / "ab")) == 36


def test_labels_follow_the_dataset(corpus: Corpus, tmp_path: Path, home: Path) -> None:
    quick(corpus, tmp_path / "a", home)
    corpus.samples = [
        Sample(s.key, s.path, s.dataset, s.method, s.real, group="new") for s in corpus if isinstance(s, Sample)
    ]
    quick(corpus, tmp_path / "a", home)
    assert {row["group"] for row in table(tmp_path / "a")} == {"new"}


# ------------------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    "other", [{"detector": "whole"}, {"detector": "half:slow=0.001"}, {"margin": 1.3}, {"frames": 6}, {"seed": 1}]
)
def test_two_kinds_of_cut_are_never_mixed(corpus: Corpus, tmp_path: Path, home: Path, other: dict[str, Any]) -> None:
    quick(corpus, tmp_path / "a", home)
    before = contents(tmp_path / "a")
    with pytest.raises(Refused) as raised:
        quick(corpus, tmp_path / "a", home, **other)
    ((name, new),) = other.items()
    old = {"detector": "half:slow=0.0,die=false,refuse=false,kills=0,lack=", "margin": 1.25, "frames": 5, "seed": 0}[
        name
    ]
    assert repr(old) in raised.value.message
    assert str(new) in raised.value.message
    assert contents(tmp_path / "a") == before


def test_fewer_than_before_are_refused(corpus: Corpus, tmp_path: Path, home: Path) -> None:
    quick(corpus, tmp_path / "a", home, per_category=6)
    with pytest.raises(Refused, match="requested now: 5"):
        quick(corpus, tmp_path / "a", home, per_category=5)
    quick(corpus, tmp_path / "b", home)
    with pytest.raises(Refused, match="all"):
        quick(corpus, tmp_path / "b", home, per_category=5)


def test_a_sample_of_other_files_is_refused_and_all_of_them_are_not(corpus: Corpus, tmp_path: Path, home: Path) -> None:
    quick(corpus, tmp_path / "part", home, per_category=6)
    quick(corpus, tmp_path / "all", home)
    for i in range(20, 40):
        corpus.picture(f"real/{i} (a).png", "real", numbered(i, 40, 30))
    with pytest.raises(Refused, match="which the dataset now has"):
        quick(corpus, tmp_path / "part", home, per_category=6)
    assert quick(corpus, tmp_path / "all", home).by_category["D_real"] == 32


def test_a_file_that_is_gone_since_loses_no_face(corpus: Corpus, tmp_path: Path, home: Path) -> None:
    quick(corpus, tmp_path / "a", home, per_category=6)
    before = contents(tmp_path / "a")
    source = table(tmp_path / "a")[0]["source"]
    Path(source).unlink()
    corpus.samples = [s for s in corpus if isinstance(s, Sample) and str(s.path) != source]
    quick(corpus, tmp_path / "a", home, per_category=6)
    assert contents(tmp_path / "a") == before


def test_a_folder_with_something_else_in_it_is_refused(corpus: Corpus, tmp_path: Path, home: Path) -> None:
    with pytest.raises(Refused, match="not empty"):
        quick(corpus, corpus.root, home)
    (tmp_path / "a file").write_text("")
    with pytest.raises(KCEError, match="cannot be made") as raised:
        quick(corpus, tmp_path / "a file", home)
    assert raised.value.hint


@pytest.mark.parametrize(
    "wrong", [{"frames": 0}, {"per_category": 0}, {"workers": -1}, {"margin": 0.0}, {"margin": float("nan")}]
)
def test_settings_out_of_range_are_errors(corpus: Corpus, tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(KCEError, match=next(iter(wrong))):
        cut(corpus, tmp_path / "a", **wrong)
    assert not (tmp_path / "a").exists()


def test_a_dataset_without_samples_is_an_error(tmp_path: Path, home: Path) -> None:
    with pytest.raises(KCEError, match=r"1 of 1 files cannot be interpreted"):
        quick([Remark("unparsed", "x")], tmp_path / "a", home)
    assert not (tmp_path / "a").exists()


def test_of_two_samples_with_one_key_the_first_is_cut_and_the_other_named(
    corpus: Corpus, tmp_path: Path, home: Path
) -> None:
    first = next(sample for sample in corpus if isinstance(sample, Sample) and sample.key.endswith(".png"))
    report = quick([first, replace(first, path=tmp_path / "other.png")], tmp_path / "a", home)
    assert report.conflicts == (f"{first.key}: a second sample has this key: {tmp_path / 'other.png'}",)
    assert sum(report.by_category.values()) == report.faces == 1


def test_two_cuts_do_not_work_in_one_folder(corpus: Corpus, tmp_path: Path, home: Path) -> None:
    (tmp_path / "a").mkdir()
    with FileLock(tmp_path / "a" / ".lock"), pytest.raises(KCEError, match="another cut"):
        quick(corpus, tmp_path / "a", home)
    assert quick(corpus, tmp_path / "a", home).faces == 44


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_of_the_detector_itself_comes_before_anything_is_written(
    corpus: Corpus, tmp_path: Path, home: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPFACE_HOME", str(tmp_path))
    with pytest.raises(KCEError, match=r"retinaface\.onnx"):
        quick(corpus, tmp_path / "a", home, detector="retinaface", workers=workers)
    with pytest.raises(KCEError, match="no detector named"):
        quick(corpus, tmp_path / "a", home, detector="halff", workers=workers)
    assert contents(tmp_path / "a") in ({}, {".lock": b""})
    with pytest.raises(KCEError, match="wants something") as raised:
        quick(corpus, tmp_path / "b", home, detector="half:refuse=true", workers=workers)
    assert raised.value.hint == "give it that"


# ------------------------------------------------------------------------------------------- workers, kills, full disks


def test_two_workers_do_what_one_does(corpus: Corpus, tmp_path: Path, home: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    one = quick(corpus, tmp_path / "one", home, per_category=7)
    two = quick(corpus, tmp_path / "two", home, per_category=7, workers=2, progress=lambda *a: seen.append(a))
    assert one == two
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    bar = [(done, total) for what, done, total in seen if what == "cutting faces"]
    assert bar[-1] == (21, 21)
    assert [done for done, _ in bar] == sorted(done for done, _ in bar)


def test_a_process_that_dies_costs_only_the_file_that_killed_it(corpus: Corpus, tmp_path: Path, home: Path) -> None:
    corpus.picture("real/white.png", "real", np.full((30, 30, 3), 255, np.uint8))
    report = quick(corpus, tmp_path / "a", home, detector="half:die=true", workers=2)
    assert report.faces == 44
    assert report.unreadable == 1
    assert report.problems == (f"{corpus.root}/real/white.png: unreadable: its process died (SIGSEGV)",)


@pytest.mark.parametrize("settings", [{}, {"per_category": 7}])
def test_a_file_whose_process_was_killed_from_outside_is_tried_again_by_the_next_cut(
    corpus: Corpus, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    """Killed at both tries, as the system does when memory runs out; then it ends with the same files as any other."""
    monkeypatch.chdir(home)
    corpus.picture("real/white.png", "real", np.full((30, 30, 3), 255, np.uint8))
    if settings:  # such that it is among the first
        corpus.samples = [s for s in corpus if isinstance(s, Sample) and (s.method != "real" or "white" in s.key)]
    settings = {"detector": "half:kills=2", **settings}
    with pytest.raises(MachineFault, match=r"white\.png: its process was killed from outside \(SIGKILL\)") as raised:
        quick(corpus, tmp_path / "a", home, workers=2, **settings)
    assert "same command tries again" in raised.value.hint
    assert "--skip-failing" in raised.value.hint
    assert not (tmp_path / "a" / "faces.csv").exists()
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "a").glob("*/*.png")}
    assert done
    report = quick(corpus, tmp_path / "a", home, workers=2, **settings)
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert report.problems == ()
    quick(corpus, tmp_path / "whole", home, **settings)
    assert contents(tmp_path / "a") == contents(tmp_path / "whole")


def test_a_file_whose_process_is_always_killed_is_left_out_when_asked(
    corpus: Corpus, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    corpus.picture("real/white.png", "real", np.full((30, 30, 3), 255, np.uint8))
    for _ in range(2):
        with pytest.raises(MachineFault, match="killed from outside"):
            quick(corpus, tmp_path / "a", home, detector="half:kills=99", workers=1)
    report = quick(corpus, tmp_path / "a", home, detector="half:kills=99", workers=1, skip_failing=True)
    assert (report.faces, report.unreadable) == (44, 1)
    assert quick(corpus, tmp_path / "a", home, detector="half:kills=99", workers=1) == report


@pytest.mark.parametrize(
    ("lack", "words"), [("memory", "there is too little memory"), ("threads", "too few processes")]
)
def test_what_a_detector_lacks_is_no_fault_of_the_file(
    corpus: Corpus, tmp_path: Path, home: Path, lack: str, words: str
) -> None:
    corpus.picture("real/white.png", "real", np.full((30, 30, 3), 255, np.uint8))
    with pytest.raises(MachineFault, match=rf"white\.png: {words}"):
        quick(corpus, tmp_path / "a", home, detector=f"half:lack={lack}")
    assert not (tmp_path / "a" / "faces.csv").exists()


def test_a_file_that_vanished_since_it_was_listed_is_tried_again(corpus: Corpus, tmp_path: Path, home: Path) -> None:
    sources = [item.path for item in corpus.samples[:3] if isinstance(item, Sample)]
    for path in sources:
        path.rename(path.with_suffix(".away"))
    with pytest.raises(MachineFault, match="3 files could not be read") as raised:
        quick(corpus, tmp_path / "a", home)
    assert all(f"{path}: is missing" in raised.value.message for path in sources)
    for path in sources:
        path.with_suffix(".away").rename(path)
    assert quick(corpus, tmp_path / "a", home).problems == ()
    quick(corpus, tmp_path / "whole", home)
    assert contents(tmp_path / "a") == contents(tmp_path / "whole")


def test_a_disk_that_vanished_ends_the_cut_soon(tmp_path: Path, home: Path) -> None:
    corpus = Corpus(tmp_path / "data", pictures=150, videos=0)
    (tmp_path / "data").rename(tmp_path / "away")
    with pytest.raises(MachineFault, match="100 files could not be read") as raised:
        quick(corpus, tmp_path / "a", home)
    assert "and 9" in raised.value.message


@pytest.mark.skipif(not shutil.which("setpriv") or os.geteuid() != 0, reason="needs another user to limit")
@pytest.mark.parametrize("processes", [6, 10])
def test_a_process_that_may_not_start_threads_blames_no_file(tmp_path: Path, home: Path, processes: int) -> None:
    """As `ulimit -u` and a container's limit of pids do; the limit does not hold for root, so another user cuts."""
    folder = tmp_path / "own"
    folder.mkdir()
    (tmp_path / "data").mkdir()
    corpus = Corpus(tmp_path / "data", pictures=0, videos=6)
    os.chown(folder, 54_322, 54_322)
    command = script(corpus, folder / "a", home, workers=2, detector="half")
    caps = "-all,+dac_override"  # so that it may read this folder
    user = [
        "setpriv",
        "--reuid=54322",
        "--regid=54322",
        "--clear-groups",
        f"--inh-caps={caps}",
        f"--ambient-caps={caps}",
    ]
    done = subprocess.run(
        [*user, "bash", "-c", f'ulimit -u {processes}; exec "$@"', "bash", *command],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if done.returncode:
        assert "MachineFault" in done.stderr
        assert "too few processes" in done.stderr
    else:
        assert len(read_faces(folder / "a")) == 30
    problems = folder / "a" / "problems.csv"
    assert not problems.is_file() or "unreadable" not in problems.read_text(encoding="utf-8")


def test_a_second_run_touches_nothing_and_what_is_damaged_is_cut_again(
    corpus: Corpus, tmp_path: Path, home: Path
) -> None:
    folder = tmp_path / "a"
    report = quick(corpus, folder, home, per_category=7)
    before = contents(folder)
    stamps = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != ".lock"}
    assert quick(corpus, folder, home, per_category=7) == report
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != ".lock"} == stamps
    pngs = sorted(folder.glob("*/*.png"))
    pngs[0].unlink()
    pngs[9].write_bytes(b"")
    data = bytearray(pngs[-1].read_bytes())
    data[-30] ^= 1
    pngs[-1].write_bytes(data)
    assert quick(corpus, folder, home, per_category=7) == report
    assert contents(folder) == before


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.77, 0.99])
def test_an_incomplete_journal_is_read_as_far_as_it_is_complete(
    corpus: Corpus, tmp_path: Path, home: Path, keep: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(corpus, tmp_path / "whole", home, per_category=7)
    with monkeypatch.context() as patch:
        patch.setattr(CutRecord, "finish", lambda *_: None)
        quick(corpus, tmp_path / "a", home, per_category=7)
    journal = tmp_path / "a" / "cut.journal"
    data = journal.read_bytes()
    journal.write_bytes(data[: int(len(data) * keep)])
    (tmp_path / "a" / "D_real" / ".kce-7-0a1b2c3d.part").write_bytes(b"half a p")
    quick(corpus, tmp_path / "a", home, per_category=7)
    assert contents(tmp_path / "a") == contents(tmp_path / "whole")


def script(corpus: Corpus, to: Path, home: Path, **settings: Any) -> list[str]:
    """The same cut in a process of its own."""
    samples = [
        (s.key, str(s.path), s.dataset, s.method, s.real, s.group, s.identities, s.split)
        for s in corpus
        if isinstance(s, Sample)
    ]
    code = f"""
import sys
from pathlib import Path
from kce.faces.cut import cut
from kce.types import Sample
if __name__ == "__main__":
    samples = [Sample(key, Path(path), *rest) for key, path, *rest in {samples!r}]
    cut(samples, {str(to)!r}, registry_folder={str(home)!r}, frames=5, **{settings!r})
"""
    file = home / "go.py"
    file.write_text(code)
    return [sys.executable, str(file)]


def children(pid: int) -> list[int]:
    listing = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in listing.stdout.split()]


def alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.is_file() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_killed_at_any_moment_it_ends_with_the_same_files(corpus: Corpus, tmp_path: Path, home: Path) -> None:
    settings = {"detector": "half:slow=0.01", "per_category": 9}
    quick(corpus, tmp_path / "whole", home, **settings)
    folder = tmp_path / "a"
    dice = random.Random(0)
    kills = 0
    for attempt in range(60):
        command = script(corpus, folder, home, workers=attempt % 2, **settings)
        process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, start_new_session=True)
        journal = folder / "cut.journal"
        size = journal.stat().st_size if journal.is_file() else 0
        # Not before it has got a little further, and then at any moment.
        while process.poll() is None and not (journal.is_file() and journal.stat().st_size > size):
            time.sleep(0.002)
        time.sleep(dice.random() * 0.08)
        if process.poll() is None:
            process.kill()
            kills += 1
        if process.wait() == 0:
            break
    else:
        pytest.fail("it never came to an end")
    assert kills >= 3
    assert contents(folder) == contents(tmp_path / "whole")


def test_ctrl_c_leaves_no_process_and_a_folder_that_goes_on(corpus: Corpus, tmp_path: Path, home: Path) -> None:
    settings = {"detector": "half:slow=0.02"}
    quick(corpus, tmp_path / "whole", home, **settings)
    folder = tmp_path / "a"
    command = script(corpus, folder, home, workers=2, **settings)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    process = subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not list(folder.glob("*/*.png")):
        time.sleep(0.01)
    workers = children(process.pid)
    assert len(workers) >= 2
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    error = process.communicate(timeout=20)[1]
    assert error.count("Traceback") == 1  # the parent's own
    assert error.rstrip().endswith("KeyboardInterrupt")
    deadline = time.monotonic() + 5
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, workers))
    assert not (folder / "faces.csv").exists()
    quick(corpus, folder, home, **settings)
    assert contents(folder) == contents(tmp_path / "whole")


@pytest.mark.parametrize("after", [0, 1, 9, 30])
def test_a_full_disk_is_an_error_and_loses_nothing(
    corpus: Corpus, tmp_path: Path, home: Path, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick(corpus, tmp_path / "whole", home)
    written: list[Path] = []

    def full(path: Path, data: bytes, *, sync: bool) -> None:
        written.append(path)
        if len(written) > after:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_atomic(path, data, sync=sync)

    with monkeypatch.context() as patch:
        patch.setattr("kce.faces.face_store.write_atomic", full)
        with pytest.raises(KCEError, match="disk is full") as raised:
            quick(corpus, tmp_path / "a", home)
    assert "again" in raised.value.hint
    quick(corpus, tmp_path / "a", home)
    assert contents(tmp_path / "a") == contents(tmp_path / "whole")


def test_a_folder_of_someone_else_cannot_make_us_read_or_write_elsewhere(
    corpus: Corpus, tmp_path: Path, home: Path
) -> None:
    folder = tmp_path / "a"
    quick(corpus, folder, home)
    path = folder / "faces.csv"
    text = path.read_text(encoding="utf-8")
    some = read_faces(folder).file[0]
    before = hash_file(path)
    path.write_text(text.replace(some, "../secret.png"), encoding="utf-8")
    for name in ("cut.toml", ".cut.toml"):
        settings = (folder / name).read_text(encoding="utf-8")
        (folder / name).write_text(settings.replace(before, hash_file(path)), encoding="utf-8")
    with pytest.raises(KCEError, match="is not the file of the face"):
        quick(corpus, folder, home)


def test_the_settings_of_an_older_folder_are_refused_with_a_hint(corpus: Corpus, tmp_path: Path, home: Path) -> None:
    quick(corpus, tmp_path / "a", home)
    settings = tmp_path / "a" / "cut.toml"
    assert tomllib.loads(settings.read_text(encoding="utf-8"))["per_category"] == dict.fromkeys(
        ("D_Swap [1] 한국", "D_Warp", "D_real"), 0
    )
    for old, new, message in (
        ("schema = 1\n", "", "no schema version"),
        ("frames = 5", 'frames = "5"', 'frames = "5" is not a whole number'),
        ("frames = 5", "frame = 5", "'frame'"),
    ):
        text = settings.read_text(encoding="utf-8")
        settings.write_text(text.replace(old, new), encoding="utf-8")
        with pytest.raises(KCEError, match=message):
            quick(corpus, tmp_path / "a", home)
        settings.write_text(text, encoding="utf-8")


def test_a_folder_never_holds_two_categories_of_one_name(corpus: Corpus, tmp_path: Path, home: Path) -> None:
    first = [
        replace(item, dataset="A_b", method="c", real=False) for item in corpus.samples if isinstance(item, Sample)
    ]
    other = [replace(item, dataset="A", method="b_c", real=False) for item in first]
    both = "A_b_c.* is ambiguous: the dataset 'A' with the method 'b_c', and the dataset 'A_b' with"
    with pytest.raises(BadData, match=both):
        cut([first[0], replace(other[1], key="x")], tmp_path / "one", detector="half", workers=0, registry_folder=home)
    cut(first[:2], tmp_path / "two", detector="half", workers=0, registry_folder=home)
    before = contents(tmp_path / "two")
    with pytest.raises(BadData, match=both) as caught:
        cut(other[2:4], tmp_path / "two", detector="half", workers=0, registry_folder=home)
    assert caught.value.hint
    assert contents(tmp_path / "two") == before


def test_nothing_is_cut_of_a_dataset_that_is_not_clear(corpus: Corpus, tmp_path: Path, home: Path) -> None:
    unclear = [
        *corpus,
        Remark("error", "photos", "real or fake?", "say which"),
        Remark("error", "more", "real or fake?"),
    ]
    with pytest.raises(BadData, match=r"photos: real or fake\?; and 1 more") as caught:
        cut(unclear, tmp_path / "faces", detector="half", workers=0, registry_folder=home)
    assert caught.value.hint == "say which"
    assert not (tmp_path / "faces").exists()


def test_a_category_without_a_face_is_an_error_after_the_others_are_cut(tmp_path: Path, home: Path) -> None:
    corpus = Corpus(tmp_path / "d", pictures=2, videos=0)
    corpus.picture("Dark/1.png", "Dark", np.zeros((30, 40, 3), np.uint8))
    with pytest.raises(FacelessCategory, match="the category D_Dark has no face; the others are cut") as raised:
        cut(corpus.samples, tmp_path / "f", detector="half", registry_folder=home, workers=0)
    assert raised.value.report.by_category["D_Dark"] == 0
    assert len(read_faces(tmp_path / "f").key) == raised.value.report.faces == 4
    report = cut(corpus.samples, tmp_path / "f", detector="half", registry_folder=home, workers=0, accept_losses=True)
    assert report == raised.value.report
