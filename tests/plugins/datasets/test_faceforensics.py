"""FaceForensics++ and DeepFakeDetection, in the published tree and in those that people make of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kce import BadData, KCEError
from kce.data.scan import ScanFailed, scan
from tests.support.planted import build, facts, files, plant, remarks, samples

SPLITS = {
    "train": [["071", "054"], ["087", "081"], ["881", "856"]],
    "val": [["720", "672"], ["939", "115"]],
    "test": [["953", "974"], ["012", "026"], ["000", "003"]],
}
FFPP = {
    "original_sequences/youtube/c23/videos/071.mp4": ("FaceForensics++_real", "ffpp:071", ("ffpp:071",), "train"),
    "original_sequences/youtube/c23/videos/500.mp4": ("FaceForensics++_real", "ffpp:500", ("ffpp:500",), ""),
    "manipulated_sequences/NeuralTextures/c23/videos/087_081.mp4": (
        "FaceForensics++_NeuralTextures", "ffpp:087", ("ffpp:087", "ffpp:081"), "train",
    ),
    "manipulated_sequences/Face2Face/c23/videos/003_000.mp4": (
        "FaceForensics++_Face2Face", "ffpp:003", ("ffpp:003", "ffpp:000"), "test",
    ),
    "manipulated_sequences/Deepfakes/c23/videos/720_672.mp4": (
        "FaceForensics++_DeepFakes", "ffpp:720", ("ffpp:720", "ffpp:672"), "val",
    ),
    "manipulated_sequences/FaceShifter/c23/videos/672_720.mp4": (
        "FaceForensics++_FaceShifter", "ffpp:672", ("ffpp:672", "ffpp:720"), "val",
    ),
    "manipulated_sequences/FaceSwap/c23/videos/071_087.mp4": (
        "FaceForensics++_FaceSwap", "ffpp:071", ("ffpp:071", "ffpp:087"), "",  # of one split, but no pair of it
    ),
}  # fmt: skip
DFD = {
    "original_sequences/actors/c23/videos/01__exit_phone_room.mp4": (
        "DeepFakeDetection_real", "dfd:01__exit_phone_room", ("dfd:01",),
    ),
    "original_sequences/actors/c23/videos/24__outside_talking_still_laughing__YR5OVD4S.mp4": (
        "DeepFakeDetection_real", "dfd:24__outside_talking_still_laughing", ("dfd:24",),
    ),
    "manipulated_sequences/DeepFakeDetection/c23/videos/01_02__exit_phone_room__YVGY8LOK.mp4": (
        "DeepFakeDetection_FaceSwap", "dfd:01__exit_phone_room", ("dfd:01", "dfd:02"),
    ),
}  # fmt: skip
IGNORED = [
    "manipulated_sequences/Deepfakes/masks/videos/071_054.mp4",
    "manipulated_sequences/NeuralTextures/masks/videos/087_081.mp4",
    "manipulated_sequences/Deepfakes/models/071_054/decoder_A.h5",
    "manipulated_sequences/DeepFakeDetection/masks/videos/01_02__exit_phone_room__YVGY8LOK.mp4",
    "manipulated_sequences/Deepfakes/c23/videos/tmp8x2k1",  # an interrupted download
    "manipulated_sequences/Deepfakes/c40/videos/071_054.mp4",
    "original_sequences/youtube/raw/videos/071.mp4",
    "downloaded_videos.zip",
]


def put_splits(root: Path, folder: str = "splits", splits: dict[str, list[list[str]]] = SPLITS) -> None:
    for name, pairs in splits.items():
        plant(root, [f"{folder}/{name}.json"], json.dumps(pairs))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    plant(tmp_path, [*FFPP, *DFD, *IGNORED])
    put_splits(tmp_path)
    return tmp_path


def test_the_published_layout(tree: Path) -> None:
    dataset = build("FaceForensics++", tree)
    assert {key: facts(sample) for key, sample in samples(dataset).items()} == {
        key: (*known, None) for key, known in FFPP.items()
    }
    ignored = {*IGNORED, *DFD, *(f"splits/{name}.json" for name in SPLITS)} - {"downloaded_videos.zip"}
    assert set(remarks(dataset, "ignored")) == ignored
    assert list(remarks(dataset, "unread")) == ["downloaded_videos.zip"]
    assert len(list(dataset)) == files(tree)


def test_the_other_adapter_reads_the_rest(tree: Path) -> None:
    dataset = build("DeepFakeDetection", tree)
    assert {key: facts(sample) for key, sample in samples(dataset).items()} == {
        key: (*known, "", None) for key, known in DFD.items()
    }
    assert set(FFPP) <= set(remarks(dataset, "ignored"))
    assert not remarks(dataset, "unparsed")


@pytest.mark.parametrize("folder", ["splits", "dataset/splits", "."])
def test_splits_are_found_where_people_drop_them(tmp_path: Path, folder: str) -> None:
    plant(tmp_path, FFPP)
    put_splits(tmp_path, folder)
    by_key = samples(build("FaceForensics++", tmp_path))
    assert {key: sample.split for key, sample in by_key.items()} == {key: known[3] for key, known in FFPP.items()}


def test_without_splits_there_is_no_split(tmp_path: Path) -> None:
    plant(tmp_path, FFPP)
    assert {sample.split for sample in samples(build("FaceForensics++", tmp_path)).values()} == {""}


def test_splits_that_disagree_or_cannot_be_read(tmp_path: Path) -> None:
    plant(tmp_path, FFPP)
    put_splits(tmp_path, splits={"train": [["071", "054"], ["../a", "1"], [71, 54]], "val": [["071", "672"]]})  # type: ignore[list-item]
    dataset = build("FaceForensics++", tmp_path)
    reasons = [remark.reason for remark in dataset if getattr(remark, "kind", "") == "conflict"]
    assert len(reasons) == 3
    assert "071 is also in train.json, which is kept" in reasons
    assert samples(dataset)["original_sequences/youtube/c23/videos/071.mp4"].split == "train"
    plant(tmp_path, ["splits/test.json"], "[[")
    with pytest.raises(BadData, match=r"test\.json is not readable JSON"):
        list(dataset)


@pytest.mark.parametrize(
    ("compression", "folders"),
    [("raw", {"raw", "c0"}), ("c0", {"raw", "c0"}), ("c40", {"c40"}), ("all", {"raw", "c0", "c23", "c40"})],
)
def test_one_compression_is_read(tmp_path: Path, compression: str, folders: set[str]) -> None:
    plant(tmp_path, [f"original_sequences/youtube/{folder}/videos/000.mp4" for folder in ("raw", "c23", "c40")])
    plant(tmp_path, ["manipulated_sequences/FaceSwap/c0/videos/000_003.mp4"])
    dataset = build("FaceForensics++", tmp_path, compression=compression)
    assert {key.split("/")[2] for key in samples(dataset)} == folders
    assert dataset.expected["FaceForensics++_real"] == (3000 if compression == "all" else 1000)


def test_an_unknown_compression_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(KCEError, match="no compression 'c24'") as caught:
        build("FaceForensics++", tmp_path, compression="c24")
    assert "c23" in caught.value.hint


@pytest.mark.parametrize("kind", ["images", "frames"])
def test_frames_are_read_where_there_are_no_videos(tmp_path: Path, kind: str) -> None:
    fakes, reals = f"manipulated_sequences/Deepfakes/c23/{kind}", f"original_sequences/youtube/c23/{kind}"
    plant(tmp_path, [f"{fakes}/071_054/{n}.png" for n in ("131", "0000", "9")] + [f"{reals}/071/0001.png"])
    plant(tmp_path, [f"{fakes}/071_054/landmarks/131.npy", f"{fakes}/071_054/masks/131.png"])
    put_splits(tmp_path)
    dataset = build("FaceForensics++", tmp_path)
    found_samples = list(samples(dataset).values())
    assert [sample.frame for sample in found_samples] == [0, 9, 131, 1]
    assert facts(found_samples[2]) == ("FaceForensics++_DeepFakes", "ffpp:071", ("ffpp:071", "ffpp:054"), "train", 131)
    plant(tmp_path, [f"{fakes}/054_071/5.png", "manipulated_sequences/Deepfakes/c23/videos/071_054.mp4"])
    assert [sample.frame for sample in samples(build("FaceForensics++", tmp_path)).values()] == [5, None, 1]


@pytest.mark.parametrize("junk", [".DS_Store", "boxes/071_054.json", "071_054.mp4.part", "071_054.txt", "071_054.avi"])
def test_a_folder_of_videos_that_holds_none_does_not_hide_the_frames(tmp_path: Path, junk: str) -> None:
    fakes = "manipulated_sequences/Deepfakes/c23"
    plant(tmp_path, [f"{fakes}/videos/{junk}", f"{fakes}/images/notes.txt", f"{fakes}/frames/071_054/131.png"])
    assert list(samples(build("FaceForensics++", tmp_path))) == [f"{fakes}/frames/071_054/131.png"]


def test_frames_in_two_folders_are_read_once(tmp_path: Path) -> None:
    fakes = "manipulated_sequences/Deepfakes/c23"
    plant(tmp_path, [f"{fakes}/frames/071_054/131.png", f"{fakes}/images/071_054/0001.png"])
    assert list(samples(build("FaceForensics++", tmp_path))) == [f"{fakes}/images/071_054/0001.png"]


def test_another_compression_than_the_one_that_is_read_is_an_error_that_says_so(tmp_path: Path) -> None:
    plant(tmp_path, ["original_sequences/youtube/c40/videos/000.mp4"])
    plant(tmp_path, ["manipulated_sequences/Deepfakes/c40/videos/000_003.mp4"])
    with pytest.raises(ScanFailed, match=r"DeepFakes: 1 files .*compression c40, not in c23") as caught:
        scan(build("FaceForensics++", tmp_path), tmp_path)
    assert "FaceForensics++:compression=c40" in caught.value.hint
    assert caught.value.explained
    assert scan(build("FaceForensics++", tmp_path, compression="c40"), tmp_path).samples == 2


def test_categories_in_different_compressions_are_named(tmp_path: Path) -> None:
    plant(tmp_path, [f"original_sequences/youtube/{quality}/videos/000.mp4" for quality in ("raw", "c23")])
    plant(tmp_path, ["manipulated_sequences/Deepfakes/raw/videos/000_003.mp4"])
    with pytest.raises(ScanFailed, match=r"DeepFakes: 1 files .*raw, not in c23"):
        scan(build("FaceForensics++", tmp_path), tmp_path)
    report = scan(build("FaceForensics++", tmp_path, compression="all"), tmp_path)
    assert "FaceForensics++_real in c23 and raw; FaceForensics++_DeepFakes in raw" in report.conflicts[0]
    assert not scan(build("FaceForensics++", tmp_path, compression="raw"), tmp_path).conflicts


@pytest.mark.parametrize("folder", ["downloaded_videos", "downloaded_videos_info"])
def test_what_the_reals_were_cut_from_is_ignored(tmp_path: Path, folder: str) -> None:
    plant(tmp_path, [*FFPP, f"{folder}/abcdefghijk/abcdefghijk.mp4", f"{folder}/x.mp4"])
    dataset = build("FaceForensics++", tmp_path)
    assert len(samples(dataset)) == len(FFPP)
    assert not remarks(dataset, "unparsed")


@pytest.mark.parametrize(("name", "compression"), [("FaceForensics++_C23", "c23"), ("FF_c40", "c40"), ("mine", "c23")])
def test_the_flat_copy(tmp_path: Path, name: str, compression: str) -> None:
    root = plant(
        tmp_path / name,
        ["original/071.mp4", "Deepfakes/071_054.mp4", "DeepFakeDetection/01_02__exit_phone_room__YVGY8LOK.mp4",
         "csv/Deepfakes.csv", "Face2Face/071_054.mp4"],
    )  # fmt: skip
    dataset = build("FaceForensics++", tmp_path, compression=compression)
    assert dataset.root == root
    assert [sample.category for sample in samples(dataset).values()] == [
        "FaceForensics++_DeepFakes", "FaceForensics++_Face2Face", "FaceForensics++_real",
    ]  # fmt: skip
    assert not remarks(dataset, "unparsed")
    sibling = build("DeepFakeDetection", root, compression=compression)
    assert [sample.group for sample in samples(sibling).values()] == ["dfd:01__exit_phone_room"]


@pytest.mark.parametrize("folder", ["DeepFakes", "deepfakes", "DF"])
def test_spellings_of_a_method(tmp_path: Path, folder: str) -> None:
    plant(tmp_path, [f"manipulated_sequences/{folder}/C23/Videos/071_054.mp4"])
    assert [s.category for s in samples(build("FaceForensics++", tmp_path)).values()] == ["FaceForensics++_DeepFakes"]


@pytest.mark.parametrize(
    "path",
    [
        "original_sequences/youtube/c23/videos/71.mp4",
        "original_sequences/youtube/c23/videos/071_054.mp4",
        "original_sequences/youtube/c23/videos/\u0660\u0667\u0661.mp4",
        "original_sequences/youtube/c24/videos/071.mp4",
        "original_sequences/youtube/c23/071.mp4",
        "original_sequences/youtube/c23/videos/deep/071.mp4",
        "original_sequences/youtube/c23/clips/071.mp4",
        "original_sequences/youtube/c23/frames/071/first.png",
        "original_sequences/webcam/c23/videos/071.mp4",
        "manipulated_sequences/Deepfakes/c23/videos/071.mp4",
        "manipulated_sequences/Deepfakes/c23/videos/071_054 (1).mp4",
        "manipulated_sequences/SimSwap/c23/videos/071_054.mp4",
        "elsewhere/071.mp4",
        "071.mp4",
    ],
)
def test_files_outside_the_layout_are_unparsed(tmp_path: Path, path: str) -> None:
    plant(tmp_path, ["manipulated_sequences/FaceSwap/c23/videos/071_054.mp4", path])
    dataset = build("FaceForensics++", tmp_path)
    assert len(samples(dataset)) == 1
    assert list(remarks(dataset, "unparsed")) == [path]


@pytest.mark.parametrize("stem", ["1__exit", "01_exit", "01_02__exit__YVGY8LOK", "01__a__b__c", "01__"])
def test_scenes_that_cannot_be_read_are_unparsed(tmp_path: Path, stem: str) -> None:
    plant(tmp_path, [f"original_sequences/actors/c23/videos/{stem}.mp4"])
    assert len(remarks(build("DeepFakeDetection", tmp_path), "unparsed")) == 1
