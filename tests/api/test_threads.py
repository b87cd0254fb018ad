"""Calls from threads: signals are the main thread's, one random state and one standard output are the process's."""

from __future__ import annotations

import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from threadpoolctl import threadpool_info

import kce
from kce.api.threads import limited_threads
from kce.system.lock import folder_lock
from kce.system.threads import MachineLoad
from tests.support.corpus import UNKNOWN, face_folder


def small(folder: Path, faces: Path, **more: Any) -> Any:
    """A run of seconds."""
    return kce.run(
        folder,
        faces=faces,
        unknown=UNKNOWN,
        backbone="tiny:size=16,width=2",
        reducer="pca:n_components=4",
        **{"epochs": 1, "progress": False, **more},
    )


def test_runs_in_threads_are_those_of_the_main_thread(at: Path) -> None:
    faces = face_folder(at)
    alone = small(at / "alone", faces)
    output = sys.stdout
    with ThreadPoolExecutor(2) as threads:
        both = list(threads.map(lambda name: small(at / name, faces, progress=True), ("one", "two")))
    assert sys.stdout is output
    for made in both:
        assert made.scores == alone.scores
        assert made.plan == alone.plan


def test_a_second_run_in_one_folder_is_refused_by_its_lock(at: Path) -> None:
    faces = face_folder(at)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with folder_lock(at / "r", "run"):
            held.set()
            done.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(60)
    try:
        with pytest.raises(kce.KCEError, match=r"another kce is writing in .*: run, process"):
            small(at / "r", faces)
    finally:
        done.set()
        holder.join()
    assert small(at / "r", faces).scores


def test_an_interrupt_reaches_the_caller_and_the_same_call_continues(at: Path) -> None:
    faces = face_folder(at)
    alone = small(at / "alone", faces, epochs=3)

    def interrupt(what: str, done: int, total: int | None) -> None:
        if done and what == "training first" and not (at / "r" / "first.safetensors.resume").exists():
            signal.raise_signal(signal.SIGINT)  # as Ctrl-C and a notebook's stop button do

    with pytest.raises(KeyboardInterrupt):
        small(at / "r", faces, epochs=3, progress=interrupt)
    assert (at / "r" / "first.safetensors.resume").is_file()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert small(at / "r", faces, epochs=3).scores == alone.scores


def test_limits_in_two_threads_are_undone_whichever_ends_first() -> None:
    before = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS"), threadpool_info()
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with limited_threads(3):
            inside.set()
            leave.wait(60)

    thread = threading.Thread(target=other)
    with limited_threads(2):
        thread.start()
        inside.wait(60)
    assert torch.get_num_threads() == before[0]
    leave.set()
    thread.join()
    assert (torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS"), threadpool_info()) == before


def test_threads_are_limited_and_restored() -> None:
    before = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS"), threadpool_info()
    with limited_threads(2):
        assert torch.get_num_threads() == 2
        assert os.environ["OMP_NUM_THREADS"] == "2"
    with limited_threads("auto"):  # with OMP_NUM_THREADS, as all tests have it
        assert torch.get_num_threads() == before[0]
    assert (torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS"), threadpool_info()) == before
    with pytest.raises(kce.KCEError, match="0 threads"), limited_threads(0):
        pass


def test_on_a_busy_machine_auto_uses_the_free_cores_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("kce.api.threads.measure_load", lambda: MachineLoad(cores=4, quota=4, busy=2.0))
    monkeypatch.delenv("OMP_NUM_THREADS")
    with caplog.at_level("INFO"), limited_threads("auto"):
        assert torch.get_num_threads() == 2
        assert os.environ["OMP_NUM_THREADS"] == "2"
    assert "other programs use 2.0 of 4 cores: threads per process: 2" in caplog.text
    monkeypatch.setattr("kce.api.threads.measure_load", lambda: MachineLoad(cores=4, quota=4, busy=0.1))
    before = torch.get_num_threads()
    with limited_threads("auto"):
        assert torch.get_num_threads() == before


@pytest.mark.parametrize("threads", ["", "0", "-1", "many", "1.5", "²"])
def test_what_is_no_number_of_threads_is_refused(threads: str) -> None:
    with pytest.raises(kce.KCEError, match="threads") as error, limited_threads(threads):
        pass
    assert "from 1, or auto" in error.value.hint
