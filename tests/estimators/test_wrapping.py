"""Any estimator class is a component by `wrap`: its parameters, its answers, and what cannot be one."""

from __future__ import annotations

import inspect
import pickle
import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.cluster import DBSCAN, OPTICS, AffinityPropagation, Birch, FeatureAgglomeration, KMeans
from sklearn.decomposition import PCA, FastICA, IncrementalPCA
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import Isomap
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.random_projection import SparseRandomProjection
from sklearn.utils.estimator_checks import check_estimator

from kce import BadValue, KCEError, wrap
from kce.errors import CheckFailed
from kce.registry.specs import bind_parameters, format_spec, parse_spec
from kce.registry.validation import takes_stream
from kce.testing.base import Subject
from kce.testing.runner import checks_of, run_check

X = np.repeat(np.eye(3, 6), 7, axis=0) * 20 + np.random.default_rng(0).standard_normal((21, 6))
X = X.astype(np.float32)
CLASSES = [Birch, KMeans, DBSCAN, OPTICS, AffinityPropagation, PCA, IncrementalPCA, FastICA, Isomap]
COUNT = {"n_components": "n_clusters"}


def parts(labels: Any) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


@pytest.mark.parametrize("estimator", CLASSES)
def test_the_signature_is_that_of_the_class_and_can_be_written_as_text(estimator: type) -> None:
    wrapped = wrap(estimator)
    own, theirs = inspect.signature(wrapped).parameters, inspect.signature(estimator).parameters
    assert set(own) == {"seed" if name == "random_state" else name for name in theirs}
    for name, parameter in own.items():
        default = theirs["random_state" if name == "seed" else name].default
        # What TOML cannot say is left to the library: OPTICS(max_eps=inf), for example.
        assert parameter.default in ((0,) if name == "seed" else (default, None))
    bound = bind_parameters("x", wrapped, {})
    written = parse_spec(format_spec("x", bound))[1]
    assert bind_parameters("x", wrapped, written) == bound


