"""Where a network's shape comes from, and that stored features are clustered without one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kce.errors import KCEError
from kce.pipeline.networks import Networks
from kce.pipeline.recipe import Recipe
from kce.pipeline.run import run
from kce.registry.registry import Registry
from kce.training.settings import TrainSettings
from kce.training.weights import read_weights_file, write_weights_file
from tests.support.corpus import UNKNOWN, face_folder

BACKBONE = "tiny:size=16,width=1"


@pytest.fixture(scope="module")
def began(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Recipe]:
    """The folder of a run that has the features of its known categories, and its recipe."""
    at = tmp_path_factory.mktemp("run")
    train = TrainSettings(epochs=1, held_out=0.0)
    recipe = Recipe(faces=str(face_folder(at, count=4)), unknown=tuple(UNKNOWN), backbone=BACKBONE, train=train)
    run(at / "run", recipe, Registry.load(Path("/")), until="known")
    return at / "run", recipe


def test_weights_record_the_shape_that_a_network_has(began: tuple[Path, Recipe]) -> None:
    registry = Registry.load(Path("/"))
    recorded = Networks(registry, [began[0] / "first.safetensors"], 0)
    assert recorded.shape(BACKBONE) == Networks(registry, [], 0).shape(BACKBONE)


@pytest.mark.parametrize("recorded", [{}, {"size": "16", "dim": 4}, {"backbone": "tiny", "size": 99, "dim": 4}])
def test_what_others_or_older_versions_recorded_is_not_taken(
    began: tuple[Path, Recipe], tmp_path: Path, recorded: dict[str, Any]
) -> None:
    tensors, metadata = read_weights_file(began[0] / "first.safetensors")
    own = {name: value for name, value in metadata.items() if name not in ("size", "dim")}
    write_weights_file(tmp_path / "w.safetensors", tensors, own | recorded)
    networks = Networks(Registry.load(Path("/")), [tmp_path / "w.safetensors", tmp_path / "absent"], 0)
    assert networks.shape(BACKBONE) == (metadata["size"], metadata["dim"])


def test_a_size_that_makes_no_sense_is_refused_wherever_it_comes_from(
    began: tuple[Path, Recipe], tmp_path: Path
) -> None:
    tensors, metadata = read_weights_file(began[0] / "first.safetensors")
    write_weights_file(tmp_path / "w.safetensors", tensors, metadata | {"size": 10**9})
    registry = Registry.load(Path("/"))
    for networks, spec in (
        (Networks(registry, [tmp_path / "w.safetensors"], 0), BACKBONE),
        (Networks(registry, [], 0), "tiny:size=100000,width=1"),
    ):
        with pytest.raises(KCEError, match="takes faces of 1000") as raised:
            networks.shape(spec)
        assert raised.value.hint


_PLAN = """
import sys
from pathlib import Path
from kce.pipeline.recipe import read_recipe
from kce.pipeline.run import run
from kce.registry.registry import Registry
folder = Path(sys.argv[1])
made = run(folder, read_recipe(folder / "recipe.toml"), Registry.load(Path("/")), until="plan")
assert made["plan"]
print(*{"torch", "matplotlib"} & {*sys.modules})
"""


def test_stored_features_are_clustered_without_torch(began: tuple[Path, Recipe]) -> None:
    command = [sys.executable, "-c", _PLAN, str(began[0])]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.split() == []
