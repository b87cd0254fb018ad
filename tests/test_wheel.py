"""The wheel carries everything: built, and installed outside the checkout, every command works the same."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from kce.hookspecs import KINDS
from tests.conftest import REPOSITORY
from tests.support.environment import call, made, own_wheel


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("wheel"))


def test_it_is_the_wheel_that_runs(environment: Path, tmp_path: Path) -> None:
    where = "import kce, kce.system.shipped; print(kce.__file__, kce.system.shipped.BUILT_IN)"
    python = environment / "bin" / "python"
    said = subprocess.run([python, "-c", where], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert all(path.startswith(str(environment)) for path in said.split())


def test_every_name_works(environment: Path, tmp_path: Path) -> None:
    rows = json.loads(call(environment, tmp_path, "list", "--json"))
    here = json.loads(call(Path(sys.prefix), tmp_path, "list", "--json"))
    assert rows == here
    assert {row["status"] for row in rows} == {"ok"}


def test_a_checkout_around_it_changes_nothing(environment: Path) -> None:
    rows = json.loads(call(environment, REPOSITORY, "list", "--json"))
    assert {row["status"] for row in rows} == {"ok"}


def test_data_files_are_there(environment: Path) -> None:
    (package,) = (environment / "lib").glob("python3*/site-packages/kce")
    for name in (
        "registry.toml",
        "docs/plugins.md",
        "recipes/demo.toml",
        "report/report.html.j2",
        "builtin/backbones/tiny.py",
        "docs/plugins.md",
        "templates/package/pyproject.toml.j2",
        "templates/package/.github/workflows/test.yml.j2",
        "builtin/datasets/world/__init__.py",
    ):
        assert (package / name).is_file(), name
    assert list(package.rglob("test_*.py")) == []


def test_every_built_in_plugin_is_there_by_kind_and_no_example(environment: Path) -> None:
    (package,) = (environment / "lib").glob("python3*/site-packages/kce")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "plugins"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    ours = {path.removeprefix("plugins/") for path in listed if path and (REPOSITORY / path).is_file()}
    ours = {path for path in ours if not path.startswith("examples/")}
    builtin = package / "builtin"
    shipped = {path.relative_to(builtin).as_posix() for path in builtin.rglob("*") if path.is_file()}
    assert {path for path in shipped if "__pycache__" not in path} == ours
    assert {path.split("/")[0] for path in ours} <= {f"{kind}s" for kind in KINDS}
    assert [path for path in environment.rglob("*") if path.name in ("kce_umap.py", "kce-umap")] == []


def test_the_wheel_itself_has_no_compiled_files() -> None:
    with zipfile.ZipFile(own_wheel()) as archive:
        names = archive.namelist()
    assert [name for name in names if name.endswith(".pyc") or "__pycache__" in name] == []
    assert {name.split("/")[0].split("-")[0] for name in names} == {"kce", "kce_toolkit"}


def test_a_scan_and_a_cut(environment: Path, tmp_path: Path) -> None:
    from tests.support.corpus import pictures

    pictures(tmp_path / "pictures", count=2)
    report = json.loads(call(environment, tmp_path, "scan", "folder", "--root", "pictures", "--json"))
    assert report["samples"] == 16
    call(environment, tmp_path, "cut", "folder", "--root", "pictures", "--to", "faces", "--detector", "whole")
    assert len(list((tmp_path / "faces").rglob("*.png"))) == 16
