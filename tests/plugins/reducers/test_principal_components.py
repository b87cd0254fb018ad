from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from kce.errors import KCEError
from kce.registry.registry import Registry


def build(**parameters: object) -> object:
    return Registry.load("/").build("reducer", "pca", **parameters)


def rows(n: int, dim: int, mean: float, seed: int) -> np.ndarray:
    """Rows whose standard deviation falls by a factor of 100 over the first 20 axes, rotated."""
    rng = np.random.default_rng(seed)
    spread = np.geomspace(1, 0.01, 20).tolist() + [0.001] * max(dim - 20, 0)
    axes = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
    return (rng.standard_normal((n, dim)) * spread[:dim] @ axes + mean * rng.standard_normal(dim)).astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(n=st.integers(2, 300), dim=st.integers(1, 60), mean=st.sampled_from([0.0, 1.0, 1000.0]), seed=st.integers(0, 99))
def test_it_is_scikit_learns_full_solver(n: int, dim: int, mean: float, seed: int) -> None:
    x = rows(n, dim, mean, seed)
    count = min(8, n - 1, dim)
    wanted = PCA(count, svd_solver="full").fit(x.astype(np.float64))
    own = build(n_components=count)
    reduced = own.fit_transform(x)
    assert np.allclose(own.explained_variance_, wanted.explained_variance_, rtol=1e-4, atol=1e-9)
    gaps = np.diff(wanted.explained_variance_, append=0) / wanted.explained_variance_[0]
    apart = np.minimum(np.abs(gaps), np.abs(np.roll(gaps, 1))) > 1e-3  # others may turn among each other
    assert np.allclose(own.components_[apart], wanted.components_[apart], atol=1e-4)
    assert np.allclose(reduced[:, apart], wanted.transform(x.astype(np.float64))[:, apart], atol=1e-3)


def test_of_many_features_it_is_exact_too() -> None:
    x = rows(900, 700, 1000.0, 0)  # so many are multiplied in single precision; rows are hardly more than features
    wanted, own = PCA(12, svd_solver="full").fit(x.astype(np.float64)), build(n_components=12)
    own.fit_transform(x)
    assert np.allclose(own.components_, wanted.components_, atol=1e-4)
    few, own = PCA(12, svd_solver="full").fit(x[:100].astype(np.float64)), build(n_components=12)
    own.fit_transform(x[:100])
    assert np.allclose(own.components_, few.components_, atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(0, 200), max_size=5), scale=st.sampled_from([1e-20, 1.0, 1e25]))
def test_batches_do_not_matter(cuts: list[int], scale: float) -> None:
    x = rows(200, 30, 10.0, 1) * np.float32(scale)
    whole, parts = build(n_components=5), build(n_components=5)
    reduced = whole.fit_transform(x)
    bounds = [0, *sorted(cuts), 200]
    for start, stop in itertools.pairwise(bounds):
        parts.partial_fit(x[start:stop])
    assert np.allclose(parts.transform(x), reduced, atol=1e-4 * scale)


def test_nothing_to_reduce() -> None:
    for x in (np.zeros((1, 5)), np.ones((9, 5)), np.zeros((0, 5)), np.full((9, 5), np.nan)):
        with pytest.raises(KCEError, match="cannot be made") as caught:
            build().fit_transform(x.astype(np.float32))
        assert caught.value.hint
