"""Packages that `kce new` writes: they are sound, install, pass every check, and work in runs by name."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from kce import __version__
from kce.errors import KCEError
from kce.hookspecs import KINDS
from kce.registry import scaffold
from kce.registry.provenance import InstallSource
from kce.registry.registry import Registry
from kce.system.shipped import DOCS
from tests.support.corpus import face_folder, small_recipe, small_study
from tests.support.environment import call, install, made

REGISTRY = Registry.load(Path("/"))
NAMES = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,8}){0,3}", fullmatch=True).map(lambda name: f"x{name}")


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_holds_exactly_this(kind: str) -> None:
    tree = (
        {f"tests/tree/{side}/{n:04}.png" for side in ("real", "fake") for n in (1, 2)} if kind == "dataset" else set()
    )
    assert set(scaffold.package_files(kind, "my-part", "Ann", 2026, InstallSource())) == tree | {
        ".github/workflows/test.yml",
        ".gitignore",
        "LICENSE",
        "README.md",
        "kce_my_part.py",
        "pyproject.toml",
        "tests/test_my_part.py",
    }


@example(kind="reducer", name="a", author='🌀 "quoted" \\')
@given(kind=st.sampled_from(KINDS), name=NAMES, author=st.text(min_size=1).filter(lambda text: text.strip()))
def test_any_name_and_author_make_a_package_that_can_be_read(kind: str, name: str, author: str) -> None:
    if not author.isprintable():
        with pytest.raises(KCEError):
            scaffold.package_files(kind, name, author, 2026, InstallSource())
        return
    files = scaffold.package_files(kind, name, author, 2026, InstallSource())
    project = tomllib.loads(files["pyproject.toml"].decode())["project"]
    (module,) = project["entry-points"]["kce"].values()
    assert project["authors"] == [{"name": author}]
    assert project["entry-points"]["kce"].keys() == {name}
    for path, content in files.items():
        if path.endswith(".py"):
            ast.parse(content)
        assert b"{{" not in content or path.endswith(".png")
    assert f"{module}.py" in files


def workflow_and_readme(source: InstallSource) -> tuple[str, str]:
    files = scaffold.package_files("reducer", "mine", "Ann", 2026, source)
    return files[".github/workflows/test.yml"].decode(), files["README.md"].decode()


def test_a_package_depends_on_this_kce_and_on_nobody_elses() -> None:
    project = tomllib.loads(
        scaffold.package_files("reducer", "a", "A", 2026, InstallSource())["pyproject.toml"].decode()
    )
    (requirement,) = map(Requirement, project["project"]["dependencies"])
    assert requirement.name == importlib.metadata.metadata("kce-toolkit")["Name"] == "kce-toolkit"
    assert requirement.specifier.contains(__version__)
    assert not requirement.specifier.contains(f"{int(__version__.split('.')[0]) + 1}.0")


def test_the_workflow_installs_kce_from_where_it_came() -> None:
    url = "git+https://example.org/kce.git@0123abc#subdirectory=a"
    workflow, readme = workflow_and_readme(InstallSource(url))
    steps = [line.strip() for line in workflow.splitlines() if line.strip().startswith("- run:")]
    assert steps[0].startswith(f'- run: pip install "kce-toolkit @ {url}"')
    assert steps[1] == '- run: pip install -e ".[test]"'
    assert f'pip install "kce-toolkit @ {url}"' in readme


def test_a_local_folder_is_in_no_file_of_a_package_but_what_to_do_is() -> None:
    files = scaffold.package_files("reducer", "mine", "Ann", 2026, InstallSource("/home/ann/kce", local=True))
    assert not any(b"/home/ann" in content for content in files.values())
    workflow = files[".github/workflows/test.yml"].decode()
    assert '# - run: pip install "kce-toolkit @ git+https://HOST/OWNER/REPOSITORY.git"' in workflow
    first = next(line.strip() for line in workflow.splitlines() if line.strip().startswith("- run:"))
    assert first == '- run: pip install -e ".[test]"'


def test_a_kce_from_the_package_index_needs_no_further_step() -> None:
    workflow, _ = workflow_and_readme(InstallSource())
    assert "kce-toolkit" not in workflow


@pytest.mark.parametrize("kind", KINDS)
def test_the_code_is_clean(kind: str, tmp_path: Path) -> None:
    folder = scaffold.write_package(kind, "my-part", "Ann", tmp_path, REGISTRY)
    for words in (["check", "--isolated", "--select", "E,F,I,UP,B,SIM,RUF"], ["format", "--isolated", "--check"]):
        command = [sys.executable, "-m", "ruff", *words, "--line-length", "120", "--no-cache", "."]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "name", ["", "A", "a_b", "-a", "a-", "a--b", "1a", "a/b", "../a", "class", "a" * 51, "ä", "a b", "toolkit"]
)
def test_what_is_no_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(KCEError) as error:
        scaffold.write_package("clusterer", name, "Ann", tmp_path, REGISTRY)
    assert error.value.hint
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "kce-my-part").mkdir()
    (tmp_path / "kce-my-part" / "precious").write_text("mine")
    with pytest.raises(KCEError, match="already exists"):
        scaffold.write_package("clusterer", "my-part", "Ann", tmp_path, REGISTRY)
    assert [path.name for path in (tmp_path / "kce-my-part").iterdir()] == ["precious"]


def test_a_name_that_is_taken_says_by_whom(tmp_path: Path) -> None:
    with pytest.raises(KCEError, match="in the plugin sklearn_clusterers"):
        scaffold.write_package("clusterer", "kmeans", "Ann", tmp_path, REGISTRY)
    assert scaffold.write_package("reducer", "kmeans", "Ann", tmp_path, REGISTRY)


def test_an_unknown_kind_ends_with_a_hint(kce: Callable[..., subprocess.CompletedProcess[str]], at: Path) -> None:
    done = kce("new", "clusteror", "mine")
    assert done.returncode == 2
    assert "Did you mean 'clusterer'?" in done.stderr
    assert list(at.iterdir()) == []


def test_next_steps_are_those_of_the_readme(kce_json: Callable[..., Any], at: Path) -> None:
    found = kce_json("new", "reducer", "mine", "--author", "Ann Author")
    text = (Path(at) / found["folder"] / "README.md").read_text()
    assert all(step in text for step in found["steps"][1:])
    assert "Ann Author" in (Path(at) / found["folder"] / "LICENSE").read_text()


def test_the_tutorial_is_exactly_these_steps() -> None:
    text = (DOCS / "plugins.md").read_text(encoding="utf-8")
    block = text.partition("```sh\n")[2].partition("```")[0]
    lines = [line.partition(" #")[0].rstrip() for line in block.splitlines()]
    folder = Path("kce-my-clusterer")
    assert lines == ["kce new clusterer my-clusterer", *scaffold.next_steps("clusterer", "my-clusterer", folder)]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a package of each kind, as they are written, and nothing else changed."""
    at = tmp_path_factory.mktemp("new")
    found = made(at)
    packages = [Path(json.loads(call(found, at, "new", kind, f"my-{kind}", "--json"))["folder"]) for kind in KINDS]
    install(found, *(at / package for package in packages))
    return found


