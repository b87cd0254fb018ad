"""Everything that commands write for others is read back: JSON by its schema, tables and pages by pandas."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pandas as pd
import pytest

import kce
from kce.api import schemas
from kce.demo import run_demo
from tests.support.corpus import UNKNOWN, face_folder, small_study
from tests.test_demo import SMALL

NAMES = {
    "bench.json": "bench",
    "leaderboard.json": "leaderboard",
    "audit.json": "audit",
    "study.json": "study-state",
    "provenance.json": "provenance",
}
REPORTS = {"run": "run-report", "demo": "demo-report", "study": "study-report"}


def check_exports(folder: Path, kind: str) -> set[str]:
    """Read back every file below a folder that is for others; returns the suffixes that were there."""
    seen = set()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        relative = path.relative_to(folder)
        if relative.parts[0] == "world":  # in the layouts of other publishers
            continue
        if path.suffix == ".json" and not path.name.startswith("."):
            own = "run" if path.name == "report.json" and len(relative.parts) > 1 else kind
            name = REPORTS[own] if path.name == "report.json" else NAMES[path.name]
            jsonschema.validate(json.loads(path.read_text(encoding="utf-8")), schemas.schema(name))
        elif path.suffix == ".csv":
            table = pd.read_csv(path)
            assert len(table.columns) == len(set(table.columns)) > 1, path
            assert not [column for column in table.columns if column.startswith("Unnamed")], path
            check_bounds(table, path)
        elif path.suffix == ".html":
            assert [table for table in pd.read_html(path) if len(table)], path
        seen.add(path.suffix)
    return seen


def check_bounds(table: pd.DataFrame, path: Path) -> None:
    """The ends of intervals are columns of numbers of their own."""
    for low in [column for column in table.columns if column == "low" or column.endswith(" low")]:
        high = low.removesuffix("low") + "high"
        assert high in table.columns, path
        ends = table[[low, high]].apply(pd.to_numeric).dropna()
        assert (ends[low] <= ends[high]).all(), path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face folder."""
    at = tmp_path_factory.mktemp("exports")
    face_folder(at)
    return at


def runs(at: Path) -> Iterator[tuple[Path, str]]:
    """A run, a study, a bench and an audit, as small as they can be."""
    small = {"backbone": "tiny:size=16,width=2", "epochs": 1, "reducer": "pca:n_components=4", "progress": False}
    kce.run(at / "run", faces=at / "faces", unknown=UNKNOWN, **small)
    kce.report(at / "run", progress=False)
    yield at / "run", "run"
    kce.audit(f"{at / 'run' / 'features.h5'}:/known", to=at / "audit")
    yield at / "audit", "audit"
    kce.bench(clusterer=["kmeans", "agglomerative"], world=["small"], seeds=1, to=at / "bench", progress=False)
    yield at / "bench", "bench"
    study = small_study(at, plans='[plan.name]\nplan = "name"')
    kce.study(study, faces=at / "faces", to=at / "study", engine="local:runs=1", progress=False)
    yield at / "study", "study"


def test_what_small_runs_write_is_read_back(made: Path) -> None:
    for folder, kind in runs(made):
        assert {".json", ".csv", ".html"} <= check_exports(folder, kind) | (
            {".csv", ".html"} if kind == "audit" else set()
        )


@pytest.mark.slow
def test_what_the_demo_writes_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SMALL, encoding="utf-8")
    run_demo(tmp_path / "demo", path=tmp_path / "small.toml")
    kce.report(tmp_path / "demo", progress=False)
    assert {".json", ".csv", ".html"} <= check_exports(tmp_path / "demo", "demo")
