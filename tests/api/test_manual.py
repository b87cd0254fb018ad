"""The page on Python: every block works, one after the other, on the faces of the demo."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import kce
from kce.faces.cut import cut
from kce.registry.registry import Registry
from kce.system.shipped import DOCS
from tests.support.documents import blocks
from tests.test_demo import SMALL

BLOCKS = blocks(DOCS / "python.md", "python")


def work(at: Path, code: list[str]) -> str:
    """What blocks print in a process of their own."""
    words = [sys.executable, "-W", "error", "-c", "\n".join(code)]
    done = subprocess.run(words, cwd=at, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_road_in_python_works_as_printed(at: Path) -> None:
    assert 'kce.demo(to="kce-demo")' in BLOCKS[0]  # it takes its minute: a smaller world of the same categories is made
    spec = "world:artefact=0.1,identities=4,images=8,categories=12"
    world = Registry.load(Path("/")).build("dataset", spec, root=at / "kce-demo" / "world")
    world.make()
    cut(world, at / "kce-demo" / "faces", detector="whole", frames=2, workers=0)
    printed = work(at, ["import kce", *BLOCKS[1:]])
    assert "6 classes" in printed
    assert "it has: /known, /traced, /unknown" in printed


@pytest.mark.slow
def test_the_road_in_python_works_from_the_demo_on(at: Path) -> None:
    (at / "small.toml").write_text(SMALL, encoding="utf-8")
    smaller = (
        "import functools, importlib, pathlib\n"
        "module = importlib.import_module('kce.demo')\n"
        "module.run_demo = functools.partial(module.run_demo, path=pathlib.Path('small.toml').resolve())"
    )
    work(at, [smaller, *BLOCKS])


def test_the_page_shows_every_function() -> None:
    shown = "".join(BLOCKS)
    left_out = {"pack"}  # faces in few files, for those who have a million
    assert {name for name in kce._COMMANDS if f"kce.{name}(" not in shown} <= left_out
