"""DFDC: labels by list, folder by folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kce import KCEError, Remark
from kce.data.links import following_links
from tests.support.planted import build, facts, plant, remarks, samples

PART = {
    "awnfpubqmo.mp4": {"label": "FAKE", "split": "train", "original": "lnhkjhyhvw.mp4"},
    "brtujopkby.mp4": {"label": "FAKE", "split": "train", "original": "gnmmhlbzge.mp4"},
    "lnhkjhyhvw.mp4": {"label": "REAL", "split": "train"},
    "gnmmhlbzge.mp4": {"label": "REAL", "split": "train", "original": None},
}
TEST = {"aalscayrfi.mp4": {"augmentations": {}, "is_fake": 0}, "bbbbbbbbbb.mp4": {"augmentations": {}, "is_fake": 1}}
CSV = "filename,label\naalscayrfi.mp4,0\nbbbbbbbbbb.mp4,1\n"
KNOWN = {
    "awnfpubqmo.mp4": ("DFDC_DFDC", "dfdc:lnhkjhyhvw", (), "train", None),
    "brtujopkby.mp4": ("DFDC_DFDC", "dfdc:gnmmhlbzge", (), "train", None),
    "lnhkjhyhvw.mp4": ("DFDC_real", "dfdc:lnhkjhyhvw", (), "train", None),
    "gnmmhlbzge.mp4": ("DFDC_real", "dfdc:gnmmhlbzge", (), "train", None),
}


def part(root: Path, folder: str, videos: dict[str, Any], metadata: object = None, above: str = "") -> Path:
    plant(root, [f"{folder}/{name}" for name in videos])
    return plant(root, [f"{above or folder}/metadata.json"], json.dumps(metadata or videos))


def conflicts(dataset: object) -> list[Remark]:
    return [item for item in dataset if isinstance(item, Remark) and item.kind == "conflict"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("folder", "above"),
    [
        ("dfdc_train_part_0", ""),
        ("dfdc_train_part_00", ""),
        ("dfdc_train_part_49", ""),
        ("train/dfdc_train_part_7", ""),
        ("dfdc_train_part_00/dfdc_train_part_0", ""),
        ("dfdc_train_part_00/dfdc_train_part_0", "dfdc_train_part_00"),
    ],
)
def test_a_part_of_train_wherever_it_is(tmp_path: Path, folder: str, above: str) -> None:
    part(tmp_path / "DFDC", folder, PART, above=above)
    plant(tmp_path / "DFDC", ["dfdc_train_part_00.zip"])
    dataset = build("DFDC", tmp_path)
    assert {sample.path.name: facts(sample) for sample in samples(dataset).values()} == KNOWN
    assert set(samples(dataset)) == {f"{folder}/{name}" for name in KNOWN}
    assert not conflicts(dataset)
    assert not remarks(dataset, "missing")


def test_an_original_need_not_exist(tmp_path: Path) -> None:
    videos = {"vtfpbtmgfh.mp4": {"label": "FAKE", "split": "train", "original": "missingxxx.mp4"}}
    part(tmp_path, "dfdc_train_part_0", PART)
    part(tmp_path, "dfdc_train_part_1", videos)
    by_key = samples(build("DFDC", tmp_path))
    assert facts(by_key["dfdc_train_part_1/vtfpbtmgfh.mp4"]) == ("DFDC_DFDC", "dfdc:missingxxx", (), "train", None)
    assert len(by_key) == 5


@pytest.mark.parametrize("folder", ["test", "validation", "test/ori_videos", "test/0", "Validation"])
@pytest.mark.parametrize("file", ["metadata.json", "labels.csv"])
def test_validation_and_test(tmp_path: Path, folder: str, file: str) -> None:
    plant(tmp_path, [f"{folder}/{name}" for name in TEST])
    plant(tmp_path, [f"{folder.split('/', maxsplit=1)[0]}/{file}"], CSV if file == "labels.csv" else json.dumps(TEST))
    split = "test" if folder.startswith("test") else "val"
    dataset = build("DFDC", tmp_path)
    assert {key: facts(sample) for key, sample in samples(dataset).items()} == {
        f"{folder}/aalscayrfi.mp4": ("DFDC_real", "dfdc:aalscayrfi", (), split, None),
        f"{folder}/bbbbbbbbbb.mp4": ("DFDC_DFDC", "", (), split, None),
    }
    assert not remarks(dataset, "missing")


def test_a_video_on_which_lists_disagree_is_left_out(tmp_path: Path) -> None:
    part(tmp_path, "test", TEST)
    plant(tmp_path, ["test/labels.csv"], CSV.replace("yrfi.mp4,0", "yrfi.mp4,1"))
    dataset = build("DFDC", tmp_path)
    (conflict,) = conflicts(dataset)
    assert conflict.path == "test/aalscayrfi.mp4"
    assert "fake in test/labels.csv" in conflict.reason
    assert "real in test/metadata.json" in conflict.reason
    assert list(samples(dataset)) == ["test/bbbbbbbbbb.mp4"]


def test_listed_files_that_do_not_exist_and_existing_files_that_are_not_listed(tmp_path: Path) -> None:
    listed = PART | {"gonegonego.mp4": {"label": "REAL", "split": "train"}}
    part(tmp_path, "dfdc_train_part_0", PART | {"unlistedxx.mp4": {}}, listed)
    dataset = build("DFDC", tmp_path)
    assert remarks(dataset, "missing") == {
        "dfdc_train_part_0/gonegonego.mp4": "named in dfdc_train_part_0/metadata.json"
    }
    assert list(remarks(dataset, "unparsed")) == ["dfdc_train_part_0/unlistedxx.mp4"]


def test_a_part_without_its_list_is_unparsed(tmp_path: Path) -> None:
    part(tmp_path, "dfdc_train_part_0", PART)
    plant(tmp_path, ["dfdc_train_part_1/aaaaaaaaaa.mp4"])
    assert list(remarks(build("DFDC", tmp_path), "unparsed")) == ["dfdc_train_part_1/aaaaaaaaaa.mp4"]


def test_rows_that_lead_out_or_cannot_be_read_are_conflicts(tmp_path: Path) -> None:
    plant(tmp_path, ["out.mp4"])
    bad: dict[str, Any] = {
        "../out.mp4": {"label": "REAL"},
        f"{tmp_path}/out.mp4": {"label": "REAL"},
        "a.mp4": {"label": "PERHAPS"},
        "b.mp4": None,
        "c.mp4": {"label": "FAKE", "original": "../../x.mp4"},
        "d.mp4": {"label": ["FAKE"]},
        "e.mp4": {"label": "FAKE", "original": ["x.mp4"]},
    }
    part(tmp_path / "root", "dfdc_train_part_0", PART, PART | bad)
    dataset = build("DFDC", tmp_path / "root")
    assert len(conflicts(dataset)) == len(bad)
    assert len(samples(dataset)) == 4
    assert not remarks(dataset, "missing")


@pytest.mark.parametrize("text", ["{", "[1, 2]", "null", '"text"', "[" * 100_000])
def test_one_bad_list_costs_its_own_part_only(tmp_path: Path, text: str) -> None:
    part(tmp_path, "dfdc_train_part_0", PART)
    plant(tmp_path, ["dfdc_train_part_1/aaaaaaaaaa.mp4"])
    plant(tmp_path, ["dfdc_train_part_1/metadata.json"], text)
    dataset = build("DFDC", tmp_path)
    assert [remark.path for remark in conflicts(dataset)] == ["dfdc_train_part_1/metadata.json"]
    assert len(samples(dataset)) == 4


def test_a_list_that_is_a_link_out_of_the_root_is_not_read(tmp_path: Path) -> None:
    plant(tmp_path, ["secret.json"], json.dumps({"aaaaaaaaaa.mp4": {"label": "REAL"}}))
    root = plant(tmp_path / "DFDC", ["dfdc_train_part_0/aaaaaaaaaa.mp4"])
    (root / "dfdc_train_part_0/metadata.json").symlink_to(tmp_path / "secret.json")
    dataset = build("DFDC", root)
    assert "leads out of the root" in conflicts(dataset)[0].reason
    assert not samples(dataset)


@pytest.mark.parametrize("path", ["more/aaaaaaaaaa.mp4", "aaaaaaaaaa.mp4", "dfdc_train_part_0/x/aaaaaaaaaa.mp4"])
def test_files_outside_the_layout_are_unparsed(tmp_path: Path, path: str) -> None:
    part(tmp_path, "dfdc_train_part_0", PART)
    plant(tmp_path, [path])
    assert list(remarks(build("DFDC", tmp_path), "unparsed")) == [path]


def test_a_csv_without_labels_is_not_a_list(tmp_path: Path) -> None:
    part(tmp_path, "test", TEST)
    plant(tmp_path, ["test/notes.csv"], "who,what\nme,1\n")
    dataset = build("DFDC", tmp_path)
    assert len(samples(dataset)) == 2
    assert not conflicts(dataset)


def test_the_preview_is_not_taken_for_it(tmp_path: Path) -> None:
    plant(tmp_path / "dfdc_preview_set", ["test/aaaaaaaaaa.mp4"])
    with pytest.raises(KCEError, match="another dataset than DFDC"):
        build("DFDC", tmp_path / "dfdc_preview_set")


# --- as others have it


def test_the_sample_of_kaggle(tmp_path: Path) -> None:
    part(tmp_path, "train_sample_videos", PART)
    plant(tmp_path, ["test_videos/aassnaulhq.mp4", "test_videos/aayfryxljh.mp4"])
    plant(tmp_path, ["sample_submission.csv"], "filename,label\naassnaulhq.mp4,0.5\naayfryxljh.mp4,0.5\n")
    dataset = build("DFDC", tmp_path)
    assert {sample.path.name: facts(sample) for sample in samples(dataset).values()} == KNOWN
    assert not conflicts(dataset)
    assert not remarks(dataset, "unparsed")
    (reason,) = remarks(dataset, "missing").values()
    assert "the 2 videos there" in reason
    plant(tmp_path, ["test_videos/labels.csv"], "filename,label\naassnaulhq.mp4,1\naayfryxljh.mp4,0\n")
    assert [s.split for s in samples(build("DFDC", tmp_path)).values()].count("test") == 2


@pytest.mark.parametrize("folder", ["dfdc_train_part_7", "my_part"])
@pytest.mark.parametrize("above", [False, True])
def test_one_part_alone(tmp_path: Path, folder: str, above: bool) -> None:
    part(tmp_path, folder, PART)
    plant(tmp_path, ["another/dataset.mp4", "CelebDF/x/y.mp4"] if not above else [])
    dataset = build("DFDC", tmp_path if above else tmp_path / folder)
    assert {sample.method: sample.group for sample in samples(dataset).values()}.keys() == {"real", "DFDC"}
    assert len(samples(dataset)) == 4
    assert not remarks(dataset, "unparsed")
    assert {sample.split for sample in samples(dataset).values()} == {"train" if folder.startswith("dfdc") else ""}


def test_all_of_train_in_one_folder(tmp_path: Path) -> None:
    part(tmp_path, "train", PART)
    for root in (tmp_path, tmp_path / "train"):
        dataset = build("DFDC", root)
        assert {sample.path.name: facts(sample) for sample in samples(dataset).values()} == KNOWN


@pytest.mark.parametrize("above", [False, True])
def test_videos_with_a_list_beside_their_folder(tmp_path: Path, above: bool) -> None:
    plant(tmp_path / "DFDC", [f"videos/{name}" for name in TEST])
    plant(tmp_path / "DFDC", ["labels.csv"], CSV)
    dataset = build("DFDC", tmp_path if above else tmp_path / "DFDC")
    assert {key: sample.category for key, sample in samples(dataset).items()} == {
        "videos/aalscayrfi.mp4": "DFDC_real",
        "videos/bbbbbbbbbb.mp4": "DFDC_DFDC",
    }
    assert not remarks(dataset, "missing")


def test_frames_beside_videos_and_instead_of_them(tmp_path: Path) -> None:
    plant(tmp_path, ["test/labels.csv"], CSV)
    plant(tmp_path, [f"test/frames/{stem}/{n:03}.png" for stem in ("aalscayrfi", "bbbbbbbbbb") for n in (0, 131)])
    plant(tmp_path, ["test/videos/bbbbbbbbbb.mp4", "test/landmarks/aalscayrfi/000.npy"])
    plant(tmp_path, ["train/dfdc_train_part_0/frames/awnfpubqmo/007.png"])
    plant(tmp_path, ["train/dfdc_train_part_0/metadata.json"], json.dumps({"awnfpubqmo.mp4": PART["awnfpubqmo.mp4"]}))
    dataset = build("DFDC", tmp_path)
    assert {key: facts(sample) for key, sample in samples(dataset).items()} == {
        "test/frames/aalscayrfi/000.png": ("DFDC_real", "dfdc:aalscayrfi", (), "test", 0),
        "test/frames/aalscayrfi/131.png": ("DFDC_real", "dfdc:aalscayrfi", (), "test", 131),
        "test/videos/bbbbbbbbbb.mp4": ("DFDC_DFDC", "", (), "test", None),
        "train/dfdc_train_part_0/frames/awnfpubqmo/007.png": ("DFDC_DFDC", "dfdc:lnhkjhyhvw", (), "train", 7),
    }
    assert not remarks(dataset, "missing")
    assert not remarks(dataset, "unparsed")


def test_the_lists_of_a_linked_part_are_read(tmp_path: Path) -> None:
    part(tmp_path / "DFDC", "dfdc_train_part_0", PART)
    part(tmp_path / "disk", "dfdc_train_part_1", {"aaaaaaaaaa.mp4": {"label": "REAL"}})
    (tmp_path / "DFDC/dfdc_train_part_1").symlink_to(tmp_path / "disk/dfdc_train_part_1")
    assert len(samples(build("DFDC", tmp_path / "DFDC"))) == 4
    with following_links([tmp_path / "disk"]):
        dataset = build("DFDC", tmp_path / "DFDC")
    assert len(samples(dataset)) == 5
    assert not remarks(dataset, "unparsed")
