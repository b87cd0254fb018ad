"""HDBSCAN."""

from __future__ import annotations

import numpy as np
import pytest

from kce import KCEError, Registry

REGISTRY = Registry.load()


def pairs() -> np.ndarray:
    """Four pairs, far from each other, and one row far from all."""
    corners = np.array([[0, 0], [50, 0], [0, 50], [50, 50]], float)
    return np.vstack([corners, corners + 0.5, [[500, 500]]]).astype(np.float32)


def test_pairs_are_clusters_and_what_is_alone_is_noise() -> None:
    result = REGISTRY.build("clusterer", "hdbscan:min_samples=1").fit_predict(pairs())
    assert result.dtype == np.int64
    assert result[8] == -1
    assert np.array_equal(result[:4], result[4:8])
    assert len(set(result[:4].tolist())) == 4


def test_the_size_of_a_cluster_is_kept() -> None:
    random = np.random.default_rng(0)
    x = np.repeat([[0.0], [60.0], [120.0]], [20, 20, 3], axis=0) + random.standard_normal((43, 1))
    result = REGISTRY.build("clusterer", "hdbscan", min_cluster_size=5).fit_predict(x.astype(np.float32))
    assert len(set(result[:20].tolist()) - {-1}) == 1
    assert set(result.tolist()) <= {-1, 0, 1}
    assert np.bincount(result[result >= 0]).min() >= 5


def test_too_few_rows_and_bad_parameters() -> None:
    with pytest.raises(KCEError, match="more than 5 rows; there are 5") as caught:
        REGISTRY.build("clusterer", "hdbscan", min_cluster_size=5).fit_predict(pairs()[:5])
    assert "min_cluster_size" in caught.value.hint
    for bad in ("min_cluster_size=1", "min_samples=-1", "cluster_selection_method='best'"):
        with pytest.raises(KCEError):
            REGISTRY.build("clusterer", f"hdbscan:{bad}")
