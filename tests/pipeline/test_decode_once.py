"""Runs with a cache of decoded faces: the same results to the last bit, and no face is decoded twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import pytest

from kce.faces import loader
from kce.faces.folder import Faces, load_pixels
from kce.faces.pixel_cache import PixelCache
from kce.pipeline.recipe import Evaluate, Recipe
from kce.pipeline.run import run
from kce.registry.registry import Registry
from kce.training.settings import TrainSettings
from kce.training.weights import file_sha256
from tests.support.corpus import UNKNOWN, face_folder

REGISTRY = Registry.load(Path("/"))


def results(folder: Path) -> Any:
    with h5py.File(folder / "features.h5") as file:
        x = {name: file[name]["x"][:].tobytes() for name in file}
    return [file_sha256(path) for path in sorted(folder.glob("*.safetensors"))], x, (folder / "plan.toml").read_text()


def test_runs_share_decoded_faces_and_end_with_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: Counter[str] = Counter()

    def counting(faces: Faces, rows: Any, *rest: Any, **more: Any) -> Any:
        decoded.update(faces.file[rows].tolist())
        return load_pixels(faces, rows, *rest, **more)

    monkeypatch.setattr(loader, "load_pixels", counting)
    monkeypatch.setattr(loader.Pixels.__init__, "__defaults__", (0, "", None))  # memory for no face
    recipe = Recipe(
        faces=str(face_folder(tmp_path, count=8)),
        unknown=tuple(UNKNOWN),
        backbone="tiny:size=16,width=2",
        reducer="pca:n_components=4",
        train=TrainSettings(epochs=2),
        evaluate=Evaluate("none", ("calinski-harabasz",), 8, 5),
    )
    cache = PixelCache(tmp_path / "runs" / "pixel-cache", 2**30)
    run(tmp_path / "runs" / "without", recipe, REGISTRY, until="unknown")
    assert min(decoded.values()) == 1  # the unknown ones
    assert max(decoded.values()) > 4
    decoded.clear()
    run(tmp_path / "runs" / "with", recipe, REGISTRY, until="unknown", cache=cache)
    assert set(decoded.values()) == {1}
    assert len(decoded) == 8 * 8
    decoded.clear()
    other = replace(recipe, unknown=("A_Blur", "B_Reenact"))  # another fold
    run(tmp_path / "runs" / "fold", other, REGISTRY, until="known", cache=cache)
    assert not decoded
    assert results(tmp_path / "runs" / "with") == results(tmp_path / "runs" / "without")
