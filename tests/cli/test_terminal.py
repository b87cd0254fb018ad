"""Names of others on a terminal and in pipes."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.cells import cell_len

from kce.cli import console
from kce.features.store import write_table

Kce = Callable[..., "subprocess.CompletedProcess[str]"]
NAMES = ("A_\x1b[31mred", "A_[bold]b[-bold]", "A_\u202egnp", "A_a\nb", "A_:smile:", "A_\x9b2J", "A_원천")


@pytest.fixture
def tree(at: Path) -> Path:
    """A folder of pictures whose names are hostile."""
    for name in ("real", *NAMES):
        (at / "data" / name).mkdir(parents=True)
        cv2.imwrite(str(at / "data" / name / "0.png"), np.zeros((8, 8, 3), np.uint8))
    return at / "data"


def test_a_scan_prints_no_control_characters(tree: Path, kce: Kce) -> None:
    done = kce("scan", "folder", "--root", tree)
    assert not {character for character in done.stdout + done.stderr if not character.isprintable()} - {"\n"}
    assert "원천" in done.stdout


def test_json_is_ascii_and_holds_the_names_as_they_are(tree: Path, kce: Kce) -> None:
    done = kce("scan", "folder", "--root", tree, "--json")
    assert done.stdout.isascii()
    assert "A_원천" in json.dumps(json.loads(done.stdout), ensure_ascii=False)


def test_what_is_printed_is_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    for name in NAMES:
        console.print_line(name)
        console.say(name)
        console.print_table(["name"], [[name]])
    output = "".join(capsys.readouterr())
    assert not {character for character in output if not character.isprintable()} - {"\n"}
    for shown in ("A_\\x1b[31mred", "A_[bold]b[-bold]", "A_\\u202egnp", "A_a\\nb", "A_:smile:", "A_\\x9b2J", "A_원천"):
        assert shown in output


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal as POSIX has it")
@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["list"], ["affinity-propagation", "Patch-wise_Face_Image_Forensics"]),
        (["list", "dataset"], ["DeepFakeDetection", "pictures, videos"]),
        (["list", "--plugins"], ["kce-toolkit", "Patch-wise_Face_Image_Forensics,"]),
        (["score", "f.h5:/known"], ["calinski_harabasz", "variance_share"]),
        (["docs"], ["interpreting-results"]),
    ],
)
def test_tables_on_a_terminal_of_80_columns_break_no_value(at: Path, words: list[str], values: list[str]) -> None:
    write_features(at / "f.h5")
    status, shown = on_terminal([sys.executable, "-m", "kce", *words], width=80)
    assert status == 0, shown
    assert max(map(cell_len, shown.splitlines())) <= 80
    assert all(value in shown for value in values), shown


def write_features(path: Path) -> None:
    """A table of features of three categories, 20 rows each."""
    label = np.repeat(["A_x", "A_y", "B_x"], 20)
    x = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    key = np.array([f"{number}" for number in range(60)])
    with write_table(path, "known", {"made": "here"}) as writer:
        writer.append(key, label, key, x)
        writer.publish()


def on_terminal(command: list[str], width: int) -> tuple[int, str]:
    """The exit status of a command on a terminal of `width` columns, and what it showed."""
    import fcntl
    import pty
    import struct
    import termios

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, close_fds=True) as process:
        os.close(slave)
        shown = b""
        with contextlib.suppress(OSError):  # how Linux says that nobody writes any more
            while read := os.read(master, 2**16):
                shown += read
        os.close(master)
    return process.returncode, shown.decode().replace("\r\n", "\n")
