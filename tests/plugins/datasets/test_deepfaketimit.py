"""DeepfakeTIMIT: two qualities of one clip, and reals from another dataset, whose frames have no suffix."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from kce import KCEError, Remark
from kce.data.pictures import read_image
from tests.support.planted import build, facts, files, plant, remarks, samples

HIGHER, LOWER = "higher_quality/fadg0/sa1-video-fram1.avi", "lower_quality/fadg0/sa1-video-fram1.avi"
SOUND = ["higher_quality/fadg0/sa1.wav", "lower_quality/fadg0/sa1.wav"]
DEMO = ["fadg0-original.mov", "fram1-original.mov"]
FRAMES = [f"fadg0/video/sa1/{n:03}" for n in (1, 2, 12)] + ["mwbt0/video/si1099/012", "mwbt0/video/head2/100"]
FAKE = (
    "DeepfakeTIMIT_FaceSwap-GAN",
    "vidtimit:fadg0/sa1",
    ("vidtimit:fadg0", "vidtimit:fram1"),
    "",
    None,
)
REAL = "DeepfakeTIMIT_real"


def tree(root: Path) -> Path:
    return plant(root, [HIGHER, LOWER, *SOUND, *DEMO])


@pytest.mark.parametrize(
    ("quality", "keys"), [("all", [HIGHER, LOWER]), ("higher_quality", [HIGHER]), ("lower_quality", [LOWER])]
)
def test_the_published_tree_has_no_reals(tmp_path: Path, quality: str, keys: list[str]) -> None:
    dataset = build("DeepfakeTIMIT", tree(tmp_path), quality=quality)
    assert {key: facts(sample) for key, sample in samples(dataset).items()} == dict.fromkeys(keys, FAKE)
    assert set(remarks(dataset, "ignored")) == {HIGHER, LOWER, *SOUND, *DEMO} - set(keys)
    assert len(list(dataset)) == files(tmp_path)
    assert dataset.expected == {"DeepfakeTIMIT_FaceSwap-GAN": 320 * len(keys)}


def test_both_qualities_are_read_unless_one_is_requested_and_are_one_group(tmp_path: Path) -> None:
    by_key = samples(build("DeepfakeTIMIT", tree(tmp_path)))
    assert list(by_key) == [HIGHER, LOWER]
    assert {sample.group for sample in by_key.values()} == {"vidtimit:fadg0/sa1"}


def test_reals_come_from_a_second_root(tmp_path: Path) -> None:
    reals = plant(tmp_path / "elsewhere", [*FRAMES, "fadg0/audio/sa1.wav"])
    dataset = build("DeepfakeTIMIT", tree(tmp_path / "swapped"), vidtimit=str(reals))
    found = {key: sample for key, sample in samples(dataset).items() if sample.real}
    assert set(found) == {f"VidTIMIT/{frame}" for frame in FRAMES}
    assert facts(found["VidTIMIT/mwbt0/video/si1099/012"]) == (
        REAL,
        "vidtimit:mwbt0/si1099",
        ("vidtimit:mwbt0",),
        "",
        12,
    )
    assert found["VidTIMIT/fadg0/video/sa1/001"].group == samples(dataset)[HIGHER].group
    assert all(sample.path.is_file() for sample in found.values())
    assert "VidTIMIT/fadg0/audio/sa1.wav" in remarks(dataset, "ignored")


@pytest.mark.parametrize("given", [False, True])
def test_vidtimit_in_the_root_is_read_once(tmp_path: Path, given: bool) -> None:
    plant(tree(tmp_path), [f"VidTIMIT/{frame}" for frame in FRAMES])
    dataset = build("DeepfakeTIMIT", tmp_path, vidtimit=str(tmp_path / "VidTIMIT") if given else "")
    assert sum(sample.real for sample in samples(dataset).values()) == len(FRAMES)
    assert len(list(dataset)) == files(tmp_path)


def test_frames_come_in_the_order_of_their_numbers_and_keep_them(tmp_path: Path) -> None:
    reals = plant(tmp_path / "reals", [f"VidTIMIT/fadg0/video/sa1/{n}" for n in (10, 9, 100)])
    dataset = build("DeepfakeTIMIT", tree(tmp_path / "swapped"), vidtimit=str(reals))
    assert [item.frame for item in dataset if not isinstance(item, Remark) and item.real] == [9, 10, 100]


def test_a_frame_without_a_suffix_is_a_picture(tmp_path: Path) -> None:
    reals = plant(tmp_path / "reals", FRAMES[:1])
    picture = np.full((48, 64, 3), 120, np.uint8)
    (reals / FRAMES[0]).write_bytes(cv2.imencode(".jpg", picture)[1].tobytes())
    dataset = build("DeepfakeTIMIT", tree(tmp_path / "swapped"), vidtimit=str(reals))
    (real,) = (sample for sample in samples(dataset).values() if sample.real)
    assert read_image(real.path).shape == picture.shape


def test_a_link_out_of_vidtimit_is_not_followed(tmp_path: Path) -> None:
    plant(tmp_path, ["secret"])
    reals = plant(tmp_path / "reals", FRAMES)
    (reals / "fadg0/video/sa1/003").symlink_to(tmp_path / "secret")
    dataset = build("DeepfakeTIMIT", tree(tmp_path / "swapped"), vidtimit=str(reals))
    assert list(remarks(dataset, "unparsed")) == ["VidTIMIT/fadg0/video/sa1/003"]


def test_a_second_root_without_frames_is_reported(tmp_path: Path) -> None:
    reals = plant(tmp_path / "reals", ["fadg0.zip"])
    dataset = build("DeepfakeTIMIT", tree(tmp_path / "swapped"), vidtimit=str(reals))
    assert list(remarks(dataset, "missing")) == ["VidTIMIT"]


def test_a_second_root_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(KCEError, match="no folder") as error:
        build("DeepfakeTIMIT", tree(tmp_path), vidtimit=str(tmp_path / "nowhere"))
    assert "VidTIMIT" in error.value.hint


def test_a_quality_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(KCEError, match="no quality 'HQ'"):
        build("DeepfakeTIMIT", tree(tmp_path), quality="HQ")


@pytest.mark.parametrize(
    "path",
    [
        "higher_quality/sa1-video-fram1.avi",
        "higher_quality/fadg0/sa1.avi",
        "higher_quality/fadg0/sa1-video-fram1.mov",
        "higher_quality/nobody/sa1-video-fram1.avi",
        "middle_quality/fadg0/sa1-video-fram1.avi",
        "original.mov",
    ],
)
def test_files_outside_the_layout_are_unparsed(tmp_path: Path, path: str) -> None:
    plant(tree(tmp_path), [path])
    assert list(remarks(build("DeepfakeTIMIT", tmp_path), "unparsed")) == [path]
