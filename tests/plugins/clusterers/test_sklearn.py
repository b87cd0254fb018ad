"""Reducers, clusterers and evaluators of scikit-learn, as the registry builds them."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from kce import BadData, Features, KCEError, Registry

REGISTRY = Registry.load()
WITH_K = ("kmeans", "gaussian-mixture", "agglomerative")


def build(kind: str, name: str, **parameters: Any) -> Any:
    return REGISTRY.build(kind, name, **parameters)


def blobs(k: int = 3, each: int = 9, dim: int = 5, seed: int = 0, apart: float = 20.0) -> Features:
    random = np.random.default_rng(seed)
    label = np.repeat(np.arange(k), each)
    x = apart * random.standard_normal((k, dim))[label] + random.standard_normal((k * each, dim))
    names = np.array([f"방법{i}" for i in label])
    return Features(np.array([str(i) for i in range(len(x))]), names, names, x.astype(np.float32))


def partition(codes: Any) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(codes == code).tolist()) for code in set(np.asarray(codes).tolist())}


@pytest.mark.parametrize("name", [*WITH_K, "dbscan"])
def test_clusterers_find_separate_clusters(name: str) -> None:
    rows = blobs()
    own = {"n_clusters": 3} if name in WITH_K else {"eps": 8.0}
    result = build("clusterer", name, **own).fit_predict(rows.x)
    assert result.shape == (27,)
    assert result.dtype.kind == "i"
    assert partition(result) == partition(rows.label)
    assert np.array_equal(result, build("clusterer", name, **own).fit_predict(rows.x))


@pytest.mark.parametrize("name", WITH_K)
def test_more_clusters_than_rows(name: str) -> None:
    with pytest.raises(KCEError, match="4 clusters of 3 rows") as caught:
        build("clusterer", name, n_clusters=4).fit_predict(blobs(each=1).x)
    assert "n_clusters=3" in caught.value.hint
    assert len(set(build("clusterer", name, n_clusters=3).fit_predict(blobs(each=1).x).tolist())) == 3
    assert build("clusterer", name, n_clusters=1).fit_predict(np.zeros((1, 4), np.float32)).tolist() == [0]
    assert build("clusterer", name, n_clusters=1).fit_predict(np.zeros((9, 4), np.float32)).tolist() == [0] * 9
    with pytest.raises(KCEError, match="n_clusters"):
        build("clusterer", name, n_clusters=0)


@pytest.mark.parametrize("name", WITH_K)
def test_fewer_clusters_than_asked_for_are_no_warning_of_the_library(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    # Warnings are errors here. The plan that is made of the clusters counts them.
    rows = np.repeat(np.random.default_rng(0).normal(size=(4, 8)), 4, axis=0).astype(np.float32)
    clusterer = build("clusterer", name, n_clusters=13)
    assert clusterer.n_clusters == 13
    clusterer.fit_predict(rows)
    assert not [record for record in caplog.records if "distinct" in record.getMessage()]


def test_other_warnings_of_the_library_are_logged_with_the_name_of_the_clusterer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    build("clusterer", "affinity-propagation", max_iter=2).fit_predict(blobs().x)
    assert any(
        record.getMessage().startswith("affinity-propagation: Affinity propagation did not converge")
        for record in caplog.records
    )


def test_a_mixture_of_few_rows_in_many_dimensions_holds() -> None:
    rows = blobs(k=9, each=3, dim=64)
    assert len(set(build("clusterer", "gaussian-mixture", n_clusters=9).fit_predict(rows.x).tolist())) == 9


def test_dbscan_leaves_noise() -> None:
    x = np.array([[0.0], [0.1], [50.0]], np.float32)
    assert build("clusterer", "dbscan").fit_predict(x).tolist() == [0, 0, -1]


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("clusterer", "agglomerative:linkage='nearest'"),
        ("clusterer", "gaussian-mixture:covariance_type='round'"),
        ("clusterer", "dbscan:eps=-1.0"),
        ("clusterer", "kmeans:n_init=0"),
    ],
)
def test_parameters_that_scikit_learn_refuses(kind: str, spec: str) -> None:
    part = build(kind, spec)
    with pytest.raises(KCEError) as caught:
        (part.fit_predict if kind == "clusterer" else part.fit_transform)(blobs(k=8).x)
    assert caught.value.hint


# PCA -----------------------------------------------------------------------------------------------------------------


def test_pca_keeps_what_it_can_and_says_how_much() -> None:
    rows = blobs(dim=20).x
    pca = build("reducer", "pca", n_components=4)
    reduced = pca.fit_transform(rows)
    assert (reduced.shape, reduced.dtype) == ((27, 4), np.float32)
    centred = rows - rows.mean(axis=0)
    assert pca.explained_variance_ratio_.sum() == pytest.approx(np.sum(reduced**2) / np.sum(centred**2), rel=1e-4)
    assert np.array_equal(reduced, build("reducer", "pca", n_components=4).fit_transform(rows))
    assert build("reducer", "pca").fit_transform(rows).shape == (27, 20)
    assert build("reducer", "pca").fit_transform(rows[:3]).shape == (3, 3)


def test_pca_keeps_distances_when_it_keeps_everything() -> None:
    x = blobs(dim=6).x
    reduced = build("reducer", "pca").fit_transform(x)
    away = np.linalg.norm(x[:, None] - x[None], axis=2)
    assert np.allclose(np.linalg.norm(reduced[:, None] - reduced[None], axis=2), away, atol=1e-3)


def test_pca_of_nothing() -> None:
    for x in (np.zeros((1, 5), np.float32), np.ones((9, 5), np.float32)):
        with pytest.raises(KCEError) as caught:
            build("reducer", "pca").fit_transform(x)
        assert caught.value.hint
    with pytest.raises(KCEError, match="n_components"):
        build("reducer", "pca", n_components=0)


# Evaluators ----------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    k=st.integers(2, 5), each=st.integers(2, 8), dim=st.integers(1, 9), seed=st.integers(0, 99), apart=st.floats(0, 50)
)
def test_the_scores_are_those_of_scikit_learn(k: int, each: int, dim: int, seed: int, apart: float) -> None:
    from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score

    rows = blobs(k, each, dim, seed, apart)
    x = rows.x.astype(np.float64)
    result = build("evaluator", "calinski-harabasz").score(rows)
    wanted = calinski_harabasz_score(x, rows.label)
    assert result["calinski_harabasz"] == pytest.approx(wanted, rel=1e-9)
    n = k * each
    share = result["variance_share"]
    assert 0 <= share <= 1
    assert share / (1 - share) * (n - k) / (k - 1) == pytest.approx(wanted, rel=1e-6)
    result = build("evaluator", "davies-bouldin").score(rows)
    assert result == {"davies_bouldin": pytest.approx(davies_bouldin_score(x, rows.label), rel=1e-9)}
    result = build("evaluator", "silhouette").score(rows)
    assert result == {"silhouette": pytest.approx(silhouette_score(rows.x, rows.label), rel=1e-6)}


def test_calinski_harabasz_where_nothing_is_spread() -> None:
    rows = blobs(k=2, each=3, dim=2)
    still = rows.with_x(np.repeat(np.array([[0, 0], [1, 1]], np.float32), 3, axis=0))
    result = build("evaluator", "calinski-harabasz").score(still)
    assert result == {"calinski_harabasz": 1.0, "variance_share": 1.0, "adjusted": 0.0}
    still = rows.with_x(np.ones((6, 2), np.float32))
    result = build("evaluator", "calinski-harabasz").score(still)
    assert result == {"calinski_harabasz": 1.0, "variance_share": 0.0, "adjusted": 0.0}


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10**6), k=st.integers(2, 5))
def test_the_adjusted_index_stays_where_n_doubles(seed: int, k: int) -> None:
    """The same rows twice move it by less than 2 per cent, and the index itself by 100."""
    # What chance adds, and twins double, is of the order of 1 / n: of few rows, weakly apart, it can be 2 per cent.
    rows = blobs(k, each=250, dim=6, seed=seed, apart=3.0)
    order = np.tile(np.arange(len(rows)), 2)
    twice = rows.take(order)
    one, two = (build("evaluator", "calinski-harabasz").score(own) for own in (rows, twice))
    assert two["calinski_harabasz"] > 1.9 * one["calinski_harabasz"]
    assert two["adjusted"] == pytest.approx(one["adjusted"], rel=0.02)


def test_the_adjusted_index_is_nothing_where_there_is_nothing_whatever_n_is() -> None:
    for each in (10, 40, 160):
        result = [
            build("evaluator", "calinski-harabasz").score(blobs(4, each, 20, seed, apart=0.0))["adjusted"]
            for seed in range(60)
        ]
        assert abs(np.mean(result)) < 3 * np.std(result) / np.sqrt(60) + 1e-9


def test_permuted_labels_distinguish_chance_from_more() -> None:
    apart = build("evaluator", "permuted-labels", rounds=99).score(_in_groups(3.0, seed=0))
    assert apart["p"] == 0.01
    # Ten frames that are alike count as one, so the index is ten times what independent rows would give by chance.
    assert 5 < apart["chance"] < 20
    # Under the null p is below 0.1 in about a tenth of tables; with rows dealt one by one it would nearly always be.
    null = [build("evaluator", "permuted-labels", rounds=99).score(_in_groups(0.0, seed))["p"] for seed in range(80)]
    assert 0.02 < np.mean(np.array(null) < 0.1) < 0.22


def _in_groups(apart: float, seed: int) -> Features:
    """Three labels of eight recordings of ten frames; a recording's frames are nearly alike."""
    random = np.random.default_rng(seed)
    label = np.repeat(np.arange(3), 80)
    group = np.repeat(np.arange(24), 10)
    x = random.standard_normal((24, 4))[group] + 0.1 * random.standard_normal((240, 4))
    x += apart * random.standard_normal((3, 4))[label]
    return Features(np.arange(240).astype(str), label.astype(str), group.astype(str), x.astype(np.float32))


