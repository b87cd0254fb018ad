"""The packages in plugins/examples/, installed beside KCE as anybody's would be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.corpus import KNOWN, UNKNOWN, face_folder
from tests.environment import call, install, made, wheel

EXAMPLES = sorted(path.parent for path in (REPOSITORY / "plugins" / "examples").glob("*/pyproject.toml"))
FAULTS = {"kce-genie": {}, "kce-umap": {"row-order": "known fault"}}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    at = tmp_path_factory.mktemp("examples")
    found = made(at)
    install(found, *(wheel(example, at / "dist") for example in EXAMPLES))
    return found


def test_each_is_a_package_of_one_module_and_its_licence(environment: Path) -> None:
    for example in EXAMPLES:
        module = example.name.replace("-", "_")
        (site,) = (environment / "lib").glob("python3*/site-packages")
        (record,) = site.glob(f"{module}-*.dist-info/RECORD")
        paths = {line.split(",")[0] for line in record.read_text().splitlines()}
        names = {path for path in paths if ".dist-info/" not in path and "__pycache__" not in path}
        assert names == {f"{module}.py"}
        assert any(path.endswith("/LICENSE") for path in paths)


def test_both_are_listed_beside_what_is_built_in(environment: Path, tmp_path: Path) -> None:
    rows = json.loads(call(environment, tmp_path, "list", "--json"))
    assert {row["status"] for row in rows} == {"ok"}
    outside = {(row["kind"], row["name"], row["source"]) for row in rows if row["source"].startswith("kce-")}
    assert outside == {("reducer", "umap", "kce-umap 0.1.0"), ("clusterer", "genie", "kce-genie 0.1.0")}


@pytest.mark.slow
def test_a_run_reduces_by_one_and_clusters_by_the_other(environment: Path, tmp_path: Path) -> None:
    faces = face_folder(tmp_path)
    chosen = ["--backbone", "tiny:size=32,width=2", "--reducer", "umap:n_neighbors=5", "--clusterer", "genie"]
    chosen += [word for category in UNKNOWN for word in ("--unknown", category)]
    chosen += ["--epochs", "1", "--until", "plan", "--json"]
    told = json.loads(call(environment, tmp_path, "run", "run", "--faces", faces, *chosen))
    assert set(told["plan"]) == set(KNOWN)
    assert len(set(told["plan"].values())) == 5
    recipe = (tmp_path / "run" / "recipe.toml").read_text()
    assert "umap:n_components=2,n_neighbors=5,min_dist=0.1,seed=0" in recipe
    assert "genie:gini_threshold=0.3" in recipe


@pytest.mark.parametrize("example", ["kce-genie", pytest.param("kce-umap", marks=pytest.mark.slow)])
def test_each_keeps_its_promises_but_those_it_names(environment: Path, tmp_path: Path, example: str) -> None:
    rows = json.loads(call(environment, tmp_path, "check", example, "--json"))
    assert {row["promise"]: row["verdict"] for row in rows if row["verdict"] != "kept"} == FAULTS[example]
