"""FFIW-10K: the same name three times."""

from __future__ import annotations

from pathlib import Path

import pytest

from kce import KCEError
from tests.support.planted import build, facts, plant, remarks, samples

ROOT = "FFIW10K-v1-release"


def test_source_is_real_target_is_fake_and_the_mask_is_ignored(tmp_path: Path) -> None:
    sides = ("source", "target", "target_mask")
    plant(tmp_path / ROOT, [f"{side}/{split}/00000007.mp4" for side in sides for split in ("train", "val")])
    dataset = build("FFIW-10K", tmp_path)
    assert dataset.root.name == ROOT
    assert {key: facts(sample) for key, sample in samples(dataset).items()} == {
        "source/train/00000007.mp4": ("FFIW-10K_real", "ffiw:train_00000007", (), "train", None),
        "source/val/00000007.mp4": ("FFIW-10K_real", "ffiw:val_00000007", (), "val", None),
        "target/train/00000007.mp4": ("FFIW-10K_fake", "ffiw:train_00000007", (), "train", None),
        "target/val/00000007.mp4": ("FFIW-10K_fake", "ffiw:val_00000007", (), "val", None),
    }
    assert set(remarks(dataset, "ignored").values()) == {"in a folder target_mask"}


@pytest.mark.parametrize("folder", ["test/", ""])
def test_the_split_may_be_in_the_name(tmp_path: Path, folder: str) -> None:
    plant(tmp_path, [f"{side}/{folder}test_00000000.mp4" for side in ("source", "Target")])
    facts_ = [facts(sample)[1:4] for sample in samples(build("FFIW-10K", tmp_path)).values()]
    assert facts_ == [("ffiw:test_00000000", (), "test")] * 2


def test_without_a_split_a_pair_still_shares_its_group(tmp_path: Path) -> None:
    plant(tmp_path, ["source/00000012.mp4", "target/00000012.mp4"])
    assert [facts(sample)[1:4] for sample in samples(build("FFIW-10K", tmp_path)).values()] == [
        ("ffiw:00000012", (), "")
    ] * 2


def test_a_name_and_a_folder_that_disagree_are_a_conflict(tmp_path: Path) -> None:
    plant(tmp_path, ["source/train/val_00000001.mp4"])
    dataset = build("FFIW-10K", tmp_path)
    assert not samples(dataset)
    assert list(remarks(dataset, "conflict")) == ["source/train/val_00000001.mp4"]


def test_files_outside_the_layout_are_unparsed(tmp_path: Path) -> None:
    odd = {"other/train/00000001.mp4", "source/train/clip.mp4", "source/target/train/00000001.mp4"}
    plant(tmp_path, ["target/val/00000003.mp4", *odd])
    assert set(remarks(build("FFIW-10K", tmp_path), "unparsed")) == odd


def test_two_releases_beside_each_other_are_an_error(tmp_path: Path) -> None:
    plant(tmp_path, [f"{ROOT}/source/train/00000001.mp4", "FFIW10K-v1-release-test/source/test/00000001.mp4"])
    with pytest.raises(KCEError, match="several folders look like FFIW-10K"):
        build("FFIW-10K", tmp_path)


def test_published_numbers(tmp_path: Path) -> None:
    plant(tmp_path, ["source/train/00000001.mp4"])
    assert build("FFIW-10K", tmp_path).expected == {"FFIW-10K_real": 9988, "FFIW-10K_fake": 9988}
