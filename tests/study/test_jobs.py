"""What the processes of a study tell it."""

from __future__ import annotations

import logging

import pytest

from kce.cli.console import study_board
from kce.study.scheduler import Task
from kce.system.job import Job
from kce.system.signals import capturing_log


def test_only_warnings_of_kce_are_kept() -> None:
    log = logging.getLogger("kce.pipeline.run")
    said: list[str] = []
    with capturing_log(said.append, logging.WARNING):
        log.warning("be careful with %s", "this")
        log.info("all is well")
    log.warning("later")
    assert said == ["be careful with this"]


def test_the_board_shows_warnings_under_their_job(capsys: pytest.CaptureFixture[str]) -> None:
    tasks = {name: Task(Job(name, "x", {}), state="done", seconds=2) for name in ("one", "two")}
    tasks["two"].result = ["be careful", "and patient"]
    with study_board(lambda _: {}, {}) as tell:
        tell(tasks)
        tell(tasks)
    said = capsys.readouterr().err
    assert "[1/2] done one in 2 s\n[2/2] done two in 2 s\n  note: be careful\n  note: and patient\n" in said
    assert said.count("be careful") == 1
