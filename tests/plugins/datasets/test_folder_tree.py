"""Trees as people have them: what is read as real, fake and split, and what is asked."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kce import KCEError, Sample
from kce.data.scan import ScanFailed, scan
from tests.support.planted import build, plant, remarks, samples

REAL = [
    "real",
    "Real",
    "original_sequences",
    "genuine",
    "real_videos",
    "Celeb-real",
    "reals",
    "Real Images",
    "bonafide",
]
FAKE = ["fake", "Fake", "manipulated_sequences", "attacks", "fake_videos", "Celeb-synthesis", "forged"]


def read(root: Path, files: list[str], **parameters: Any) -> dict[str, tuple[str, bool, str]]:
    """Category, label and split of each sample."""
    dataset = build("folder", plant(root / "mine", files), **parameters)
    scan(dataset, root / "mine")
    return {key: (sample.category, sample.real, sample.split) for key, sample in samples(dataset).items()}


def categories(root: Path, files: list[str], **parameters: Any) -> Counter[str]:
    return Counter(category for category, _, _ in read(root, files, **parameters).values())


@pytest.mark.parametrize("real", REAL)
def test_reals_by_any_name_beside_methods(tmp_path: Path, real: str) -> None:
    found = read(tmp_path, [f"{real}/1.png", "Deepfakes/1.png", "Mine/1.png"])
    assert found == {
        f"{real}/1.png": ("mine_real", True, ""),
        "Deepfakes/1.png": ("mine_Deepfakes", False, ""),
        "Mine/1.png": ("mine_Mine", False, ""),
    }


@pytest.mark.parametrize("fake", FAKE[:5])
def test_forgeries_without_a_method_are_called_fake(tmp_path: Path, fake: str) -> None:
    assert categories(tmp_path, ["real/1.png", f"{fake}/2.png"]) == {"mine_real": 1, "mine_fake": 1}


def test_numbered_forgeries_are_several_methods(tmp_path: Path) -> None:
    found = categories(tmp_path, ["real/1.png", "fake1/1.png", "fake_2/1.png", "fakeA/1.png"])
    assert found == {"mine_real": 1, "mine_fake1": 1, "mine_fake_2": 1, "mine_fakeA": 1}


def test_originals_beside_methods_below_the_name_of_a_dataset(tmp_path: Path) -> None:
    found = categories(tmp_path, ["FF++/original/1.png", "FF++/Deepfakes/1.png", "FF++/FaceSwap/1.png"])
    assert found == {"FF++_real": 1, "FF++_Deepfakes": 1, "FF++_FaceSwap": 1}


def test_labels_below_splits(tmp_path: Path) -> None:
    found = read(
        tmp_path, [f"{split}/{label}/1.png" for split in ("Train", "valid", "test") for label in ("real", "FAKE")]
    )
    assert found["valid/real/1.png"] == ("mine_real", True, "val")
    assert found["Train/FAKE/1.png"] == ("mine_fake", False, "train")
    assert found["test/real/1.png"] == ("mine_real", True, "test")


def test_labels_and_splits_below_methods_with_a_folder_per_recording(tmp_path: Path) -> None:
    files = [f"{m}/train/{video}/1.png" for m in ("Face2Face", "FaceSwap") for video in ("fake/000_003", "real/000")]
    assert categories(tmp_path, files) == {"mine_real": 2, "mine_Face2Face": 1, "mine_FaceSwap": 1}
    groups = {sample.group for sample in samples(build("folder", tmp_path / "mine")).values()}
    assert groups == {file.removesuffix("/1.png") for file in files}


@pytest.mark.parametrize(
    ("files", "counts"),
    [
        (["genuine/1.png", "attacks/print/1.png", "attacks/replay/1.png"], {"real": 1, "print": 1, "replay": 1}),
        (["real/000/1.png", "fake/Foo/000_001/1.png", "fake/001/2.png"], {"real": 1, "Foo": 1, "fake": 1}),
        (["train/real/1.png", "train/FaceSwap/1.png", "val/FaceSwap/1.png"], {"real": 1, "FaceSwap": 2}),
        (["real_vs_fake/real-vs-fake/real/1.jpg", "real_vs_fake/real-vs-fake/fake/1.jpg"], {"real": 1, "fake": 1}),
        (["real_and_fake_face/training_real/1.jpg", "real_and_fake_face/training_fake/1.jpg"], {"real": 1, "fake": 1}),
        (["deepfake_database/train/df/1.jpg", "deepfake_database/train/real/1.jpg"], {"real": 1, "df": 1}),
        (["real_train/1/real/131/9.png", "fake_train/1/fake/131/9.png"], {"real": 1, "fake": 1}),
        (["Midjourney/train/nature/1.png", "Midjourney/train/ai/1.png"], {"real": 1, "Midjourney": 1}),
        (["Celeb-real/1.mp4", "YouTube-real/1.mp4", "Celeb-synthesis/1.mp4"], {"real": 2, "Celeb-synthesis": 1}),
        (
            ["original_sequences/youtube/c23/videos/1.mp4", "original_sequences/actors/c23/videos/1.mp4",
             "manipulated_sequences/Deepfakes/c23/videos/1.mp4"],
            {"real": 2, "Deepfakes": 1},
        ),
        (["real/Deepfakes/1.png", "fake/Deepfakes/2.png"], {"real": 1, "Deepfakes": 1}),
        (["raw/images/real/1.png", "raw/images/fake/1.png"], {"real": 1, "fake": 1}),
        (["live/1.png", "spoof/1.png"], {"real": 1, "fake": 1}),
        (["Deepfakes/1.png", "FaceSwap/1.png"], {"Deepfakes": 1, "FaceSwap": 1}),  # known methods need no reals
    ],
)  # fmt: skip
def test_other_trees_that_are_clear(tmp_path: Path, files: list[str], counts: dict[str, int]) -> None:
    assert categories(tmp_path, files) == {f"mine_{method}": count for method, count in counts.items()}


def test_names_with_the_dataset(tmp_path: Path) -> None:
    files = [
        "DFD_original_sequences/1.mp4",
        "DFD_manipulated_sequences/1.mp4",
        "A_fake/1.png",
        "A_real/1.png",
        "A_x/1.png",
    ]
    files += [
        "FF++/original_sequences/1.mp4",
        "FF++/manipulated_sequences/Deepfakes/1.mp4",
        "Celeb_DF/Celeb-real/1.mp4",
    ]
    assert set(categories(tmp_path, files)) == {
        "DFD_real", "DFD_manipulated_sequences", "A_fake", "A_real", "A_x", "FF++_real", "FF++_Deepfakes",
        "Celeb_DF_real",
    }  # fmt: skip


@pytest.mark.parametrize(
    "files", [["A_x/1.png"], ["A_x/1.png", "A_y/1.png"], ["A_x/1.png", "B_x/1.png", "A_real/1.png"]]
)
def test_folders_named_by_dataset_and_method_may_be_without_reals(tmp_path: Path, files: list[str]) -> None:
    assert categories(tmp_path, files) == {file.partition("/")[0]: 1 for file in files}


@pytest.mark.parametrize(
    ("files", "why"),
    [
        (
            ["foo/1.png", "bar/1.png"],
            "bar: read as forgeries of the method bar, but no folder beside it contains reals",
        ),
        (["real/1.png", "fake/1.png", "masks/1.png"], "masks: there are folders for reals and for forgeries beside it"),
        (["train/real/1.png", "extra/1.png"], "extra: read as forgeries .* but no folder beside it contains reals"),
        (["train/1.png"], "train: no folder says whether its files are reals or forgeries"),
        (["images/c23/1.png"], "images/c23: no folder says"),
        (["FFHQ/1.png", "StyleGAN2/1.png"], "FFHQ: it is the name of a dataset"),
        (["0/1.png", "1/1.png"], "0: a number is not the name of a method"),
        (["FF_c23/1.mp4"], "FF_c23: it does not name a method"),
        (["real/fake/1.png", "fake/1.png"], "real/fake: real is a name for reals, fake one for forgeries"),
        (["fake/x/real_videos/1.png"], "real_videos is a name for reals, fake one"),
        (["fake/real_world/1.png", "real/1.png"], "fake/real_world: it contains a word for reals, and more"),
        (["real/1.png", "real_faceswap/1.png"], "real_faceswap: it contains a word for reals, and more"),
        (["real/1.png", "RealVideo-FakeAudio/1.png"], "it contains words for reals and for forgeries"),
        (["original/FaceSwap/1.png"], "original: it has a name for reals, but a folder in it has that of a method"),
        (["Foo/train/real/1.png", "Foo/train/fake/1.png"], "Foo: it may be a dataset or a method"),
        (["real/1.png", "fake/foo/1.png"], "fake/foo: it may be a method or a recording"),
        (["real/1.png", "fake/FaceSwap/SimSwap/1.png"], "it or the folder below it may name the method"),
        (["FaceSwap/real/1.png", "FaceSwap/fake/1.png", "FaceSwap/foo/1.png"], "some of its folders are for reals or"),
        (["train/real/test/1.png"], "it is in the splits test and train"),
        ([f"{name}/1.png" for name in ("Ann_Lee", "Bob_Ray", "Cy_Fox", "Di_Orr")], "no two are of one dataset"),
        (["foo/FaceSwap/1.png", "real/1.png"], "foo: it may be a dataset or a method"),
    ],
)
def test_what_can_be_read_in_two_ways_is_asked(tmp_path: Path, files: list[str], why: str) -> None:
    with pytest.raises(ScanFailed, match=why) as caught:
        read(tmp_path, files)
    assert caught.value.hint
    assert caught.value.report.errors


def test_a_root_that_is_called_real_contains_no_forgeries_unless_the_user_says_so(tmp_path: Path) -> None:
    root = plant(tmp_path / "real", ["FaceSwap/1.png"])
    with pytest.raises(ScanFailed, match="read as forgeries, in a root that is called real"):
        scan(build("folder", root), root)
    assert scan(build("folder", root, levels="method"), root).by_category == {"real_FaceSwap": 1}


def test_a_file_whose_name_contradicts_its_folder_is_left_out(tmp_path: Path) -> None:
    root = plant(tmp_path, ["A_x/real_1.png", "A_x/fake_2.png", "A_x/3.png", "A_real/000_fake.png", "A_real/4.png"])
    assert set(samples(build("folder", root))) == {"A_x/fake_2.png", "A_x/3.png", "A_real/4.png"}
    assert remarks(build("folder", root), "unparsed") == {
        "A_x/real_1.png": "its name is one for reals, its folder is not",
        "A_real/000_fake.png": "its name is one for forgeries, its folder is not",
    }


# --- what the user says


def test_names_of_reals_and_forgeries(tmp_path: Path) -> None:
    files = ["FFHQ/1.png", "celebs/1.png", "real_faceswap/1.png"]
    counts = categories(tmp_path, files, real="ffhq; celebs", fake="real_faceswap")
    assert counts == {"mine_real": 2, "mine_real_faceswap": 1}


@pytest.mark.parametrize(
    ("levels", "files", "expected"),
    [
        (
            "method",
            ["foo/000/1.png", "bar/1.png"],
            {"foo/000/1.png": ("mine_foo", False, ""), "bar/1.png": ("mine_bar", False, "")},
        ),
        (
            "method/split/label/video",
            ["Foo/train/real/v1/1.png", "Foo/train/fake/v2/1.png"],
            {
                "Foo/train/real/v1/1.png": ("mine_real", True, "train"),
                "Foo/train/fake/v2/1.png": ("mine_Foo", False, "train"),
            },
        ),
        (
            "dataset/*/label",
            ["Foo/x/real/1.png", "Foo/fake/fake/1.png"],
            {"Foo/x/real/1.png": ("Foo_real", True, ""), "Foo/fake/fake/1.png": ("Foo_fake", False, "")},
        ),
        (
            "label/method",
            ["genuine/1.png", "attacks/foo/1.png"],
            {"genuine/1.png": ("mine_real", True, ""), "attacks/foo/1.png": ("mine_foo", False, "")},
        ),
        ("split/label", ["fold3/real/1.png"], {"fold3/real/1.png": ("mine_real", True, "fold3")}),
    ],
)
def test_levels(tmp_path: Path, levels: str, files: list[str], expected: dict[str, tuple[str, bool, str]]) -> None:
    assert read(tmp_path, files, levels=levels) == expected


@pytest.mark.parametrize(
    ("levels", "files", "why"),
    [
        ("label", ["foo/1.png"], "neither one of reals nor one of forgeries"),
        ("method", ["real_faceswap/1.png"], "a word for reals, and more"),
        ("label/method", ["fake/real/1.png"], "real is a name for reals, fake one for forgeries"),
        ("label", ["fake/000/real/1.png"], "real is a name for reals, fake one for forgeries"),
        ("split/label", ["train/1.png"], "not in a folder of the level label"),
    ],
)
def test_levels_that_do_not_fit(tmp_path: Path, levels: str, files: list[str], why: str) -> None:
    with pytest.raises(ScanFailed, match=why) as caught:
        read(tmp_path, files, levels=levels)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"levels": "split/lable"}, "'lable' is not one"),
        ({"levels": "label/label"}, "'label' occurs twice"),
        ({"levels": "split/video"}, "neither label nor method"),
        ({"group": "<frame>"}, "not a pattern"),
        ({"group": "<video>_<frame>_<video>"}, "not a pattern"),
        ({"group": "<video>_<number>"}, "not a pattern"),
        ({"label_is": "1"}, "label_is = '1'"),
        ({"real": "a;B", "fake": "b"}, "b is among the names of reals and of forgeries"),
    ],
)
def test_parameters_that_are_not_valid(tmp_path: Path, parameters: dict[str, str], why: str) -> None:
    with pytest.raises(KCEError, match=why) as caught:
        build("folder", plant(tmp_path, ["A_x/1.png"]), **parameters)
    assert caught.value.hint


# --- recordings


def test_the_recording_of_a_picture_is_its_folder_or_unknown(tmp_path: Path) -> None:
    files = ["A_x/1.png", "A_x/v1/1.png", "A_x/train/2.png", "A_x/frames/000/3.png", "A_x/000/crops/4.png", "A_x/5.mp4"]
    found = samples(build("folder", plant(tmp_path, files)))
    assert [found[file].group for file in files] == ["", "A_x/v1", "", "A_x/frames/000", "A_x/000", "A_x/5.mp4"]


def test_the_recording_by_the_name_of_the_file(tmp_path: Path) -> None:
    root = plant(tmp_path, ["A_x/000_003_0007.png", "A_x/other.png", "A_x/v/1_2.png", "A_x/1.mp4"])
    dataset = build("folder", root, group="<video>_<frame>")
    assert {key: (sample.group, sample.frame) for key, sample in samples(dataset).items()} == {
        "A_x/000_003_0007.png": ("A_x/000_003", 7),
        "A_x/v/1_2.png": ("A_x/v/1", 2),
        "A_x/1.mp4": ("A_x/1.mp4", None),
    }
    assert remarks(dataset, "unparsed") == {"A_x/other.png": "its name is not <video>_<frame>"}


# --- laws

WORDS = [*REAL, *FAKE, "train", "test", "images", "c23", "FaceSwap", "Deepfakes", "000", "id0_id1_0000", "A_x", "foo"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=4), min_size=1, max_size=5))
def test_no_file_below_a_word_for_reals_is_ever_read_as_a_forgery_nor_the_other_way_round(
    trees: list[list[str]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = plant(Path(folder) / "mine", ["/".join([*tree, f"{n}.png"]) for n, tree in enumerate(trees)])
        dataset = build("folder", root)
        try:
            scan(dataset, root)
        except ScanFailed as error:
            assert error.hint  # noqa: PT017 - it may fail or not
            return
        for sample in dataset:
            assert isinstance(sample, Sample)
            parts = sample.key.split("/")
            reals, fakes = bool({*REAL} & {*parts}), bool({*FAKE} & {*parts})
            assert not (reals and fakes)
            assert sample.real == reals
            assert sample.split == next((part for part in parts if part in ("train", "test")), "")
