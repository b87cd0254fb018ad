"""DF40: 40 methods in several layouts, test and training part, and the traps of its zips."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.planted import build, facts, plant, remarks, samples

CELEB = ("celebdf:id0_0000", ("celebdf:id0", "celebdf:id1"))
TREE = {
    "DF40/fsgan/cdf/frames/id0_id1_0000/000.png": ("fsgan", *CELEB, "test", 0),
    "DF40/one_shot_free/cdf/frames/id0_id1_0000/031.png": ("one_shot_free", *CELEB, "test", 31),
    "DF40/lia/cdf/frames/00170/012.png": ("lia", "", (), "test", 12),
    "DF40/simswap/ff/frames/993_989/131.png": ("simswap", "ffpp:993", ("ffpp:993", "ffpp:989"), "test", 131),
    "DF40/StyleGAN3/ff/000/seed0001.png": ("StyleGAN3", "ffpp:000", ("ffpp:000",), "test", None),
    "DF40/sd2.1/ff/000/00001.png": ("sd2.1", "ffpp:000", ("ffpp:000",), "test", None),
    "DF40/ddim/cdf/Fake_from_Celeb-real/id0_0000/1.png": ("ddim", "celebdf:id0_0000", ("celebdf:id0",), "test", None),
    "DF40/heygen/fake/frames/vid01/000.png": ("heygen", "", (), "test", 0),
    "DF40/heygen/real/vid01/000.png": ("real", "", (), "test", 0),
    "DF40/heygen/fake/vid02.mp4": ("heygen", "", (), "test", None),
    "DF40/deepfacelab/fake/0007/003.png": ("deepfacelab", "", (), "test", 3),
    "DF40/MidJourney/fake/0001.png": ("MidJourney", "", (), "test", None),
    "DF40/whichfaceisreal/real/0001.jpg": ("real", "", (), "test", None),
    "DF40/CollabDiff/fake/0001.png": ("CollabDiff", "", (), "test", None),
    "DF40_train/simswap/frames/993_989/131.png": ("simswap", "ffpp:993", ("ffpp:993", "ffpp:989"), "train", 131),
    "DF40_train/StyleGAN2/001/seed0188.png": ("StyleGAN2", "ffpp:001", ("ffpp:001",), "train", None),
    "DF40_train/fomm/ff/frames/002_005/001.png": ("fomm", "ffpp:002", ("ffpp:002", "ffpp:005"), "train", 1),
}


def read(root: Path) -> dict[str, tuple[object, ...]]:
    by_key = {key: facts(sample) for key, sample in samples(build("DF40", root)).items()}
    assert all(category.startswith("DF40_") for category, *_ in by_key.values())
    return {key: (category.removeprefix("DF40_"), *rest) for key, (category, *rest) in by_key.items()}


def test_both_parts(tmp_path: Path) -> None:
    plant(tmp_path, TREE)
    assert read(tmp_path) == TREE
    assert read(tmp_path / "DF40") == read(tmp_path / "DF40_train") == TREE


@pytest.mark.parametrize("part", ["DF40", "DF40_train"])
def test_one_part_alone(tmp_path: Path, part: str) -> None:
    known = {key: value for key, value in TREE.items() if key.startswith(f"{part}/")}
    plant(tmp_path, known)
    by_key = read(tmp_path)
    assert [key.rpartition(f"{part}/")[2] for key in by_key] == [key.removeprefix(f"{part}/") for key in by_key]
    assert sorted(map(str, by_key.values())) == sorted(map(str, known.values()))


def test_without_the_folder_of_a_part_its_levels_tell_it(tmp_path: Path) -> None:
    plant(tmp_path, [key.partition("/")[2] for key in TREE if key.startswith("DF40/")])
    plant(tmp_path, ["blendface/frames/993_989/131.png"])
    by_key = read(tmp_path)
    assert [key for key, value in by_key.items() if value[3] != "test"] == ["blendface/frames/993_989/131.png"]


def test_inversions_are_fake_though_their_folder_is_called_real(tmp_path: Path) -> None:
    paths = ["cdf/Celeb-real/inversions/00001.jpg", "cdf/Youtube-real/inversions/00002.jpg", "ff/012/00003.jpg"]
    plant(tmp_path, [f"DF40/e4e/{path}" for path in [*paths, "ff/012/latents.pt"]])
    assert read(tmp_path) == {
        f"e4e/{paths[0]}": ("e4e", "", (), "test", None),
        f"e4e/{paths[1]}": ("e4e", "", (), "test", None),
        f"e4e/{paths[2]}": ("e4e", "ffpp:012", ("ffpp:012",), "test", None),
    }


def test_a_level_that_repeats(tmp_path: Path) -> None:
    plant(tmp_path, ["DF40/stargan/fake/fake/0001.png", "DF40/stargan/real/real/0001.png"])
    assert [value[0] for value in read(tmp_path).values()] == ["stargan", "real"]


def test_a_zip_that_nests_a_long_path(tmp_path: Path) -> None:
    nested = "mobileswap/Some_Public/users/deepfakes_detection_datasets/DF40/mobileswap/cdf/frames/id0_id1_0000/000.png"
    plant(tmp_path, [f"DF40/{nested}", f"DF40_train/{nested.replace('cdf/', '').replace('id0_id1_0000', '993_989')}"])
    assert list(read(tmp_path).values()) == [
        ("mobileswap", *CELEB, "test", 0),
        ("mobileswap", "ffpp:993", ("ffpp:993", "ffpp:989"), "train", 0),
    ]


@pytest.mark.parametrize(
    ("folder", "method"),
    [
        ("Whichisreal", "whichfaceisreal"),
        ("whichisreal", "whichfaceisreal"),
        ("StarGAN2", "starganv2"),
        ("StarGANv2", "starganv2"),
        ("StyleCLIP", "styleclip"),
        ("collabdiff", "CollabDiff"),
        ("midjourney", "MidJourney"),
    ],
)
def test_case_differs(tmp_path: Path, folder: str, method: str) -> None:
    plant(tmp_path, [f"DF40/{folder}/fake/0001.png"])
    assert [value[0] for value in read(tmp_path).values()] == [method]


def test_pixart_by_another_spelling(tmp_path: Path) -> None:
    plant(tmp_path, ["DF40/pixart/ff/007/seed1.png", "DF40/DaGAN/ff/frames/001_002/1.png"])
    assert [value[0] for value in read(tmp_path).values()] == ["danet", "PixArt"]


def test_a_zip_without_its_top_folder_is_reported(tmp_path: Path) -> None:
    plant(tmp_path, [*TREE, "DF40/ff/frames/993_989/131.png"])
    dataset = build("DF40", tmp_path)
    assert remarks(dataset, "unparsed") == {
        "DF40/ff/frames/993_989/131.png": "not in a folder of a method (the zip of uniface lacks one)"
    }


@pytest.mark.parametrize(
    "path",
    [
        "simswap/cdf/frames/993_989/131.png",
        "simswap/ff/frames/id0_id1_0000/131.png",
        "simswap/ff/frames/993_989/face.png",
        "simswap/ff/frames/131.png",
        "simswap/faceswap/ff/frames/993_989/131.png",
        "simswap/ff/cdf/frames/993_989/131.png",
        "simswap/ff/c23/frames/993_989/131.png",
        "VQGAN/ff/seed0001.png",
        "MidJourney/0001.png",
        "stargan/fake/real/0001.png",
        "GHOST/ff/frames/993_989/131.png",
    ],
)
def test_files_outside_the_layout_are_unparsed(tmp_path: Path, path: str) -> None:
    plant(tmp_path, [*TREE, f"DF40/{path}"])
    assert list(remarks(build("DF40", tmp_path), "unparsed")) == [f"DF40/{path}"]


def test_reals_in_zips_of_their_own_and_datasets_beside_it_are_ignored(tmp_path: Path) -> None:
    beside = ["FaceForensics++/original_sequences/youtube/c23/frames/000/000.png", "UADFV/fake/frames/0001_fake/1.png"]
    plant(tmp_path, [*TREE, *beside])
    assert sorted(remarks(build("DF40", tmp_path), "ignored")) == beside
    plant(tmp_path / "DF40", [beside[0], "fsgan/cdf/landmarks/id0_id1_0000/000.png"])
    assert len(read(tmp_path)) == len(TREE)


def test_an_identity_is_the_one_of_the_dataset_it_was_made_from(tmp_path: Path) -> None:
    plant(tmp_path / "DF40", ["simswap/ff/frames/071_054/000.png", "simswap/cdf/frames/id1_id0_0007/000.png"])
    plant(tmp_path / "ffpp", ["manipulated_sequences/Deepfakes/c23/videos/071_054.mp4"])
    plant(tmp_path / "celeb", ["Celeb-synthesis/id1_id0_0007.mp4"])
    ours = [(s.group, s.identities) for s in samples(build("DF40", tmp_path / "DF40")).values()]
    bases = (build("CelebDFv2", tmp_path / "celeb"), build("FaceForensics++", tmp_path / "ffpp"))
    assert ours == [(s.group, s.identities) for base in bases for s in samples(base).values()]
