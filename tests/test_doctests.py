"""Every example in a docstring of kce and its plugins runs, and prints what it says."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

from kce.registry.discovery import discover_plugins
from tests.conftest import REPOSITORY


def has_example(path: Path) -> bool:
    return ">>> " in path.read_text(encoding="utf-8")


MODULES = sorted(
    ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")
    for path in (REPOSITORY / "kce").rglob("*.py")
    if has_example(path)
)


def test_there_are_examples() -> None:
    assert len(MODULES) > 5


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_examples_of_plugins_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plugins, _ = discover_plugins(None)
    for plugin in plugins.values():
        file = plugin.file()
        if file is not None and has_example(file):
            assert doctest.testmod(plugin.load()).failed == 0, plugin.name  # type: ignore[arg-type]
