"""The parts that leave everything as it is."""

from __future__ import annotations

import numpy as np

from kce import Features, Registry


def test_nothing_changes() -> None:
    x = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    names = np.array(list("abcde"))
    registry = Registry.load()
    assert np.array_equal(registry.build("reducer", "none").fit_transform(x.copy()), x)
    assert np.array_equal(registry.build("aligner", "none").align(Features(names, names, names, x.copy())), x)
