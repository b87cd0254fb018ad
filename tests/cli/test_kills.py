"""Commands that are killed at random moments end, when they are started again, as if they had not been."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.support.kills import KINDS, MOST_KILLS, Inputs, kill_round


@pytest.mark.parametrize("kind", ["cut", *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS[1:])])
def test_killed_at_random_it_ends_with_the_same_results(tmp_path: Path, kind: str) -> None:
    inputs, dice = Inputs(tmp_path / "in"), random.Random(kind)
    inputs.prepare(kind)
    assert not kill_round(inputs, kind, dice, 0, MOST_KILLS)
