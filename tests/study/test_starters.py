"""The files that `kce init` writes: they are read as they are, and name every choice with its default."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kce.pipeline.recipe import Recipe, read_recipe, recipe_to_table
from kce.study.starters import PLACEHOLDERS, starter_recipe, starter_study
from kce.study.study_file import read_study
from kce.training.settings import TrainSettings
from tests.support.corpus import face_folder

CATEGORIES = {"A_x": 3, "Ä_y [1]": 2, 'B_"z"': 1}


def uncommented(text: str) -> str:
    """The same file with every key that has a default written out."""
    return re.sub(r"^# (\w+ = (?!<).*)$", r"\1", text, flags=re.MULTILINE)


def test_a_recipe_to_start_from_has_the_defaults(at: Path) -> None:
    text = starter_recipe("faces", CATEGORIES)
    Path("recipe.toml").write_text(text, encoding="utf-8")
    expected = Recipe(faces="faces", unknown=PLACEHOLDERS)
    assert read_recipe(Path("recipe.toml")) == expected
    Path("all.toml").write_text(uncommented(text), encoding="utf-8")
    assert read_recipe(Path("all.toml")) == expected
    written = tomllib.loads(uncommented(text))
    for key, value in recipe_to_table(expected).items():
        assert key in written
        if key == "train":
            optional = {item.name for item in dataclasses.fields(TrainSettings) if item.default is None}
            assert written[key].keys() == value.keys() - optional
    listed = re.findall(r"^#   (.*), ([0-9]+) faces$", text, re.MULTILINE)
    assert {tomllib.loads(f"name = {name}")["name"]: int(count) for name, count in listed} == CATEGORIES


def test_a_study_to_start_from_is_read_as_it_is(at: Path) -> None:
    for text in (starter_study(CATEGORIES), uncommented(starter_study({}))):
        Path("study.toml").write_text(text, encoding="utf-8")
        study = read_study("study.toml")
        assert [plan.name for plan in study.plans] == ["none", "name", "clusters"]
        assert study.groups[0].unknown == PLACEHOLDERS
        assert study.recipe(study.plan("clusters"), "resnet18") == Recipe(backbone="resnet18")


@pytest.mark.parametrize("what", ["run", "study"])
def test_the_command_writes_a_file_and_keeps_one_that_is_there(
    what: str, kce_here: Callable[..., Any], at: Path
) -> None:
    faces = face_folder(at, count=2)
    done = kce_here("init", what, "mine.toml", "--faces", faces)
    assert done.returncode == 0, done.stderr
    text = (at / "mine.toml").read_text(encoding="utf-8")
    assert '"A_FaceSwap", 2 faces' in text
    again = kce_here("init", what, "mine.toml")
    assert (again.returncode, "hint: name another file" in again.stderr) == (2, True)
    assert (at / "mine.toml").read_text(encoding="utf-8") == text
    assert kce_here("init", what, "mine.json").returncode == 2


def test_a_recipe_that_was_not_edited_is_refused_by_its_placeholders(kce_here: Callable[..., Any], at: Path) -> None:
    faces = face_folder(at, count=2)
    assert kce_here("init", "run", "--faces", faces).returncode == 0
    done = kce_here("run", "out", "--recipe", "recipe.toml")
    assert done.returncode == 2
    assert "CATEGORY-1" in done.stderr
    assert not (at / "out").exists()
