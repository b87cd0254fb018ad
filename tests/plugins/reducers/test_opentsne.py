"""t-SNE."""

from __future__ import annotations

import numpy as np
import pytest

from kce import KCEError, Registry

REGISTRY = Registry.load()


def blobs(n: int = 60, dim: int = 8) -> np.ndarray:
    x = np.random.default_rng(0).standard_normal((n, dim))
    x[n // 2 :] += 12
    return x.astype(np.float32)


def test_separate_clusters_stay_separate_and_the_seed_decides_the_rest() -> None:
    result = REGISTRY.build("reducer", "tsne").fit_transform(blobs())
    assert (result.shape, result.dtype) == ((60, 2), np.float32)
    one, other = result[:30], result[30:]
    between = np.linalg.norm(one.mean(axis=0) - other.mean(axis=0))
    assert between > 2 * max(np.linalg.norm(half - half.mean(axis=0), axis=1).max() for half in (one, other))
    assert np.array_equal(result, REGISTRY.build("reducer", "tsne", seed=0).fit_transform(blobs()))


@pytest.mark.parametrize(("n", "components"), [(4, 2), (12, 1), (30, 3)])
def test_few_rows_and_other_dimensions(n: int, components: int) -> None:
    result = REGISTRY.build("reducer", "tsne", n_components=components).fit_transform(blobs(n))
    assert result.shape == (n, components)
    assert np.isfinite(result).all()


def test_what_cannot_be_laid_out() -> None:
    for x in (blobs(3), blobs(20, 1), np.ones((20, 4), np.float32)):
        with pytest.raises(KCEError, match="cannot be made") as caught:
            REGISTRY.build("reducer", "tsne").fit_transform(x)
        assert caught.value.hint
    for bad in ("n_components=0", "perplexity=0.0"):
        with pytest.raises(KCEError):
            REGISTRY.build("reducer", f"tsne:{bad}")
