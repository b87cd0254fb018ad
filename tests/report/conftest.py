"""A small run with its whole report, which the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kce.pipeline.recipe import Evaluate, Recipe
from kce.pipeline.run import run
from kce.registry.registry import Registry
from kce.report.report import write_report
from kce.training.settings import TrainSettings
from tests.support import browser
from tests.support.corpus import UNKNOWN, face_folder


@pytest.fixture(scope="module", autouse=True)
def one_browser() -> Iterator[None]:
    """The pages of a module are looked at in one browser."""
    with browser.kept():
        yield


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with its whole report."""
    at = tmp_path_factory.mktemp("report")
    chosen = Recipe(
        faces=str(face_folder(at)),
        unknown=tuple(UNKNOWN),
        backbone="tiny:size=32,width=2",
        reducer="pca:n_components=8",
        train=TrainSettings(epochs=1, lr=0.01, held_out=0.2),
        evaluate=Evaluate("pca:n_components=8", ("calinski-harabasz",), 12, 30),
    )
    run(at / "run", chosen, Registry.load(Path("/")))
    write_report(at / "run", files=True)
    return at / "run"
