"""Standard streams of every kind, and Ctrl-C at every moment: no traceback, and no work is lost for them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

Kce = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="streams as POSIX has them")


def pictures(at: Path) -> None:
    for label in ("real", "조작"):
        for number in range(2):
            (at / "tree" / label).mkdir(parents=True, exist_ok=True)
            _, png = cv2.imencode(".png", np.full((64, 64, 3), 90 + number, np.uint8))
            (at / "tree" / label / f"{number}.png").write_bytes(png.tobytes())


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_names_that_the_encoding_does_not_have_end_no_command(at: Path, kce: Kce, encoding: str) -> None:
    pictures(at)
    coded = {"PYTHONIOENCODING": encoding}
    done = kce("cut", "folder", "--root", "tree", "--to", "faces", "--detector", "whole", "--workers", "1", env=coded)
    assert done.returncode == 0, done.stderr
    assert ("조작" if encoding == "utf-8" else "\\uc870\\uc791") in done.stdout


def test_json_is_ascii_and_the_same_in_every_encoding(at: Path, kce: Kce) -> None:
    pictures(at)
    answers = [
        kce("scan", "folder", "--root", "tree", "--json", env={"PYTHONIOENCODING": encoding}).stdout
        for encoding in ("ascii", "utf-8")
    ]
    assert answers[0] == answers[1]
    assert answers[0].isascii()
    assert "tree_조작" in json.loads(answers[0])["by_category"]


SHELL = [
    (">&-", 0),  # nobody wants to know
    (">&- 2>&- <&-", 0),
    ("> /dev/full", 2),
    ("| true", 0),  # the status of a pipe is that of its last command
    ("2> /dev/full", 0),
]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize(("redirection", "status"), SHELL)
@pytest.mark.parametrize("words", ["docs errors", "--help"])
def test_streams_that_cannot_be_written_to(at: Path, words: str, redirection: str, status: int) -> None:
    command = f"{sys.executable} -m kce {words} {redirection}"
    done = subprocess.run(["sh", "-c", command], cwd=at, capture_output=True, text=True, timeout=100, check=False)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    if words == "--help" or status == 0:
        assert done.returncode in (status, 2), done.stderr


def test_ctrl_c_while_everything_is_loaded_leaves_no_traceback(at: Path) -> None:
    ends = []
    for delay in (0.03, 0.06, 0.1, 0.2, 0.4):
        process = subprocess.Popen(
            [sys.executable, "-m", "kce", "list", "--json"],
            cwd=at,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        answer, said = process.communicate(timeout=60)
        # The first moments are the interpreter's own: it ends by the signal, or with a traceback from its own start.
        if "kce/cli/main" in said or process.returncode == 130:
            assert "Traceback" not in said, (delay, said)
            assert json.loads(answer)["error"] == "interrupted"
            ends.append(process.returncode)
    assert set(ends) <= {130, 0}, ends


@pytest.mark.skipif(sys.platform == "darwin", reason="names of bytes")
@pytest.mark.parametrize("command", ["run", "cut", "scan", "study", "report", "bench"])
def test_a_folder_whose_name_is_not_utf8_works_or_is_refused(at: Path, kce: Kce, command: str) -> None:
    pictures(at)
    odd = os.fsdecode(b"f\xff")
    (at / "tree").rename(at / odd)
    words = {
        "run": ["run", odd, "--faces", "x", "--unknown", "y"],
        "cut": ["cut", "folder", "--root", odd, "--to", "faces", "--detector", "whole", "--workers", "1"],
        "scan": ["scan", "folder", "--root", odd, "--csv", "out.csv"],
        "study": ["study", "sun2023", "--faces", odd, "--to", odd],
        "report": ["report", odd],
        "bench": ["bench", "clusterers", "--to", odd, "--world", "small", "--clusterer", "birch"],
    }[command]
    done = kce(*words)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode in (0, 2)
    if done.returncode == 2:
        assert "hint:" in done.stderr
