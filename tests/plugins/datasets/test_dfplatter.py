"""DF-Platter: frames as its authors' training expects them, and their csv."""

from __future__ import annotations

from pathlib import Path

import pytest

from kce import KCEError
from tests.support.planted import build, facts, plant, remarks, samples

TREE = {
    "frames_C0/real_SetB/vid_0001/0001.jpg": "real",
    "frames_C0/real/vid_0003/0012.png": "real",
    "frames_C0/SetA/vid_0001/0001.jpg": "SetA",
    "frames_C23/SetB/vid_0001/0001.jpg": "SetB",
    "frames_C40/SetC/vid_0001/0001.jpg": "SetC",
}
HEAD = "path,xmin,ymin,xmax,ymax,label\n"


def test_the_tree(tmp_path: Path) -> None:
    plant(tmp_path, TREE)
    assert {key: facts(sample) for key, sample in samples(build("DF-Platter", tmp_path)).items()} == {
        key: (f"DF-Platter_{method}", "", (), "", int(Path(key).stem)) for key, method in TREE.items()
    }


@pytest.mark.parametrize(("compression", "number"), [("c0", 3), ("c23", 1), ("c40", 1), ("all", 5)])
def test_compressions(tmp_path: Path, compression: str, number: int) -> None:
    plant(tmp_path / "DF-Platter", TREE)
    dataset = build("DF-Platter", tmp_path, compression=compression)
    assert len(samples(dataset)) == number
    assert len(remarks(dataset, "ignored")) == len(TREE) - number


def test_an_unknown_compression_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KCEError, match="no compression 'c1'"):
        build("DF-Platter", plant(tmp_path, TREE), compression="c1")


def test_the_csv_gives_the_split_of_a_video(tmp_path: Path) -> None:
    frames = [f"frames_C0/SetB/vid_0001/{n:04}.jpg" for n in (1, 2)]
    plant(tmp_path, [*TREE, *frames])
    box = "10,20,110,140"
    plant(tmp_path, ["csv/test_B_LR_c0.csv"], f"{HEAD}{frames[0]},{box},1\n{frames[0]},{box},0\n")
    dataset = build("DF-Platter", tmp_path)
    assert {key for key, sample in samples(dataset).items() if sample.split == "test"} == set(frames)
    assert not remarks(dataset, "conflict")


def test_csvs_that_disagree_and_files_that_do_not_exist(tmp_path: Path) -> None:
    plant(tmp_path, TREE)
    lines = [
        "frames_C0/real_SetB/vid_0001/0001.jpg,1,2,3,4,1",
        "frames_C0/SetA/vid_0001/0001.jpg,1,2,3,4,0",
        "frames_C23/SetB/vid_0001/0001.jpg,1,2,3,4,yes",
        "../out/SetB/vid/0001.jpg,1,2,3,4,1",
        "nothing",
        "frames_C40/SetC/vid_0009/0001.jpg,1,2,3,4,1",
    ]
    plant(tmp_path, ["csv/test_B_LR_c0.csv"], HEAD + "\n".join(lines))
    plant(tmp_path, ["csv/train_C_LR_c40.csv"], HEAD + "frames_C40/SetC/vid_0009/0001.jpg,1,2,3,4,1")
    dataset = build("DF-Platter", tmp_path)
    reasons = [item.reason for item in dataset if getattr(item, "kind", "") == "conflict"]
    assert [reason.split(" of ")[0] for reason in reasons] == [
        "line 2",
        "line 3",
        "line 4",
        "line 5",
        "line 6",
        "line 2",
    ]
    assert list(remarks(dataset, "missing")) == ["frames_C40/SetC/vid_0009/0001.jpg"]
    assert samples(dataset)["frames_C0/SetA/vid_0001/0001.jpg"].category == "DF-Platter_SetA"


@pytest.mark.parametrize(
    "path",
    [
        "frames_C0/SetD/vid_0001/0001.jpg",
        "frames_C0/SetA/0001.jpg",
        "frames_C0/SetA/vid_0001/face.jpg",
        "frames_C0/SetA/vid_0001/0001.mp4",
        "SetA/C0/vid_0001.mp4",
    ],
)
def test_files_outside_that_layout_are_unparsed_videos_too(tmp_path: Path, path: str) -> None:
    plant(tmp_path, [*TREE, path])
    assert list(remarks(build("DF-Platter", tmp_path), "unparsed")) == [path]