def test_calinski_harabasz_grows_with_n_and_its_share_does_not() -> None:
    rows = blobs(each=50, apart=1.0)
    twice = rows.take(np.tile(np.arange(len(rows)), 2))
    one, two = (build("evaluator", "calinski-harabasz").score(some) for some in (rows, twice))
    assert two["variance_share"] == pytest.approx(one["variance_share"])
    assert two["calinski_harabasz"] / one["calinski_harabasz"] == pytest.approx((300 - 3) / (150 - 3))


def test_silhouette_of_a_sample() -> None:
    rows = blobs(each=200, apart=2.0)
    whole = build("evaluator", "silhouette").score(rows)["silhouette"]
    some = build("evaluator", "silhouette", sample_size=300, seed=1).score(rows)["silhouette"]
    assert some != whole
    assert some == pytest.approx(whole, abs=0.1)
    assert some == build("evaluator", "silhouette", sample_size=300, seed=1).score(rows)["silhouette"]


@pytest.mark.parametrize("name", ["calinski-harabasz", "silhouette", "davies-bouldin"])
def test_too_little_to_score(name: str) -> None:
    for rows in (blobs(k=1), blobs(k=3, each=1)):
        with pytest.raises(BadData, match="at least two labels") as caught:
            build("evaluator", name).score(rows)
        assert caught.value.hint


