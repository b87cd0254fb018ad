"""FakeAVCeleb: a table of ten columns under nine names, methods that names do not say, and voices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kce import BadData, Remark
from tests.support.planted import build, facts, files, plant, remarks, samples

TABLE = "meta_data.csv"
HEADER = "source,target1,target2,method,category,type,race,gender,path,"
# path -> method and targets in the table, category, donors
CLIPS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "RealVideo-RealAudio/African/men/id00076/00109.mp4": ("-,-,real,A", "real", ()),
    "RealVideo-RealAudio/Asian (East)/men/id04774/00032.mp4": ("-,-,real,A", "real", ()),
    "RealVideo-FakeAudio/Caucasian (European)/men/id00225/00078_fake.mp4": ("fake.mp4,-,rtvc,B", "rtvc", ()),
    "FakeVideo-RealAudio/Caucasian (European)/women/id00491/00122_id01002_eQTviHjyISo.mp4": (
        "id01002,-,fsgan,C",
        "FSGAN",
        ("id01002",),
    ),
    "FakeVideo-RealAudio/Asian (East)/women/id10006/00905_id10005_faceswap.mp4": (
        "3,-,faceswap,C",
        "FaceSwap",
        ("id10005",),
    ),
    "FakeVideo-RealAudio/African/men/id00987/00078_id05235_wavtolip.mp4": (
        "id05235,-,wav2lip,C",
        "Wav2Lip",
        ("id05235",),
    ),
    "FakeVideo-FakeAudio/African/men/id00076/00109_10_id00476_wavtolip.mp4": (
        "id00476,10,wav2lip,D",
        "Wav2Lip",
        ("id00476",),
    ),
    "FakeVideo-FakeAudio/Asian (South)/women/id07686/00254_id06437_3BZvvzBhj8s_id00043_wavtolip.mp4": (
        "id06437,id00043,fsgan-wav2lip,D",
        "fsgan-wav2lip",
        ("id06437", "id00043"),
    ),
    "FakeVideo-FakeAudio/Caucasian (American)/men/id00100/00010_id01691_IVtS5z8Jrrk_faceswap_id01779_wavtolip.mp4": (
        "id01691,id01779,faceswap-wav2lip,D",
        "faceswap-wav2lip",
        ("id01691", "id01779"),
    ),
}
LIP = "FakeVideo-FakeAudio/African/men/id00076/00109_10_id00476_wavtolip.mp4"
REAL = "RealVideo-RealAudio/African/men/id00076/00109.mp4"
SWAP = "FakeVideo-RealAudio/Asian (East)/women/id10006/00905_id10005_faceswap.mp4"


def line(path: str, facts: str) -> str:
    folder, _, name = path.rpartition("/")
    kind, race, gender, person = folder.split("/")
    return f"{person},{facts},{kind},{race},{gender},{name},FakeAVCeleb/{folder}"


LINES = [HEADER, *(line(path, facts) for path, (facts, *_) in CLIPS.items())]


def tree(root: Path, lines: list[str] = LINES) -> Path:
    plant(root, [*CLIPS, "README", "RealVideo-RealAudio/African/men/id00076/00109.txt"])
    return plant(root, [TABLE], "\n".join(lines) + "\n")


def conflicts(dataset: Any) -> list[Remark]:
    return [item for item in dataset if isinstance(item, Remark) and item.kind == "conflict"]


def test_the_published_tree_and_its_table_of_ten_columns_under_nine_names(tmp_path: Path) -> None:
    dataset = build("FakeAVCeleb", tree(tmp_path))
    by_key = samples(dataset)
    for path, (_, method, donors) in CLIPS.items():
        person, clip = path.split("/")[3], Path(path).stem.partition("_")[0]
        people = tuple(f"voxceleb2:{who}" for who in (person, *donors))
        assert facts(by_key[path]) == (f"FakeAVCeleb_{method}", f"voxceleb2:{person}/{clip}", people, "", None)
    assert len(by_key) == len(CLIPS)
    assert not conflicts(dataset)
    assert not remarks(dataset, "missing")
    assert len(list(dataset)) == files(tmp_path)


def test_a_forged_voice_alone_is_a_fake_of_its_own_category(tmp_path: Path) -> None:
    by_key = samples(build("FakeAVCeleb", tree(tmp_path)))
    voices = [sample for key, sample in by_key.items() if key.startswith("RealVideo-FakeAudio")]
    assert [(sample.category, sample.real) for sample in voices] == [("FakeAVCeleb_rtvc", False)]


def test_methods_combined_are_not_taken_for_single_ones(tmp_path: Path) -> None:
    by_key = samples(build("FakeAVCeleb", tree(tmp_path)))
    combined = {sample.category for key, sample in by_key.items() if "-" in CLIPS[key][1]}
    assert combined == {"FakeAVCeleb_fsgan-wav2lip", "FakeAVCeleb_faceswap-wav2lip"}


def test_published_numbers_are_those_of_files_and_not_of_lines(tmp_path: Path) -> None:
    expected = build("FakeAVCeleb", tree(tmp_path)).expected
    assert sum(expected.values()) == 21544 == 21566 - 22 == 500 + 500 + 9709 + 10835
    assert set(expected) == {f"FakeAVCeleb_{method}" for _, method, _ in CLIPS.values()}


@pytest.mark.parametrize("first", ["wav2lip", "faceswap-wav2lip"])
def test_a_file_listed_twice_is_a_conflict_and_not_taken_for_wav2lip(tmp_path: Path, first: str) -> None:
    second = {"wav2lip": "faceswap-wav2lip", "faceswap-wav2lip": "wav2lip"}[first]
    twice = [line(LIP, f"id00476,10,{method},D") for method in (first, second)]
    dataset = build("FakeAVCeleb", tree(tmp_path, [row for row in LINES if "00109_10" not in row] + twice))
    (conflict,) = conflicts(dataset)
    assert conflict.path == LIP
    assert conflict.reason.endswith(f"says {second}, another line {first}; faceswap-wav2lip is kept")
    assert samples(dataset)[LIP].category == "FakeAVCeleb_faceswap-wav2lip"
    assert len(samples(dataset)) == len(CLIPS)


def test_of_two_single_methods_the_first_is_kept(tmp_path: Path) -> None:
    dataset = build("FakeAVCeleb", tree(tmp_path, [*LINES, line(SWAP, "3,-,fsgan,C")]))
    assert [remark.path for remark in conflicts(dataset)] == [SWAP]
    assert samples(dataset)[SWAP].method == "FaceSwap"


def test_a_repeated_line_is_not_a_conflict(tmp_path: Path) -> None:
    assert not conflicts(build("FakeAVCeleb", tree(tmp_path, [*LINES, *LINES[1:]])))


def test_names_that_repeat_between_folders_are_distinguished(tmp_path: Path) -> None:
    other = "FakeVideo-RealAudio/African/women/id02071/00905_id10005_faceswap.mp4"
    plant(tmp_path, [other])
    dataset = build("FakeAVCeleb", tree(tmp_path, [*LINES, line(other, "id10005,-,fsgan,C")]))
    by_key = samples(dataset)
    assert (by_key[SWAP].method, by_key[other].method) == ("FaceSwap", "FSGAN")
    assert by_key[SWAP].group != by_key[other].group


def test_a_youtube_id_with_underscores_says_no_method_and_no_person(tmp_path: Path) -> None:
    path = "FakeVideo-FakeAudio/African/women/id02071/00195_id01661_SdP_Monh-_4_id04547_wavtolip.mp4"
    plant(tmp_path, [path])
    dataset = build("FakeAVCeleb", tree(tmp_path, [*LINES, line(path, "id01661,-,fsgan-wav2lip,D")]))
    people = tuple(f"voxceleb2:{who}" for who in ("id02071", "id01661", "id04547"))
    assert facts(samples(dataset)[path])[:3] == ("FakeAVCeleb_fsgan-wav2lip", "voxceleb2:id02071/00195", people)


@pytest.mark.parametrize("nested", ["FakeAVCeleb_v1.2/FakeAVCeleb_v1.2", "FakeAVCeleb_v1.2", "FakeAVCeleb-v1_2", ""])
def test_a_root_that_is_nested_twice(tmp_path: Path, nested: str) -> None:
    tree(tmp_path / nested)
    assert set(samples(build("FakeAVCeleb", tmp_path))) == set(CLIPS)


def test_a_table_saved_again_with_an_index_and_a_name_for_the_last_column(tmp_path: Path) -> None:
    again = [f",{HEADER}Unnamed: 9", *(f"{number},{row}" for number, row in enumerate(LINES[1:]))]
    assert set(samples(build("FakeAVCeleb", tree(tmp_path, again)))) == set(CLIPS)


def test_files_of_the_table_that_do_not_exist_are_missing(tmp_path: Path) -> None:
    gone = "FakeVideo-RealAudio/African/men/id00987/00100_id05235_wavtolip.mp4"
    dataset = build("FakeAVCeleb", tree(tmp_path, [*LINES, line(gone, "id05235,-,wav2lip,C")]))
    assert remarks(dataset, "missing") == {gone: f"named in line {len(LINES) + 1} of {TABLE}"}


def test_files_that_the_table_does_not_name(tmp_path: Path) -> None:
    dataset = build("FakeAVCeleb", tree(tmp_path, [row for row in LINES if not row.endswith(("id10006", "id00076"))]))
    assert list(remarks(dataset, "unparsed")) == [LIP, SWAP]
    assert remarks(dataset, "extra") == {REAL: f"not named in {TABLE}"}
    assert samples(dataset)[REAL].category == "FakeAVCeleb_real"


def test_without_the_table_no_forged_face_has_a_method(tmp_path: Path) -> None:
    plant(tmp_path, CLIPS)
    dataset = build("FakeAVCeleb", tmp_path)
    assert list(remarks(dataset, "missing")) == [TABLE]
    assert {sample.method for sample in samples(dataset).values()} == {"real", "rtvc"}
    assert len(remarks(dataset, "unparsed")) == 6


def test_a_method_that_cannot_be_in_its_folder_is_disregarded(tmp_path: Path) -> None:
    lines = [row.replace(",real,A,", ",wav2lip,A,").replace(",faceswap,C,", ",rtvc,C,") for row in LINES]
    dataset = build("FakeAVCeleb", tree(tmp_path, lines))
    assert {remark.path for remark in conflicts(dataset)} == {SWAP, *list(CLIPS)[:2]}
    assert samples(dataset)[REAL].real
    assert list(remarks(dataset, "unparsed")) == [SWAP]


def test_a_type_that_is_not_the_folder_is_a_conflict(tmp_path: Path) -> None:
    lines = [row.replace("RealVideo-RealAudio,African", "FakeVideo-RealAudio,African") for row in LINES]
    dataset = build("FakeAVCeleb", tree(tmp_path, lines))
    assert [remark.path for remark in conflicts(dataset)] == [REAL]
    assert samples(dataset)[REAL].real


def test_lines_that_lead_out_or_cannot_be_read_are_conflicts(tmp_path: Path) -> None:
    plant(tmp_path, ["out.mp4"])
    bad = ["id1,-,-,real,A,RealVideo-RealAudio,African,men,out.mp4,../..", "one,two", 'id1,"open', "\0" * 9]
    bad += [f"id1,-,-,real,A,RealVideo-RealAudio,African,men,out.mp4,{tmp_path}"]
    bad += ["id1,-,-,real,A,RealVideo-RealAudio,African,men,00001.mp4,FakeAVCeleb/African/men/id1"]
    dataset = build("FakeAVCeleb", tree(tmp_path / "root", [HEADER, *bad, *LINES[1:]]))
    assert [remark.reason.split(" of ")[0] for remark in conflicts(dataset)] == [
        f"line {n + 2}" for n in range(len(bad))
    ]
    assert len(samples(dataset)) == len(CLIPS)
    assert not remarks(dataset, "missing")


@pytest.mark.parametrize("lines", [LINES[1:], []])
def test_a_table_without_its_first_line(tmp_path: Path, lines: list[str]) -> None:
    dataset = build("FakeAVCeleb", tree(tmp_path, lines))
    with pytest.raises(BadData, match="has no columns method, path"):
        list(dataset)


@pytest.mark.parametrize(
    "path",
    [
        "RealVideo-RealAudio/men/id00076/00109.mp4",
        "RealVideo-RealAudio/African/men/id00076/more/00109.mp4",
        "RealVideo-RealAudio/African/men/nobody/00109.mp4",
        "RealVideo-RealAudio/African/men/id00076/clip.mp4",
        "more/African/men/id00076/00109.mp4",
    ],
)
def test_files_outside_the_layout_are_unparsed(tmp_path: Path, path: str) -> None:
    plant(tree(tmp_path), [path])
    assert list(remarks(build("FakeAVCeleb", tmp_path), "unparsed")) == [path]
