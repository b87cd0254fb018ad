"""A world of somebody else's pictures: files, truth, and what may be behind its names."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kce import Forgery, KCEError, Recording, Sample, WorldDataset, place_methods, world_categories
from kce.data.scan import scan
from kce.data.world_table import UNKNOWN, most_of_one_dataset, world_truth
from kce.faces.cut import cut as cut_faces
from kce.registry.defaults import FURTHER, build_default
from tests.conftest import REPOSITORY

METHODS = tuple("abcdefghijklmnop")


class Tinted(WorldDataset):
    """Each method is a colour; each person a brightness. The third recording cannot be forged."""

    name = "tinted"
    plain = ("DeepFakeDetection", *FURTHER)

    def __init__(self, root: Path, categories: int = 23, placement: int = 1) -> None:
        super().__init__(
            root, place_methods(categories, METHODS, placement), {"placement": placement, "of": ["a", "b"]}
        )

    def recordings(self, dataset: str) -> Sequence[Recording]:
        return [Recording(i, i, i ^ 1, 0, i ^ 1, forged=i != 2) for i in range(4)]

    def pictures(
        self, dataset: str, recording: Recording, forgeries: Sequence[Forgery]
    ) -> Iterator[tuple[Forgery | None, list[np.ndarray]]]:
        real = np.full((32, 32, 3), 60 * recording.number, np.uint8)
        yield None, [real]
        for forgery in forgeries:
            yield forgery, [real + np.uint8(METHODS.index(forgery.method))]


class Shaded(Tinted):
    """Another world of the same parameters and methods."""


@pytest.fixture
def made(tmp_path: Path) -> Tinted:
    world = Tinted(tmp_path / "world")
    world.make()
    return world


def test_it_is_read_as_real_datasets_are(made: Tinted) -> None:
    samples = [item for item in made if isinstance(item, Sample)]
    per_category = Counter(sample.category for sample in samples)
    assert per_category.keys() == made.truth().keys()
    assert {n for category, n in per_category.items() if category.endswith("_real")} == {4}
    assert {n for category, n in per_category.items() if not category.endswith("_real")} == {3}
    assert all(sample.group for sample in samples)


def test_a_dataset_that_is_plain_is_a_folder_with_a_list(made: Tinted) -> None:
    listed = (made.root / "Further" / "faces.csv").read_text().splitlines()
    assert {line.split(",")[2] for line in listed[1:]} == {"DeepFakeDetection", "CelebDFv1"}
    assert not (made.root / "FaceForensics++" / "original_sequences" / "actors").exists()


def test_its_truth_is_beside_it(made: Tinted) -> None:
    assert tomllib.loads((made.root / "truth.toml").read_text())["method"] == made.truth()
    assert tomllib.loads((made.root / "world.toml").read_text()) == {"version": 1, "placement": 1, "of": ["a", "b"]}


def test_another_placement_in_its_folder_is_refused(made: Tinted) -> None:
    with pytest.raises(KCEError, match=r"placement=1; requested: placement=2"):
        Tinted(made.root, placement=2).make()


@given(st.integers(1, 31), st.integers(2, 16), st.integers(0, 2**31), st.integers(0, 2))
def test_what_a_placement_may_be(categories: int, methods: int, placement: int, unseen: int) -> None:
    extra = ("whole", "drawn")[:unseen]
    placed = place_methods(categories, METHODS[:methods], placement, extra)
    assert [row._replace(method="") for row in placed] == list(world_categories(categories))
    assert {row.method for row in placed} <= {*METHODS[:methods], *extra}
    assert all(row.category in UNKNOWN for row in placed if row.method in extra)
    if most_of_one_dataset(categories) <= methods and categories < 31:
        assert len({(row.dataset, row.method) for row in placed}) == categories
    held_out = [row.method for row in placed if row.category in UNKNOWN]
    assert len(set(extra) & set(held_out)) == min(len(extra), len(held_out))  # before any other method


def test_reals_are_of_the_datasets_that_have_them() -> None:
    truth = world_truth(place_methods(31, METHODS, 1))
    assert sum(method == "real" for method in truth.values()) == 9
    assert "DeeperForensics_real" not in truth


def test_two_processes_that_need_one_world_make_it_once(tmp_path: Path) -> None:
    words = [sys.executable, "-c", f"from {__name__} import Tinted; Tinted({str(tmp_path / 'world')!r}).make()"]
    running = [subprocess.Popen(words, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [one.communicate()[1] for one in running]
    assert [one.returncode for one in running] == [0, 0, 0], said
    assert (tmp_path / "world" / "truth.toml").is_file()
    assert not list(tmp_path.glob("*.part"))


def test_faces_of_different_worlds_are_not_mixed(tmp_path: Path) -> None:
    """Their files have the same names: the faces of one would be taken for those of the other."""

    def cut(dataset: object) -> None:
        cut_faces(dataset, tmp_path / "faces", detector="whole", workers=0)

    cut(Tinted(tmp_path / "one"))
    before = (tmp_path / "faces" / "faces.csv").read_bytes()
    with pytest.raises(KCEError, match="not recorded as those of this synthetic world"):
        cut(Tinted(tmp_path / "two", placement=2))
    assert (tmp_path / "faces" / "faces.csv").read_bytes() == before
    cut(Tinted(tmp_path / "moved"))  # a world of the same parameters is the same
    assert Shaded(tmp_path / "one").made_from != Tinted(tmp_path / "one").made_from
    files = tmp_path / "files" / "ForgeryNet_real" / "1.png"
    files.parent.mkdir(parents=True)
    cv2.imwrite(str(files), np.zeros((9, 9, 3), np.uint8))
    folder = build_default("dataset", "folder", root=tmp_path / "files")
    with pytest.raises(KCEError, match="that are not of files, but of a synthetic world"):
        cut(folder)
    files.parent.rename(tmp_path / "files" / "Mine_real")
    cut(folder)


@pytest.mark.parametrize("command", ["scan", "cut"])
def test_whoever_reads_it_sees_how_far_it_is_made(tmp_path: Path, command: str) -> None:
    seen: list[str] = []

    def progress(what: str, done: int, total: int | None) -> None:
        seen.append(what)

    world = Tinted(tmp_path / "world")
    if command == "scan":
        scan(world, world.root, progress=progress)
    else:
        cut_faces(world, tmp_path / "faces", detector="whole", workers=0, progress=progress)
    assert seen[0] == "world"
