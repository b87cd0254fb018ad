"""Tests about the house itself: what imports what, and what is written down."""

from __future__ import annotations

import ast
import importlib.metadata
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from kce.hookspecs import KINDS
from kce.system.shipped import REGISTRY
from tests.conftest import REPOSITORY

CORE = REPOSITORY / "kce"
# package -> what it may import; they stand in the order in which imports point down, so no cycle is possible.
# `contract` is what a plugin author reads: kce/errors.py, types.py, labels.py and hookspecs.py.
CONTRACT = ("errors", "types", "labels", "hookspecs")
BELOW = {
    "contract": "",
    "system": "contract",
    "estimators": "contract system",
    "registry": "contract system estimators",
    "data": "contract system registry",
    "faces": "contract system registry data",
    "training": "contract system registry data faces",
    "features": "contract system registry faces training",
    "evaluation": "contract system registry features",
    "merging": "contract system registry faces features",
    "audit": "contract system registry features evaluation merging",
    "tracing": "contract system registry features",
    "pipeline": "contract system registry data faces training features evaluation merging audit tracing",
    "study": "contract system registry faces training features evaluation merging pipeline",
    "jobs": "system",
    "report": "contract system registry data faces training features evaluation merging audit tracing pipeline study",
    "bench": "contract system registry faces training features evaluation merging audit tracing pipeline report",
    "demo": "contract system registry faces pipeline report",
    "testing": "contract system registry evaluation",
    "api": (
        "contract system registry data faces training features evaluation merging audit tracing pipeline study report "
        "bench demo"
    ),
    "cli": "contract system registry data faces evaluation pipeline study report bench testing api",
    "__main__": "cli",
}
HEAVY = ("torch", "sklearn", "h5py", "cv2", "av", "timm", "plotly", "numpy")


def imports(path: Path) -> Iterator[str]:
    """Everything a file imports, at its top, inside functions and for the type checker alike."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules() -> dict[str, Path]:
    """Dotted name -> file, of every module of kce/ but its front door."""
    paths = [path for path in CORE.rglob("*.py") if "templates" not in path.parts and path != CORE / "__init__.py"]
    dotted = (".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__") for path in paths)
    return dict(sorted(zip(dotted, paths, strict=True)))


MODULES = modules()


def package(module: str) -> str:
    top = module.split(".")[1]
    return "contract" if top in CONTRACT else top


def inner_imports(module: str) -> set[str]:
    """The modules of kce/ that a module imports."""
    return {name for name in imports(MODULES[module]) if name in MODULES} - {module}


@pytest.mark.parametrize("module", MODULES)
def test_packages_import_downwards_only(module: str) -> None:
    own = package(module)
    assert own in BELOW, f"say in BELOW what the package {own} may import"
    assert {package(name) for name in inner_imports(module)} - {own} <= set(BELOW[own].split())


def test_the_table_of_packages_points_downwards() -> None:
    order = list(BELOW)
    for own, allowed in BELOW.items():
        assert set(allowed.split()) <= set(order[: order.index(own)]), own
    assert {package(module) for module in MODULES} == set(BELOW)


def test_files_do_not_import_each_other_in_a_circle() -> None:
    # Importing a file runs its package's `__init__` too, but of those only two import anything.
    left = {
        module: {name for name in inner_imports(module) if MODULES[name].name != "__init__.py"} for module in MODULES
    }
    while leaves := [module for module, needed in left.items() if not needed & left.keys()]:
        for module in leaves:
            del left[module]
    assert left == {}


@pytest.mark.parametrize("path", sorted(CORE.glob("*/__init__.py")), ids=lambda path: path.parent.name)
def test_every_package_says_what_lives_in_it(path: Path) -> None:
    said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert said is not None
    assert len(said.splitlines()) >= 3


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
        "from kce.registry.registry import Registry; Registry.load().list_components()",
        "from typer.testing import CliRunner\nimport kce.cli\nCliRunner().invoke(kce.cli.app, '--help')",
        "from typer.testing import CliRunner\nimport kce.cli\nCliRunner().invoke(kce.cli.app, 'list')",
    ],
)
def test_nothing_heavy_is_loaded_before_it_is_needed(code: str) -> None:
    assert loaded(code).isdisjoint(HEAVY)


def test_help_does_not_wait_for_the_registry() -> None:
    code = "from typer.testing import CliRunner\nimport kce.cli\nCliRunner().invoke(kce.cli.app, '--help')"
    assert loaded(code).isdisjoint({"kce.registry.registry", "msgspec", "tempfile"})


def test_listing_does_not_wait_for_pydantic() -> None:
    code = "from typer.testing import CliRunner\nimport kce.cli\nCliRunner().invoke(kce.cli.app, ['list'])"
    assert loaded(code).isdisjoint({"pydantic"})


@pytest.mark.parametrize("module", [name for name in MODULES if not name.startswith("kce.system.")])
def test_there_is_one_lock_and_one_atomic_writer(module: str) -> None:
    assert not {name for name in imports(MODULES[module]) if name.split(".")[0] in ("filelock", "fcntl", "msvcrt")}
    calls = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    }
    assert calls.isdisjoint({"os.replace", "os.rename", "os.fsync", "part.replace", "temporary.replace"})


# Component names that are also ordinary words, and names of distributions.
ORDINARY = {"none", "folder", "world", "whole"} | {"timm", "hdbscan"}


@pytest.mark.parametrize("module", [name for name in MODULES if name != "kce.registry.defaults"])
def test_components_are_named_in_one_place(module: str) -> None:
    shipped = {
        name for kind, table in tomllib.loads(REGISTRY.read_text("utf-8")).items() if kind in KINDS for name in table
    }
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert {text.partition(":")[0] for text in strings} & (shipped - ORDINARY) == set()


def test_one_opencv_is_installed() -> None:
    names = {(d.name or "").lower().replace("_", "-") for d in importlib.metadata.distributions()}
    assert len({name for name in names if name.startswith("opencv")}) == 1


def test_every_kind_has_its_hook_its_protocol_and_its_chapter() -> None:
    from kce import hookspecs, types

    chapters = [(CORE / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in ("components", "plugins")]
    for kind in KINDS:
        hook = getattr(hookspecs, f"kce_{kind}s")
        assert hook.__doc__
        assert getattr(types, kind.capitalize()).__doc__
        assert all(f"`kce_{kind}s`" in chapter for chapter in chapters)
    assert {name for name in vars(hookspecs) if name.startswith("kce_")} == {f"kce_{kind}s" for kind in KINDS}


def test_the_top_level_stays_as_it_was_agreed() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=False).stdout
    top = {line.split("/")[0] for line in tracked.splitlines()}
    agreed = {"kce", "plugins", "registry.toml", "tests", "pyproject.toml", "README.md", "CONTRIBUTING.md"}
    assert {name for name in top if not name.startswith(".")} <= agreed
