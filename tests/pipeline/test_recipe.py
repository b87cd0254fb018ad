"""Recipes as documents: whatever cannot be a choice is refused by its key, and old recipes say what is new."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kce.errors import BadData, KCEError, UnknownName
from kce.pipeline.recipe import (
    Recipe,
    choose_recipe,
    compared_choices,
    read_recipe,
    recipe_from_table,
    recipe_to_table,
    write_recipe,
)
from kce.pipeline.recipe_checks import check_choices
from kce.registry.registry import Registry
from kce.training.settings import TrainSettings

REGISTRY = Registry.load(Path("/"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('seed = "abc"', 'r.toml: seed = "abc" is not a whole number'),
        ('unknown = "A_x"', 'r.toml: unknown = "A_x" is not a list (a text each)'),
        ('timeout = "2 h"', 'r.toml: timeout = "2 h" is not a number'),
        ("k = true", "r.toml: k = true is not a whole number or a text"),
        ('rules = ["A", "B"]', 'r.toml: rules[0] = "A" is not a list'),
        ("train = 3", "r.toml: train = 3 is not a table"),
        ("[train]\nepochs = true", "r.toml: train.epochs = true is not a whole number"),
        ("[train]\nlr = 1900-01-01", 'r.toml: train.lr = "1900-01-01" is not a number'),
        ('[evaluate]\nevaluators = "silhouette"', 'evaluate.evaluators = "silhouette" is not a list (a text each)'),
        ("schema = 2", "r.toml has schema 2; this KCE reads and writes a recipe of schema 1"),
    ],
)
def test_wrong_types_are_refused_by_key_with_the_expected_type(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(BadData, match=re.escape(message)):
        read_recipe(tmp_path / "r.toml")


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        ("[train]\nrate = 0.01", "train.rate", "lr"),
        ("[train]\ndecay = 0.01", "train.decay", "weight_decay"),
        ("[train]\nbatch = 16", "train.batch", "batch_size"),
        ("patience = 60.0", "patience", "timeout"),
        ('[resolved]\n"evaluation reducer" = "pca"', 'resolved."evaluation reducer"', "evaluation_reducer"),
    ],
)
def test_a_key_of_the_last_version_is_refused_with_the_new_name(tmp_path: Path, text: str, old: str, new: str) -> None:
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(BadData, match=re.escape(f"{old} is now called {new}")) as error:
        read_recipe(tmp_path / "r.toml")
    assert f"write {new} instead of" in error.value.hint


def test_all_old_keys_of_a_table_are_named_at_once() -> None:
    with pytest.raises(BadData, match=r"s: train.batch is now called batch_size; train.rate is now") as error:
        recipe_from_table({"train": {"batch": 3, "rate": 0.1, "epochs": 3}}, "s")
    assert error.value.hint == "write batch_size instead of batch, lr instead of rate"


def test_the_command_line_refuses_an_old_recipe_with_status_2(
    at: Path, kce: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    (at / "old.toml").write_text('faces = "faces"\nunknown = ["A_x"]\n[train]\nrate = 0.01\n')
    done = kce("run", "out", "--recipe", "old.toml")
    assert done.returncode == 2
    assert "train.rate is now called lr" in done.stderr
    assert "hint: write lr instead of rate" in done.stderr
    assert not (at / "out").exists()


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"seed": True}, "the recipe: seed = true is not a whole number"),
        ({"timeout": -1.0}, "timeout = -1.0 is not a number of seconds"),
        ({"timeout": float("nan")}, "timeout = nan"),
        ({"train": TrainSettings(lr=float("inf"))}, "lr = inf is not a learning rate"),
        ({"train": TrainSettings(weight_decay=-1.0)}, "weight_decay = -1.0"),
        ({"train": TrainSettings(save_every=-1.0)}, "save_every = -1.0"),
        ({"train": TrainSettings(precision="fp8")}, "precision .*named 'fp8'. Known"),  # type: ignore[arg-type]
        ({"vote": "mean"}, "vote .* named 'mean'. Did you mean 'means'"),
        ({"plan": "clusterz"}, "no plan named 'clusterz'"),
    ],
)
def test_a_recipe_made_in_python_is_checked_alike(choices: dict[str, object], message: str) -> None:
    with pytest.raises(KCEError, match=message):
        check_choices(replace(Recipe(), **choices), REGISTRY)  # type: ignore[arg-type]


def test_a_recipe_in_another_document_is_named_by_it() -> None:
    assert recipe_from_table(recipe_to_table(Recipe(seed=3)), "s") == Recipe(seed=3)
    with pytest.raises(UnknownName, match=r"no key of s named 'sed'. Did you mean 'seed'"):
        recipe_from_table({"sed": 3}, "s")


def test_choices_go_over_the_recipe_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text('faces = "f"\nseed = 4\n[train]\nheld_out = 0\nlr = 1\n')
    recipe = choose_recipe(tmp_path, None, seed=5, train={"epochs": 1, "lr": None})
    assert (recipe.faces, recipe.seed, recipe.train.epochs) == (str(tmp_path / "f"), 5, 1)
    assert (repr(recipe.train.lr), repr(recipe.train.held_out)) == ("1.0", "0.0")


@pytest.mark.parametrize("faces", ["faces", "data/faces", "../elsewhere/faces", "/data/faces"])
@pytest.mark.parametrize("plan", ["clusters", "plans/mine.toml"])
def test_a_recipe_means_the_same_from_any_working_folder(
    faces: str, plan: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here" / "runs").mkdir(parents=True)
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    chosen = Recipe(faces=faces, plan=plan)
    write_recipe(Path("runs/recipe.toml"), chosen, REGISTRY)
    choices = compared_choices(chosen)
    assert compared_choices(read_recipe(Path("runs/recipe.toml"))) == choices
    monkeypatch.chdir(tmp_path / "there")
    assert compared_choices(read_recipe(Path("../here/runs/recipe.toml"))) == choices


def test_what_is_moved_together_is_found_together(tmp_path: Path) -> None:
    (tmp_path / "a" / "run").mkdir(parents=True)
    write_recipe(tmp_path / "a" / "run" / "recipe.toml", Recipe(faces=str(tmp_path / "a" / "faces")), REGISTRY)
    (tmp_path / "a").rename(tmp_path / "b")
    assert Path(read_recipe(tmp_path / "b" / "run" / "recipe.toml").faces) == tmp_path / "b" / "faces"


def test_paths_in_a_recipe_are_relative_to_its_folder(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text('faces = "faces"\nplan = "mine.toml"\n')
    read = read_recipe(tmp_path / "recipe.toml")
    assert (Path(read.faces), Path(read.plan)) == (tmp_path / "faces", tmp_path / "mine.toml")


def test_evaluators_that_are_chosen_leave_the_other_settings_of_the_scores(tmp_path: Path) -> None:
    chosen = choose_recipe(tmp_path, None, faces="f", evaluate={"evaluators": ("silhouette",)}).evaluate
    assert chosen == replace(Recipe().evaluate, evaluators=("silhouette",))
    assert choose_recipe(tmp_path, None, faces="f", evaluate={"evaluators": None}).evaluate == Recipe().evaluate
