"""The schemas of files: they accept what KCE writes and reads, and refuse what it refuses."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from kce import KCEError
from kce.api import schemas
from kce.features.store import write_table
from kce.pipeline.recipe import Recipe
from kce.system.documents import Document, read_table
from kce.system.json_schema import document_schema
from kce.system.shipped import DOCS, RECIPES
from tests.support.corpus import face_folder
from tests.support.documents import blocks
from tests.support.schemas import VALUES, example, fits, paths, placed
from tests.test_schemas import MODELS

LAYOUTS = ("layouts", "feature-file", "face-folder", "recipe", "plan")


def accepts(schema: dict[str, Any], value: Any) -> bool:
    return jsonschema.Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_schema_accepts_and_refuses_what_the_reader_does(model: type[Document]) -> None:
    schema = document_schema(model)
    jsonschema.Draft202012Validator.check_schema(schema)
    smallest = {"schema": model.SCHEMA, **example(model)}
    assert accepts(schema, smallest)
    assert not accepts(schema, {**smallest, "no such key": 1})
    assert not accepts(schema, {**smallest, "schema": 99})
    assert accepts(schema, example(model)) == model.BY_HAND
    for path, expected in paths(model):
        for value in VALUES:
            if not fits(value, expected):
                assert not accepts(schema, {"schema": model.SCHEMA, **placed(model, path, value)}), (path, value)


@pytest.mark.parametrize("name", schemas.schema_names())
def test_every_layout_has_a_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schemas.schema(name))


def test_every_document_that_a_file_holds_has_a_name() -> None:
    named = {schemas.schema(name).get("title") for name in schemas.schema_names()}
    unnamed = {model.__name__ for model in MODELS} - named
    assert unnamed == {"AlignerBench", "DrawnRecipe", "WorldRecipe"}  # what only KCE's own recipes hold


def test_an_unknown_schema_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(KCEError, match="Did you mean 'recipe'"):
        schemas.schema("recipes")


def test_the_shipped_study_is_valid() -> None:
    jsonschema.validate(read_table(RECIPES / "sun2023.toml", Recipe), schemas.schema("study-file"))


def test_a_face_folder_is_valid(tmp_path: Path) -> None:
    small_folder = face_folder(tmp_path, count=2)
    with (small_folder / "faces.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    schema = schemas.schema("faces")
    jsonschema.validate(lines, schema)
    for column, wrong in {"real": "yes", "frame": "-1", "hash": "", "box": "1 2 3", "key": ""}.items():
        assert not accepts(schema, [{**lines[0], column: wrong}]), column
    assert not accepts(schema, [{**lines[0], "more": ""}])
    jsonschema.validate(read_table(small_folder / "cut.toml", Recipe), schemas.schema("cut"))


def test_layouts_work_as_printed(at: Path) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for topic in LAYOUTS:
        for code in blocks(DOCS / f"{topic}.md", "python"):
            done = subprocess.run(
                [sys.executable, "-W", "error", "-c", code],
                cwd=at, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            assert done.stdout


def test_the_described_feature_file_is_one_of_ours(tmp_path: Path) -> None:
    import h5py
    import numpy as np

    with write_table(tmp_path / "f.h5", "known", {"by": "test"}) as writer:
        writer.append(["ä", "b"], ["A_x", "B_y"], ["", "g"], np.zeros((2, 3), np.float32))
        writer.publish()
    code = next(code for code in blocks(DOCS / "feature-file.md", "python") if "def describe" in code)
    names: dict[str, Any] = {}
    exec(code[code.index("def describe") : code.index("with h5py")], {"h5py": h5py}, names)  # noqa: S102 - our page
    schema = schemas.schema("features")
    with h5py.File(tmp_path / "f.h5") as file:
        described = {name: names["describe"](table) for name, table in file.items()}
        jsonschema.validate(described, schema)
        assert file["known/key"].asstr()[:].tolist() == ["ä", "b"]
    assert json.loads(described["known"]["attributes"]["provenance"]) == {"by": "test"}
    described["known"]["x"]["dtype"] = "float64"
    assert not accepts(schema, described)
