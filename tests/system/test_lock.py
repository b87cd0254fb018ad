"""Locks between processes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from kce.errors import BadData, KCEError, MachineFault, Refused
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


def test_a_lock_that_is_waited_for_is_taken_when_it_is_free(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with file_lock(tmp_path / "x.lock", None):
            order.append("second")

    with file_lock(tmp_path / "x.lock", None):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(timeout=0.3)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


# File systems without locks ------------------------------------------------------------------------------------------

NO_LOCKS = """
import errno, fcntl, os, sys, time
from pathlib import Path

def fails(*_):
    raise OSError(int(sys.argv[2]), os.strerror(int(sys.argv[2])))

fcntl.flock = fails
from kce.errors import KCEError
from kce.system.lock import folder_lock

try:
    with folder_lock(Path(sys.argv[1]), "run"):
        print("locked", flush=True)
        time.sleep(float(sys.argv[3]))
except KCEError as error:
    print(error.message, flush=True)
"""


def on_a_file_system_without_locks(folder: Path, number: int, seconds: float) -> list[str | Path]:
    return [sys.executable, "-c", NO_LOCKS, str(folder), str(number), str(seconds)]


@pytest.mark.skipif(sys.platform == "win32", reason="flock")
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_without_locks_of_the_file_system_another_one_holds(tmp_path: Path, number: int) -> None:
    words = on_a_file_system_without_locks(tmp_path, number, 60)
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        second = subprocess.run(
            on_a_file_system_without_locks(tmp_path, number, 0),
            check=True,
            capture_output=True,
            text=True,
            cwd=REPOSITORY,
        )
        assert f"another kce is writing in {tmp_path}: run, process {holder.pid} on" in second.stdout
        holder.kill()
    third = subprocess.run(
        on_a_file_system_without_locks(tmp_path, number, 0), check=True, capture_output=True, text=True, cwd=REPOSITORY
    )
    assert (third.stdout, third.returncode) == ("locked\n", 0), "a killed holder has released it"


@pytest.mark.skipif(sys.platform == "win32", reason="flock")
def test_locks_that_are_lacking_are_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import fcntl

    def fails(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", fails)
    for _ in range(2):
        with folder_lock(tmp_path, "run"):
            pass
    assert caplog.text.count("has no locks") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="flock")
def test_a_lock_that_the_system_refuses_is_told_as_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def fails(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(fcntl, "flock", fails)
    with pytest.raises(MachineFault, match="cannot be locked: the disk or the network"), folder_lock(tmp_path, "run"):
        pass


# Planted files -------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="links and named pipes")
@pytest.mark.parametrize("name", [".lock", ".lock.holder"])
def test_links_in_the_place_of_a_lock_are_not_followed(tmp_path: Path, name: str) -> None:
    (tmp_path / "mine").write_text("mine")
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / name).symlink_to(tmp_path / "mine")
    with pytest.raises(BadData, match="link") as caught, folder_lock(folder, "run"):
        pass
    assert caught.value.hint
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.skipif(sys.platform == "win32", reason="links and named pipes")
def test_a_named_pipe_in_the_place_of_a_lock_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".lock.holder")
    with folder_lock(tmp_path, "run"):
        pass
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / ".lock").unlink()
    (tmp_path / "pipe").rename(tmp_path / ".lock")
    with pytest.raises(BadData, match="special file"), folder_lock(tmp_path, "run"):
        pass


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="names of bytes")
def test_a_folder_whose_name_is_not_utf8_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(KCEError, match="not valid UTF-8"), folder_lock(tmp_path / os.fsdecode(b"f\xff"), "run"):
        pass
