"""Where KCE was installed from, and who else claims its module."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from kce import __version__
from kce.registry.distributions import install_hint
from kce.registry.provenance import InstallSource, install_source, other_claimants, reinstall_command
from tests.conftest import REPOSITORY
from tests.support.environment import install, install_into, made, wheel

STRANGER = """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{name}"
version = "3.14159"

[tool.hatch.build.targets.wheel]
only-include = [{files}]
"""


def stranger(at: Path, name: str, module: str) -> Path:
    """The wheel of a little distribution with one module or package."""
    (at / name / module).parent.mkdir(parents=True)
    (at / name / module).write_text("")
    (at / name / "pyproject.toml").write_text(STRANGER.format(name=name, files=json.dumps(module)))
    return wheel(at / name, at / "dist")


def recorded(at: Path, document: Mapping[str, Any] | str | None) -> None:
    """A KCE as pip leaves it, with this ``direct_url.json``."""
    folder = at / f"kce_toolkit-{__version__}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: kce-toolkit\nVersion: {__version__}\n")
    if document is not None:
        text = document if isinstance(document, str) else json.dumps(document)
        (folder / "direct_url.json").write_text(text)


GIT = {"url": "https://example.org/kce.git", "vcs_info": {"vcs": "git", "commit_id": "0123abc"}}


@pytest.mark.parametrize(
    ("document", "source", "command"),
    [
        (GIT, InstallSource("git+https://example.org/kce.git@0123abc"), "git+https://example.org/kce.git@0123abc"),
        (
            {**GIT, "subdirectory": "python/kce"},
            InstallSource("git+https://example.org/kce.git@0123abc#subdirectory=python/kce"),
            '"kce-toolkit @ git+https://example.org/kce.git@0123abc#subdirectory=python/kce"',
        ),
        (
            {"url": "https://example.org/k.whl", "archive_info": {}},
            InstallSource("https://example.org/k.whl"),
            '"kce-toolkit @ https://example.org/k.whl"',
        ),
        (
            {"url": "file:///home/ann/my%20kce", "dir_info": {"editable": True}},
            InstallSource("/home/ann/my kce", local=True, editable=True),
            "-e '/home/ann/my kce'",
        ),
        (
            {"url": "file:///srv/k.whl", "archive_info": {}},
            InstallSource("/srv/k.whl", local=True),
            "--force-reinstall /srv/k.whl",
        ),
        (
            {"url": "file:///srv/kce.git", "vcs_info": {"vcs": "git", "commit_id": "0123abc"}},
            InstallSource("git+file:///srv/kce.git@0123abc", local=True),
            '"kce-toolkit @ git+file:///srv/kce.git@0123abc"',
        ),
        (None, InstallSource(), f'"kce-toolkit=={__version__}"'),
        ("{", InstallSource(), f'"kce-toolkit=={__version__}"'),
        ("[]", InstallSource(), f'"kce-toolkit=={__version__}"'),
        ({"url": 3, "vcs_info": "git"}, InstallSource(), f'"kce-toolkit=={__version__}"'),
        ({"vcs_info": {}}, InstallSource(), f'"kce-toolkit=={__version__}"'),
    ],
)
def test_the_place_kce_came_from_is_read_from_its_metadata(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    document: Mapping[str, Any] | str | None,
    source: InstallSource,
    command: str,
) -> None:
    recorded(tmp_path, document)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert install_source() == source
    assert command in reinstall_command()


def test_a_built_in_part_of_another_kce_is_looked_for_where_this_one_came_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(tmp_path, GIT)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "git+https://example.org/kce.git" in install_hint("kce-toolkit 9.9")
    assert install_hint("kce-umap 0.1.0") == 'it came from kce-umap 0.1.0: pip install "kce-umap==0.1.0"'


@pytest.mark.parametrize(
    ("name", "module", "claims"),
    [
        ("kce", "exam.py", True),
        ("exam-helper", "kce/__init__.py", True),
        ("exam-helper", "kce.py", True),
        ("kce-halves", "kce_halves.py", False),
        ("exam-helper", "tools/kce/__init__.py", False),
    ],
)
def test_a_distribution_that_claims_the_module_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str, claims: bool
) -> None:
    before = other_claimants()
    install_into(tmp_path / "site", stranger(tmp_path, name, module))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert other_claimants() == sorted([*before, *([f"{name} 3.14159"] if claims else [])])


@pytest.mark.parametrize("words", [["--version"], ["list", "--plugins"], ["list", "--plugins", "--json"]])
def test_a_stranger_named_kce_is_reported_and_the_version_stays_ours(tmp_path: Path, words: list[str]) -> None:
    install_into(tmp_path / "site", stranger(tmp_path, "kce", "kce/__init__.py"))
    path = os.pathsep.join([str(REPOSITORY), str(tmp_path / "site")])
    done = subprocess.run(
        [sys.executable, "-m", "kce", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "warning: kce 3.14159 is also installed and claims the Python module `kce`" in done.stderr
    assert "hint: pip uninstall kce, then pip install" in done.stderr
    assert "3.14159" not in done.stdout
    assert __version__ in done.stdout
    if "--json" in words:
        assert json.loads(done.stdout)[0]["distribution"] == "kce-toolkit"


def test_kce_names_the_stranger_that_overwrote_its_module_and_the_hint_repairs_it(tmp_path: Path) -> None:
    environment = made(tmp_path)
    install(environment, stranger(tmp_path, "kce", "kce/__init__.py"))
    (module,) = (environment / "lib").glob("python3*/site-packages/kce/__init__.py")
    assert module.read_text() == ""

    def kce(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [environment / "bin" / "kce", *words], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    done = kce("--version")
    assert (done.returncode, done.stdout.strip()) == (0, __version__)
    assert "warning: kce 3.14159 is also installed" in done.stderr
    plugins = kce("list", "--plugins")
    assert plugins.returncode == 0, plugins.stderr
    assert "warning: kce 3.14159 is also installed" in plugins.stderr
    (hint,) = [line for line in done.stderr.splitlines() if line.startswith("hint: ")]
    for command in hint.removeprefix("hint: ").split(", then "):
        words = shlex.split(command)
        pip = [sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python")]
        options = ["--yes"] if words[1] == "uninstall" else ["--no-index"]
        subprocess.run([*pip, words[1], *options, *words[2:]], check=True, capture_output=True)
    assert kce("--version").stderr == ""
    assert kce("list", "clusterer").returncode == 0
