"""Bars: in a terminal, in a notebook, in two threads, and not at all."""

from __future__ import annotations

import logging
import sys
import threading
from typing import Any

import pytest
from rich.console import Console

from kce.api import progress


def work(show: Any) -> None:
    for done in (1, 2):
        show("cutting <b>\x1b[31m", done, 2)


def test_bars_go_to_standard_error_and_escape_names(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.shown_progress(progress=True) as show:
        work(show)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "cutting <b>\\x1b[31m" in shown.err
    assert "2/2" in shown.err


def test_without_progress_nothing_is_shown_and_a_function_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    said: list[tuple[Any, ...]] = []
    with progress.shown_progress(progress=False) as show:
        work(show)
    with progress.shown_progress(lambda *what: said.append(what)) as show:
        work(show)
    assert [done for _, done, _ in said] == [1, 2]
    assert "".join(capsys.readouterr()) == ""


def test_a_second_thread_shows_no_bars_beside_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    output = sys.stdout, sys.stderr

    def other() -> None:
        with progress.shown_progress(progress=True) as show:
            show("in the other thread", 1, 1)

    with progress.shown_progress(progress=True) as show:
        work(show)
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert (sys.stdout, sys.stderr) == output
    assert "other thread" not in capsys.readouterr().err
    other()
    assert "other thread" in capsys.readouterr().err


def test_warnings_stand_above_the_bars_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("kce"), "propagate", False)  # pytest handles the log of the root
    with progress.shown_progress(progress=True) as show:
        work(show)
        logging.getLogger("kce.x").warning("careful")
        logging.getLogger("kce.x").info("by the way")
    with progress.shown_log(), progress.shown_progress(progress=True) as show:
        logging.getLogger("kce.x").info("all of it")
        work(show)
    shown = capsys.readouterr().err
    assert shown.count("careful") == shown.count("all of it") == 1
    assert "by the way" not in shown


def test_in_a_notebook_the_bars_are_displayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without widgets, where rich alone shows nothing and warns."""
    display = pytest.importorskip("IPython.display")
    sent: list[str] = []

    class Handle:
        def update(self, bars: Any) -> None:
            sent.append(bars._repr_mimebundle_([], [])["text/html"])

    monkeypatch.setattr(display, "display", lambda _, display_id: Handle())
    monkeypatch.setattr(progress, "_console", lambda: Console(stderr=True, force_jupyter=True))
    with progress.shown_progress(progress=True) as show:
        work(show)
    assert "2/2" in sent[-1]
    assert "<b>" not in sent[-1]
