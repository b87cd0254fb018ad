"""Celeb-DF: the layout, the inverted list, and copies."""

from __future__ import annotations

from pathlib import Path

import pytest

from kce import KCEError, Remark
from tests.support.planted import build, facts, plant, remarks, samples

LIST = "List_of_testing_videos.txt"
LINES = "1 YouTube-real/00170.mp4\n1 Celeb-real/id0_0000.mp4\n0 Celeb-synthesis/id1_id0_0007.mp4\n"
TREE = {
    "Celeb-real/id0_0000.mp4": ("real", "celebdf:id0_0000", ("celebdf:id0",), "test"),
    "Celeb-real/id61_0009.mp4": ("real", "celebdf:id61_0009", ("celebdf:id61",), ""),
    "YouTube-real/00170.mp4": ("real", "", (), "test"),
    "Celeb-synthesis/id1_id0_0007.mp4": ("FaceSwapPRO", "celebdf:id1_0007", ("celebdf:id1", "celebdf:id0"), "test"),
    "Celeb-synthesis/id0_id16_0000.mp4": ("FaceSwapPRO", "celebdf:id0_0000", ("celebdf:id0", "celebdf:id16"), ""),
}
VERSIONS = ["CelebDFv1", "CelebDFv2"]


def conflicts(dataset: object) -> list[Remark]:
    return [item for item in dataset if isinstance(item, Remark) and item.kind == "conflict"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_published_layout(tmp_path: Path, version: str) -> None:
    plant(tmp_path, TREE)
    plant(tmp_path, [LIST], LINES)
    dataset = build(version, tmp_path)
    assert {key: facts(sample) for key, sample in samples(dataset).items()} == {
        key: (f"{version}_{method}", *known, None) for key, (method, *known) in TREE.items()
    }
    assert [item for item in dataset if isinstance(item, Remark)] == [
        Remark("ignored", LIST, "not a media file of this dataset")
    ]


def test_published_numbers_count_both_kinds_of_reals(tmp_path: Path) -> None:
    plant(tmp_path, TREE)
    assert build("CelebDFv1", tmp_path).expected == {"CelebDFv1_real": 408, "CelebDFv1_FaceSwapPRO": 795}
    assert build("CelebDFv2", tmp_path).expected == {"CelebDFv2_real": 890, "CelebDFv2_FaceSwapPRO": 5639}


@pytest.mark.parametrize("level", ["", "videos/"])
@pytest.mark.parametrize(
    "folders", [("celeb-real", "Youtube-real", "celeb-synthesis"), ("Celeb-real", "youtube-real", "Celeb-fake")]
)
def test_copies_that_spell_folders_otherwise_or_add_a_level(
    tmp_path: Path, folders: tuple[str, str, str], level: str
) -> None:
    real, youtube, fake = folders
    names = [f"{youtube}/{level}00170.mp4", f"{real}/{level}id0_0000.mp4", f"{fake}/{level}id1_id0_0007.mp4"]
    plant(tmp_path, names)
    plant(tmp_path, [LIST], LINES)
    dataset = build("CelebDFv2", tmp_path)
    assert set(samples(dataset)) == set(names)
    assert {sample.split for sample in samples(dataset).values()} == {"test"}
    assert not remarks(dataset, "missing")
    assert not conflicts(dataset)


def test_a_line_that_disagrees_with_the_folder_is_a_conflict_and_the_folder_is_kept(tmp_path: Path) -> None:
    plant(tmp_path, TREE)
    plant(tmp_path, [LIST], LINES.replace("0 Celeb-synthesis", "1 Celeb-synthesis"))
    dataset = build("CelebDFv2", tmp_path)
    assert [remark.path for remark in conflicts(dataset)] == ["Celeb-synthesis/id1_id0_0007.mp4"]
    assert "line 3" in conflicts(dataset)[0].reason
    assert samples(dataset)["Celeb-synthesis/id1_id0_0007.mp4"].category == "CelebDFv2_FaceSwapPRO"


def test_a_list_that_is_upside_down_disagrees_in_every_line(tmp_path: Path) -> None:
    plant(tmp_path, TREE)
    plant(tmp_path, [LIST], "".join(f"{1 - int(line[0])}{line[1:]}\n" for line in LINES.splitlines()))
    assert len(conflicts(build("CelebDFv2", tmp_path))) == 3


def test_the_first_line_is_not_a_header(tmp_path: Path) -> None:
    plant(tmp_path, TREE)
    plant(tmp_path, [LIST], LINES)
    assert samples(build("CelebDFv2", tmp_path))["YouTube-real/00170.mp4"].split == "test"


def test_listed_files_that_do_not_exist_are_missing(tmp_path: Path) -> None:
    plant(tmp_path, TREE)
    plant(tmp_path, [LIST], LINES + "1 Celeb-real/id9_0001.mp4\n")
    assert remarks(build("CelebDFv2", tmp_path), "missing") == {"Celeb-real/id9_0001.mp4": f"named in line 4 of {LIST}"}


def test_lines_that_lead_out_or_cannot_be_read_are_conflicts(tmp_path: Path) -> None:
    plant(tmp_path, ["out.mp4"])
    root = plant(tmp_path / "root", TREE)
    bad = ["1 ../out.mp4", f"1 {tmp_path}/out.mp4", "Celeb-real/id0_0000.mp4", "2 Celeb-real/id0_0000.mp4", "1 a.mp4"]
    bad += ["1 Celeb-real/../../out.mp4", "\0\1\2"]
    plant(root, [LIST], "\n".join(bad))
    dataset = build("CelebDFv2", root)
    assert [remark.reason.split(":")[0] for remark in conflicts(dataset)] == [f"line {n + 1}" for n in range(len(bad))]
    assert not remarks(dataset, "missing")


def test_strays_of_copies_are_ignored(tmp_path: Path) -> None:
    plant(tmp_path, [*TREE, "Celeb-synthesis/id16_id3_0005.noaudio.mp4"])
    dataset = build("CelebDFv2", tmp_path)
    assert list(remarks(dataset, "ignored")) == ["Celeb-synthesis/id16_id3_0005.noaudio.mp4"]


@pytest.mark.parametrize(
    "path",
    [
        "Celeb-synthesis/id1_0007.mp4",
        "Celeb-real/id1_id0_0007.mp4",
        "YouTube-real/id0_0000.mp4",
        "Celeb-synthesis/FaceSwap/id1_id0_0007.mp4",
        "Celeb-synthesis/FaceSwap/GHOST/id1_id0_0007.mp4",
        "more/id0_0000.mp4",
        "id0_0000.mp4",
    ],
)
def test_files_outside_the_layout_are_unparsed(tmp_path: Path, path: str) -> None:
    plant(tmp_path, [*TREE, path])
    assert list(remarks(build("CelebDFv2", tmp_path), "unparsed")) == [path]


def test_the_versions_are_not_taken_for_each_other(tmp_path: Path) -> None:
    plant(tmp_path / "Celeb-DF-v1", TREE)
    plant(tmp_path / "Celeb-DF-v2", TREE)
    assert build("CelebDFv1", tmp_path).root.name == "Celeb-DF-v1"
    assert build("CelebDFv2", tmp_path).root.name == "Celeb-DF-v2"
    with pytest.raises(KCEError, match="another dataset than CelebDFv1"):
        build("CelebDFv1", tmp_path / "Celeb-DF-v2")
