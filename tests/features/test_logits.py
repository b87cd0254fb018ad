"""Logits from stored features: they are those of the network, and what a softmax does not see is not in them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from kce.errors import BadData, KCEError
from kce.faces.folder import read_faces
from kce.faces.loader import Pixels
from kce.features.logits import logit_rows, read_head
from kce.features.streams import StoredRows, collect, in_memory
from kce.features.table import find_table, open_table
from kce.merging.plan_file import read_plan
from kce.pipeline.recipe import Evaluate, Recipe, read_recipe
from kce.pipeline.run import run
from kce.registry.registry import Registry
from kce.training.settings import TrainSettings
from kce.training.train import build_classifier
from kce.training.weights import read_weights_file
from kce.types import Features
from tests.support.corpus import UNKNOWN, face_folder

REGISTRY = Registry.load(Path("/"))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Recipe]:
    """The folder and the recipe of a run on logits."""
    at = tmp_path_factory.mktemp("corpus")
    recipe = Recipe(
        faces=str(face_folder(at)),
        unknown=tuple(UNKNOWN),
        backbone="tiny:size=32,width=2",
        reducer="none",
        layer="logits",
        train=TrainSettings(epochs=1, lr=0.01, loss="within-dataset"),
        evaluate=Evaluate("none", ("calinski-harabasz",), 12, 30),
    )
    run(at / "logits", recipe, REGISTRY, "plan")
    return at / "logits", recipe


def test_they_are_those_of_the_network_but_for_one_number_in_each_softmax(done: tuple[Path, Recipe]) -> None:
    folder, recipe = done
    tensors, metadata = read_weights_file(folder / "first.safetensors")
    network = build_classifier(REGISTRY.build("backbone", recipe.backbone), len(metadata["classes"]))
    network.load_state_dict(tensors)
    network.eval()
    faces = read_faces(Path(recipe.faces))
    rows = StoredRows.all_of(open_table(folder / "features.h5", "known"))
    place = {key: number for number, key in enumerate(faces.key.tolist())}
    images = Pixels(faces, 32).read(np.array([place[key] for key in rows.key.tolist()]))
    with torch.inference_mode():
        said = network(torch.from_numpy(images).permute(0, 3, 1, 2).float().div(255)).numpy()
    dataset = np.array([name.partition("_")[0] for name in metadata["classes"]])
    head = read_head(folder / "first.safetensors", dict(zip(metadata["classes"], dataset.tolist(), strict=True)))
    x = collect(logit_rows(rows, head))
    assert len(np.unique(dataset)) > 1
    for one in np.unique(dataset):
        own = said[:, dataset == one] - tensors["head.bias"].numpy()[dataset == one]
        np.testing.assert_allclose(x[:, dataset == one], own - own.mean(axis=1, keepdims=True), atol=1e-4)


def test_the_plan_is_made_of_them_and_nothing_is_trained_again(done: tuple[Path, Recipe]) -> None:
    folder, recipe = done
    other = folder.with_name("features")
    run(other, replace(recipe, layer="features"), REGISTRY, "plan", [folder])
    assert not find_table(other / "features.h5", "known")
    assert read_recipe(folder / "recipe.toml").layer == "logits"
    on_logits, on_features = (read_plan(at / "plan.toml") for at in (folder, other))
    assert on_logits.votes != on_features.votes  # distances of other rows
    assert "; of features; aligner " in on_features.made
    assert on_logits.made == on_features.made.replace("; of features;", "; of logits;")
    again = folder.with_name("again")
    run(again, recipe, REGISTRY, "plan", [other, folder])
    assert (again / "plan.toml").read_bytes() == (folder / "plan.toml").read_bytes()


def test_reals_and_views_become_logits_too() -> None:
    random = np.random.default_rng(0)
    head = random.normal(size=(3, 4)).astype(np.float32)
    parts = [Features.from_arrays(random.normal(size=(5, 4)), ["A_x"] * 5) for _ in range(3)]
    rows = replace(parts[0], reals=replace(parts[1], views={"jpeg70": parts[2]}))
    made = in_memory(logit_rows(rows, head))
    assert made.reals is not None
    for got, part in zip((made, made.reals, made.reals.views["jpeg70"]), parts, strict=True):
        np.testing.assert_allclose(got.x, part.x @ head.T, rtol=1e-5, atol=1e-6)
        assert got.key.tolist() == part.key.tolist()


def test_another_layer_is_refused(done: tuple[Path, Recipe]) -> None:
    with pytest.raises(KCEError, match="layer"):
        run(done[0].with_name("x"), replace(done[1], layer="pixels"), REGISTRY, "plan")  # type: ignore[arg-type]
    assert not done[0].with_name("x").exists()


@pytest.mark.parametrize(
    ("tensors", "classes"),
    [
        ({"head.weight": torch.zeros(2, 3)}, ["A_x"]),
        ({"head.weight": torch.zeros(2)}, ["A_x", "A_y"]),
        ({"head.weight": torch.full((1, 3), torch.nan)}, ["A_x"]),
        ({"head.weight": torch.zeros(1, 3)}, "A_x"),
        ({"head.weight": torch.zeros(1, 3)}, None),
        ({"other": torch.zeros(1, 3)}, ["A_x"]),
    ],
)
def test_a_file_without_such_a_layer_is_bad_data(
    tensors: dict[str, torch.Tensor], classes: object, tmp_path: Path
) -> None:
    metadata = {"provenance": {}} | ({} if classes is None else {"classes": classes})
    save_file(tensors, tmp_path / "w.safetensors", metadata={"kce": json.dumps(metadata)})
    with pytest.raises(BadData, match=r"w\.safetensors"):
        read_head(tmp_path / "w.safetensors", {})
