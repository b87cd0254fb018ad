"""The checks of engines, which run jobs in other processes."""

from __future__ import annotations

import os
import tempfile
import time
from concurrent.futures import Future
from pathlib import Path

from kce.errors import KCEError
from kce.system.job import Job
from kce.testing.base import Failure, Subject, check
from kce.testing.probes import built, call_component, small_input


@check("engine")
def slots(subject: Subject) -> None:
    """Its attribute `slots` is the number of jobs that can run at the same time: an integer of at least 1."""
    with built(subject) as engine:
        if not isinstance(engine.slots, int) or engine.slots < 1:
            raise Failure(f"its slots are {engine.slots!r}")


@check("engine")
def futures(subject: Subject) -> None:
    """`submit` returns a concurrent.futures.Future at once, whose result is what the job returns."""
    with built(subject) as engine:
        if not isinstance(engine.submit(Job("text", "json:dumps", {"obj": 1})), Future):
            raise Failure("`submit` does not return a concurrent.futures.Future")
        if call_component("engine", engine, small_input(subject, engine)) != ["[1, null]", 3.5]:
            raise Failure("the results of futures are not what the jobs return")


@check("engine")
def other_process(subject: Subject) -> None:
    """Jobs run in other processes than the one that submits them."""
    with built(subject) as engine:
        if engine.submit(Job("where", "os:getpid", {})).result() == os.getpid():
            raise Failure("a job runs in the process that submits it")


@check("engine")
def errors(subject: Subject) -> None:
    """What a job raises is the exception of its future, with the hint of a KCEError, and other jobs continue."""
    with built(subject) as engine:
        bad = engine.submit(Job("bad", "kce.registry.specs:parse_spec", {"spec": ":"}))
        good = engine.submit(Job("good", "json:dumps", {"obj": 1}))
        error = bad.exception()
        if not isinstance(error, KCEError) or not error.hint:
            raise Failure(f"a KCEError with a hint becomes {error!r}")
        if good.result() != "1":
            raise Failure("after a job that fails, the results of others are not what they return")


@check("engine")
def lost_workers(subject: Subject) -> None:
    """A job whose process ends at every attempt fails with an error; the jobs after it run all the same."""
    with built(subject) as engine:
        lost = engine.submit(Job("lost", "os:_exit", {"status": 3})).exception()
        if lost is None:
            raise Failure("a job that ended its process counts as done")
        if engine.submit(Job("next", "json:dumps", {"obj": 1})).result() != "1":
            raise Failure("after a process was lost, it runs no more jobs")


@check("engine")
def stop(subject: Subject) -> None:
    """`stop` ends every running job, waits for them, and returns; a second call does nothing."""
    with built(subject) as engine, tempfile.TemporaryDirectory() as folder:
        begun = Path(folder) / "begun"
        begin = f"import pathlib, time; pathlib.Path({str(begun)!r}).touch()"
        long = {"stmt": "time.sleep(0.05)", "setup": begin, "number": 12000}
        future = engine.submit(Job("long", "timeit:timeit", long))
        while not begun.is_file() and not future.done():
            time.sleep(0.05)
        engine.stop()
        engine.stop()
        subject.engine = None
        if not future.done():
            raise Failure("a job is still running after `stop`")
        if not future.cancelled() and future.exception() is None:
            raise Failure("a job that was stopped counts as done")
