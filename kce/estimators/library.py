"""Estimators of libraries as components: KCE's names of parameters, its errors, and its log for warnings."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from kce.errors import BadValue, CheckFailed, recoverable
from kce.estimators.base import Estimator

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_log = logging.getLogger("kce.estimators")

SEED = {"random_state": "seed"}
"""Library's name -> KCE's, of the parameter that is always renamed."""

_FEWER_CLUSTERS = ("Number of distinct clusters", "Number of subclusters found")
"""Beginnings of scikit-learn's warnings of fewer clusters than asked for; whoever asked counts them and says so."""


class LibraryEstimator(Estimator):
    """What the components below have in common.

    Attributes:
        library: The library's class, or where it is: "sklearn.cluster:KMeans". It is imported when rows are fitted.
        rename: Library's name -> the name here, of parameters that are called differently. `random_state` is `seed`
            always. A parameter that is None is left to the library.
        dtype: Type of the numbers it computes with. float32 takes half the memory, and suits what only compares
            distances; small differences of large numbers, as in covariances, need float64.
        estimator_: The library's object that was fitted last.
    """

    name: ClassVar[str] = ""
    library: ClassVar[str | type] = ""
    rename: ClassVar[Mapping[str, str]] = {}
    dtype: ClassVar[Literal["float32", "float64"]] = "float64"
    estimator_: Any

    @property
    def title(self) -> str:
        """What messages call it."""
        return self.name or type(self).__name__

    def make(self, **more: Any) -> Any:
        """Return the library's object, with the parameters of this one and more of its own."""
        theirs = {ours: theirs for theirs, ours in {**SEED, **self.rename}.items()}
        given = {theirs.get(name, name): value for name, value in self.get_params().items() if value is not None}
        return library_class(self.library)(**given, **more)

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """Turn errors of the library into KCE's, and its warnings into lines of the log."""
        with recoverable(self.title), warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            yield
        for message in dict.fromkeys(str(warning.message) for warning in warned):
            if not message.startswith(_FEWER_CLUSTERS):
                _log.warning("%s: %s", self.title, " ".join(message.split()))


class LibraryClusterer(LibraryEstimator):
    """A clusterer of a library, under KCE's names of parameters: `n_clusters`, `seed`.

    A subclass names the library's class and has the parameters that its users may set; ``kce.wrap`` makes one of the
    whole signature instead. Any class will do that has `fit_predict`, or `fit` with `labels_` or `predict`.

    Attributes:
        library: The library's class, or where it is: "sklearn.cluster:KMeans", which is imported when rows are fitted.
        rename: Library's name -> the name here, of parameters that are called differently; `random_state` is `seed`.
        dtype: "float32" or "float64", the type of the numbers it computes with.
        name: What messages call it.
        labels_: (n,) int64, the cluster of each row that was fitted; -1 for noise.
        estimator_: The library's object that was fitted; none where there was nothing to fit.

    Example:
        >>> from dataclasses import dataclass
        >>> from typing import ClassVar
        >>> import kce
        >>> @dataclass(eq=False, repr=False)
        ... class Mixture(kce.LibraryClusterer):
        ...     n_clusters: int = 8
        ...     seed: int = 0
        ...     library: ClassVar = "sklearn.mixture:GaussianMixture"
        ...     rename: ClassVar = {"n_components": "n_clusters"}
        >>> import numpy as np
        >>> len(set(Mixture(n_clusters=2).fit_predict(np.array([[0.0], [0.1], [9.0], [9.1]])).tolist()))
        2
    """

    estimator_type: ClassVar = "clusterer"
    labels_: NDArray[np.int64]

    def check_parameters(self) -> None:
        """Raise BadValue for fewer than 1 cluster."""
        if isinstance(count := getattr(self, "n_clusters", None), int) and count < 1:
            raise BadValue("n_clusters must be at least 1", "give a number of clusters from 1")

    def fit(self, x: NDArray[np.float32], y: object = None) -> Self:  # noqa: ARG002 - y is scikit-learn's convention
        """Cluster x (n, dim) into `labels_`.

        Raises:
            BadValue: Fewer rows than clusters, or rows or parameters that the library refuses.
            CheckFailed: The library's answer is not a whole number for each row.
        """
        return self.cluster(x)

    def fit_predict(self, x: NDArray[np.float32], y: object = None) -> NDArray[np.int_]:  # noqa: ARG002
        """Cluster x (n, dim) into numbers (n,), -1 for noise; raises as ``fit`` does."""
        return self.fit(x).labels_

    def cluster(self, x: Any, **constraints: Any) -> Self:
        """Do what ``fit`` does, handing constraints on to ``find``."""
        import numpy as np

        x = self.check_rows(x, dtype=self.dtype)
        least = getattr(self, "n_clusters", None) or 1
        if len(x) < least:
            raise BadValue(
                f"{self.title} cannot make {least} clusters of {len(x)} rows",
                f"use at most n_clusters={len(x)}, or more categories",
            )
        if len(x) == 1:
            self.labels_ = np.zeros(1, dtype=np.int64)
            return self
        with self._reporting():
            found = self.find(x, **constraints)
        self.labels_ = _whole_numbers(found, self.title)
        return self

    def find(self, x: NDArray[Any]) -> Any:
        """Return the library's answer to x (n, dim), n from 2: a number for each row. Takes constraints, if any do."""
        self.estimator_ = self.make()
        if hasattr(self.estimator_, "fit_predict"):
            return self.estimator_.fit_predict(x)
        self.estimator_.fit(x)
        return self.estimator_.labels_ if hasattr(self.estimator_, "labels_") else self.estimator_.predict(x)


