"""t-SNE."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.manifold import trustworthiness

from kce import Features, KCEError, Registry
from kce.features.store import write_table
from kce.features.streams import StoredRows
from kce.features.table import open_table
from plugins.reducers.opentsne import balanced_sample

REGISTRY = Registry.load()


def blobs(n: int = 60, dim: int = 8) -> np.ndarray:
    x = np.random.default_rng(0).standard_normal((n, dim))
    x[n // 2 :] += 12
    return x.astype(np.float32)


def faces(counts: dict[str, int], dim: int = 8, seed: int = 0) -> Features:
    """Rows of categories that lie apart, in random order."""
    rng = np.random.default_rng(seed)
    label = rng.permutation(np.repeat(list(counts), list(counts.values())))
    centres = dict(zip(counts, 6 * rng.standard_normal((len(counts), dim)), strict=True))
    x = np.array([centres[name] for name in label.tolist()]) + rng.standard_normal((len(label), dim))
    key = rng.permutation(np.arange(len(label)).astype(np.str_))
    return Features(key, label, key, x.astype(np.float32))


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


def test_no_other_search_for_neighbours_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking loads it, and the compiler it is made with."""
    monkeypatch.setattr("openTSNE.affinity.is_package_installed", lambda name: pytest.fail(f"{name} is loaded"))
    assert np.isfinite(REGISTRY.build("reducer", "tsne").fit_transform(blobs())).all()


def test_what_cannot_be_laid_out() -> None:
    for x in (blobs(3), blobs(20, 1), np.ones((20, 4), np.float32)):
        with pytest.raises(KCEError, match="cannot be made") as caught:
            REGISTRY.build("reducer", "tsne").fit_transform(x)
        assert caught.value.hint
    for bad in ("n_components=0", "perplexity=0.0", "n_jobs=0", "n_jobs=-2", "pca=1", "sample=99"):
        with pytest.raises(KCEError):
            REGISTRY.build("reducer", f"tsne:{bad}")


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.parametrize("dim", [8, 80])
def test_a_value_that_is_not_finite_is_an_error_in_any_batch(wrong: float, dim: int) -> None:
    x = blobs(300, dim)
    x[-1, -1] = wrong
    with pytest.raises(KCEError, match="NaN or infinity"):
        REGISTRY.build("reducer", "tsne", sample=100).fit_transform(x)


@settings(max_examples=40, deadline=None)
@given(counts=st.lists(st.integers(1, 60), min_size=1, max_size=6), size=st.integers(1, 200), seed=st.integers(0, 9))
def test_a_sample_is_balanced_and_does_not_depend_on_the_order(counts: list[int], size: int, seed: int) -> None:
    rows = faces({f"C_{number}": count for number, count in enumerate(counts)}, dim=1)
    sampled = balanced_sample(rows, size, seed)
    assert len(sampled) == len(set(sampled.tolist())) == min(size, len(rows))
    taken = np.array([(rows.label[sampled] == name).sum() for name in rows.categories])
    most = taken.max()
    assert all(n == count or n >= most - 1 for n, count in zip(taken.tolist(), counts, strict=True))
    turned = rows.take(np.arange(len(rows))[::-1])
    again = balanced_sample(turned, size, seed)
    if len(rows) > size:
        assert turned.key[again].tolist() == rows.key[sampled].tolist()


def test_rows_are_placed_among_their_neighbours() -> None:
    rows = faces({"A_1": 150, "A_2": 150, "B_1": 100, "B_rare": 12})
    result = REGISTRY.build("reducer", "tsne", sample=120).fit_transform_rows(rows)
    assert (result.shape, result.dtype) == ((412, 2), np.float32)
    centres = np.array([result[rows.label == name].mean(axis=0) for name in rows.categories])
    nearest = np.linalg.norm(result[:, None] - centres, axis=2).argmin(axis=1)
    assert (np.array(rows.categories)[nearest] == rows.label).mean() > 0.99
    assert trustworthiness(rows.x, result, n_neighbors=10) > 0.85
    turned = np.random.default_rng(1).permutation(len(rows))
    again = REGISTRY.build("reducer", "tsne", sample=120).fit_transform_rows(rows.take(turned))
    assert np.allclose(again, result[turned], atol=1e-4)


def test_categories_decide_nothing_while_all_rows_are_mapped_together() -> None:
    rows = faces({"A_1": 40, "A_2": 10})
    reducer = REGISTRY.build("reducer", "tsne")
    assert np.array_equal(reducer.fit_transform_rows(rows), reducer.fit_transform(rows.x))


def test_wide_stored_rows_are_mapped_by_their_principal_components(tmp_path: Path) -> None:
    rows = faces({"A_1": 120, "A_2": 100}, dim=90)
    with write_table(tmp_path / "f.h5", "known", {"by": "test"}) as writer:
        writer.append(rows.key, rows.label, rows.group, rows.x)
        writer.publish()
    stored = StoredRows.all_of(open_table(tmp_path / "f.h5", "known"))
    result = REGISTRY.build("reducer", "tsne", sample=100, pca=10).fit_transform_rows(stored)
    components = REGISTRY.build("reducer", "pca", n_components=10).fit_transform(rows.x)
    assert trustworthiness(components, result, n_neighbors=10) > 0.85
    assert np.array_equal(result, REGISTRY.build("reducer", "tsne", sample=100, pca=10).fit_transform_rows(rows))


@pytest.mark.parametrize("components", [1, 3])
def test_rows_are_placed_in_other_dimensions_too(components: int) -> None:
    result = REGISTRY.build("reducer", "tsne", n_components=components, sample=100).fit_transform(blobs(150))
    assert result.shape == (150, components)
    assert np.linalg.norm(result[:75].mean(axis=0) - result[75:].mean(axis=0)) > np.ptp(result[:75], axis=0).max()


def test_narrow_rows_get_the_same_map_with_any_number_of_threads() -> None:
    rows = faces({"A_1": 60, "A_2": 60})
    one, two = (REGISTRY.build("reducer", "tsne", sample=100, n_jobs=n).fit_transform_rows(rows) for n in (1, 2))
    assert np.array_equal(one, two)
