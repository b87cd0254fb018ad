"""What a reader needs to cite results."""

from __future__ import annotations

import re
from pathlib import Path

from kce.report.citation import bibliography, describe_provenance, write_citation_files
from kce.system.version import __version__
from tests.conftest import REPOSITORY

SOURCE = {"made": "2026-01-31T12:00:00Z", "command": "kce run x", "n": {"rows": 1200}, "seeds": [0],
          "versions": {"kce": "9.9"}, "parts": {"reducer pca": "kce-toolkit 9.9"}, "data": "faces",
          "data_hash": "c0ffee"}  # fmt: skip


def test_the_readme_has_the_same_entries() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```bibtex\n(.*?)```", readme, flags=re.DOTALL)
    assert "\n".join(blocks) == bibliography()
    assert __version__ in bibliography()


def test_the_version_that_is_cited_is_the_one_that_made_the_numbers(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    _, cited = write_citation_files(tmp_path / "tables", SOURCE)
    assert "version = {9.9}" in cited.read_text(encoding="utf-8")
    assert "n: 1,200 rows" in describe_provenance(SOURCE)
