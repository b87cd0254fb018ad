"""The reducer that leaves everything as it is."""

from __future__ import annotations

import numpy as np

from kce import Registry


def test_nothing_changes() -> None:
    x = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    assert np.array_equal(Registry.load().build("reducer", "none").fit_transform(x.copy()), x)