def test_calinski_harabasz_is_quick_enough_to_resample() -> None:
    rows, evaluator = blobs(k=4, each=250, dim=64), build("evaluator", "calinski-harabasz")
    start = time.process_time()
    for _ in range(200):
        evaluator.score(rows)
    assert time.process_time() - start < 2  # 0.3 on an idle core


@pytest.mark.parametrize("offset", [0.0, 1000.0])
@pytest.mark.parametrize("name", ["kmeans", "minibatch-kmeans", "bisecting-kmeans"])
def test_clusterers_by_distance_compute_in_the_precision_of_the_rows_and_find_the_same(
    name: str, offset: float
) -> None:
    random = np.random.default_rng(0)
    truth = random.integers(6, size=3000)
    x = (offset + 8 * random.standard_normal((6, 16))[truth] + random.standard_normal((3000, 16))).astype(np.float32)
    clusterer = build("clusterer", name, n_clusters=6)
    types = []
    find = clusterer.find
    clusterer.find = lambda rows: types.append(rows.dtype) or find(rows)
    assert adjusted_rand_score(truth, clusterer.fit_predict(x)) == 1.0
    assert types == [np.float32]


def test_kmeans_is_scikit_learn_s_on_the_same_rows() -> None:
    x = np.random.default_rng(0).standard_normal((500, 8)).astype(np.float32)
    expected = KMeans(7, n_init=10, random_state=3).fit_predict(x)
    assert np.array_equal(build("clusterer", "kmeans", n_clusters=7, seed=3).fit_predict(x), expected)
