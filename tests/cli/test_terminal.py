"""Names of others on a terminal and in pipes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from kce.cli import console

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
