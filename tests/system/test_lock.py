"""Locks between processes."""

from __future__ import annotations

import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from kce.errors import KCEError, Refused
from kce.system.lock import file_lock, folder_lock
from tests.conftest import REPOSITORY

HOLDER = """
import sys, time
from pathlib import Path
from kce.system.lock import folder_lock

with folder_lock(Path(sys.argv[1]), "run"):
    print("locked", flush=True)
    time.sleep(60)
"""


def test_the_message_names_the_holder_and_a_killed_holder_releases_the_lock(tmp_path: Path) -> None:
    words = [sys.executable, "-c", HOLDER, tmp_path]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        busy = rf"another kce is writing in .*: run, process {other.pid} on .*, since 20"
        with pytest.raises(KCEError, match=busy), folder_lock(tmp_path, "run"):
            pass
        other.kill()
    with folder_lock(tmp_path, "run"):
        assert (tmp_path / ".lock.holder").is_file()
    assert not (tmp_path / ".lock.holder").exists()


def test_a_held_file_lock_raises_the_error_of_its_caller(tmp_path: Path) -> None:
    def lock() -> AbstractContextManager[None]:
        return file_lock(tmp_path / "x.lock", lambda: Refused("the file is being written"))

    with lock(), pytest.raises(Refused, match="being written"), lock():
        pass
    with lock():
        pass
