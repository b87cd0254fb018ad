"""Every public name is documented, with an example that runs."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import sys
from itertools import pairwise
from pathlib import Path

import pytest

import kce
import kce.testing

NAMES = [("kce", name) for name in kce.__all__] + [("kce.testing", name) for name in kce.testing.__all__]


def home(package: str, name: str) -> str:
    """The module that defines a public name."""
    value = getattr(sys.modules[package], name)
    return f"kce.{kce._HOME[name]}" if package == "kce" else str(value.__module__)


def docstring(module: str, name: str) -> str:
    """The docstring of a class or function, or the text after the assignment of any other value."""
    value = getattr(importlib.import_module(module), name)
    if inspect.isclass(value) or inspect.isfunction(value):
        return inspect.getdoc(value) or ""
    body = ast.parse(Path(str(sys.modules[module].__file__)).read_text(encoding="utf-8")).body
    for node, after in pairwise(body):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return inspect.cleandoc(ast.literal_eval(after.value)) if isinstance(after, ast.Expr) else ""
    return ""


@pytest.mark.parametrize(("package", "name"), NAMES)
def test_a_public_name_has_a_docstring_with_an_example_that_runs(at: Path, package: str, name: str) -> None:
    module = home(package, name)
    text = docstring(module, name)
    assert text.partition("\n")[0].endswith("."), text
    scope = dict(vars(importlib.import_module(module)))
    examples = doctest.DocTestParser().get_doctest(text, scope, f"{package}.{name}", module, 0)
    assert examples.examples, f"{package}.{name} has no example"
    output: list[str] = []
    assert doctest.DocTestRunner().run(examples, out=output.append).failed == 0, "".join(output)
