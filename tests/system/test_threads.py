"""How many threads are chosen."""

from __future__ import annotations

import multiprocessing
import time

from hypothesis import given
from hypothesis import strategies as st

from kce.system.threads import MachineLoad, choose_threads, measure_load

CORES = st.integers(1, 256)
SHARES = st.floats(0, 1)


@given(CORES, SHARES, SHARES)
def test_there_is_always_one_and_never_more_than_cores_are_free(cores: int, quota: float, busy: float) -> None:
    load = MachineLoad(cores, quota * cores, busy * cores)
    chosen = choose_threads(load)
    assert 1 <= chosen.threads <= cores
    assert chosen.threads == 1 or chosen.threads <= min(load.quota, cores - load.busy) + 0.25
    assert bool(chosen.reason) == (chosen.threads < cores)


@given(CORES, SHARES, SHARES, SHARES)
def test_a_busier_machine_never_gets_more(cores: int, quota: float, one: float, other: float) -> None:
    few, many = (
        choose_threads(MachineLoad(cores, quota * cores, busy * cores)).threads
        for busy in (max(one, other), min(one, other))
    )
    assert few <= many


@given(CORES)
def test_an_idle_machine_gets_a_thread_for_each_core(cores: int) -> None:
    assert choose_threads(MachineLoad(cores, cores, 0.2)).threads == cores


def test_the_load_is_that_of_other_processes() -> None:
    load = measure_load()
    assert 0 <= load.busy <= load.cores
    assert 0 < load.quota <= load.cores
    spinning = multiprocessing.get_context("spawn").Process(target=_spin, args=(time.monotonic() + 20,), daemon=True)
    spinning.start()
    try:
        until = time.monotonic() + 10
        while measure_load().busy < 0.5 and time.monotonic() < until:
            time.sleep(0.1)
        assert measure_load().busy >= 0.5
    finally:
        spinning.kill()
        spinning.join()


def _spin(until: float) -> None:
    while time.monotonic() < until:
        pass
