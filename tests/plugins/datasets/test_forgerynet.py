"""ForgeryNet's image set: the folder is the authority, the lists are compared with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kce import Remark
from tests.support.planted import build, facts, files, plant, remarks, samples

A, B = "03c43aa43bf473f9a9c09b4b608619d3", "0339e05887ddaad1a72964d5d1ab88d3"
METHODS = [
    "FaceShifter", "FS-GAN", "DeepFakes", "BlendFace", "MMReplacement", "DeepFakes-StarGAN-Stack",
    "Talking_Head_Video", "ATVG-Net", "StarGAN-BlendFace-Stack", "FOMM", "StyleGAN2", "MaskGAN", "StarGAN2",
    "SC-FEGAN", "DiscoFaceGAN",
]  # fmt: skip
TRAIN = "Training/image/train_release"
VAL = "Validation/image/val_perturb_release"
IGNORED = [
    f"Training/spatial_localize/train_mask_release/3/{A}/{B}/frame00019.jpg",
    f"Validation/spatial_localize/val_perturb_release/3/{A}/{B}/frame00019.jpg",
    f"Training/video/train_video_release/1/{A}/{B}/video.mp4",
    "Training.tar.0",
    "Test/0a1b2c.jpg",
]


def line(number: int, label: str, half: str = "train_release", frame: str = "frame00019") -> str:
    return f"{half}/{number}/{A}/{B}/{frame}.jpg {label}\n"


def conflicts(dataset: object) -> list[Remark]:
    return [item for item in dataset if isinstance(item, Remark) and item.kind == "conflict"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("number", range(1, 20))
def test_the_number_of_the_folder_is_the_method(tmp_path: Path, number: int) -> None:
    plant(tmp_path, [f"{TRAIN}/{number}/{A}/{B}/frame00019.jpg", f"{VAL}/{number}/{B}/{A}/frame00049.jpg"])
    category = f"ForgeryNet_{METHODS[number - 1] if number < 16 else 'real'}"
    assert [facts(sample) for sample in samples(build("ForgeryNet", tmp_path)).values()] == [
        (category, f"forgerynet:{A}", (), "train", 19),
        (category, f"forgerynet:{B}", (), "val", 49),
    ]


def test_masks_videos_archives_and_the_test_set_are_ignored(tmp_path: Path) -> None:
    plant(tmp_path, [*IGNORED, f"{TRAIN}/3/{A}/{B}/frame00019.jpg"])
    dataset = build("ForgeryNet", tmp_path)
    assert set(remarks(dataset, "ignored")) == set(IGNORED)
    assert len(list(dataset)) == files(tmp_path)


@pytest.mark.parametrize("folder", ["image", "images", "image/images", "image2", "Image"])
def test_spellings_of_the_image_folder(tmp_path: Path, folder: str) -> None:
    plant(tmp_path, [f"Training/{folder}/train_release/7/{A}/{B}/frame00038.jpg"])
    plant(tmp_path, ["Training/image_list.txt"], line(7, "1 1 7", frame="frame00038"))
    dataset = build("ForgeryNet", tmp_path)
    assert [sample.split for sample in samples(dataset).values()] == ["train"]
    assert not remarks(dataset, "missing")
    assert not conflicts(dataset)


@pytest.mark.parametrize("folder", ["image", "Image"])
def test_a_picture_that_no_line_names_is_a_sample_and_extra(tmp_path: Path, folder: str) -> None:
    pictures = [f"Training/{folder}/train_release/7/{A}/{B}/frame{n:05}.jpg" for n in (38, 39)]
    validation = f"Validation/image/val_perturb_release/6/{A}/{B}/frame00049.jpg"  # which has no list here
    plant(tmp_path, [*pictures, validation])
    plant(tmp_path, ["Training/image_list.txt"], line(7, "1 1 7", frame="frame00038"))
    dataset = build("ForgeryNet", tmp_path)
    assert set(samples(dataset)) == {*pictures, validation}
    assert list(remarks(dataset, "extra")) == pictures[1:]


def test_reals_may_be_one_folder_less_deep_and_fakes_may_not(tmp_path: Path) -> None:
    plant(tmp_path, [f"{TRAIN}/{number}/{A}/frame00003.jpg" for number in (3, 16, 19)])
    dataset = build("ForgeryNet", tmp_path)
    assert {facts(sample) for sample in samples(dataset).values()} == {
        ("ForgeryNet_real", f"forgerynet:{A}", (), "train", 3)
    }
    assert list(remarks(dataset, "unparsed")) == [f"{TRAIN}/3/{A}/frame00003.jpg"]


def test_lines_that_agree_give_no_remarks(tmp_path: Path) -> None:
    labels = {number: "1 1" if number in (7, 8, 10, 11, 12, 13, 14, 15) else "1 2" for number in range(1, 16)}
    known = {number: f"{label} {number}" for number, label in labels.items()} | dict.fromkeys(range(16, 20), "0 0 0")
    plant(tmp_path, [f"{TRAIN}/{number}/{A}/{B}/frame00019.jpg" for number in known])
    plant(tmp_path, ["Training/image_list.txt"], "".join(line(number, label) for number, label in known.items()))
    dataset = build("ForgeryNet", tmp_path)
    assert len(samples(dataset)) == 19
    assert not conflicts(dataset)
    assert not remarks(dataset, "missing")


@pytest.mark.parametrize(
    ("number", "label"), [(7, "1 1 15"), (6, "1 2 4"), (3, "0 2 3"), (16, "1 0 0"), (3, "1 1 3"), (3, "1 2")]
)
def test_a_line_that_disagrees_is_a_conflict_and_the_folder_is_kept(tmp_path: Path, number: int, label: str) -> None:
    path = f"{TRAIN}/{number}/{A}/{B}/frame00019.jpg"
    plant(tmp_path, [path])
    plant(tmp_path, ["Training/image_list.txt"], "\n" + line(number, label))
    dataset = build("ForgeryNet", tmp_path)
    (sample,) = samples(dataset).values()
    assert sample.method == (METHODS[number - 1] if number < 16 else "real")
    (conflict,) = conflicts(dataset)
    assert "line 2 of Training/image_list.txt" in conflict.reason
    if len(label.split()) == 3:
        assert conflict.path == path
        assert f"says {label}, but folder {number} is" in conflict.reason


def test_listed_files_that_do_not_exist_are_missing(tmp_path: Path) -> None:
    plant(tmp_path, [f"{TRAIN}/3/{A}/{B}/frame00019.jpg", f"{VAL}/3/{A}/{B}/frame00019.jpg"])
    plant(tmp_path, ["Training/image_list.txt"], line(3, "1 2 3") + line(4, "1 2 4"))
    plant(tmp_path, ["Validation/image_list.txt"], line(3, "1 2 3", "val_perturb_release", "frame00020"))
    assert remarks(build("ForgeryNet", tmp_path), "missing") == {
        f"train_release/4/{A}/{B}/frame00019.jpg": "named in line 2 of Training/image_list.txt",
        f"val_perturb_release/3/{A}/{B}/frame00020.jpg": "named in line 1 of Validation/image_list.txt",
    }


def test_lines_that_lead_out_or_cannot_be_read_are_conflicts(tmp_path: Path) -> None:
    plant(tmp_path, [f"{TRAIN}/3/{A}/{B}/frame00019.jpg"])
    bad = [f"/train_release/3/{A}/{B}/frame00019.jpg 1 2 3", f"../train_release/3/{A}/{B}/frame00019.jpg 1 2 3"]
    bad += ["one", "1 2 3", f"train_release/77/{A}/{B}/frame00019.jpg 1 2 3", "\0 1 2 3"]
    plant(tmp_path, ["Training/image_list.txt"], "\n".join(bad))
    dataset = build("ForgeryNet", tmp_path)
    assert len(conflicts(dataset)) == len(bad)
    assert not remarks(dataset, "missing")


@pytest.mark.parametrize("below", ["", "Training", "Training/image", "Validation/image"])
def test_the_root_may_be_given_from_below(tmp_path: Path, below: str) -> None:
    plant(tmp_path, [f"{TRAIN}/3/{A}/{B}/frame00019.jpg", f"{VAL}/3/{A}/{B}/frame00019.jpg"])
    assert len(samples(build("ForgeryNet", tmp_path / below))) == 2


def test_one_half_alone_can_be_read(tmp_path: Path) -> None:
    plant(tmp_path, [f"train_release/3/{A}/{B}/frame00019.jpg"])
    plant(tmp_path, ["image_list.txt"], line(3, "1 2 4"))
    dataset = build("ForgeryNet", tmp_path)
    assert [sample.split for sample in samples(dataset).values()] == ["train"]
    assert len(conflicts(dataset)) == 1


@pytest.mark.parametrize(
    "path",
    [
        f"{TRAIN}/20/{A}/{B}/frame00019.jpg",
        f"{TRAIN}/0/{A}/{B}/frame00019.jpg",
        f"{TRAIN}/x/{A}/{B}/frame00019.jpg",
        f"{TRAIN}/3/{A}/{A}/{B}/frame00019.jpg",
        f"{TRAIN}/3/{A[1:]}/{B}/frame00019.jpg",
        f"{TRAIN}/3/{A}/{B}/picture.jpg",
        f"elsewhere/3/{A}/{B}/frame00019.jpg",
        "picture.jpg",
    ],
)
def test_files_outside_the_layout_are_unparsed(tmp_path: Path, path: str) -> None:
    plant(tmp_path, [f"{TRAIN}/1/{A}/{B}/frame00019.jpg", path])
    dataset = build("ForgeryNet", tmp_path)
    assert len(samples(dataset)) == 1
    assert list(remarks(dataset, "unparsed")) == [path]
