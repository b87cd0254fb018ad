"""What a benchmark of tracers traces: neither unseen methods nor traced recordings reach the fit or the calibration."""

from __future__ import annotations

import numpy as np
import pytest

from kce import BadData, Features
from kce.bench.tracer_trials import CALIBRATE, FIT, TRACED, Trial, join_rows, split_rows


def trial(methods: int, seed: int, recordings: int = 40) -> Trial:
    label = np.repeat([f"A_m{n}" for n in range(methods)] + ["A_real"], recordings * 2)
    group = np.tile(np.repeat([f"A:{n}" for n in range(recordings)], 2), methods + 1)
    key = np.array([f"A/{n}" for n in range(len(label))])
    method = np.where(label == "A_real", "", label)
    return split_rows(Features(key, label, group, np.zeros((len(label), 2), np.float32)), method, seed)


@pytest.mark.parametrize("seed", range(5))
def test_unseen_methods_and_recordings_reach_neither_fit_nor_calibration(seed: int) -> None:
    data = trial(8, seed)
    assert len(data.unseen) == 2
    parts = [data.of(part) for part in (FIT, CALIBRATE, TRACED)]
    groups = [set(data.rows.group[rows].tolist()) for rows in parts]
    assert groups[0].isdisjoint(groups[1] | groups[2])
    assert groups[1].isdisjoint(groups[2])
    assert [len(group) for group in groups] == [20, 10, 10]
    for rows in parts[:2]:
        assert not set(data.method[rows].tolist()) & set(data.unseen)
    assert set(data.unseen) < set(data.method[parts[2]].tolist())
    assert trial(8, seed).unseen == data.unseen


def test_other_seeds_hold_out_other_methods() -> None:
    assert len({trial(8, seed).unseen for seed in range(6)}) > 1


def test_two_methods_are_too_few() -> None:
    with pytest.raises(BadData, match="2 methods are too few"):
        trial(2, 0)


def test_joined_tables_keep_their_rows_in_order() -> None:
    rows = trial(3, 0).rows
    joined = join_rows([rows.take(np.arange(4)), rows.take(np.arange(4, len(rows)))])
    assert joined.key.tolist() == rows.key.tolist()
    assert joined.x.tolist() == rows.x.tolist()
