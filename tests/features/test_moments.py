from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import ledoit_wolf

from kce.errors import BadData
from kce.features.moments import Moments, code_means, shrunk_covariance


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 200),
    dim=st.sampled_from([1, 7, 600]),
    codes=st.integers(1, 6),
    apart=st.sampled_from([0.0, 5.0, 3000.0]),
    cuts=st.lists(st.integers(0, 200), max_size=4),
    seed=st.integers(0, 99),
)
def test_sums_over_batches_are_those_of_all_rows(
    n: int, dim: int, codes: int, apart: float, cuts: list[int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    code = rng.integers(codes, size=n)
    centres = apart * rng.standard_normal((codes, dim))
    x = (centres[code] + rng.standard_normal((n, dim))).astype(np.float32)
    moments = Moments(codes, dim)
    bounds = [0, *sorted(min(cut, n) for cut in cuts), n]
    for start, stop in itertools.pairwise(bounds):
        moments.add(x[start:stop], code[start:stop])
    exact = x.astype(np.float64)
    means = np.array(
        [exact[code == number].mean(axis=0) if (code == number).any() else centres[number] for number in range(codes)]
    )
    filled = np.bincount(code, minlength=codes) > 0
    assert moments.counts.tolist() == np.bincount(code, minlength=codes).tolist()
    assert np.allclose(moments.means[filled], means[filled], rtol=1e-6, atol=1e-6)
    residuals = exact - means[code]
    scale = max(float(np.square(residuals).sum(axis=0).max()), 1e-6 * apart**2, 1e-9)
    assert np.allclose(moments.scatter(), residuals.T @ residuals, atol=1e-5 * scale)
    shifted = exact - centres[code]
    assert np.allclose(
        moments.scatter(centres),
        shifted.T @ shifted,
        atol=1e-5 * max(float(np.square(shifted).sum(axis=0).max()), scale),
    )


def test_numbers_that_are_too_large_are_an_error() -> None:
    moments = Moments(1, 2)
    moments.add(np.array([[1.0, 2.0], [3.0, 5.0]], np.float32))
    with np.errstate(over="ignore", invalid="ignore"):
        moments.add(np.full((2, 2), 1e200))
    with pytest.raises(BadData, match="too large"):
        moments.scatter()


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(2, 300),
    dim=st.sampled_from([1, 5, 40]),
    codes=st.integers(1, 4),
    kept=st.integers(0, 5),
    cut=st.integers(0, 300),
    seed=st.integers(0, 99),
)
def test_covariance_within_codes_is_shrunk_as_scikit_learn_does(
    n: int, dim: int, codes: int, kept: int, cut: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    code = rng.integers(codes, size=n)
    x = (30 * rng.standard_normal((codes, dim))[code] + rng.gamma(1.0, 2.0, (n, dim))).astype(np.float32)
    axes = np.linalg.qr(rng.standard_normal((dim, min(kept, dim))))[0] if kept else None
    batches = [(x[part], code[part]) for part in (slice(cut), slice(cut, None)) if len(x[part])]
    means = code_means(batches, codes)
    filled = np.bincount(code, minlength=codes) > 0
    assert np.allclose(means[filled], [x[code == one].mean(axis=0, dtype=np.float64) for one in np.flatnonzero(filled)])
    assert np.isnan(means[~filled]).all()
    residuals = x - means[code]
    wanted = ledoit_wolf(residuals if axes is None else residuals @ axes, assume_centered=True)[0]
    shrunk = shrunk_covariance(Moments.of(x, code, codes), iter(batches), axes)
    assert np.allclose(shrunk, wanted, rtol=1e-5, atol=1e-7 * max(np.abs(wanted).max(), 1e-9))
