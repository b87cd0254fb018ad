"""What a run holds in place of a component: an object with the methods of its kind, whose calls are priced and checked.

``kce.registry.isolation`` makes them, and decides in which process the component works.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from kce.registry import validation
from kce.registry.prices import Growth, check_price

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kce.registry.registry import ResolvedComponent
    from kce.types import Features, FeatureStream, MergePlan


class Price(NamedTuple):
    """What messages and the price of a call need to know of a component."""

    kind: str
    name: str
    growth: Growth
    copies: int

    @classmethod
    def of_part(cls, part: ResolvedComponent, copies: int) -> Price:
        """Return the price of a component that gets so many copies of its rows."""
        return cls(part.entry.kind, part.entry.name, Growth.declared(part.factory), copies)

    def check(self, n: int, dim: int, copies: int) -> None:
        """Raise KCEError if there is too little memory, also for so many copies of the rows that the caller makes."""
        check_price(self.kind, self.name, n, dim, self.growth, self.copies + copies)


@dataclass(frozen=True)
class Traits:
    """The optional attributes of a component that a run looks at, with their defaults.

    Attributes:
        intervals: Whether intervals are made for the scores of an evaluator.
        reals: Whether an aligner needs the reals of every dataset.
        views: Views that an aligner needs.
        cannot_link: Whether the `fit_predict` of a clusterer takes `cannot_link`.
        streams: Whether an aligner or reducer is given the rows in batches.
        resamples: Whether an evaluator scores all resamples at once.
        takes_rows: Whether a reducer is given the stream itself; only those that are called directly.
        ranges: Whether an evaluator says the ranges of its scores.
    """

    intervals: bool = True
    reals: bool = False
    views: tuple[str, ...] = ()
    cannot_link: bool = False
    streams: bool = False
    resamples: bool = False
    takes_rows: bool = False
    ranges: bool = False

    @classmethod
    def of_component(cls, kind: str, component: Any) -> Traits:
        """Return the traits of a component that was built."""
        return cls(
            getattr(component, "intervals", cls.intervals),
            getattr(component, "reals", cls.reals),
            tuple(getattr(component, "views", cls.views)),
            validation.takes_cannot_link(component),
            validation.takes_stream(kind, component),
            callable(getattr(component, validation.SCORE_RESAMPLES, None)),
            hasattr(component, "fit_transform_rows"),
            callable(getattr(component, validation.SCORE_RANGES, None)),
        )


class _Checked:
    """Calls a component that works on rows, if there is memory for it, and checks its answer."""

    def __init__(self, call: Callable[..., Any], traits: Traits, price: Price) -> None:  # noqa: ARG002 - all are made alike
        self._do, self._price = call, price

    def check_price(self, n: int, dim: int, copies: int = 1) -> None:
        """Raise KCEError if there is too little memory to give it rows.

        Args:
            n: Rows.
            dim: Features of a row.
            copies: Arrays (n, dim) that the caller will make first, as when it reads them.
        """
        self._price.check(n, dim, copies)

    def _call(self, given: Any, *arguments: Any, **keywords: Any) -> Any:
        x = getattr(given, "x", given)
        self._price.check(len(x), x.shape[1], 0)
        return self._do(given, *arguments, **keywords)


class CheckedAligner(_Checked):
    """Calls an aligner and checks its answer."""

    def __init__(self, call: Callable[..., Any], traits: Traits, price: Price) -> None:
        super().__init__(call, traits, price)
        self.reals, self.views = traits.reals, traits.views

    def align(self, features: Features) -> NDArray[np.float32]:
        """Return the aligned x (n, any dim)."""
        return self._call(features)  # type: ignore[no-any-return]


class CheckedStreamAligner(CheckedAligner):
    """The same for an aligner that is given the rows as a stream."""

    def fit(self, rows: FeatureStream) -> None:
        """Let it learn from the rows."""
        self._do(rows, method="fit")

    def transform(self, features: Features) -> NDArray[np.float32]:
        """Return the aligned x (n, any dim) of some rows."""
        return self._do(features, method="transform")  # type: ignore[no-any-return]


class CheckedReducer(_Checked):
    """Calls a reducer and checks its answer."""

    def fit_transform(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the reduced x (n, fewer)."""
        return self._call(x)  # type: ignore[no-any-return]


