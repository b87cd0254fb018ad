"""Only regular files are opened, and nothing is followed out of a folder."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kce.errors import BadData
from kce.system.regular import (
    NotRegular,
    append_regular,
    make_folder_inside,
    open_regular,
    read_regular,
    read_regular_text,
    require_file_inside,
    require_inside,
    require_regular,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="named pipes and links as POSIX has them")


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


SPECIAL: dict[str, Callable[[Path], object]] = {
    "a named pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a socket": make_socket,
    "a device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("what", SPECIAL)
@pytest.mark.parametrize("use", [open_regular, append_regular, read_regular, read_regular_text, require_regular])
def test_anything_but_a_file_is_named_and_not_opened(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, what: str, use: Callable[[Path], object]
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("s"))  # the path of a socket must be short
    SPECIAL[what](Path("x"))
    with pytest.raises(NotRegular, match=f"x is {what}, not a file") as caught:
        use(Path("x"))
    assert caught.value.hint


def test_files_are_read_and_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for text in (b"one\r\n", b"two\n"):
        with append_regular(path) as file:
            file.write(text)
    assert read_regular(path) == b"one\r\ntwo\n"
    assert read_regular_text(path) == "one\ntwo\n"
    with pytest.raises(BadData, match="too large"):
        read_regular(path, limit=8)
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "b")


def test_a_link_out_of_a_folder_is_refused_and_one_inside_is_not(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "file").write_text("x")
    for name, target in (("up", ".."), ("away", outside), ("loop", "loop"), ("gone", outside / "gone")):
        (inside / name).symlink_to(target)
    (inside / "same").symlink_to("file")
    require_inside(inside, "file", "same", "new/file", "..in")
    require_file_inside(inside, "same")
    for name in ("up", "away/file", "gone", "away"):
        with pytest.raises(NotRegular, match="leads out of"):
            require_inside(inside, name)
    with pytest.raises(NotRegular, match="leads out of"):
        make_folder_inside(inside, "away")
    (inside / "far").symlink_to(outside / "file")
    with pytest.raises(NotRegular, match="leads out of"):
        require_file_inside(inside, "far")


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert make_folder_inside(tmp_path / "link", "a").is_dir()
    require_inside(tmp_path / "link", "a/b")
