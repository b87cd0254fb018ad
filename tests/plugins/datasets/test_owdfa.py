"""OWDFA-40: what a folder's index, type and method say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.planted import build, facts, plant, remarks, samples

TREE = {
    "0_Real_CelebDF": "real",
    "0_Real_FF++": "real",
    "1_Swap_Deepfakes": "Deepfakes",
    "9_Reenact_ATVG-Net": "ATVG-Net",
    "12_Edit_StarGAN2": "StarGAN2",
    "16_Generate_StyleGAN2_Net": "StyleGAN2_Net",
    "20_Generate_StyleGAN2_NIR": "StyleGAN2_NIR",
    "33_Generate_SD2.1": "SD2.1",
    "40_Reenact_OneShot": "OneShot",
    "41_Swap_new_method": "new_method",
    "42_Morph_Other": "Other",
}


@pytest.mark.parametrize("below", ["img_0001.png", "071_054/0001.jpg"])
def test_folders_are_methods_and_index_0_is_real(tmp_path: Path, below: str) -> None:
    plant(tmp_path / "OWDFA40-Benchmark" / "data", [f"{folder}/{below}" for folder in TREE])
    dataset = build("OWDFA-40", tmp_path)
    assert dataset.root.name == "data"
    assert {key.partition("/")[0]: facts(sample) for key, sample in samples(dataset).items()} == {
        folder: (f"OWDFA-40_{method}", "", (), "", None) for folder, method in TREE.items()
    }


def test_a_folder_unpacked_into_itself(tmp_path: Path) -> None:
    plant(tmp_path, ["21_Swap_BlendFace/21_Swap_BlendFace/a.png", "data/21_new.zip"])
    dataset = build("OWDFA-40", tmp_path)
    assert [sample.category for sample in samples(dataset).values()] == ["OWDFA-40_BlendFace"]
    assert list(remarks(dataset, "unread")) == ["data/21_new.zip"]


@pytest.mark.parametrize("folder", ["0_Swap_Deepfakes", "7_Real_FF++"])
def test_an_index_and_a_type_that_disagree_are_a_conflict(tmp_path: Path, folder: str) -> None:
    plant(tmp_path, ["1_Swap_Deepfakes/a.png", f"{folder}/a.png"])
    dataset = build("OWDFA-40", tmp_path)
    assert list(samples(dataset)) == ["1_Swap_Deepfakes/a.png"]
    assert list(remarks(dataset, "conflict")) == [f"{folder}/a.png"]


@pytest.mark.parametrize("path", ["a.png", "21_new/a.png", "real/a.png", "1_Swap_Deepfakes/2_Swap_FaceSwap/a.png"])
def test_files_outside_such_folders_are_unparsed(tmp_path: Path, path: str) -> None:
    plant(tmp_path, ["1_Swap_Deepfakes/a.png", path])
    assert list(remarks(build("OWDFA-40", tmp_path), "unparsed")) == [path]


def test_each_published_folder_shows_the_root(tmp_path: Path) -> None:
    plant(tmp_path / "one", ["38_Edit_e4e/a.png"])
    dataset = build("OWDFA-40", tmp_path)
    assert dataset.root.name == "one"
    assert len(dataset.root_contains[0]) == 42
    assert {int(folder.partition("_")[0]) for folder in dataset.root_contains[0]} == set(range(41))
