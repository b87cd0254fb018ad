"""Patch-wise Face Image Forensics: the folder says everything, and is spelled in several ways."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.planted import build, facts, files, plant, remarks, samples

NAME = "Patch-wise_Face_Image_Forensics"
DRAWN = "seed001_sample000000.png"
TREE = {
    "celebahq/real-tfr-1024-resized128/test/012345.png": ("real", ("celeba-img:012345",)),
    "ffhq/real-tfr-1024-resized128/test/000066000.png": ("real", ()),
    "celeba/mfa-real/test/000001.png": ("real", ()),
    f"celebahq/pgan-pretrained-128-png/test/{DRAWN}": ("PROGAN", ()),
    f"celebahq/sgan-pretrained-128-png/test/{DRAWN}": ("StyleGAN", ()),
    f"celebahq/glow-pretrained-128-png/test/{DRAWN}": ("Glow", ()),
    f"celeba/mfa-defaults/test/{DRAWN}": ("GMM", ()),
    f"ffhq/pgan-9k-128-png/test/{DRAWN}": ("PROGAN", ()),
    f"ffhq/sgan-pretrained-128-png/test/{DRAWN}": ("StyleGAN", ()),
    f"ffhq/sgan2-pretrained-128-png/test/{DRAWN}": ("StyleGAN2", ()),
}


def test_the_published_layout(tmp_path: Path) -> None:
    plant(tmp_path, TREE)
    dataset = build(NAME, tmp_path)
    assert {key: facts(sample) for key, sample in samples(dataset).items()} == {
        key: (f"{NAME}_{method}", "", identities, "test", None) for key, (method, identities) in TREE.items()
    }
    assert len(list(dataset)) == files(tmp_path)
    assert not dataset.expected  # the numbers of the published archive are not known


@pytest.mark.parametrize("root", ["dataset/faces", "datasets/faces", "faces", ""])
def test_the_root_as_the_scripts_and_as_the_readme_spell_it(tmp_path: Path, root: str) -> None:
    plant(tmp_path / root, TREE)
    assert set(samples(build(NAME, tmp_path))) == set(TREE)
    assert set(samples(build(NAME, tmp_path / root / "ffhq"))) == set(TREE)


@pytest.mark.parametrize("source", ["celebahq", "ffhq"])
def test_the_folder_of_reals_with_one_dash_more(tmp_path: Path, source: str) -> None:
    path = f"{source}/real-tfr-1024-resized-128/test/000066000.png"
    plant(tmp_path, [path])
    assert samples(build(NAME, tmp_path))[path].real


def test_the_split_is_that_of_the_folder(tmp_path: Path) -> None:
    seeds = {"train": "000", "test": "001", "val": "002"}
    plant(tmp_path, [f"ffhq/pgan-9k-128-png/{split}/seed{seed}_sample000007.png" for split, seed in seeds.items()])
    by_key = samples(build(NAME, tmp_path))
    assert [(sample.split, key.split("/")[2]) for key, sample in by_key.items()] == [(s, s) for s in sorted(seeds)]


def test_one_generator_of_two_sources_is_one_category_and_its_pictures_stay_apart(tmp_path: Path) -> None:
    plant(tmp_path, TREE)
    keys = [sample.key for sample in samples(build(NAME, tmp_path)).values() if sample.category == f"{NAME}_PROGAN"]
    assert [key.split("/")[0] for key in keys] == ["celebahq", "ffhq"]


def test_files_beside_the_pictures_are_ignored(tmp_path: Path) -> None:
    beside = [
        "celebahq/glow-pretrained-128-png/test/manipulations.npz",
        "ffhq/pgan-9k-128-png/test.txt",
        "faceforensics_aligned/Deepfakes/original/test/000_003_001.png",
        "faceforensics_aligned/NeuralTextures/manipulated/train/000_003_001.png",
    ]
    plant(tmp_path, [*TREE, *beside])
    dataset = build(NAME, tmp_path)
    assert set(remarks(dataset, "ignored")) == set(beside)
    assert set(samples(dataset)) == set(TREE)


@pytest.mark.parametrize(
    "path",
    [
        f"celebahq/sgan2-pretrained-128-png/test/{DRAWN}",
        f"ffhq/glow-pretrained-128-png/test/{DRAWN}",
        f"ffhq/pgan-9k-128-png/{DRAWN}",
        f"ffhq/pgan-9k-128-png/more/{DRAWN}",
        "ffhq/pgan-9k-128-png/test/grid.png",
        f"ffhq/real-tfr-1024-resized128/test/{DRAWN}",
        f"lsun/pgan-9k-128-png/test/{DRAWN}",
    ],
)
def test_files_outside_the_layout_are_unparsed(tmp_path: Path, path: str) -> None:
    plant(tmp_path, [*TREE, path])
    assert list(remarks(build(NAME, tmp_path), "unparsed")) == [path]
