"""What can be known to be wrong is refused before the first training, and leaves nothing that blocks the folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kce.errors import KCEError
from kce.pipeline.recipe import Evaluate, Recipe
from kce.pipeline.run import run
from kce.registry.registry import Registry
from kce.training.settings import TrainSettings
from tests.support.corpus import UNKNOWN, face_folder

TRUTH = '[method]\nA_FaceSwap = "stripes"\n'


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return face_folder(tmp_path_factory.mktemp("corpus"), count=4)


def recipe(faces: Path, **choices: Any) -> Recipe:
    train = TrainSettings(**{"epochs": 1, **choices.pop("train", {})})
    evaluate = Evaluate(**{"resamples": 2, "per_category": 4, **choices.pop("evaluate", {})})
    small = Recipe(faces=str(faces), unknown=tuple(UNKNOWN), backbone="tiny:size=16,width=1", train=train)
    return small.changed(evaluate=evaluate, **choices)


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"evaluate": {"evaluators": ("agreement:truth=nowhere.toml",)}}, "cannot read the truth nowhere.toml"),
        ({"evaluate": {"evaluators": ("agreement:truth=truth.toml",)}}, "has no method for"),
        ({"evaluate": {"evaluators": ("permuted-labels:rounds=0",)}}, "rounds must be at least 1"),
        ({"evaluate": {"reducer": "pca:n_components=0"}}, "n_components"),
        ({"reducer": "pca:n_components=0"}, "n_components"),
        ({"clusterer": "agglomerative:linkage=nope"}, "linkage"),
        ({"clusterer": "kmeans:n_init=-3"}, "n_init"),
        ({"clusterer": "kmeans:n_clusters=7"}, "7 clusters of 6 rows"),
        ({"backbone": "tiny:size=100000,width=1"}, "faces of 100000 pixels"),
        ({"train": {"epochs": 4 * 10**18}}, "epochs = 4000000000000000000 is not a whole number from 0 to 100,000"),
        ({"evaluate": {"resamples": 10**12}}, "evaluate.resamples"),
        ({"seed": -1}, "seed = -1 is not a whole number from 0"),
        ({"seed": 2**64}, "seed"),
        ({"timeout": float("nan")}, "timeout"),
    ],
)
def test_it_is_refused_before_training_and_the_corrected_recipe_is_taken(
    at: Path, faces: Path, choices: dict[str, Any], said: str
) -> None:
    (at / "truth.toml").write_text(TRUTH)
    registry = Registry.load(Path("/"))
    with pytest.raises(KCEError, match=said) as error:
        run(at / "run", recipe(faces, **choices), registry)
    assert error.value.hint
    made = {path.name for path in (at / "run").iterdir()} if (at / "run").exists() else set()
    assert all(name.startswith(".") for name in made), made  # but for its lock
    assert run(at / "run", recipe(faces, plan="name", train={"epochs": 2}), registry, until="first") == {}


def test_a_recipe_that_made_nothing_yet_may_change_and_one_that_did_may_not(at: Path, faces: Path) -> None:
    registry = Registry.load(Path("/"))
    run(at / "run", recipe(faces, plan="name"), registry, until="first")
    run(at / "run", recipe(faces, plan="name", train={"lr": 0.01}), registry, until="plan")
    with pytest.raises(KCEError, match=r"train.lr: was '0.01', now '0.02'"):
        run(at / "run", recipe(faces, plan="name", train={"lr": 0.02}), registry, until="plan")


def test_clusterers_of_rows_that_need_many_are_not_refused_for_the_few_that_are_tried(
    at: Path, faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kce.pipeline.rehearsal._ROWS", 12)
    many = recipe(faces, clusterer="hdbscan:min_cluster_size=20", vote="rows")
    assert run(at / "run", many, Registry.load(Path("/")), until="plan")["plan"]


def test_a_clusterer_that_will_not_fit_into_memory_is_refused_before_training(
    at: Path, faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kce.pipeline.rehearsal._ROWS", 12)  # so few are tried
    monkeypatch.setattr("kce.registry.prices._WORTH_ASKING", 0)
    monkeypatch.setattr("kce.registry.prices.available_memory", lambda: 4000)  # 20 rows squared take 3,200 bytes
    registry = Registry.load(Path("/"))
    with pytest.raises(KCEError, match=r"before training: the clusterer agglomerative needs .* for 24 rows") as error:
        run(at / "run", recipe(faces, clusterer="agglomerative", vote="rows"), registry, until="plan")
    assert "--vote means" in error.value.hint
    assert not (at / "run" / "recipe.toml").exists()