class CheckedStreamReducer(CheckedReducer):
    """The same for a reducer that is given the rows in batches."""

    def partial_fit(self, x: NDArray[np.float32]) -> None:
        """Let it learn from a batch (n, dim)."""
        self._do(x, method="partial_fit")

    def transform(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the reduced x (n, fewer) of a batch."""
        return self._do(x, method="transform")  # type: ignore[no-any-return]


class CheckedRowsReducer(CheckedReducer):
    """The same for a built-in reducer that is given the stream itself."""

    def fit_transform_rows(self, rows: FeatureStream) -> NDArray[np.float32]:
        """Return the reduced x (n, fewer) of all rows."""
        return self._do(rows, method="fit_transform_rows")  # type: ignore[no-any-return]


class CheckedClusterer(_Checked):
    """Calls a clusterer and checks its answer."""

    def fit_predict(self, x: NDArray[np.float32]) -> NDArray[np.int_]:
        """Return cluster numbers (n,)."""
        return self._call(x)  # type: ignore[no-any-return]


class CheckedConstrainedClusterer(CheckedClusterer):
    """The same for a clusterer that takes constraints."""

    def fit_predict(self, x: NDArray[np.float32], *, cannot_link: NDArray[np.bool_] | None = None) -> NDArray[np.int_]:
        """Return cluster numbers (n,)."""
        return self._call(x, cannot_link=cannot_link)  # type: ignore[no-any-return]


class CheckedEvaluator(_Checked):
    """Calls an evaluator and checks its answer."""

    def __init__(self, call: Callable[..., Any], traits: Traits, price: Price) -> None:
        super().__init__(call, traits, price)
        self.intervals, self._has_ranges = traits.intervals, traits.ranges

    def score(self, features: Features, plan: MergePlan | None = None) -> Mapping[str, float]:
        """Return {name: value}."""
        return self._call(features, plan)  # type: ignore[no-any-return]

    def score_resample(self, features: Features, plan: MergePlan | None = None) -> Mapping[str, float]:
        """Return {name: value} of the rows of a resample; values may be NaN or infinite."""
        return self._call(features, plan, method=validation.METHODS["evaluator"])  # type: ignore[no-any-return]

    def score_ranges(self, features: Features) -> Mapping[str, tuple[float, float]]:
        """Return {name: (low, high)} of the scores that have bounds."""
        return self._call(features, method=validation.SCORE_RANGES) if self._has_ranges else {}


class CheckedResamplingEvaluator(CheckedEvaluator):
    """The same for an evaluator that scores all resamples at once."""

    def score_resamples(
        self, features: Features, resamples: Any, plan: MergePlan | None = None
    ) -> Mapping[str, NDArray[np.float64]]:
        """Return {name: values (resamples.count,)} for ``kce.Resamples``."""
        return self._call(features, resamples, plan, method=validation.SCORE_RESAMPLES)  # type: ignore[no-any-return]


class CheckedTracer(_Checked):
    """Calls a tracer and checks its answer."""

    def fit(self, features: Features, plan: MergePlan) -> None:
        """Let it learn the families."""
        self._call(features, plan, method="fit")

    def score(self, x: NDArray[np.float32]) -> NDArray[np.floating]:
        """Return how unlike each family each row is (n, families)."""
        return self._do(x)  # type: ignore[no-any-return]


_CHECKED: dict[str, Callable[[Callable[..., Any], Traits, Price], Any]] = {
    "aligner": CheckedAligner,
    "reducer": CheckedReducer,
    "clusterer": CheckedClusterer,
    "evaluator": CheckedEvaluator,
    "tracer": CheckedTracer,
}
_STREAMING: dict[str, Callable[[Callable[..., Any], Traits, Price], Any]] = {
    "aligner": CheckedStreamAligner,
    "reducer": CheckedStreamReducer,
}


def checked_component(call: Callable[..., Any], traits: Traits, price: Price) -> Any:
    """Return the object of a kind of component that makes its calls through `call`."""
    if traits.cannot_link:
        return CheckedConstrainedClusterer(call, traits, price)
    if traits.resamples:
        return CheckedResamplingEvaluator(call, traits, price)
    if traits.takes_rows:
        return CheckedRowsReducer(call, traits, price)
    return (_STREAMING[price.kind] if traits.streams else _CHECKED[price.kind])(call, traits, price)
