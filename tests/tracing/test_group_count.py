"""How many groups some faces fall into: what is drawn from so many Gaussians, of every shape, and from one."""

from __future__ import annotations

import numpy as np
import pytest

from kce import BadData
from kce.tracing.group_count import DIMENSIONS, count_groups, principal_components


def gaussians(count: int, each: int, shape: str, seed: int, dim: int = 24) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 4, (count, dim))
    stretch = np.ones((count, dim))
    if shape != "round":
        stretch[:, :3] = rng.uniform(1, 6, (1 if shape == "alike" else count, 3))
    return np.concatenate(
        [centre + own * rng.normal(0, 1, (each, dim)) for centre, own in zip(centres, stretch, strict=True)]
    ).astype(np.float32)


@pytest.mark.parametrize("shape", ["round", "alike", "own"])
@pytest.mark.parametrize("count", [1, 3, 6])
def test_the_number_is_that_of_the_gaussians(shape: str, count: int) -> None:
    x = principal_components(gaussians(count, 120, shape, count))
    assert x.shape == (120 * count, DIMENSIONS)
    assert count_groups(x) == count


def test_the_scale_of_features_does_not_matter() -> None:
    x = gaussians(3, 60, "own", 0)
    one, other = principal_components(x), principal_components(x * 1e4)
    assert one.std() == pytest.approx(1, rel=1e-3)
    np.testing.assert_allclose(np.abs(one), np.abs(other), rtol=1e-2, atol=1e-3)
    assert count_groups(one) == count_groups(other)


@pytest.mark.parametrize("x", [np.zeros((0, 3)), np.zeros((1, 3)), np.ones((9, 3))], ids=["none", "one", "equal"])
def test_faces_that_are_all_alike_are_refused(x: np.ndarray) -> None:
    with pytest.raises(BadData, match="too few different"):
        principal_components(x)


def test_two_different_faces_are_one_group() -> None:
    assert count_groups(principal_components(np.array([[0.0, 1.0], [1.0, 0.0]]))) == 1
