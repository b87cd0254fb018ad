"""Every folder that is written is written by one process at a time; the others are told at once who it is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kce.audit import audit
from kce.bench import aligner_cells, aligners, clusterers
from kce.demo import run_demo
from kce.errors import KCEError
from kce.registry.registry import Registry
from kce.report import report
from kce.system.lock import folder_lock
from kce.types import MergePlan
from tests.conftest import REPOSITORY

HOLDER = """
import sys
from pathlib import Path
from kce.system.lock import folder_lock
with folder_lock(Path(sys.argv[1]), "study"):
    print("held", flush=True)
    sys.stdin.read()
"""
REGISTRY = Registry.load(Path("/"))


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Path]:
    """A folder in which another process writes."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "out")]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield tmp_path / "out"
        process.communicate("")


def write_report(folder: Path) -> Any:
    return report.write_report(folder)


WRITERS: dict[str, Callable[[Path], Any]] = {
    "bench clusterers": lambda folder: clusterers.run_cluster_cells(folder, [], REGISTRY),
    "bench aligners": lambda folder: aligners.run_align_cells(
        folder, [], aligner_cells.read_aligner_bench(aligner_cells.ALIGNER_RECIPE), REGISTRY
    ),
    "demo": run_demo,
    "report": write_report,
    "audit": lambda folder: audit.write_audit(folder, {}, MergePlan({})),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_in_which_another_process_writes_is_refused(
    held: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "read_report_source", lambda folder: None)
    before = sorted(held.iterdir())
    with pytest.raises(KCEError, match=r"another kce is writing in .*: study, process \d+ on ") as raised:
        WRITERS[name](held)
    assert raised.value.hint
    assert sorted(held.iterdir()) == before


def test_a_block_inside_shares_the_lock_and_leaves_it_held(tmp_path: Path) -> None:
    with folder_lock(tmp_path, "demo"):
        with folder_lock(tmp_path / ".." / tmp_path.name, "report"):
            pass
        other = subprocess.run(
            [sys.executable, "-c", HOLDER, str(tmp_path)],
            cwd=REPOSITORY, input="", capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "another kce is writing" in other.stderr
    with folder_lock(tmp_path, "report"):
        pass
