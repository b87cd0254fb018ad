from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kce.errors import KCEError
from kce.training.augment import AUGMENTATIONS, apply_augmentations
from kce.training.settings import TrainSettings, check_train_settings
from tests.conftest import REPOSITORY
from tests.support.corpus import pattern

FACE = pattern("dots", np.random.default_rng(0), 64)
CODE = """
import numpy as np, xxhash
from kce.training.augment import apply_augmentations
from tests.support.corpus import pattern
face = pattern("dots", np.random.default_rng(0), 64)
for key in ("a", "b"):
    print(xxhash.xxh3_64_hexdigest(apply_augmentations(face, ["flip", "codec"], 5, 2, key).tobytes()))
"""


def test_a_face_changes_with_seed_epoch_and_key_and_with_nothing_else() -> None:
    np.random.default_rng()  # whatever others draw
    one = apply_augmentations(FACE, ["flip", "codec"], 5, 2, "a")
    np.testing.assert_array_equal(apply_augmentations(FACE, ["flip", "codec"], 5, 2, "a"), one)
    others = [(6, 2, "a"), (5, 3, "a"), (5, 2, "b")]
    for _ in range(3):
        assert any(not np.array_equal(apply_augmentations(FACE, ["codec"], *other), one) for other in others)


def test_another_process_makes_the_same_faces() -> None:
    said = [
        subprocess.run([sys.executable, "-c", CODE], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert said[0] == said[1]
    assert len(set(said[0].split())) == 2


def test_none_changes_nothing_and_the_face_given_is_never_touched() -> None:
    before = FACE.copy()
    assert apply_augmentations(FACE, ["none"], 0, 0, "a") is FACE
    for name in AUGMENTATIONS:
        changed = apply_augmentations(FACE, [name], 0, 0, "a")
        assert changed.shape == FACE.shape
        assert changed.dtype == np.uint8
    np.testing.assert_array_equal(FACE, before)


def test_flip_mirrors_half_of_the_faces_and_codec_stays_near_the_picture() -> None:
    flips = [apply_augmentations(FACE, ["flip"], 0, 0, str(n)) for n in range(200)]
    mirrored = sum(np.array_equal(face, FACE[:, ::-1]) for face in flips)
    assert all(np.array_equal(face, FACE) or np.array_equal(face, FACE[:, ::-1]) for face in flips)
    assert 70 < mirrored < 130
    faces = [apply_augmentations(FACE, ["codec"], 0, 0, str(n)).astype(float) for n in range(200)]
    away = np.array([np.abs(face - FACE).mean() for face in faces])
    assert 5 <= (away == 0).sum() <= 25  # one in sixteen is left as it is: half, half, and a quarter
    assert 1 < np.median(away) < 30


def test_crop_comes_closer_and_camera_adds_edges_and_grain() -> None:
    crops = [apply_augmentations(FACE, ["crop"], 0, 0, str(n)).astype(float) for n in range(100)]
    assert np.median([np.abs(face - FACE).mean() for face in crops]) > 1
    even = np.full((64, 64, 3), 128, np.uint8)
    assert all((apply_augmentations(even, ["crop"], 0, 0, str(n)) == 128).all() for n in range(20))
    grain = np.array([apply_augmentations(even, ["camera"], 0, 0, str(n)).astype(float).std() for n in range(200)])
    assert 60 < (grain == 0).sum() < 140  # half have none, and sharpening leaves an even picture alone
    assert grain.max() < 17


@pytest.mark.parametrize("names", [("flop",), ("none", "flip"), (), ("flip", "flip")])
def test_names_that_mean_nothing_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(KCEError):
        check_train_settings(replace(TrainSettings(), augment=names))


def test_every_name_is_accepted(tmp_path: Path) -> None:
    for name in AUGMENTATIONS:
        check_train_settings(replace(TrainSettings(), augment=(name,)))
