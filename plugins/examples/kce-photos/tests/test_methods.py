"""What each method does to a face."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import save_vae
from kce_photos import Face, Generator, Missing, Tools
from kce_photos.face import warp
from kce_photos.files import read_png
from kce_photos.find import FoundFace, faces_of
from kce_photos.forging import _forge
from kce_photos.generators import WHOLE, build_generators, generator_classes
from kce_photos.landmarks import Landmarks
from kce_photos.latents import ENCODER, Vae

NAMES = sorted(generator_classes())
NEURAL = {"latent-swap", "vae", "gan-regenerated", "gan-donor", "real-esrgan", "realesr-video", "real-cugan", "waifu2x",
          "oidn", "demosaic"}  # fmt: skip


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    return Tools(tmp_path_factory.mktemp("made"), save_vae(tmp_path_factory.mktemp("vae")), side=96, pool=12)


@pytest.fixture(scope="module")
def faces(photographs: Path, tools: Tools) -> list[Face]:
    landmarks = tools.share("landmarks", Landmarks)
    pictures = [read_png(photographs / "london" / f"{name}_0.png") for name in ("ann", "bob")]
    squares = [
        np.asarray(cv2.resize(picture, (96, 96), interpolation=cv2.INTER_AREA), np.uint8) for picture in pictures
    ]
    return [Face(square, landmarks.find(square)) for square in squares]


def test_there_are_enough_methods_and_most_are_neural() -> None:
    assert len(NAMES) >= 15
    assert len(NEURAL & set(NAMES)) >= 8


def prepared(name: str, tools: Tools) -> Generator:
    (generator,) = build_generators([name], tools)[0].values()
    generator.prepare()
    return generator


@pytest.mark.parametrize("name", NAMES)
def test_a_method_changes_the_face_and_nothing_else(name: str, tools: Tools, faces: list[Face]) -> None:
    generator = prepared(name, tools)
    face, donor = faces
    before = face.image.copy()
    forged = _forge(generator, face, donor, f"0/{name}")
    change = np.abs(forged.astype(int) - before).max(axis=2)
    assert (face.image == before).all()
    assert change[face.mask > 0.5].mean() > 0.3
    if name not in WHOLE:
        assert not change[face.mask == 0].any()


@pytest.mark.parametrize("name", NAMES)
def test_equal_purposes_give_equal_pictures(name: str, tools: Tools, faces: list[Face]) -> None:
    generator = prepared(name, tools)
    one, again = (_forge(generator, *faces, f"0/{name}") for _ in range(2))
    assert (one == again).all()


def test_the_strength_depends_on_the_purpose(tools: Tools, faces: list[Face]) -> None:
    generators = build_generators(["smile", "morph", "oidn", "demosaic"], tools)[0]
    for generator in generators.values():
        assert (_forge(generator, *faces, "0") != _forge(generator, *faces, "1")).any()


def test_a_method_that_leaves_the_picture_as_it_was_has_failed(faces: list[Face]) -> None:
    class Nothing:
        def forge(self, face: Face, donor: Face, random: object) -> np.ndarray:
            return face.image

    class Float:
        def forge(self, face: Face, donor: Face, random: object) -> np.ndarray:
            return face.image.astype(float)

    for bad, why in ((Nothing, "as it was"), (Float, "float64")):
        with pytest.raises(ValueError, match=why):
            _forge(bad(), *faces, "0")


def test_values_that_are_not_finite_are_no_picture(faces: list[Face]) -> None:
    made = faces[0].image.astype(float)
    made[0, 0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        faces[0].splice(made)


def test_a_face_laid_over_itself_stays(faces: list[Face]) -> None:
    face = faces[0]
    moved = warp(face.image, face.points, face.points, face.side)
    assert np.abs(moved - face.image).max() <= 1


def test_landmarks_move_with_the_face(faces: list[Face]) -> None:
    face = faces[0]
    shifted = np.roll(face.image, (4, -3), axis=(0, 1))
    found = Landmarks().find(shifted)
    assert np.abs(found - face.points - [-3, 4]).mean() < 1.5


def test_a_picture_without_a_face_has_no_landmarks() -> None:
    assert Landmarks().find(np.full((96, 96, 3), 127, np.uint8)) is None


def test_the_autoencoder_wants_its_own_weights(tools: Tools, tmp_path: Path) -> None:
    with pytest.raises(Missing, match=r"there is no file taef2_encoder\.pth"):
        Vae(tmp_path)
    torch.save({"weight": torch.zeros(3)}, tmp_path / ENCODER)
    with pytest.raises(Missing, match="other weights"):
        Vae(tmp_path)
    latents = Vae(tools.vae).encode(np.zeros((96, 96, 3)))
    assert latents.shape == (1, 32, 12, 12)
    assert Vae(tools.vae).decode(latents).shape == (96, 96, 3)


def test_faces_are_found_with_who_they_are(photographs: Path, tools: Tools) -> None:
    import kce

    detector = kce.Registry.load().build("detector", "yunet")
    landmarks = tools.share("landmarks", Landmarks)
    (found,) = faces_of(photographs, "london/ann_1.png", detector, landmarks, 96)
    assert isinstance(found, FoundFace)
    assert (found.camera, found.person) == ("london", "london/ann")
