"""Atomic writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from kce.system.atomic import atomic_replace, write_atomic


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
