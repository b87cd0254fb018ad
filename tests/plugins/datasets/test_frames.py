"""Frames that people cut from the videos of published datasets, in the layout of DeepfakeBench and its kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kce import Sample
from tests.support.planted import build, facts, plant, remarks, samples

LAYOUTS = [  # dataset, parameters, folder, stem of a video
    ("UADFV", {}, "real", "0000"),
    ("UADFV", {}, "fake", "0000_fake"),
    ("CelebDFv1", {}, "Celeb-real", "id0_0000"),
    ("CelebDFv2", {}, "YouTube-real", "00170"),
    ("CelebDFv2", {}, "Celeb-synthesis", "id0_id1_0000"),
    ("CelebDF++", {}, "Celeb-synthesis/FaceSwap/GHOST", "id0_id1_0000"),
    ("DFDCPreview", {}, "original_videos", "643049_A_001"),
    ("DFDCPreview", {}, "method_A", "1255229_643049_A_001"),
    ("DFDCPreview", {}, "method_B/1260311/1260311_C", "1255229_1260311_C_001"),
    ("DeeperForensics", {}, "manipulated_videos/end_to_end", "000_M101"),
    ("DeeperForensics", {"source_videos": True}, "source_videos/M101", "M101_BlendShape_camera_front"),
    ("FFIW-10K", {}, "source/train", "00000000"),
    ("FaceForensics++", {}, "original_sequences/youtube/c23", "071"),
    ("DeepFakeDetection", {}, "manipulated_sequences/DeepFakeDetection/c23", "01_02__exit_phone_room__YVGY8LOK"),
]


@pytest.mark.parametrize(("name", "parameters", "folder", "stem"), LAYOUTS)
def test_frames_are_read_as_their_video_is(
    tmp_path: Path, name: str, parameters: dict[str, Any], folder: str, stem: str
) -> None:
    level = "videos/" if name in ("FaceForensics++", "DeepFakeDetection") else ""
    plant(tmp_path / "video", [f"{folder}/{level}{stem}.mp4"])
    (video,) = samples(build(name, tmp_path / "video", **parameters)).values()
    names = [f"{folder}/frames/{stem}/{frame}.png" for frame in ("007", "131", "1042")]
    plant(tmp_path / "frames", [*names, f"{folder}/landmarks/{stem}/007.npy", f"{folder}/masks/{stem}/007.png"])
    frames = samples(build(name, tmp_path / "frames", **parameters))
    assert list(frames) == names
    assert [facts(frame) for frame in frames.values()] == [(*facts(video)[:-1], n) for n in (7, 131, 1042)]
    for kind in ("unparsed", "missing", "conflict", "extra"):
        assert not remarks(build(name, tmp_path / "frames", **parameters), kind)


@pytest.mark.parametrize(("name", "parameters", "folder", "stem"), LAYOUTS)
@pytest.mark.parametrize("level", ["", "videos/"])
def test_frames_beside_their_video_are_ignored(
    tmp_path: Path, name: str, parameters: dict[str, Any], folder: str, stem: str, level: str
) -> None:
    if not level and name in ("FaceForensics++", "DeepFakeDetection"):
        pytest.skip("its videos are always in videos/")
    plant(tmp_path, [f"{folder}/{level}{stem}.mp4", f"{folder}/frames/{stem}/007.png"])
    dataset = build(name, tmp_path, **parameters)
    assert [sample.frame for sample in samples(dataset).values()] == [None]
    assert remarks(dataset, "ignored") == {f"{folder}/frames/{stem}/007.png": "a frame of a video that is there too"}


def test_a_list_that_names_videos_is_content_with_their_frames(tmp_path: Path) -> None:
    plant(tmp_path, ["Celeb-real/frames/id0_0000/000.png", "Celeb-synthesis/frames/id0_id1_0000/000.png"])
    plant(tmp_path, ["List_of_testing_videos.txt"], "1 Celeb-real/id0_0000.mp4\n0 Celeb-synthesis/id9_id1_0000.mp4\n")
    dataset = build("CelebDFv2", tmp_path)
    assert {sample.key.split("/")[0]: sample.split for sample in samples(dataset).values()} == {
        "Celeb-real": "test",
        "Celeb-synthesis": "",
    }
    assert list(remarks(dataset, "missing")) == ["Celeb-synthesis/id9_id1_0000.mp4"]


def test_some_videos_and_frames_of_the_others(tmp_path: Path) -> None:
    plant(tmp_path, ["real/videos/0000.mp4", "real/frames/0000/1.png", "real/frames/0001/1.png", "fake/0001_fake.mp4"])
    items = [item for item in build("UADFV", tmp_path) if isinstance(item, Sample)]
    assert [(item.key, item.frame) for item in items] == [
        ("fake/0001_fake.mp4", None),
        ("real/frames/0001/1.png", 1),
        ("real/videos/0000.mp4", None),
    ]


@pytest.mark.parametrize("path", ["real/frames/0000/first.png", "real/0000.png", "real/frames/0000_1.png"])
def test_pictures_that_are_no_frames_are_unparsed(tmp_path: Path, path: str) -> None:
    plant(tmp_path, ["real/0001.mp4", path])
    assert list(remarks(build("UADFV", tmp_path), "unparsed")) == [path]
