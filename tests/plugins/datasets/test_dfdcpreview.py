"""DFDC preview: names are donor first, and the split is in a json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kce import BadData, Remark
from tests.support.planted import build, facts, plant, remarks, samples

REAL = "original_videos/643049/643049_A_001.mp4"
A = "method_A/643049/643049_A/1255229_643049_A_001.mp4"
B = "method_B/1260311/1260311_C/1255229_1260311_C_001.mp4"
TREE = {
    REAL: ("DFDCPreview_real", "dfdcp:643049_A", ("dfdcp:643049",), "train", None),
    A: ("DFDCPreview_method_A", "dfdcp:643049_A", ("dfdcp:643049", "dfdcp:1255229"), "train", None),
    B: ("DFDCPreview_method_B", "dfdcp:1260311_C", ("dfdcp:1260311", "dfdcp:1255229"), "test", None),
}


def row(label: str, split: str) -> dict[str, Any]:
    return {"label": label, "set": split, "augmentations": [], "target_id": 1, "swapped_id": 2, "source_video": "x"}


LIST = {REAL: row("real", "train"), A: row("fake", "train"), B: row("fake", "test")}


def grow(root: Path, paths: object = TREE, entries: object = LIST) -> Any:
    plant(root, paths)  # type: ignore[arg-type]
    plant(root, ["dataset.json"], json.dumps(entries))
    return build("DFDCPreview", root)


def conflicts(dataset: object) -> list[Remark]:
    return [item for item in dataset if isinstance(item, Remark) and item.kind == "conflict"]  # type: ignore[attr-defined]


def test_the_published_layout(tmp_path: Path) -> None:
    dataset = grow(tmp_path / "dfdc_preview_set")
    assert {key: facts(sample) for key, sample in samples(dataset).items()} == TREE
    assert [item for item in dataset if isinstance(item, Remark)] == [
        Remark("ignored", "dataset.json", "not a media file of this dataset")
    ]
    assert dataset.expected == {"DFDCPreview_real": 1131}


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("level", ["", "videos/"])
def test_copies_with_a_level_videos_or_without_folders_of_persons(tmp_path: Path, flat: bool, level: str) -> None:
    moved = {path: path.replace("/", f"/{level}", 1) for path in TREE}
    if flat:
        moved = {path: f"{path.split('/', maxsplit=1)[0]}/{level}{path.rpartition('/')[2]}" for path in TREE}
    dataset = grow(tmp_path, moved.values())
    assert {key: facts(sample) for key, sample in samples(dataset).items()} == {
        moved[path]: known for path, known in TREE.items()
    }
    assert not remarks(dataset, "missing")


def test_listed_videos_that_do_not_exist_and_videos_that_are_not_listed(tmp_path: Path) -> None:
    more = "original_videos/643049/643049_A_002.mp4"
    dataset = grow(tmp_path, [REAL, A, more])
    assert remarks(dataset, "missing") == {B: "named in dataset.json"}
    assert remarks(dataset, "extra") == {more: "not named in dataset.json"}
    assert {key: sample.split for key, sample in samples(dataset).items()} == {REAL: "train", A: "train", more: ""}


def test_a_label_that_disagrees_with_the_folder(tmp_path: Path) -> None:
    dataset = grow(tmp_path, TREE, LIST | {A: row("real", "train"), REAL: row("fake", "train")})
    assert [remark.path for remark in conflicts(dataset)] == [REAL, A]
    assert {key: sample.category for key, sample in samples(dataset).items()} == {key: TREE[key][0] for key in TREE}


def test_a_video_in_two_sets(tmp_path: Path) -> None:
    twice = "method_B/1255229_1260311_C_001.mp4"
    dataset = grow(tmp_path, TREE, LIST | {twice: row("fake", "train")})
    assert list(remarks(dataset, "conflict")) == [twice]
    assert samples(dataset)[B].split == "test"


def test_entries_that_lead_out_or_cannot_be_read(tmp_path: Path) -> None:
    plant(tmp_path, ["out_A_001.mp4", "1_A_001.mp4"])
    bad = {
        "../1_A_001.mp4": row("real", "train"),
        f"{tmp_path}/1_A_001.mp4": row("real", "train"),
        "elsewhere/1_A_001.mp4": row("real", "train"),
        REAL: row("REAL?", "train"),
        A: row("fake", "valid"),
        B: None,
        "": row("real", "train"),
    }
    dataset = grow(tmp_path / "root", TREE, bad)
    assert [remark.path for remark in conflicts(dataset)] == list(bad)
    assert {sample.split for sample in samples(dataset).values()} == {""}
    assert not remarks(dataset, "missing")


@pytest.mark.parametrize(
    "path",
    [
        "original_videos/643049/1255229_643049_A_001.mp4",
        "method_A/643049/643049_A/643049_A_001.mp4",
        "method_A/1/2/3/1255229_643049_A_001.mp4",
        "method_A/99/1255229_643049_A_001.mp4",
        "method_C/643049/643049_A/1255229_643049_A_001.mp4",
        "643049_A_001.mp4",
    ],
)
def test_files_outside_the_layout_are_unparsed(tmp_path: Path, path: str) -> None:
    assert list(remarks(grow(tmp_path, [*TREE, path]), "unparsed")) == [path]


def test_an_invalid_list(tmp_path: Path) -> None:
    plant(tmp_path, TREE)
    assert len(samples(build("DFDCPreview", tmp_path))) == 3
    assert len(conflicts(grow(tmp_path, TREE, [1]))) == 1
    plant(tmp_path, ["dataset.json"], "{")
    with pytest.raises(BadData, match="not readable JSON"):
        list(build("DFDCPreview", tmp_path))
