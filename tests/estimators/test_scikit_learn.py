"""Built-in reducers and clusterers are estimators of scikit-learn, by its own checks."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_clustering, check_estimator
from threadpoolctl import threadpool_limits

from kce import BadValue, Estimator, Registry
from tests.support.estimators import EXCEPTIONS

REGISTRY = Registry.load("/")
HEAVY = {"tsne", "mean-shift", "gaussian-mixture", "optics", "bisecting-kmeans"}
"""Checked with the slow tests; of each kind smaller ones are checked in every run."""
NEEDS_SCALE = {"dbscan", "hdbscan", "birch"}
"""Clusterers whose parameters depend on the scale of the rows; scikit-learn's test of clusters takes the defaults."""
PARTS = [(kind, name) for kind in ("reducer", "clusterer") for name in REGISTRY.names(kind)]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with threadpool_limits(1):  # of small rows, threads wait for each other
        yield


@pytest.mark.parametrize(
    ("kind", "name"),
    [pytest.param(*part, marks=[pytest.mark.slow] if part[1] in HEAVY else []) for part in PARTS],
)
def test_it_passes_the_checks_of_scikit_learn_except_for_those_that_are_listed(kind: str, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of degenerate rows, which are part of the checks
        expected = EXCEPTIONS.get(name, {})
        results = check_estimator(
            REGISTRY.build(kind, name), expected_failed_checks=expected, on_fail=None, on_skip=None
        )
    failed = {result["check_name"]: result["exception"] for result in results if result["status"] == "failed"}
    assert failed == {}
    assert {result["check_name"] for result in results if result["status"] == "xfail"} == set(expected)
    assert sum(result["status"] == "passed" for result in results) > 30


@pytest.mark.parametrize("name", [name for kind, name in PARTS if kind == "clusterer" and name not in NEEDS_SCALE])
def test_it_passes_scikit_learns_check_of_clusterers(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_clustering(name, REGISTRY.build("clusterer", name))


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_parameters_are_read_set_cloned_and_pickled(kind: str, name: str) -> None:
    part = REGISTRY.resolve(kind, name)
    component = part.build()
    assert isinstance(component, Estimator)
    assert component.get_params() == part.parameters
    for copy in (clone(component), pickle.loads(pickle.dumps(component))):  # noqa: S301 - made here
        assert type(copy) is type(component)
        assert copy.get_params() == part.parameters
    with pytest.raises(BadValue, match="no parameter of") as caught:
        component.set_params(n_cluster=3)
    assert caught.value.hint


def test_components_stand_in_a_pipeline() -> None:
    x = np.repeat(np.eye(4, 12), 8, axis=0) * 9 + np.random.default_rng(0).standard_normal((32, 12))
    reducer, clusterer = REGISTRY.build("reducer", "pca:n_components=3"), REGISTRY.build("clusterer", "kmeans")
    pipeline = make_pipeline(reducer, clusterer).set_params(kmeans__n_clusters=4)
    labels = pipeline.fit_predict(x)
    assert (labels == clusterer.labels_).all()
    assert [len(set(labels[start : start + 8])) for start in range(0, 32, 8)] == [1] * 4
    assert np.allclose(pipeline[:-1].transform(x[:5]), reducer.transform(x)[:5], atol=1e-5)
    assert clone(pipeline).get_params()["kmeans__n_clusters"] == 4


def test_parameters_are_checked_when_they_are_built_and_when_they_were_set() -> None:
    component = REGISTRY.build("reducer", "pca").set_params(n_components=0)
    with pytest.raises(BadValue, match="n_components must be at least 1"):
        component.fit(np.eye(3))
    assert repr(component) == "PCA(n_components=0)"


def test_rows_of_another_width_are_an_error_with_a_hint() -> None:
    component = REGISTRY.build("reducer", "pca").fit(np.eye(4, 3))
    with pytest.raises(BadValue, match="3 features") as caught:
        component.transform(np.eye(4, 5))
    assert caught.value.hint
