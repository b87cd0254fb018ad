"""Cells that were late, killed or short of memory: none of these is final."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kce.bench import cell_runner, cell_store, clusterers
from kce.errors import MachineFault
from kce.system.worker_pool import TaskLost
from tests.registry.test_registry import write

if TYPE_CHECKING:
    from kce.registry.registry import Registry

UNFINISHED = """
import os, signal, time
from pathlib import Path
import numpy as np
from kce import hookimpl

def first(name):
    path = Path(f"{name}-calls")
    with path.open("a") as file:
        file.write("x")
    return path.stat().st_size == 1

class Late:
    def fit_predict(self, x):
        if first("late"):
            time.sleep(1000)
        return np.arange(len(x)) % 2
class Killed:
    def fit_predict(self, x):
        if first("killed"):
            os.kill(os.getpid(), signal.SIGKILL)  # as the system does when memory runs out
        return np.arange(len(x)) % 2
class Lacks:
    def fit_predict(self, x):
        if first("lacks"):
            raise MemoryError("Unable to allocate 80 GiB")
        return np.arange(len(x)) % 2

@hookimpl
def kce_clusterers(): return {c.__name__.lower(): c for c in (Late, Killed, Lacks)}
"""
NAMES = ("killed", "lacks", "late")


def statuses(folder: Path, cells: Sequence[Any], registry: Registry, limit: float) -> list[dict[str, Any]]:
    return clusterers.run_cluster_cells(folder, cells, registry, limit=limit)


def test_only_a_higher_limit_tries_a_late_cell_again() -> None:
    late = {"id": "a", "status": "timeout", "limit": 10.0}
    assert cell_store.is_final(late, 10)
    assert cell_store.is_final(late, 9)
    assert not cell_store.is_final(late, 11)
    assert cell_store.is_final({"id": "a", "status": "failed", "limit": None}, 11)


def test_a_kill_from_outside_is_no_result_of_a_cell() -> None:
    losses = [TaskLost("killed", passing=True), TaskLost("crashed"), TaskLost("late", timed_out=True, waited=True)]
    outcomes = [cell_runner.cell_outcome(lost, 5.0) for lost in losses]
    assert [outcome["status"] for outcome in outcomes] == ["stopped", "failed", "timeout"]
    assert [outcome["limit"] for outcome in outcomes] == [None, None, 5.0]


@pytest.mark.slow
def test_what_was_late_or_stopped_is_tried_again(at: Path) -> None:
    registry = write(at, "".join(f'[clusterer.{name}]\nuse = "bad:{name}"\n' for name in NAMES), bad=UNFINISHED)
    cells = clusterers.list_cluster_cells(registry, NAMES, ["small:rows=10"])
    results = statuses(at / "out", cells, registry, 10)
    assert [result["status"] for result in results] == ["stopped", "stopped", "timeout"]
    assert [result["reason"] for result in results] == [
        "its process was killed from outside (SIGKILL)",
        f"clusterer 'lacks' (plugin bad, {registry.plugins.source('bad')}): there is too little memory",
        "it took longer than 10 seconds",
    ]  # fmt: skip
    with pytest.raises(MachineFault, match="2 of 3 cells were stopped by the system") as raised:
        cell_store.raise_if_stopped(results)
    assert "same command tries again" in raised.value.hint
    assert cell_store.finished_ids(at / "out", 10) == {results[2]["id"]}
    assert cell_store.finished_ids(at / "out", 11) == set()

    results = statuses(at / "out", cells, registry, 10)
    assert [result["status"] for result in results] == ["ok", "ok", "timeout"]
    assert (at / "late-calls").stat().st_size == 1  # it had as many seconds already
    cell_store.raise_if_stopped(results)

    results = statuses(at / "out", cells, registry, 200)
    assert [result["status"] for result in results] == ["ok"] * 3
    assert statuses(at / "out", cells, registry, 10) == results
