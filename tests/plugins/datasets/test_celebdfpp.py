"""Celeb-DF++: 22 methods in three families, and a list whose form is not published."""

from __future__ import annotations

from pathlib import Path

import pytest

from kce import KCEError, Remark
from tests.support.planted import build, facts, plant, remarks, samples

LIST = "List_of_testing_videos.txt"
FAMILIES = {
    "FaceSwap": ["Celeb-DF", "BlendFace", "GHOST", "HifiFace", "InSwapper", "MobileFaceSwap", "SimSwap", "UniFace"],
    "FaceReenact": ["DaGAN", "FSRT", "HyperReenact", "LIA", "LivePortrait", "MCNET", "TPSMM"],
    "TalkingFace": ["AniTalker", "EchoMimic", "EDTalk", "FLOAT", "IP_LAP", "Real3DPortrait", "SadTalker"],
}
REALS = {
    "Celeb-real/id1_0007.mp4": ("CelebDF++_real", "celebdf:id1_0007", ("celebdf:id1",), "", None),
    "YouTube-real/00170.mp4": ("CelebDF++_real", "", (), "", None),
}
BOTH, ONE = ("celebdf:id1", "celebdf:id2"), ("celebdf:id1",)
FAKES = {
    f"Celeb-synthesis/{family}/{method}/"
    + ("id1_0007_test_id08701_a_b.mp4" if family == "TalkingFace" else "id1_id2_0007.mp4"): (
        f"CelebDF++_{method}",
        "celebdf:id1_0007",
        ONE if family == "TalkingFace" else BOTH,
        "",
        None,
    )
    for family, methods in FAMILIES.items()
    for method in methods
}
GHOST = "Celeb-synthesis/FaceSwap/GHOST/id1_id2_0007.mp4"
LINES = ["1 YouTube-real/00170.mp4", f"0 {GHOST}", "1 Celeb-real/id1_0007.mp4"]


def conflicts(dataset: object) -> list[Remark]:
    return [item for item in dataset if isinstance(item, Remark) and item.kind == "conflict"]  # type: ignore[attr-defined]


def test_every_method_of_the_published_tree(tmp_path: Path) -> None:
    """One stem lies in the folders of 15 methods: the key is the path."""
    plant(tmp_path, [*REALS, *FAKES])
    dataset = build("CelebDF++", tmp_path)
    assert {key: facts(sample) for key, sample in samples(dataset).items()} == REALS | FAKES
    assert len({sample.method for sample in samples(dataset).values() if not sample.real}) == 22
    assert not [item for item in dataset if isinstance(item, Remark)]
    assert dataset.expected == {"CelebDF++_real": 890}


def test_the_list_names_the_test_split_method_by_method(tmp_path: Path) -> None:
    plant(tmp_path, [*REALS, *FAKES])
    plant(tmp_path, [LIST], "\n".join(LINES))
    dataset = build("CelebDF++", tmp_path)
    assert {key for key, sample in samples(dataset).items() if sample.split} == {line[2:] for line in LINES}
    assert not conflicts(dataset)
    assert not remarks(dataset, "missing")


def test_a_list_that_is_upside_down_disagrees_in_every_line(tmp_path: Path) -> None:
    plant(tmp_path, [*REALS, *FAKES])
    plant(tmp_path, [LIST], "\n".join(f"{1 - int(line[0])}{line[1:]}" for line in LINES))
    dataset = build("CelebDF++", tmp_path)
    assert [remark.path for remark in conflicts(dataset)] == [line[2:] for line in LINES]
    assert samples(dataset)[GHOST].category == "CelebDF++_GHOST"


def test_lines_of_another_format_or_that_lead_out_are_conflicts(tmp_path: Path) -> None:
    plant(tmp_path, ["out.mp4"])
    root = plant(tmp_path / "root", [*REALS, *FAKES])
    bad = [GHOST, "1 ../out.mp4", f"1 {tmp_path}/out.mp4", "0 Celeb-synthesis/id1_id2_0007.mp4", "label path"]
    plant(root, [LIST], "\n".join([*bad, "0 Celeb-synthesis/FaceSwap/GHOST/id9_id8_0001.mp4"]))
    dataset = build("CelebDF++", root)
    assert [remark.reason.split(":")[0] for remark in conflicts(dataset)] == [f"line {n + 1}" for n in range(len(bad))]
    assert list(remarks(dataset, "missing")) == ["Celeb-synthesis/FaceSwap/GHOST/id9_id8_0001.mp4"]
    assert not any(sample.split for sample in samples(dataset).values())


@pytest.mark.parametrize(
    "path",
    [
        "Celeb-synthesis/FaceSwap/Celeb-DF-v2/id1_id2_0007.mp4",
        "Celeb-synthesis/FaceSwap/Celeb-DF/videos/id1_id2_0007.mp4",
        "celeb-synthesis/faceswap/celeb-df/id1_id2_0007.mp4",
    ],
)
def test_copies_that_spell_folders_otherwise_or_add_a_level(tmp_path: Path, path: str) -> None:
    plant(tmp_path, [path])
    plant(tmp_path, [LIST], "0 Celeb-synthesis/FaceSwap/Celeb-DF/id1_id2_0007.mp4\n")
    dataset = build("CelebDF++", tmp_path)
    assert {key: (sample.method, sample.split) for key, sample in samples(dataset).items()} == {
        path: ("Celeb-DF", "test")
    }
    assert not remarks(dataset, "missing")


@pytest.mark.parametrize(
    "path",
    [
        "Celeb-synthesis/id1_id2_0007.mp4",
        "Celeb-synthesis/FaceSwap/id1_id2_0007.mp4",
        "Celeb-synthesis/FaceSwap/Unknown/id1_id2_0007.mp4",
        "Celeb-synthesis/TalkingFace/GHOST/id1_id2_0007.mp4",
        "Celeb-synthesis/FaceSwap/GHOST/id1_0007_test_id08701_a.mp4",
        "Celeb-synthesis/TalkingFace/FLOAT/id1_id2_0007.mp4",
        "Celeb-real/id1_id2_0007.mp4",
        "YouTube-real/id1_0007.mp4",
        "id1_0007.mp4",
    ],
)
def test_files_outside_the_layout_are_unparsed(tmp_path: Path, path: str) -> None:
    plant(tmp_path, [*REALS, path])
    assert list(remarks(build("CelebDF++", tmp_path), "unparsed")) == [path]


def test_the_earlier_versions_are_not_taken_for_it(tmp_path: Path) -> None:
    plant(tmp_path / "Celeb-DF-v2", REALS)
    with pytest.raises(KCEError, match="another dataset than CelebDF"):
        build("CelebDF++", tmp_path / "Celeb-DF-v2")
    plant(tmp_path / "Celeb-DF++", REALS)
    assert build("CelebDF++", tmp_path).root.name == "Celeb-DF++"
