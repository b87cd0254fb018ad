"""The nearest faces of a face."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kce.report import neighbours
from kce.report.neighbours import nearest_of_other_recordings
from kce.types import Features


def rows(seed: int, n: int, groups: int) -> Features:
    random = np.random.default_rng(seed)
    group = np.array([f"{number}" if number else "" for number in random.integers(0, groups, n)])
    x = random.normal(0, 1, (n, 3)).astype(np.float32) + 1e3  # far from 0, where squares lose digits
    return Features(np.array([f"f{number}" for number in range(n)]), np.full(n, "A_X"), group, x)


@given(seed=st.integers(0, 99), n=st.integers(1, 40), groups=st.integers(1, 6), count=st.integers(1, 6))
def test_no_row_of_another_recording_is_nearer(seed: int, n: int, groups: int, count: int) -> None:
    given_rows = rows(seed, n, groups)
    found = nearest_of_other_recordings(given_rows, count)
    x, recording = given_rows.x.astype(np.float64), given_rows.recording
    for row in range(n):
        distance = np.linalg.norm(x - x[row], axis=1)
        others = np.sort(distance[recording != recording[row]])[:count]
        near = found.row[row][found.row[row] >= 0]
        assert len(set(near.tolist())) == len(near) == len(others)
        assert (recording[near] != recording[row]).all()
        assert np.allclose(distance[near], others, rtol=1e-5)
        assert np.allclose(found.distance[row][: len(near)], others, rtol=1e-5)
        assert np.isinf(found.distance[row][len(near) :]).all()


def test_batches_change_nothing(monkeypatch: object) -> None:
    given_rows, whole = rows(0, 50, 9), nearest_of_other_recordings(rows(0, 50, 9))
    monkeypatch.setattr(neighbours, "_ROWS_AT_ONCE", 7)  # type: ignore[attr-defined]
    assert (nearest_of_other_recordings(given_rows).row == whole.row).all()
