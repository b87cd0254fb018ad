"""Worker processes and the death of their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tests.conftest import REPOSITORY

PARENT = """
import os, sys, time
from pathlib import Path
from kce.workers import Workers

def make(folder):
    def work(number):
        (Path(folder) / f"{os.getpid()}").touch()
        time.sleep(600)
    return work

if __name__ == "__main__":
    with Workers(2, make, (sys.argv[1],), parents=True) as crew:
        crew.submit(0)
        crew.submit(1)
        crew.take()
"""


def test_workers_end_with_a_parent_that_is_killed_in_the_midst_of_their_tasks(tmp_path: Path) -> None:
    script, told = tmp_path / "parent.py", tmp_path / "told"
    script.write_text(PARENT, encoding="utf-8")
    told.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen([sys.executable, script, told], env=environment) as parent:
        try:
            while len(list(told.iterdir())) < 2:
                assert parent.poll() is None
            workers = [psutil.Process(int(path.name)) for path in told.iterdir()]
        finally:
            parent.send_signal(signal.SIGKILL)
    assert psutil.wait_procs(workers, timeout=30)[1] == []
