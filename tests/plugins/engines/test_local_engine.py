"""The engine of this machine: how it shares out what there is. Kills and interrupts: ``tests/test_schedule.py``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kce import Job, KCEError, Registry

REGISTRY = Registry.load(Path("/"))


def asked(name: str) -> Job:
    return Job(name, "os:getenv", {"key": name})


def test_on_gpus_there_is_one_run_for_each_and_it_sees_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    engine = REGISTRY.build("engine", "local")
    try:
        assert engine.slots == 2
        both = [engine.submit(asked("CUDA_VISIBLE_DEVICES")) for _ in range(2)]
        assert sorted(future.result() for future in both) == ["0", "1"]
    finally:
        engine.stop()


def test_without_a_gpu_cores_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    engine = REGISTRY.build("engine", "local")
    assert engine.slots == 6
    engine.stop()
    engine = REGISTRY.build("engine", "local:runs=2")
    try:
        assert engine.submit(asked("OMP_NUM_THREADS")).result() == "3"
    finally:
        engine.stop()


def test_what_a_job_raises_comes_back_with_its_hint() -> None:
    engine = REGISTRY.build("engine", "local:runs=1")
    try:
        with pytest.raises(KCEError, match="no such study") as error:
            engine.submit(Job("x", "kce.study.study_file:read_study", {"named": "no such study"})).result()
        assert "path of a study" in error.value.hint
    finally:
        engine.stop()


@pytest.mark.parametrize("spec", ["local:runs=-1", "local:threads=-1", "ray:runs=-1", "ray:threads=0"])
def test_numbers_that_cannot_be_are_refused(spec: str) -> None:
    with pytest.raises(KCEError, match="numbers from"):
        REGISTRY.build("engine", spec)


def test_a_job_whose_process_is_just_starting_does_not_begin_once_it_is_stopped(tmp_path: Path) -> None:
    engine = REGISTRY.build("engine", "local:runs=1")
    begun = tmp_path / "begun"
    job = Job("long", "timeit:timeit", {"setup": f"open({str(begun)!r}, 'w')", "stmt": "", "number": 1})
    future = engine.submit(job)
    while not future.running():
        pass
    engine.stop()
    assert isinstance(future.exception(), KeyboardInterrupt)
    assert not begun.exists()
