"""How commands end: a law over all of them."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from kce.cli.endings import CONTINUES, STARTS_AGAIN
from kce.cli.main import app
from kce.errors import KCEError
from kce.system import package_files

STARTS = {
    "demo": ([], CONTINUES),
    "scan": (["folder", "--root", "."], STARTS_AGAIN),
    "cut": (["folder", "--root", ".", "--to", "f"], CONTINUES),
    "pack": (["f", "--to", "p"], CONTINUES),
    "run": (["r"], CONTINUES),
    "score": (["f.h5:/known"], STARTS_AGAIN),
    "study": (["sun2023", "--to", "s"], CONTINUES),
    "report": (["r"], STARTS_AGAIN),
    "audit": (["f.h5:/known"], STARTS_AGAIN),
    "trace": (["r", "photo.jpg"], f"{STARTS_AGAIN}; with --to it would continue"),
    "trace r photo.jpg": (["--to", "t"], CONTINUES),
    "list": ([], STARTS_AGAIN),
    "show": (["clusterer", "kmeans"], STARTS_AGAIN),
    "check": (["clusterer"], STARTS_AGAIN),
    "new": (["clusterer", "mine"], STARTS_AGAIN),
    "docs": ([], STARTS_AGAIN),
    "bench clusterers": ([], f"{STARTS_AGAIN}; with --to it would continue"),
    "bench clusterers --to b": ([], CONTINUES),
    "bench tracers": ([], f"{STARTS_AGAIN}; with --to it would continue"),
    "bench aligners": (["--to", "b"], CONTINUES),
    "bench compare": (["a", "b"], STARTS_AGAIN),
    "study sun2023 --dry-run": ([], STARTS_AGAIN),
    "init run": ([], STARTS_AGAIN),
    "init study": ([], STARTS_AGAIN),
}
"""Command -> words that it can be started with, and what becomes of its work when it is interrupted."""


def commands() -> Iterator[tuple[str, Any]]:
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        yield from ((f"{name} {under}", part) for under, part in inner.items()) if inner else ((name, command),)


COMMANDS = dict(commands())
AS_JSON = [name for name, command in COMMANDS.items() if any(p.name == "as_json" for p in command.params)]


@pytest.fixture
def raising(at: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Call a command in which an error is raised as soon as it begins."""

    def call(error: BaseException, *words: str) -> Any:
        def fail() -> None:
            raise error

        def leave(status: int) -> None:
            raise SystemExit(status)

        monkeypatch.setattr(package_files, "tolerate_broken_packages", fail)
        monkeypatch.setattr(os, "_exit", leave)
        return CliRunner().invoke(app, list(words), prog_name="kce")

    return call


def test_the_words_of_all_commands_are_known() -> None:
    assert set(COMMANDS) <= set(STARTS)
    assert set(AS_JSON) >= {name for name in COMMANDS if not name.startswith("init")}


@pytest.mark.parametrize("name", STARTS)
def test_what_a_command_says_when_it_is_interrupted_is_true_of_it(name: str, raising: Any) -> None:
    words, after = STARTS[name]
    done = raising(KeyboardInterrupt(), *name.split(), *words)
    assert (done.exit_code, done.stdout, done.stderr) == (130, "", f"interrupted; {after}\n")


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (KCEError("it is wrong", "do this"), 2, "it is wrong"),
        (OSError(errno.ENOSPC, "No space left on device", "f"), 2, "f: the disk is full"),
        (UnicodeEncodeError("utf-8", "a\udcff", 1, 2, "no"), 2, "not valid UTF-8"),
        (ZeroDivisionError("ours"), 1, "ZeroDivisionError: ours"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
@pytest.mark.parametrize("name", AS_JSON)
def test_with_json_a_failure_is_one_document_too(
    name: str, error: BaseException, status: int, said: str, raising: Any
) -> None:
    done = raising(error, *name.split(), *STARTS[name][0], "--json")
    answer = json.loads(done.stdout)
    assert done.exit_code == status
    assert set(answer) == {"error", "hint"}
    assert answer["error"].startswith(said)
    assert answer["hint"]
    if status == 2:
        assert done.stderr == f"error: {answer['error']}\nhint: {answer['hint']}\n"


@pytest.mark.parametrize("name", AS_JSON)
@pytest.mark.parametrize("stray", ["--no-such-option", "--seed=x", "stray words that it lacks"])
def test_with_json_wrong_words_are_answered_with_one_document(name: str, stray: str, at: Any) -> None:
    words = [word for word in STARTS[name][0] if stray.startswith("--")]
    done = CliRunner().invoke(app, [*name.split(), *words, "--json", stray], prog_name="kce")
    assert done.exit_code == 2
    answer = json.loads(done.stdout)
    assert set(answer) == {"error", "hint"}
    assert done.stderr == f"error: {answer['error']}\nhint: {answer['hint']}\n"


@pytest.mark.parametrize("words", ["--json", "nothing --json", "bench --json", "bench nothing --json", ""])
def test_words_that_name_no_command(words: str) -> None:
    done = CliRunner().invoke(app, words.split(), prog_name="kce")
    assert done.exit_code == 2
    if words:
        assert set(json.loads(done.stdout)) == {"error", "hint"}
    else:
        assert "Commands:" in done.stdout + done.stderr


@pytest.mark.parametrize("name", ["", "bench", "init", *COMMANDS])
def test_h_is_help_everywhere(name: str) -> None:
    short, long = (CliRunner().invoke(app, [*name.split(), option], prog_name="kce") for option in ("-h", "--help"))
    assert short.exit_code == 0
    assert short.stdout == long.stdout
    assert re.search(r"-h, --help +Show this message and exit", short.stdout)
