"""The notebook of the manual: it calls public names alone, has no outputs of anybody's machine, and runs to its end."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import kce
from kce.system.shipped import DOCS

NOTEBOOK = DOCS / "tour.ipynb"

EXECUTE = """
import sys
import nbformat
from nbclient import NotebookClient

notebook = nbformat.read(sys.argv[1], 4)
NotebookClient(notebook, timeout=1200, kernel_name="python3").execute()
nbformat.write(notebook, sys.argv[2])
"""


def cells() -> list[dict]:
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


def code() -> list[str]:
    return ["".join(cell["source"]) for cell in cells() if cell["cell_type"] == "code"]


def test_it_uses_public_names_and_parses() -> None:
    tree = ast.parse("\n".join(code()))
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "kce"
    }
    assert {"scan", "cut", "run", "score", "audit", "bench"} <= used <= {*kce.__all__, "__version__"}
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not {name for name in imported if name.startswith("kce.")}


def test_it_has_no_outputs() -> None:
    assert all(
        not cell["outputs"] and cell["execution_count"] is None for cell in cells() if cell["cell_type"] == "code"
    )


@pytest.mark.slow
def test_it_runs_to_its_end(at: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EXECUTE, NOTEBOOK, at / "done.ipynb"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    executed = json.loads((at / "done.ipynb").read_text(encoding="utf-8"))["cells"]
    shown = [cell for cell in executed if cell["cell_type"] == "code" and cell["outputs"]]
    assert len(shown) >= 12
    tables = [output for cell in shown for output in cell["outputs"] if "text/html" in output.get("data", {})]
    assert len(tables) >= 8
    assert (at / "runs" / "first" / "report.html").is_file()
