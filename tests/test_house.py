"""Tests about the house itself: what imports what, and what is written down."""

from __future__ import annotations

import ast
import importlib.metadata
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kce.hookspecs import KINDS
from tests.conftest import REPOSITORY

CORE = REPOSITORY / "kce"
# Imports point one way, from right to left. Names on one line do not import each other unless in that order.
STOREYS = (
    "errors files lock labels hearing types hookspecs finding plugins specs registry distributions conduct",
    "workers answers clouds walk trees splits header media recode decode scan datasets faces ledger crop cut "
    "hdf table shards store planfile linkage merge company degrade agree benchworlds cellfile",
    "statistics scores device processes batchnorm checkpoints weights augment settings heldout pixels examples curves "
    "resume steps features train",
    "traces similarity differences faint relations mixing proposals audit "
    "recipe guard scoring run drawn bench alignbench plans jobs studyfile grid schedule estimate comparison "
    "studychecks study "
    "charts figures views exhibits pagecharts printcharts sheets reporttables thumbs page report "
    "leaderboard alignboard demo "
    "promise asking effort promises rowpromises facepromises enginepromises check testing new "
    "console clirun clistudy cliauthors cliaudit clibench cli __main__",
)
ORDER = [room for storey in STOREYS for room in storey.split()]
HEAVY = ("torch", "sklearn", "h5py", "cv2", "av", "timm", "plotly", "numpy")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms() -> list[Path]:
    return sorted(path for path in CORE.glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("path", rooms(), ids=lambda path: path.stem)
def test_imports_point_one_way(path: Path) -> None:
    assert path.stem in ORDER, f"say in ORDER where the room {path.stem} stands"
    before = ORDER[: ORDER.index(path.stem)]
    inner = {name.split(".")[1] for name in imports(path) if name.startswith("kce.")}
    assert {name for name in inner if (CORE / f"{name}.py").is_file()} <= set(before)


@pytest.mark.parametrize("path", sorted((REPOSITORY / "plugins").rglob("*.py")), ids=lambda path: path.stem)
def test_plugins_know_only_the_public_names_of_kce(path: Path) -> None:
    import kce

    public = {"kce", *(f"kce.{name}" for name in kce.__all__)}
    if path.parent.name == "tests":  # of an example
        public |= {"kce.testing", "kce.testing.conforms"}
    assert {name for name in imports(path) if name.split(".")[0] == "kce"} <= public


def loaded(code: str) -> set[str]:
    asked = f"{code}\nimport sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, cwd="/")
    return {name.split(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    "code",
    [
        "import kce",
        "from kce import hookimpl, Sample, Box, Features, MergePlan, Registry, KCEError",
        "from kce.registry import Registry; Registry.load().rows()",
        "from typer.testing import CliRunner\nimport kce.cli\nCliRunner().invoke(kce.cli.app, '--help')",
        "from typer.testing import CliRunner\nimport kce.cli\nCliRunner().invoke(kce.cli.app, 'list')",
    ],
)
def test_nothing_heavy_is_loaded_before_it_is_needed(code: str) -> None:
    assert loaded(code).isdisjoint(HEAVY)


def test_listing_does_not_wait_for_pydantic() -> None:
    code = "from typer.testing import CliRunner\nimport kce.cli\nCliRunner().invoke(kce.cli.app, ['list'])"
    assert loaded(code).isdisjoint({"pydantic"})


def test_one_opencv_is_installed() -> None:
    names = {(d.name or "").lower().replace("_", "-") for d in importlib.metadata.distributions()}
    assert len({name for name in names if name.startswith("opencv")}) == 1


def test_every_kind_has_its_hook_its_protocol_and_its_chapter() -> None:
    from kce import hookspecs, types

    chapter = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for kind in KINDS:
        hook = getattr(hookspecs, f"kce_{kind}s")
        assert hook.__doc__
        assert getattr(types, kind.capitalize()).__doc__
        assert f"`kce_{kind}s`" in chapter
    assert {name for name in vars(hookspecs) if name.startswith("kce_")} == {f"kce_{kind}s" for kind in KINDS}


def test_the_top_level_stays_as_it_was_agreed() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=False).stdout
    top = {line.split("/")[0] for line in tracked.splitlines()}
    agreed = {"kce", "plugins", "registry.toml", "tests", "pyproject.toml", "README.md", "CONTRIBUTING.md"}
    assert {name for name in top if not name.startswith(".")} <= agreed
