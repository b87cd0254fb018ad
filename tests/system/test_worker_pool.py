"""Worker processes and the death of their parent."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tests.conftest import REPOSITORY

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
