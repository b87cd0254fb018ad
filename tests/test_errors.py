"""Errors that a user meets say what to do."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from kce.errors import UnknownName
from tests.conftest import REPOSITORY

HINTED = ("KCEError", "BadData", "Refused", "UnknownName")  # a check that fails gets its hint from who called it


def without_hint() -> Iterator[str]:
    """Where an error is made with its message alone."""
    for folder in ("kce", "plugins"):
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            if "templates" in path.parts or "examples" in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in HINTED:
                    hints = [*node.args[1:2], *(word.value for word in node.keywords if word.arg in ("hint", None))]
                    if not hints or any(isinstance(hint, ast.Constant) and not hint.value for hint in hints):
                        yield f"{path.relative_to(REPOSITORY)}:{node.lineno}"


def test_every_error_has_a_hint() -> None:
    assert not list(without_hint())


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [("kmean", ["kmeans", "dbscan"], "write 'kmeans'"), ("x", ["kmeans"], "choose one"), ("x", [], "leave it out")],
)
def test_a_name_that_is_not_known_says_what_to_write(name: str, known: list[str], hint: str) -> None:
    assert hint in UnknownName.among("clusterer", name, known).hint


def test_a_name_of_any_length_makes_a_short_message() -> None:
    assert len(UnknownName.among("clusterer", "x" * 10**6, ["kmeans"]).message) < 1000
