from __future__ import annotations

from pathlib import Path

import pytest

from kce.system.atomic import replacing, write_whole


def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_whole(path, b"old")

    def fail() -> None:
        with replacing(path) as part:
            part.write_bytes(b"half of the n")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_holds_the_same_already_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_whole(path, b"same")
    before = path.stat()
    write_whole(path, b"same")
    after = path.stat()  # not all of it: reading moves the time of access
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    write_whole(path, b"some")
    assert path.read_bytes() == b"some"
