"""Worker processes and the death of their parent."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from kce.errors import MachineFault
from kce.system.worker_pool import TaskLost, Workers, default_worker_count, lost_fault
from tests.conftest import REPOSITORY
from tests.support.tasks import make_nothing, make_task

THREADS = """
import torch
from kce.system.worker_pool import Workers

def make():
    from threadpoolctl import threadpool_info
    return lambda _: [torch.get_num_threads(), *(pool["num_threads"] for pool in threadpool_info())]

if __name__ == "__main__":
    import os
    before = dict(os.environ)
    with Workers(1, make, (), threads=1) as workers:
        workers.submit(0)
        print(workers.take())
    assert dict(os.environ) == before
"""
PARENT = """
import os, sys, time
from pathlib import Path
from kce.system.worker_pool import Workers

def make(folder):
    def work(number):
        (Path(folder) / f"{os.getpid()}").touch()
        time.sleep(600)
    return work

if __name__ == "__main__":
    with Workers(2, make, (sys.argv[1],), parents=True) as workers:
        workers.submit(0)
        workers.submit(1)
        workers.take()
"""


def test_workers_end_with_a_parent_that_is_killed_during_their_tasks(tmp_path: Path) -> None:
    script, told = tmp_path / "parent.py", tmp_path / "told"
    script.write_text(PARENT, encoding="utf-8")
    told.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen([sys.executable, script, told], env=environment) as parent:
        try:
            while len(list(told.iterdir())) < 2:
                assert parent.poll() is None
            processes = [psutil.Process(int(path.name)) for path in told.iterdir()]
        finally:
            parent.send_signal(signal.SIGKILL)
    assert psutil.wait_procs(processes, timeout=30)[1] == []


def test_the_libraries_that_a_task_brings_along_have_the_requested_number_of_threads(tmp_path: Path) -> None:
    (tmp_path / "few.py").write_text(THREADS, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.endswith(("_THREADS", "_NUM"))}
    done = subprocess.run(
        [sys.executable, tmp_path / "few.py"],
        env={**environment, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(ast.literal_eval(done.stdout)) == {1}


def results(folder: Path, tasks: list[tuple[str, Any]], count: int = 1, **limits: Any) -> list[Any]:
    with Workers(count, make_task, (str(folder),), **limits) as workers:
        for task in tasks:
            workers.submit(task)
        return [workers.take() for _ in tasks]


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGBUS, signal.SIGILL])
def test_a_crash_is_the_fault_of_its_task(tmp_path: Path, number: signal.Signals) -> None:
    lost, after = results(tmp_path, [("signal", number), ("sleep", 0)])
    assert lost == TaskLost(f"its process died ({number.name})")
    assert lost_fault(lost, "a.png") is None
    assert after == "done"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGXCPU])
def test_a_kill_from_outside_is_not_the_fault_of_its_task(tmp_path: Path, number: signal.Signals) -> None:
    lost, after = results(tmp_path, [("signal", number), ("sleep", 0)])
    fault = lost_fault(lost, "a.png")
    assert fault is not None
    assert fault.message == f"a.png: its process was killed from outside ({number.name})"
    assert after == "done"


def test_a_task_whose_process_was_killed_is_tried_again_alone(tmp_path: Path) -> None:
    tasks = [("sleep", 0.3), ("signal unless alone", signal.SIGKILL), *[("sleep", 0.1)] * 8]
    assert results(tmp_path, tasks, count=3) == ["done"] * 10


def test_a_task_that_works_too_long_is_told_from_one_that_waits(tmp_path: Path) -> None:
    spinning, waiting, after = results(tmp_path, [("spin", 60), ("sleep", 60), ("sleep", 0)], limit=2.0)
    assert spinning == TaskLost("it took longer than 2 seconds", timed_out=True, waited=spinning.waited)
    assert waiting == TaskLost("it took longer than 2 seconds", timed_out=True, waited=True)
    assert isinstance(lost_fault(waiting, "a.png"), MachineFault)
    assert after == "done"


def test_a_task_that_takes_too_much_memory_is_lost(tmp_path: Path) -> None:
    lost, after = results(tmp_path, [("memory", 2**28), ("sleep", 0)], memory=2**27)
    assert lost == TaskLost("it took more than 0.125 GiB of memory")
    assert lost_fault(lost, "a.png") is None
    assert after == "done"


def test_no_task_is_blamed_for_memory_that_earlier_ones_left_in_its_process(tmp_path: Path) -> None:
    processes = results(tmp_path, [("leak", 2**25)] * 8, memory=2**27)
    assert all(isinstance(process, int) for process in processes), processes
    assert len(set(processes)) >= 3


def test_a_slow_task_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr("kce.system.worker_pool._SLOW", 0.6)
    results(tmp_path, [("sleep", 0), ("sleep", 2.5)], on_slow=lambda task, seconds: told.append((task, seconds)))
    assert [task for task, _ in told] == [("sleep", 2.5)]
    assert told[0][1] >= 0.6


def test_what_a_process_lacks_has_its_own_name(tmp_path: Path) -> None:
    with pytest.raises(MachineFault, match="too little memory"):
        results(tmp_path, [("raise", MemoryError())])
    with pytest.raises(MachineFault, match="too little memory"):
        Workers(1, make_nothing, ())
    with pytest.raises(ZeroDivisionError):
        results(tmp_path, [("raise", ZeroDivisionError())])


def test_there_are_as_many_workers_as_memory_allows() -> None:
    assert default_worker_count(2**62) == 1
    assert 1 <= default_worker_count(1) == min(os.cpu_count() or 1, 8)
