"""What the processes of a study tell it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from kce.api.progress import shown_jobs
from kce.study.jobs import JobResult, progress_path
from kce.study.scheduler import Task
from kce.study.study import _job_state
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
    tasks["two"].result, tasks["two"].machine = JobResult("node7", ("be careful", "and patient")), "node7"
    with shown_jobs(True, lambda _: {}, {}) as tell:
        tell(tasks)
        tell(tasks)
    said = capsys.readouterr().err
    assert "[1/2] done one in 2 s\n[2/2] done two on node7 in 2 s\n  note: be careful\n  note: and patient\n" in said
    assert said.count("be careful") == 1


def test_the_state_of_a_job_names_its_machine_and_what_it_does(tmp_path: Path) -> None:
    task = Task(Job("one", "x", {"folder": str(tmp_path), "table": "known", "rows": [0, 9]}), state="running")
    assert (_job_state(task).machine, _job_state(task).doing) == ("", "")  # nothing is known yet
    path = progress_path(task.job.parameters)
    path.parent.mkdir(parents=True)
    path.write_text('{"machine": "node7", "what": "features /known", "done": 1, "total": 9}')
    assert (_job_state(task).machine, _job_state(task).doing) == ("node7", "features /known")
    path.unlink()
    task.state, task.error = "failed", "broken"
    assert (_job_state(task).machine, _job_state(task).doing) == ("node7", "")  # the last that was seen at it
    task.state, task.result = "done", JobResult("node8", ("be careful",))
    assert (_job_state(task).machine, _job_state(task).warnings) == ("node8", ("be careful",))
