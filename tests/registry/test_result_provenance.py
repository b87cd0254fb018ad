"""Where results come from: versions, parts and the command, as they are."""

from __future__ import annotations

from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import pytest

from kce.errors import UnknownName
from kce.registry.registry import Registry
from kce.registry.result_provenance import current_command, part_origins, record_provenance
from kce.system.version import __version__
from tests.registry.test_defaults import PLUGIN
from tests.registry.test_registry import write

REGISTRY = Registry.load(Path("/"))


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["/usr/bin/kce", "scan", "a b"], "kce scan 'a b'"),
        (["/x/kce/__main__.py", "demo"], "kce demo"),
        (["thesis.py", "--seed", "1"], ""),
        (["/x/other/__main__.py", "demo"], ""),
        ([], ""),
    ],
)
def test_the_command_is_as_it_was_typed(words: list[str], command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", words)
    assert current_command() == command


def test_everything_that_can_change_a_result_has_its_version(tmp_path: Path) -> None:
    registry = write(tmp_path, "[reducer.mine]\nuse = 'mine:broken'\n", mine=PLUGIN)
    parts = [("reducer", "mine"), ("reducer", "pca:n_components=4"), ("reducer", "pca:n_components=4")]
    made = record_provenance(
        registry, parts, n={"rows": 3}, seeds=[0, 1], data="faces", data_hash="x", command="kce run"
    )
    assert made.parts["reducer pca:n_components=4"] == f"kce-toolkit {__version__}"
    assert made.parts["reducer mine"].startswith("mine.py sha256:")
    assert made.versions["kce"] == __version__
    assert made.versions["scikit-learn"] == version("scikit-learn")
    assert datetime.fromisoformat(made.made).tzinfo is not None
    assert (made.seeds, made.command) == ((0, 1), "kce run")


def test_a_component_that_is_not_there_is_an_error() -> None:
    with pytest.raises(UnknownName, match="kmean"):
        part_origins(REGISTRY, [("clusterer", "kmean")])