@pytest.mark.parametrize("estimator", CLASSES)
def test_it_answers_as_the_class_does(estimator: type) -> None:
    wrapped = wrap(estimator)
    seeded = {"random_state": 3} if "seed" in inspect.signature(wrapped).parameters else {}
    method = "fit_predict" if hasattr(wrapped, "fit_predict") else "fit_transform"
    own = wrapped(**({"seed": 3} if seeded else {}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = getattr(estimator(**seeded), method)(X.astype(np.float64))
    assert np.array_equal(getattr(own, method)(X), expected)
    copy = pickle.loads(pickle.dumps(clone(own)))  # noqa: S301 - made here
    assert np.array_equal(getattr(copy, method)(X), expected)
    if hasattr(estimator, "transform") and method == "fit_transform":
        assert np.array_equal(own.transform(X[:3]), own.estimator_.transform(X[:3].astype(np.float64)))


@pytest.mark.parametrize("estimator", [Birch, IncrementalPCA, DBSCAN])
def test_what_is_wrapped_passes_the_checks_of_scikit_learn(estimator: type) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(wrap(estimator)(), on_fail=None, on_skip=None)
    assert [result for result in results if result["status"] == "failed"] == []


def test_what_is_wrapped_passes_the_checks_of_its_kind() -> None:
    for kind, estimator in (("clusterer", Birch), ("reducer", PCA)):
        subject = Subject.create(
            kind, wrap(estimator), {"n_clusters": 3} if kind == "clusterer" else {"n_components": 3}
        )
        results = {check.name: run_check(check, subject) for check in checks_of(kind)}
        assert {name for name, (result, _) in results.items() if result == "failed"} == set()


@pytest.mark.parametrize("estimator", [GaussianMixture, BayesianGaussianMixture])
def test_a_number_of_clusters_under_another_name_is_named_by_the_user(estimator: type) -> None:
    with pytest.raises(KCEError, match="no parameter n_clusters") as caught:
        wrap(estimator)
    assert 'rename = {n_components = "n_clusters"}' in caught.value.hint
    own = wrap(estimator, rename=COUNT)(n_clusters=3)
    assert parts(own.fit_predict(X)) == parts(np.repeat(np.arange(3), 7))
    assert "n_components" in inspect.signature(wrap(estimator, rename={"n_components": "n_components"})).parameters
    with pytest.raises(BadValue, match="cannot make 30 clusters of 21 rows"):
        own.set_params(n_clusters=30).fit(X)


class Answers:
    """An estimator without random_state, with `fit` alone, whose labels are of any type."""

    def __init__(self, labels: str = "whole", *more: int, **most: int) -> None:
        self.labels = labels

    def fit(self, x: Any, y: Any = None) -> Answers:
        self.labels_ = {
            "whole": np.arange(len(x)) % 2 * 1.0,
            "shares": np.full(len(x), 0.5),
            "nan": np.full(len(x), np.nan),
            "text": np.full(len(x), "a"),
            "flags": np.arange(len(x)) > 2,
            "list": [0] * len(x),
        }[self.labels]
        return self


class Predicts:
    def fit(self, x: Any) -> None: ...
    def predict(self, x: Any) -> Any:
        return (x[:, 0] > 5).astype(int)


def test_answers_are_whole_numbers() -> None:
    wrapped = wrap(Answers)
    assert list(inspect.signature(wrapped).parameters) == ["labels"]
    for labels in ("whole", "list"):
        assert wrapped(labels=labels).fit_predict(X).dtype == np.int64
    for labels, text in (("shares", "floats that are not"), ("nan", "floats that"), ("text", "<U1"), ("flags", "bool")):
        with pytest.raises(CheckFailed, match=text) as caught:
            wrapped(labels=labels).fit_predict(X)
        assert caught.value.hint
    assert len(parts(wrap(Predicts)().fit_predict(X))) == 2


def test_values_of_a_wrong_type_are_errors_before_any_work() -> None:
    for estimator, name, value in (
        (Birch, "threshold", "far"),
        (Birch, "n_clusters", 2.5),
        (Birch, "compute_labels", 1),
        (KMeans, "seed", "x"),
        (KMeans, "algorithm", True),
    ):
        with pytest.raises(KCEError, match=f"{name} = {value!r} is not"):
            bind_parameters("clusterer 'x'", wrap(estimator), {name: value})
    assert bind_parameters("x", wrap(KMeans), {"n_init": 3})["n_init"] == 3
    assert bind_parameters("x", wrap(OPTICS), {"min_samples": 0.1})["min_samples"] == 0.1


def test_what_cannot_be_wrapped() -> None:
    for call, text in (
        (lambda: wrap(Birch()), "is not a class"),
        (lambda: wrap(LogisticRegression), "needs labels"),
        (lambda: wrap(dict), "has no `fit_transform`, or `fit` and `transform`"),
        (lambda: wrap(DBSCAN, "reducer"), "cannot be a reducer"),
        (lambda: wrap(Birch, "aligner"), "cannot be a aligner"),
        (lambda: wrap(Birch, rename={"n_cluster": "n_clusters"}), "Did you mean 'n_clusters'"),
        (lambda: wrap(Birch, rename={"threshold": "n_clusters"}), "two parameters named 'n_clusters'"),
        (lambda: wrap(Birch, rename={"threshold": "the width"}), "cannot be renamed"),
    ):
        with pytest.raises(KCEError, match=text) as caught:
            call()
        assert caught.value.hint


def test_the_kind_may_be_chosen_and_batches_are_taken_where_the_class_takes_them() -> None:
    as_reducer = wrap(KMeans, "reducer")(n_clusters=3)
    assert as_reducer.fit_transform(X).shape == (21, 3)
    assert not takes_stream("reducer", wrap(PCA)())
    stream = wrap(IncrementalPCA)(n_components=2)
    assert takes_stream("reducer", stream)
    for batch in np.array_split(X, 3):
        stream.partial_fit(batch)
    assert stream.transform(X).shape == (21, 2)
    assert wrap(FeatureAgglomeration, "reducer")(n_clusters=2).fit_transform(X).shape == (21, 2)


def test_rows_are_transformed_after_a_fit_only() -> None:
    with pytest.raises(BadValue, match="not fitted") as caught:
        wrap(PCA)().transform(X)
    assert caught.value.hint


def test_a_sparse_answer_is_an_error() -> None:
    with pytest.raises(CheckFailed, match="sparse") as caught:
        wrap(SparseAnswers)().fit_transform(X)
    assert caught.value.hint
    assert wrap(SparseRandomProjection)(n_components=2).fit_transform(X).shape == (21, 2)


class SparseAnswers:
    def fit_transform(self, x: Any, y: Any = None) -> Any:
        from scipy.sparse import csr_matrix

        return csr_matrix(x)
