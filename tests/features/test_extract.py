from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from kce.errors import Refused
from kce.faces.folder import read_faces
from kce.faces.loader import Pixels
from kce.features.extract import extract_features
from kce.features.table import open_table
from kce.merging.plans import unmerged_plan
from kce.registry.registry import Registry
from kce.training.settings import TrainSettings
from kce.training.train import train
from kce.training.weights import load_backbone
from tests.support.corpus import face_folder

REGISTRY = Registry.load(Path("/"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pixels, Path]:
    at = tmp_path_factory.mktemp("features")
    faces = read_faces(face_folder(at))
    pixels = Pixels(faces, 16)
    plan = unmerged_plan(sorted(set(faces.category.tolist())))
    train("tiny:size=16,width=2", pixels, plan, TrainSettings(epochs=1), REGISTRY, at / "first.safetensors")
    return pixels, at / "first.safetensors"


def test_rows_are_the_network_applied_to_each_face_alone(made: tuple[Pixels, Path], tmp_path: Path) -> None:
    pixels, network = made
    extract_features(pixels, network, REGISTRY, tmp_path / "f.h5", "known")
    rows = open_table(tmp_path / "f.h5", "known").read_all()
    assert rows.key.tolist() == pixels.faces.key.tolist()
    assert rows.label.tolist() == pixels.faces.category.tolist()
    backbone = load_backbone(network, REGISTRY).eval()
    with torch.inference_mode():
        for row in (0, 63, 64, len(rows) - 1):
            face = torch.from_numpy(pixels.read(np.array([row]))).permute(0, 3, 1, 2).float() / 255
            np.testing.assert_allclose(rows.x[row], backbone(face)[0].numpy(), rtol=1e-4, atol=1e-5)


def test_stopped_and_started_again_it_ends_with_the_same_rows(made: tuple[Pixels, Path], tmp_path: Path) -> None:
    pixels, network = made
    extract_features(pixels, network, REGISTRY, tmp_path / "whole.h5", "known")

    def stop(what: str, done: int, total: int | None) -> None:
        if done >= 64:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract_features(pixels, network, REGISTRY, tmp_path / "cut.h5", "known", progress=stop)
    seen: list[int] = []
    extract_features(
        pixels, network, REGISTRY, tmp_path / "cut.h5", "known", progress=lambda what, done, total: seen.append(done)
    )
    assert seen[0] >= 64
    whole = open_table(tmp_path / "whole.h5", "known").read_all()
    again = open_table(tmp_path / "cut.h5", "known").read_all()
    assert again.key.tolist() == whole.key.tolist()
    np.testing.assert_array_equal(again.x, whole.x)


def test_faces_that_changed_are_refused(made: tuple[Pixels, Path], tmp_path: Path) -> None:
    pixels, network = made
    extract_features(pixels, network, REGISTRY, tmp_path / "f.h5", "known")
    fewer = Pixels(pixels.faces.take(np.arange(10)), 16)
    with pytest.raises(Refused, match="faces"):
        extract_features(fewer, network, REGISTRY, tmp_path / "f.h5", "known")


@pytest.mark.parametrize("count", [40, 128])
def test_two_processes_write_the_rows_of_one(made: tuple[Pixels, Path], tmp_path: Path, count: int) -> None:
    """Also where the last round has half a batch for one of them and nothing for the other."""
    pixels, network = made
    some = Pixels(pixels.faces.take(np.arange(count)), 16)
    extract_features(some, network, REGISTRY, tmp_path / "one.h5", "known", batch_size=16)
    extract_features(some, network, REGISTRY, tmp_path / "two.h5", "known", batch_size=16, devices=2)
    one, two = (open_table(tmp_path / name, "known").read_all() for name in ("one.h5", "two.h5"))
    assert two.key.tolist() == one.key.tolist() == some.faces.key.tolist()
    assert two.label.tolist() == one.label.tolist()
    np.testing.assert_allclose(two.x, one.x, rtol=1e-5, atol=1e-6)


def test_what_is_decoded_is_decoded_once_and_never_held_beyond_the_budget(made: tuple[Pixels, Path]) -> None:
    faces = made[0].faces
    kept, streamed = Pixels(faces, 16), Pixels(faces, 16, budget=0)
    rows = np.array([3, 1, 3, 7])
    np.testing.assert_array_equal(kept.read(rows), streamed.read(rows))
    for (a, x), (b, y) in zip(kept.prefetch([rows, rows[:1]]), streamed.prefetch([rows, rows[:1]]), strict=True):
        assert a.tolist() == b.tolist()
        np.testing.assert_array_equal(x, y)
