"""Documents changed in every way that people and programs change them: a command works, or says what is wrong.

Each example is a valid document with one or two keys or bytes changed. The command that reads it ends with 0, or
with 2, a message and a hint; never with a traceback, and never by hanging.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import tomlkit
from hypothesis import HealthCheck, Phase, given, settings
from typer.testing import CliRunner

from kce.cli import app
from kce.merging.plan_file import write_plan
from kce.merging.plans import unmerged_plan
from kce.pipeline.run_report import RunReport
from kce.system.documents import write_document
from kce.system.shipped import RECIPES
from tests.conftest import REPOSITORY
from tests.features.test_store import put, rows
from tests.support.corpus import KNOWN, METHODS, UNKNOWN, face_folder, small_study, truth
from tests.support.mutations import hostile_files
from tests.support.time_limit import at_most

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits time by a signal")

SECONDS = 60  # only a hang takes as long, on however busy a machine


class Case(NamedTuple):
    """A document and the command that reads it, in a folder that holds faces, features.h5 and truth.toml."""

    name: str
    command: list[str]


PLAIN_RUN = ["run", "new", "--faces", "faces", "--unknown", *UNKNOWN, "--backbone", "tiny:size=16,width=1"]
CASES = {
    "recipe": Case("recipe.toml", ["run", "new", "--recipe", "recipe.toml", "--until", "first"]),
    "plan": Case("plan.toml", [*PLAIN_RUN, "--plan", "plan.toml", "--until", "plan"]),
    "study": Case("study.toml", ["study", "study.toml", "--faces", "faces", "--to", "st", "--dry-run", "--json"]),
    "registry": Case("registry.toml", ["list", "clusterer", "--json"]),
    "component": Case("registry.toml", ["show", "clusterer", "mine"]),
    "truth": Case("truth.toml", ["score", "features.h5:/t", "--evaluator", "agreement:truth=truth.toml"]),
    "aligner bench": Case(
        "aligners.toml", ["bench", "aligners", "--to", "b", "--recipe", "aligners.toml", "--dry-run", "--json"]
    ),
    "drawn worlds": Case(
        "drawn_worlds.toml",
        ["bench", "tracers", "--world", "drawn", "--recipe", "drawn_worlds.toml", "--dry-run", "--json"],
    ),
    "report": Case("done/report.json", ["report", "done"]),
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a valid document of each kind."""
    root = tmp_path_factory.mktemp("documents")
    faces = face_folder(root, count=4)
    shutil.rmtree(root / "pictures")
    truth(root / "truth.toml")
    small_study(
        root,
        '[plan.c]\nplan = "clusters"\nrules = [["A_Warp", "B_Reenact"]]\n'
        '[[claim]]\nbackbone = "tiny"\nplan = "c"\nover = "none"\npercent = 10.0\n'
        '[[published]]\nbackbone = "tiny"\nplan = "c"\nvalues = [3.0]\ngroups = [1]\n',
    )
    recipe = {
        "faces": str(faces), "unknown": UNKNOWN, "known": KNOWN, "backbone": "tiny:size=16,width=1", "plan": "name",
        "k": 3, "rules": [KNOWN[:2], KNOWN[2:4]], "seed": 1, "timeout": 60.0, "reducer": "pca:n_components=4",
        "clusterer": "kmeans:n_init=2", "aligner": "none", "vote": "means",
        "train": {"epochs": 1, "lr": 0.01, "augment": ["flip"], "held_out": 0.1, "batch_size": 8},
        "evaluate": {"evaluators": ["calinski-harabasz"], "resamples": 2, "per_category": 4, "reducer": "pca"},
    }  # fmt: skip
    (root / "recipe.toml").write_text(tomlkit.dumps(recipe))
    write_plan(root / "plan.toml", unmerged_plan(KNOWN))
    (root / "registry.toml").write_text(
        'schema = 1\n[clusterer.mine]\nuse = "sklearn_clusterers:kmeans"\nn_clusters = 3\naliases = ["meine"]\n'
        'enabled = true\n[clusterer.kmeans]\nn_init = 2\n[dataset.d]\nuse = "folder:folder"\nreals = "folder"\n'
    )
    for shipped in ("aligners.toml", "drawn_worlds.toml"):
        shutil.copy(RECIPES / shipped, root)
    put(root / "features.h5", "t", rows(40))
    labels = dict.fromkeys(rows(40).label.tolist(), "one")
    (root / "truth.toml").write_text(tomlkit.dumps({"method": {**METHODS, **labels}}))
    (root / "done").mkdir()
    report = RunReport(
        "done", {"A_Warp": "a"}, "by name", 1, {"A_Warp": 4}, {"C_Unseen": 4}, {"C_Unseen": 4}, 4, 0,
        {"calinski-harabasz": {"calinski_harabasz": 1.0, "variance_share": 0.5, "adjusted": 0.0}},
        {"calinski-harabasz": {"calinski_harabasz": (0.5, 2.0), "variance_share": None, "adjusted": None}},
    )  # fmt: skip
    write_document(root / "done" / "report.json", report)
    return root


def check(case: Case, data: bytes, folder: Path) -> None:
    """Run the command on these bytes in the folder, and put the document back."""
    path = folder / case.name
    valid = path.read_bytes()
    path.write_bytes(data)
    try:
        with at_most(SECONDS):
            result = CliRunner().invoke(app, case.command)
    finally:
        path.write_bytes(valid)
        for made in ("new", "b", "st"):
            shutil.rmtree(folder / made, ignore_errors=True)
    failed = result.exception is not None and not isinstance(result.exception, SystemExit)
    assert not failed, (data, result.exception)
    assert result.exit_code in (0, 2), (data, result.output)
    if result.exit_code:
        assert "hint: " in result.output, (data, result.output)
        assert "Traceback" not in result.output


def table_of(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if path.suffix == ".json" else tomllib.loads(text)


def fuzz(kind: str, corpus: Path, count: int) -> None:
    case = CASES[kind]

    @settings(
        max_examples=count, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(hostile_files(table_of(corpus / case.name), Path(case.name).suffix))
    def documents(data: bytes) -> None:
        check(case, data, corpus)

    os.chdir(corpus)
    try:
        documents()
    finally:
        os.chdir(REPOSITORY)


@pytest.mark.parametrize("kind", [kind for kind in CASES if kind != "report"])
def test_a_changed_document_is_read_or_refused_with_a_hint(kind: str, corpus: Path) -> None:
    fuzz(kind, corpus, 8)


@pytest.mark.slow
@pytest.mark.parametrize("kind", CASES)
def test_a_thousand_changed_documents_are_read_or_refused_with_a_hint(kind: str, corpus: Path) -> None:
    fuzz(kind, corpus, 20 if kind == "report" else 125)  # figures take their time


DOTTED = 'schema = 1\nmade = "by hand"\nclasses.A_Warp = "a" # why\nclasses."B_Reenact" = "a"\n'


@pytest.mark.parametrize(
    "text",
    [
        DOTTED,
        'classes = {A_Warp = "a", B_Reenact = "a"}\n',
        '[classes]\r\nA_Warp = "a"\r\nB_Reenact = "a"\r\n',
        "[classes]\n'A_Warp' = '''a'''\n\"B_Reenact\" = \"\"\"a\"\"\"\n",
    ],
)
def test_a_plan_in_any_form_of_toml_is_read(tmp_path: Path, text: str) -> None:
    from kce.merging.plan_file import read_plan

    (tmp_path / "plan.toml").write_bytes(text.encode())
    assert dict(read_plan(tmp_path / "plan.toml").classes) == {"A_Warp": "a", "B_Reenact": "a"}
