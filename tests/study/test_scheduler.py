"""The order of jobs, with the real engine of this machine."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kce.errors import KCEError
from kce.registry.registry import Registry
from kce.study.scheduler import Task, run_tasks, seconds_left
from kce.system.job import Job

if TYPE_CHECKING:
    from kce.types import Engine

REGISTRY = Registry.load(Path("/"))


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = REGISTRY.build("engine", "local:runs=2,threads=1")
    yield made
    made.stop()


def work(name: str, folder: str, seconds: float = 0.0, fail: str = "", kill: bool = False) -> str:
    """What a job of these tests does: note its beginning and end, and fail or be killed as requested."""
    at = Path(folder)
    tries = len(list(at.glob(f"{name}.begin*")))
    (at / f"{name}.begin{tries}").write_text(str(time.time()))
    time.sleep(seconds)
    if kill and not tries:
        os.kill(os.getpid(), signal.SIGKILL)
    if fail:
        raise KCEError(fail, "fix it")
    (at / f"{name}.end").write_text(str(time.time()))
    return name


def job(name: str, folder: Path, **more: object) -> Job:
    return Job(name, "tests.study.test_scheduler:work", {"name": name, "folder": str(folder), **more})


def when(folder: Path, name: str) -> float:
    return float((folder / name).read_text())


def test_each_job_starts_after_what_it_needs(engine: Engine, tmp_path: Path) -> None:
    tasks = {
        "c": Task(job("c", tmp_path), ["a", "b"]),
        "a": Task(job("a", tmp_path, seconds=0.3)),
        "b": Task(job("b", tmp_path), ["a"]),
    }
    run_tasks(tasks, engine, lambda _: None)
    assert {task.state for task in tasks.values()} == {"done"}
    assert when(tmp_path, "a.end") <= when(tmp_path, "b.begin0")
    assert when(tmp_path, "b.end") <= when(tmp_path, "c.begin0")
    assert tasks["a"].seconds > 0.2


def test_a_failed_job_stops_those_that_need_it_and_no_other(engine: Engine, tmp_path: Path) -> None:
    tasks = {
        "a": Task(job("a", tmp_path, fail="broken")),
        "b": Task(job("b", tmp_path), ["a"]),
        "c": Task(job("c", tmp_path), ["b"]),
        "d": Task(job("d", tmp_path)),
    }
    run_tasks(tasks, engine, lambda _: None)
    assert {name: task.state for name, task in tasks.items()} == {
        "a": "failed", "b": "failed", "c": "failed", "d": "done",
    }  # fmt: skip
    assert tasks["a"].error == "broken\nhint: fix it"
    assert "needs a" in tasks["b"].error


def test_jobs_that_would_make_the_same_run_one_at_a_time(engine: Engine, tmp_path: Path) -> None:
    tasks = {name: Task(job(name, tmp_path, seconds=0.3), exclusive=lambda: "same") for name in "ab"}
    run_tasks(tasks, engine, lambda _: None)
    assert when(tmp_path, "a.end") <= when(tmp_path, "b.begin0")


def test_a_job_whose_process_is_killed_is_started_again(engine: Engine, tmp_path: Path) -> None:
    tasks = {"a": Task(job("a", tmp_path, kill=True)), "b": Task(job("b", tmp_path, seconds=0.2))}
    run_tasks(tasks, engine, lambda _: None)
    assert {task.state for task in tasks.values()} == {"done"}
    assert (tmp_path / "a.begin1").is_file()


def test_an_interrupt_ends_every_job_and_leaves_them_waiting(engine: Engine, tmp_path: Path) -> None:
    tasks = {name: Task(job(name, tmp_path, seconds=60)) for name in "abc"}

    def interrupt() -> None:
        while len(list(tmp_path.glob("*.begin0"))) < 2:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        run_tasks(tasks, engine, lambda _: None)
    assert not list(tmp_path.glob("*.end"))  # none was waited for
    assert {task.state for task in tasks.values()} == {"waiting"}


def standing(state: str, seconds: float = 0.0, running_for: float = 0.0) -> Task:
    task = Task(Job("x", "x", {}), seconds=seconds)
    task.state = state  # type: ignore[assignment]
    task.started = time.monotonic() - running_for
    return task


def test_the_time_left_is_scaled_by_how_the_finished_jobs_compared() -> None:
    expected = {"a": 10.0, "b": 10.0, "c": 30.0}
    tasks = {"a": standing("waiting"), "b": standing("waiting"), "c": standing("waiting")}
    assert seconds_left(tasks, expected) == pytest.approx(50)
    tasks |= {"a": standing("done", seconds=20), "b": standing("running", running_for=15)}
    assert seconds_left(tasks, expected) == pytest.approx(2 * 10 - 15 + 2 * 30, abs=0.1)
    tasks["c"] = standing("running")
    assert seconds_left(tasks, expected) == pytest.approx((2 * 10 - 15 + 2 * 30) / 2, abs=0.1)


def test_jobs_that_were_done_before_do_not_make_the_others_look_short() -> None:
    tasks = {f"again {n}": standing("done", seconds=1) for n in range(50)} | {"long": standing("running")}
    assert seconds_left(tasks, {"long": 600.0}) == pytest.approx(600, abs=0.1)
    # What nothing is known of is taken to be like those of its kind; what takes longer than that, to be nearly over.
    assert seconds_left(tasks | {"new": standing("waiting")}, {"long": 600.0}) == pytest.approx(601, abs=0.1)
    assert seconds_left({**tasks, "long": standing("running", running_for=900)}, {"long": 600.0}) == 0
    assert seconds_left({"x": standing("done", seconds=1)}, {}) == 0
