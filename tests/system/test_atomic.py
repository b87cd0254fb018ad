"""Atomic writes."""

from __future__ import annotations

import os
import sys
from itertools import count
from pathlib import Path

import pytest

from kce.system import atomic
from kce.system.atomic import atomic_replace, remove_leftovers, write_atomic
from kce.system.regular import NotRegular


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_atomic(path, b"old")

    def fail() -> None:
        with atomic_replace(path) as part:
            part.write_bytes(b"half of the n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_with_the_same_content_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_atomic(path, b"same")
    before = path.stat()
    write_atomic(path, b"same")
    after = path.stat()  # not all of it: reading moves the time of access
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    write_atomic(path, b"some")
    assert path.read_bytes() == b"some"


def test_two_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "a"
    with atomic_replace(path) as first, atomic_replace(path) as second:
        first.write_bytes(b"first")
        second.write_bytes(b"second")
    assert path.read_bytes() == b"first"  # the outer block ends last
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("mine")
    (tmp_path / "a").symlink_to("outside")
    write_atomic(tmp_path / "a", b"new")
    assert ((tmp_path / "outside").read_text(), (tmp_path / "a").read_text()) == ("mine", "new")
    assert not (tmp_path / "a").is_symlink()


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_a_planted_temporary_file_is_not_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic, "_NAMES", count())
    planted = tmp_path / f".kce-{os.getpid()}-{atomic._SECRET}-0.part"
    (tmp_path / "outside").write_text("mine")
    planted.symlink_to("outside")
    write_atomic(tmp_path / "a", b"new")
    assert ((tmp_path / "outside").read_text(), (tmp_path / "a").read_text()) == ("mine", "new")
    assert planted.is_symlink()


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="devices")
def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "null").symlink_to("/dev/null")
    for path in (Path("/dev/null"), tmp_path / "null"):
        with pytest.raises(NotRegular, match="is a device"):
            write_atomic(path, b"new")
    assert Path("/dev/null").is_char_device()


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes")
def test_a_named_pipe_in_the_place_of_a_file_is_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    write_atomic(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "a.part").write_text("not ours")
    (tmp_path / ".kce-12-0a0b0c0d.part").write_text("half")
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.part"]