class LibraryReducer(LibraryEstimator):
    """A reducer of a library: any class with `fit_transform`, or `fit` and `transform`; made by ``kce.wrap``."""

    def fit(self, x: NDArray[np.float32], y: object = None) -> Self:  # noqa: ARG002
        """Learn from x (n, dim). Raises BadValue for what the library refuses."""
        rows = self.check_rows(x, dtype=self.dtype)
        with self._reporting():
            self.estimator_ = self.make()
            self.estimator_.fit(rows)
        return self

    def fit_transform(self, x: NDArray[np.float32], y: object = None) -> NDArray[Any]:  # noqa: ARG002
        """Reduce x (n, dim) to (n, fewer); raises as ``fit`` does."""
        rows = self.check_rows(x, dtype=self.dtype)
        with self._reporting():
            self.estimator_ = self.make()
            if hasattr(self.estimator_, "fit_transform"):
                return _own_array(self.estimator_.fit_transform(rows), rows, self.title)
            return _own_array(self.estimator_.fit(rows).transform(rows), rows, self.title)


class LibraryTransformer(LibraryReducer):
    """A reducer of a library that also transforms rows which it was not fitted to."""

    def transform(self, x: NDArray[np.float32]) -> NDArray[Any]:
        """Reduce x (n, dim), of the rows it was fitted to or others, to (n, fewer). Raises BadValue before a fit."""
        if not hasattr(self, "estimator_"):
            raise BadValue(f"{self.title} is not fitted", "call fit, fit_transform or partial_fit first")
        rows = self.check_rows(x, reset=False, dtype=self.dtype)
        with self._reporting():
            return _own_array(self.estimator_.transform(rows), rows, self.title)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # rows are given as `dtype`
        return tags


class LibraryStreamReducer(LibraryTransformer):
    """A reducer of a library that learns from rows in batches."""

    def partial_fit(self, x: NDArray[np.float32], y: object = None) -> Self:  # noqa: ARG002
        """Learn from a batch x (n, dim)."""
        first = not hasattr(self, "estimator_")
        rows = self.check_rows(x, reset=first, dtype=self.dtype)
        with self._reporting():
            if first:
                self.estimator_ = self.make()
            self.estimator_.partial_fit(rows)
        return self


def library_class(library: str | type) -> type:
    """Import the class of "module:Class"."""
    if isinstance(library, type):
        return library
    module, _, name = library.partition(":")
    found: type = getattr(import_module(module), name)
    return found


def _whole_numbers(labels: Any, title: str) -> NDArray[np.int64]:
    """Labels as int64; floats are taken if they are whole numbers."""
    import numpy as np

    answer = np.asarray(labels)
    if answer.dtype.kind == "f" and np.isfinite(answer).all() and (answer == np.round(answer)).all():
        answer = answer.astype(np.int64)
    if answer.dtype.kind not in "iu":
        what = "floats that are not whole numbers" if answer.dtype.kind == "f" else f"values of {answer.dtype}"
        raise CheckFailed(
            "type",
            f"{title} answers with {what}, not with the number of a cluster",
            "choose an estimator that clusters",
        )
    return answer.astype(np.int64, copy=False)


def _own_array(reduced: Any, given: NDArray[Any], title: str) -> NDArray[Any]:
    """The answer as an array that is no view of the input."""
    import numpy as np

    if hasattr(reduced, "toarray"):
        raise CheckFailed(
            "type", f"{title} answers with a sparse matrix", "set its parameters so that it answers densely"
        )
    answer = np.asarray(reduced)
    return answer.copy() if np.may_share_memory(answer, given) else answer
