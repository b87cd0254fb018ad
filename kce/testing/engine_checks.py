"""What engines promise: where the runs of a study are done."""

from __future__ import annotations

import os
import tempfile
import time
from concurrent.futures import Future
from pathlib import Path

from kce.errors import BrokenPromise, KCEError
from kce.system.job import Job
from kce.testing.base import Subject, promise
from kce.testing.probes import ask, made, question


@promise("engine")
def slots(subject: Subject) -> None:
    """It says how many jobs can be at work at a time: a whole number from 1 on."""
    with made(subject) as engine:
        if not isinstance(engine.slots, int) or engine.slots < 1:
            raise BrokenPromise("", f"its slots are {engine.slots!r}")


@promise("engine")
def futures(subject: Subject) -> None:
    """A job handed out gives a concurrent.futures.Future at once, and through it what the job returns."""
    with made(subject) as engine:
        if not isinstance(engine.submit(Job("text", "json:dumps", {"obj": 1})), Future):
            raise BrokenPromise("", "it gives no concurrent.futures.Future")
        if ask("engine", engine, question(subject, engine)) != ["[1, null]", 3.5]:
            raise BrokenPromise("", "jobs do not give what they return")


@promise("engine")
def elsewhere(subject: Subject) -> None:
    """Jobs are done in other processes than the study's own."""
    with made(subject) as engine:
        if engine.submit(Job("where", "os:getpid", {})).result() == os.getpid():
            raise BrokenPromise("", "it does a job in the process that hands it out")


@promise("engine")
def errors(subject: Subject) -> None:
    """What a job raises comes out of its future, the hint of a KCEError too, and other jobs go on."""
    with made(subject) as engine:
        bad = engine.submit(Job("bad", "kce.registry.specs:parse_spec", {"spec": ":"}))
        good = engine.submit(Job("good", "json:dumps", {"obj": 1}))
        error = bad.exception()
        if not isinstance(error, KCEError) or not error.hint:
            raise BrokenPromise("", f"of a KCEError with a hint it makes {error!r}")
        if good.result() != "1":
            raise BrokenPromise("", "after a job that fails others do not give what they return")


@promise("engine")
def lost_workers(subject: Subject) -> None:
    """A job whose process ends again and again fails with an error; those after it are done all the same."""
    with made(subject) as engine:
        lost = engine.submit(Job("lost", "os:_exit", {"status": 3})).exception()
        if lost is None:
            raise BrokenPromise("", "a job that ended its process is called done")
        if engine.submit(Job("next", "json:dumps", {"obj": 1})).result() != "1":
            raise BrokenPromise("", "after a process was lost it does no more jobs")


@promise("engine")
def stops(subject: Subject) -> None:
    """`stop` ends every job at work, waits for them, and returns; asked twice it does nothing more."""
    with made(subject) as engine, tempfile.TemporaryDirectory() as folder:
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
            raise BrokenPromise("", "a job is still open after `stop`")
        if not future.cancelled() and future.exception() is None:
            raise BrokenPromise("", "a job that was ended is called done")
