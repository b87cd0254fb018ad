"""DiFF: conditions are read, other files are unparsed."""

from __future__ import annotations

from pathlib import Path

import pytest

from kce import KCEError
from tests.support.planted import build, facts, plant, remarks, samples

TREE = {
    "DiFF_real/val/person_0001.jpg": ("real", "val"),
    "DiFF_real/train/a/person_0001.png": ("real", "train"),
    "val/I2I/method_x/0001.jpg": ("I2I", "val"),
    "test/T2I/method_x/0001.jpg": ("T2I", "test"),
    "test/FS/method_y/0002.png": ("FS", "test"),
    "train/fe/0001.jpg": ("FE", "train"),
}


def test_the_tree(tmp_path: Path) -> None:
    plant(tmp_path / "DiFF", TREE)
    dataset = build("DiFF", tmp_path)
    assert dataset.root.name == "DiFF"
    assert {key: facts(sample) for key, sample in samples(dataset).items()} == {
        key: (f"DiFF_{method}", "", (), split, None) for key, (method, split) in TREE.items()
    }


def test_without_the_reals_of_the_other_form(tmp_path: Path) -> None:
    plant(tmp_path, ["val/I2I/method_x/0001.jpg"])
    assert {sample.category for sample in samples(build("DiFF", tmp_path / "val")).values()} == {"DiFF_I2I"}


@pytest.mark.parametrize("path", ["DiFF_real/a.jpg", "val/a.jpg", "val/real/a.jpg", "I2I/val/a.jpg", "a.jpg"])
def test_files_elsewhere_are_unparsed(tmp_path: Path, path: str) -> None:
    plant(tmp_path, ["test/FS/method_y/0002.png", path])
    dataset = build("DiFF", tmp_path)
    assert list(remarks(dataset, "unparsed")) == [path]
    assert len(samples(dataset)) == 1


def test_another_folder_is_not_taken_for_it(tmp_path: Path) -> None:
    plant(tmp_path / "one" / "two", ["three/a.jpg"])
    with pytest.raises(KCEError, match="does not look like DiFF"):
        build("DiFF", tmp_path / "one" / "two")
