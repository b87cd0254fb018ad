"""ForgeryNet's video set: the folder is the authority; lists have segments, and lack whole folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from kce import Remark
from tests.support.planted import build, facts, files, plant, remarks, samples

A, B = "987080cdf7ec51e4c46c1055d6cdd0eb", "47d69f53ec52643354975550e39130be"
METHODS = [
    "FaceShifter", "FS-GAN", "DeepFakes", "BlendFace", "MMReplacement", "DeepFakes-StarGAN-Stack",
    "Talking_Head_Video", "ATVG-Net", "StarGAN-BlendFace-Stack", "FOMM", "StyleGAN2", "MaskGAN", "StarGAN2",
    "SC-FEGAN", "DiscoFaceGAN",
]  # fmt: skip
LABELS = {number: "1 1" if number in (7, 8, 10, 11, 12, 13, 14, 15) else "1 2" for number in range(1, 16)}
KNOWN = {number: f"{label} {number}" for number, label in LABELS.items()} | dict.fromkeys(range(16, 20), "0 0 0")
TRAIN, VAL = "Training/video/train_video_release", "Validation/video/val_video_release"
IGNORED = [
    f"Training/image/train_release/1/{A}/{B}/frame00019.jpg",
    f"Training/spatial_localize/train_mask_release/1/{A}/{B}/frame00019.jpg",
    "Training.tar.0",
    "Test/0a1b2c.mp4",
]


def path(number: int, half: str = TRAIN) -> str:
    return f"{half}/{number}/{A}/{B}/video.mp4"


def line(number: int, label: str, segments: str = "2", tail: str = "79 17 1 96 64 0") -> str:
    return f"{segments} train_video_release/{number}/{A}/{B}/video.mp4 {tail} {label}\n"


def conflicts(dataset: object) -> list[Remark]:
    return [item for item in dataset if isinstance(item, Remark) and item.kind == "conflict"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("number", range(1, 20))
def test_the_number_of_the_folder_is_the_method(tmp_path: Path, number: int) -> None:
    plant(tmp_path, [path(number), path(number, VAL)])
    category = f"ForgeryNetVideo_{METHODS[number - 1] if number < 16 else 'real'}"
    assert [facts(sample) for sample in samples(build("ForgeryNetVideo", tmp_path)).values()] == [
        (category, f"forgerynet:{A}", (), "train", None),
        (category, f"forgerynet:{A}", (), "val", None),
    ]


def test_pictures_masks_archives_and_the_test_set_are_ignored(tmp_path: Path) -> None:
    plant(tmp_path, [*IGNORED, path(1)])
    dataset = build("ForgeryNetVideo", tmp_path)
    assert set(remarks(dataset, "ignored")) == set(IGNORED)
    assert len(list(dataset)) == files(tmp_path)


def test_each_set_leaves_the_other_alone(tmp_path: Path) -> None:
    picture = f"Training/image/train_release/1/{A}/{B}/frame00019.jpg"
    plant(tmp_path, [picture, path(1)])
    plant(tmp_path, ["Training/image_list.txt"], picture.removeprefix("Training/image/") + " 1 2 1\n")
    plant(tmp_path, ["Training/video_list.txt"], line(1, "1 2 1"))
    for name, key in {"ForgeryNet": picture, "ForgeryNetVideo": path(1)}.items():
        dataset = build(name, tmp_path)
        assert list(samples(dataset)) == [key]
        assert not conflicts(dataset)
        assert not remarks(dataset, "missing")


def test_published_lines_give_no_remarks(tmp_path: Path) -> None:
    plant(tmp_path, [path(1), path(4, VAL), path(16)])
    text = line(1, "1 2 1") + line(16, "0 0 0", "1", "0 90 0") + line(16, "0 0 0", "0", "")
    plant(tmp_path, ["Training/video_list.txt"], text)
    three = line(4, "1 2 4", "3", "0 10 0 10 35 1 45 30 0").replace("train", "val")
    plant(tmp_path, ["Validation/video_list.txt"], three)
    dataset = build("ForgeryNetVideo", tmp_path)
    assert len(samples(dataset)) == 3
    assert not conflicts(dataset)
    assert not remarks(dataset, "missing")


def test_folders_that_the_list_lacks_are_samples_all_the_same(tmp_path: Path) -> None:
    plant(tmp_path, [path(number) for number in KNOWN])
    listed = "".join(line(n, label, "0", "") for n, label in KNOWN.items() if n not in (2, 8))
    plant(tmp_path, ["Training/video_list.txt"], listed)
    dataset = build("ForgeryNetVideo", tmp_path)
    assert {"FS-GAN", "ATVG-Net"} <= {sample.method for sample in samples(dataset).values()}
    assert len(samples(dataset)) == 19
    assert not conflicts(dataset)


@pytest.mark.parametrize(("number", "label"), [(1, "0 0 0"), (1, "1 1 1"), (1, "1 2 15"), (16, "1 2 1"), (3, "0 2 3")])
def test_a_line_that_disagrees_is_a_conflict_and_the_folder_is_kept(tmp_path: Path, number: int, label: str) -> None:
    plant(tmp_path, [path(number)])
    plant(tmp_path, ["Training/video_list.txt"], line(number, label, "1", "0 9 0"))
    dataset = build("ForgeryNetVideo", tmp_path)
    (conflict,) = conflicts(dataset)
    assert conflict.path == path(number)
    assert f"says {label}, but folder {number} is {KNOWN[number]}" in conflict.reason
    assert samples(dataset)[path(number)].real == (number == 16)


@pytest.mark.parametrize(
    "text",
    [
        line(16, "0 0 0"),  # a real with a forged segment
        line(1, "1 2 1", "3"),
        line(1, "1 2 1", "1"),
        line(1, "1 2"),
        line(1, "1 2 1", "two"),
        line(1, "1 2 1", tail="79 17 1 96 64 x"),
        line(20, "1 2 1"),
        line(1, "1 2 1").replace(" train", " ../train"),
        line(1, "1 2 1").replace(" train", " /train"),
        "one\n",
        "\0 \1\n",
    ],
)
def test_lines_that_lead_out_or_cannot_be_read_are_conflicts(tmp_path: Path, text: str) -> None:
    plant(tmp_path, [path(1), path(16)])
    plant(tmp_path, ["Training/video_list.txt"], text)
    dataset = build("ForgeryNetVideo", tmp_path)
    assert ["line 1 of Training/video_list.txt" in remark.reason for remark in conflicts(dataset)] == [True]
    assert len(samples(dataset)) == 2


def test_listed_files_that_do_not_exist_are_missing(tmp_path: Path) -> None:
    plant(tmp_path, [path(1)])
    plant(tmp_path, ["Training/video_list.txt"], line(1, "1 2 1") + line(3, "1 2 3"))
    assert list(remarks(build("ForgeryNetVideo", tmp_path), "missing")) == [f"train_video_release/3/{A}/{B}/video.mp4"]


@pytest.mark.parametrize("folder", ["Training/videos", "Training/video/videos", "Training", "."])
def test_spellings_of_the_video_folder(tmp_path: Path, folder: str) -> None:
    plant(tmp_path, [f"{folder}/train_video_release/1/{A}/{B}/video.mp4"])
    plant(tmp_path, ["Training/video_list.txt" if folder != "." else "video_list.txt"], line(1, "1 2 1"))
    dataset = build("ForgeryNetVideo", tmp_path)
    assert [sample.split for sample in samples(dataset).values()] == ["train"]
    assert not remarks(dataset, "missing")


@pytest.mark.parametrize(
    "where", [f"{TRAIN}/20/{A}/{B}/video.mp4", f"{TRAIN}/1/{A}/{B}/clip.mp4", f"{TRAIN}/1/{A}/video.mp4", "video.mp4"]
)
def test_files_outside_the_layout_are_unparsed(tmp_path: Path, where: str) -> None:
    plant(tmp_path, [path(1), where])
    assert list(remarks(build("ForgeryNetVideo", tmp_path), "unparsed")) == [where]
