"""Prices of components: what they need is said with numbers, and refused before any work where it is not there."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import numpy as np
import pytest

from kce.errors import KCEError
from kce.registry import isolation, prices
from kce.registry.prices import Growth, check_price, memory_needed
from kce.registry.registry import Registry
from kce.system.memory import available_memory
from tests.conftest import REPOSITORY

LIMITED = """
import resource
import numpy as np
from kce.errors import KCEError
from kce.registry import isolation
from kce.registry.registry import Registry
from kce.system.memory import available_memory
registry = Registry.shipped()
x = np.zeros((20_000, 4), np.float32)
with isolation.component(registry.resolve("clusterer", "agglomerative:n_clusters=2"), registry) as clusterer:
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**29,) * 2)
    assert available_memory() <= 2**29, available_memory()
    clusterer.fit_predict(x[:100])
    try:
        clusterer.fit_predict(x)
    except KCEError as error:
        print(error)
"""


@pytest.fixture
def small_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices, "available_memory", lambda: 2**30)


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited and counted as Linux does")
def test_under_a_limit_of_the_shell_a_clusterer_of_all_pairs_says_what_it_needs() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    said, hint = done.stdout.splitlines()
    assert said.startswith("the clusterer agglomerative needs 2.98 GiB of memory for 20,000 rows of 4 features, and 0.")
    assert said.endswith("its memory grows with the power 2 of the rows")
    assert "--vote means" in hint


def test_available_memory_is_never_below_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (2**20, 2**20))  # less than the process has already
    assert available_memory() == 0


def test_a_price_grows_as_declared() -> None:
    one, four = (memory_needed(n, 64, Growth(memory=2), 0) for n in (10_000, 40_000))
    assert four == 16 * one
    assert memory_needed(10_000, 64, Growth(), 0) == 0  # what is there already costs nothing
    assert memory_needed(10_000, 64, Growth(time=2), 3) == 3 * 10_000 * 64 * 4
    assert memory_needed(10**6, 1, Growth(memory=2, up_to=500), 0) == memory_needed(500, 1, Growth(memory=2), 0)


@pytest.mark.usefixtures("small_machine")
@pytest.mark.parametrize("kind", ["aligner", "reducer", "clusterer", "evaluator"])
def test_too_little_memory_is_said_with_numbers_and_a_way_out(kind: str) -> None:
    check_price(kind, "mine", 11_000, 64, Growth(memory=2))
    check_price(kind, "mine", 540_000, 2048, Growth(memory=1))
    with pytest.raises(KCEError, match=r"needs 4.12 GiB of memory for 540,000 rows of 2,048 .* 1.00 GiB are") as raised:
        check_price(kind, "mine", 540_000, 2048, Growth(), copies=1)
    assert raised.value.hint
    with pytest.raises(KCEError, match=r"the .* mine needs 1.07 GiB .*; its memory grows with the power 2 of the rows"):
        check_price(kind, "mine", 12_000, 64, Growth(memory=2))


def test_only_clusterers_of_all_pairs_cannot_take_a_million_rows() -> None:
    registry = Registry.shipped()
    refused = {
        name
        for kind in ("aligner", "reducer", "clusterer", "evaluator")
        for name in registry.names(kind)
        if memory_needed(10**6, 2, Growth.declared(registry.component(kind, name).factory), 0) > 2**30
    }
    assert refused == {"agglomerative", "cannot-link", "affinity-propagation", "spectral"}


def test_rows_are_priced_before_a_component_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry.shipped()
    x = np.zeros((3000, 2), np.float32)
    with isolation.component(registry.resolve("clusterer", "affinity-propagation"), registry) as clusterer:
        monkeypatch.setattr(prices, "available_memory", lambda: 2**26)
        with pytest.raises(KCEError, match=r"affinity-propagation needs 0.07 GiB of memory for 3,000 rows of 2"):
            clusterer.fit_predict(x)


def test_what_is_declared_is_checked() -> None:
    assert Growth.declared(dict) == Growth(1, 1)
    for growth in ("n2", {"memory": "2"}, {"memory": True}, {"memory": -1}, {"memory": float("nan")}, {"space": 2}, 2):

        class Declares:
            pass

        Declares.growth = growth  # type: ignore[attr-defined]
        with pytest.raises(KCEError, match=r"attribute `growth` of .*Declares is") as raised:
            Growth.declared(Declares)
        assert "growth = {" in raised.value.hint