def test_all_are_there_by_name(environment: Path, tmp_path: Path) -> None:
    rows = json.loads(call(environment, tmp_path, "list", "--json"))
    mine = {(row["kind"], row["name"], row["source"], row["status"]) for row in rows if row["source"] != "built-in"}
    assert mine == {(kind, f"my-{kind}", f"kce-my-{kind} 0.1.0", "ok") for kind in KINDS}
    packages = json.loads(call(environment, tmp_path, "list", "--plugins", "--json"))
    assert {row["distribution"] for row in packages} == {"kce-toolkit", *(f"kce-my-{kind}" for kind in KINDS)}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_each_passes_its_own_tests(environment: Path, kind: str) -> None:
    command = [environment / "bin" / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    package = environment.parent / f"kce-my-{kind}"
    done = subprocess.run(command, cwd=package, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_each_passes_every_check(environment: Path, kind: str, tmp_path: Path) -> None:
    tree = environment.parent / f"kce-my-{kind}" / "tests" / "tree"
    name = f"my-{kind}:root={tree}" if kind == "dataset" else f"my-{kind}"
    rows = json.loads(call(environment, tmp_path, "check", kind, name, "--json"))
    assert {row["result"] for row in rows} == {"passed"}


def test_the_dataset_and_the_detector_make_faces(environment: Path, tmp_path: Path) -> None:
    tree = environment.parent / "kce-my-dataset" / "tests" / "tree"
    report = json.loads(call(environment, tmp_path, "scan", "my-dataset", "--root", tree, "--json"))
    assert report["by_category"] == {"my-dataset_real": 2, "my-dataset_FaceSwap": 2}
    cut = ["cut", "my-dataset", "--root", tree, "--to", "faces", "--detector", "my-detector:share=0.5", "--json"]
    assert json.loads(call(environment, tmp_path, *cut))["faces"] == 4


@pytest.mark.slow
def test_the_parts_of_a_run_work_in_one(environment: Path, tmp_path: Path) -> None:
    reducer = "my-reducer:n_components=8"
    small_recipe(
        tmp_path,
        {
            "reducer": reducer,
            "evaluators": ["calinski-harabasz", "my-evaluator"],
            "per_category": 12,
            "resamples": 10,
        },
        backbone="my-backbone:size=32,width=2",
        aligner="my-aligner",
        reducer=reducer,
        clusterer="my-clusterer",
    )
    found = json.loads(call(environment, tmp_path, "run", "out", "--recipe", "recipe.toml", "--json"))
    assert found["scores"]["my-evaluator"]["my_evaluator"] > 0
    assert found["classes"] == 5
    origins = tomllib.loads((tmp_path / "out" / "recipe.toml").read_text())["resolved"]["origins"]
    for kind in ("backbone", "aligner", "reducer", "clusterer", "evaluator"):
        assert origins[f"{kind} my-{kind}"] == f"kce-my-{kind} 0.1.0"


@pytest.mark.slow
def test_the_engine_does_a_study(environment: Path, tmp_path: Path) -> None:
    small_study(tmp_path)
    faces = face_folder(tmp_path)
    call(environment, tmp_path, "study", "study.toml", "--faces", faces, "--to", "out", "--engine", "my-engine")
    assert (tmp_path / "out" / "report.html").is_file()
