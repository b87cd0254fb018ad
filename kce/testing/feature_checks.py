"""The checks of components that work on rows of features; those of tracers alone are in ``tracer_checks``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kce.evaluation.resampling import Resamples
from kce.registry import validation
from kce.testing.base import Failure, Subject, check, raises_clear_error
from kce.testing.probes import (
    BLOBS,
    ROWS,
    RowStream,
    blob_features,
    built,
    call_component,
    check_component_answer,
    component_input,
    identical,
    shuffled,
)
from kce.types import Features, MergePlan


@check(*ROWS)
def input_unchanged(subject: Subject) -> None:
    """It does not change its input."""
    given = blob_features()
    with built(subject) as component:
        call_component(subject.kind, component, given)
    fresh = blob_features()
    for name in ("x", "label", "key", "group"):
        if not identical(getattr(given, name), getattr(fresh, name)):
            raise Failure(f"it changes the {name} of its input")


@check("aligner", "reducer", "evaluator", "tracer")
def finite(subject: Subject) -> None:
    """For finite features its answer is finite."""
    with built(subject) as component:
        validation.check_finite(subject.kind, call_component(subject.kind, component, blob_features()))


@check("reducer", "clusterer")
def row_for_row(subject: Subject) -> None:
    """Row n of its answer belongs to row n of its input.

    In data of well separated groups, each cluster holds rows of one group or each group is in one cluster, and a
    reduced row is next to a row of its own group.
    """
    given = blob_features()
    with built(subject) as component:
        answer = call_component(subject.kind, component, given)
    if subject.kind == "clusterer":
        numbers, labels = answer[answer >= 0], given.label[answer >= 0]
        if not len(numbers):
            raise Failure(f"it takes all of {BLOBS} well separated groups for noise")
        pairs = len(set(zip(numbers.tolist(), labels.tolist(), strict=True)))
        if pairs not in (len(set(numbers.tolist())), len(set(labels.tolist()))):
            raise Failure(f"its clusters mix the rows of {BLOBS} well separated groups")
        return
    _check_neighbours(answer, given)


@check("aligner", "reducer")
def batches(subject: Subject) -> None:
    """If it takes rows in batches, their size does not matter.

    An aligner with `fit` and `transform` aligns rows as `align` does, within rounding. A reducer with `partial_fit` and
    `transform` returns, row for row, as many dimensions as `fit_transform`.
    """
    given = blob_features()
    with built(subject) as component:
        if not validation.takes_stream(subject.kind, component):
            return
        whole = call_component(subject.kind, component, given)
    for size in (given.dim, len(given) // 2):
        with built(subject) as component:
            answer = _answer_in_batches(subject.kind, component, given, size)
        check_component_answer(subject.kind, component, given, answer)
        validation.check_finite(subject.kind, answer)
        if answer.shape != whole.shape:
            raise Failure(f"in batches of {size} rows its answer has the shape {answer.shape}, not {whole.shape}")
        if subject.kind == "reducer":
            _check_neighbours(answer, given)
        elif not np.allclose(whole, answer, rtol=1e-3, atol=1e-3 * float(np.abs(whole).max())):
            raise Failure(f"in batches of {size} rows it aligns rows differently than all at once")


def _answer_in_batches(kind: str, component: Any, given: Features, size: int) -> Any:
    if kind == "aligner":
        component.fit(RowStream(component_input(kind, component, given), size))
        return np.concatenate([component.transform(batch) for batch in given.batches(size)])
    for batch in given.batches(size):
        component.partial_fit(batch.x)
    return np.concatenate([component.transform(batch.x) for batch in given.batches(size)])


@check(*ROWS)
def row_order(subject: Subject) -> None:
    """The order of the rows does not matter: clusters, distances and scores are the same, within rounding."""
    given = blob_features()
    mixed, order = shuffled(given)
    with built(subject) as component:
        one = call_component(subject.kind, component, given)
    with built(subject) as component:
        other = call_component(subject.kind, component, mixed)
    if subject.kind == "evaluator":
        alike = _same_scores(one, other, 1e-4)
    elif subject.kind == "clusterer":
        alike = _partition(one[order]) == _partition(other)
    elif subject.kind in ("aligner", "tracer"):
        alike = np.allclose(one[order], other, rtol=1e-3, atol=1e-3 * float(np.abs(one).max()))
    else:
        gaps = _gaps(one)
        alike = np.allclose(gaps[np.ix_(order, order)], _gaps(other), rtol=0.01, atol=0.01 * float(gaps.max()))
    if not alike:
        raise Failure("it answers differently for the same rows in another order")


@check(*ROWS)
def no_rows(subject: Subject) -> None:
    """For no rows it answers with no rows, or raises a clear error (KCEError or ValueError)."""
    _answers_or_raises(subject, blob_features().take(np.arange(0)), "no rows")


@check(*ROWS)
def one_row(subject: Subject) -> None:
    """For one row it answers, or raises a clear error."""
    _answers_or_raises(subject, blob_features().take(np.arange(1)), "one row")


@check(*ROWS)
def few_rows(subject: Subject) -> None:
    """For two and three rows it answers, or raises a clear error."""
    for count in (2, 3):
        _answers_or_raises(subject, blob_features().take(np.arange(count)), f"{count} rows")


@check(*ROWS)
def identical_rows(subject: Subject) -> None:
    """For rows that are all the same it answers, or raises a clear error."""
    given = blob_features()
    _answers_or_raises(subject, given.with_x(np.ones_like(given.x)), "rows that are all the same")


@check(*ROWS)
def constant_columns(subject: Subject) -> None:
    """It works with columns that are constant."""
    given = blob_features()
    x = np.concatenate([given.x, np.zeros_like(given.x), np.full_like(given.x, 3)], axis=1)
    _answers(subject, given.with_x(x))


@check(*ROWS)
def duplicate_rows(subject: Subject) -> None:
    """It works with rows that occur twice, and a clusterer puts both into the same cluster."""
    given = blob_features()
    twice = np.repeat(np.arange(len(given)), 2)
    answer = _answers(subject, given.take(twice))
    if subject.kind == "clusterer" and not (answer[::2] == answer[1::2]).all():
        raise Failure("it puts two equal rows into two clusters")


@check(*ROWS)
def nan_and_infinity(subject: Subject) -> None:
    """For NaN and infinity it raises a clear error, or they remain visible.

    Visible is a row or score that is not finite, and a row that is noise.
    """
    for bad in (np.nan, np.inf):
        given = blob_features()
        given.x[5, 3] = bad
        answer: Any = None

        def call(given: Features = given) -> None:
            nonlocal answer
            with built(subject) as component, np.errstate(all="ignore"):
                answer = call_component(subject.kind, component, given)

        if raises_clear_error(call, f"a {bad} among the features"):
            continue
        if subject.kind == "evaluator":
            seen = not all(np.isfinite(float(value)) for value in answer.values())
        elif subject.kind == "clusterer":
            seen = answer[5] == -1
        else:
            seen = not np.isfinite(answer[5]).all()
        if not seen:
            raise Failure(f"it hides a {bad} among the features")


@check("clusterer")
def cluster_count(subject: Subject) -> None:
    """If its factory takes `n_clusters`, it makes at most that many clusters.

    For 0 clusters, and for more clusters than rows, it raises a clear error.
    """
    if not subject.takes("n_clusters") and "n_clusters" not in subject.parameters:
        return
    given = blob_features()
    for count in (1, 2, BLOBS, 7):
        with built(subject, n_clusters=count) as component:
            numbers = set(call_component("clusterer", component, given).tolist()) - {-1}
        if len(numbers) > count:
            raise Failure(f"with n_clusters={count} it makes {len(numbers)} clusters")
    for count, rows in ((0, 8), (9, 8)):

        def call(count: int = count, rows: int = rows) -> None:
            with built(subject, n_clusters=count) as component:
                call_component("clusterer", component, given.take(np.arange(rows)))

        if not raises_clear_error(call, f"{count} clusters of {rows} rows"):
            raise Failure(f"it raises no error for {count} clusters of {rows} rows")


@check("clusterer")
def cannot_link(subject: Subject) -> None:
    """If its `fit_predict` takes `cannot_link`, it accepts constraints, and without any pair they change nothing."""
    given = blob_features().x
    with built(subject) as component:
        if not validation.takes_cannot_link(component):
            return
        pairs = np.zeros((len(given), len(given)), bool)
        if not identical(component.fit_predict(given), component.fit_predict(given, cannot_link=pairs)):
            raise Failure("with a `cannot_link` without any pair it answers differently")
        pairs[0, 1] = pairs[1, 0] = True
        validation.check_answer("clusterer", component.fit_predict(given, cannot_link=pairs), given)


@check("evaluator")
def one_label(subject: Subject) -> None:
    """For rows of a single label it raises a clear error: there is nothing to separate."""
    given = blob_features()
    alone = Features(given.key, np.full_like(given.label, given.label[0]), given.group, given.x)

    def call() -> None:
        with built(subject) as component:
            call_component("evaluator", component, alone)

    if not raises_clear_error(call, "a single label"):
        raise Failure("it scores rows of a single label")


@check("evaluator")
def label_names(subject: Subject) -> None:
    """The names of categories do not change any score."""
    given = blob_features()
    renamed = Features(given.key, np.char.add("Z", given.label), given.group, given.x)
    with built(subject) as component:
        one, other = call_component("evaluator", component, given), call_component("evaluator", component, renamed)
    if not _same_scores(one, other, 1e-9):
        raise Failure("the same rows with other label names get other scores")


@check("evaluator")
def score_names(subject: Subject) -> None:
    """It returns the same names of scores for any rows, and accepts a plan."""
    with built(subject) as component:
        one = list(component.score(blob_features()))
        other = list(component.score(blob_features(96, 8)))
        validation.check_scores(component.score(blob_features(), _plan()), blob_features())
    if one != other:
        raise Failure(f"for one table it returns {', '.join(one)}, for another {', '.join(other)}")


@check("evaluator")
def score_ranges(subject: Subject) -> None:
    """If it has `score_ranges`, these are (low, high) of scores that it returns, and the scores lie within them."""
    given = blob_features()
    with built(subject) as component:
        if not hasattr(component, validation.SCORE_RANGES):
            return
        scores, ranges = component.score(given), component.score_ranges(given)
    validation.check_ranges(ranges)
    if ranges and not ranges.keys() & scores.keys():
        raise Failure(f"it says ranges of {', '.join(ranges)}, of which none is a score of it: {', '.join(scores)}")
    for name in ranges.keys() & scores.keys():
        low, high = ranges[name]
        if not low - 1e-9 <= scores[name] <= high + 1e-9:
            raise Failure(f"its score {name!r} is {scores[name]:g}, out of its range, {low:g} to {high:g}")


@check("evaluator")
def resampled_scores(subject: Subject) -> None:
    """If it has `score_resamples`, that returns what `score` returns for the rows of each resample, within rounding."""
    given = blob_features(96, 8)
    wide = given.with_x((given.x + 3 * np.random.default_rng(3).standard_normal(given.x.shape)).astype(np.float32))
    unequal = np.where(np.arange(len(given)) % 5 == 0, given.group, given.group[::-1])
    given = Features(wide.key, wide.label, unequal, wide.x)
    resamples = Resamples(given, 5, seed=0)
    with built(subject) as component:
        if not hasattr(component, validation.SCORE_RESAMPLES):
            return
        quick = component.score_resamples(given, resamples, _plan())
        validation.check_resampled_scores(quick, resamples.count)
        for number, rows in enumerate(resamples.by_rows()):
            one = component.score(given.take(rows), _plan())
            if not _same_scores(one, {name: values[number] for name, values in quick.items()}, 1e-6):
                raise Failure("`score_resamples` returns other scores than `score` does for the rows of a resample")


def _plan() -> MergePlan:
    categories = blob_features().categories
    return MergePlan({category: f"class {n // 2}" for n, category in enumerate(categories)})


def _answers(subject: Subject, given: Features) -> Any:
    with built(subject) as component:
        answer = call_component(subject.kind, component, given)
        check_component_answer(subject.kind, component, given, answer)
    if subject.kind in ("aligner", "reducer", "tracer"):
        validation.check_finite(subject.kind, answer)
    return answer


def _answers_or_raises(subject: Subject, given: Features, what: str) -> None:
    raises_clear_error(lambda: _answers(subject, given), what)


def _same_scores(one: Mapping[str, Any], other: Mapping[str, Any], rtol: float) -> bool:
    return one.keys() == other.keys() and all(np.isclose(one[name], other[name], rtol=rtol) for name in one)


def _check_neighbours(reduced: Any, given: Features) -> None:
    gaps = _gaps(reduced)
    np.fill_diagonal(gaps, np.inf)
    right = given.label[gaps.argmin(axis=1)] == given.label
    if right.mean() < 0.9:
        raise Failure(f"only {right.mean():.0%} of rows are next to a row of their own group")


def _gaps(x: Any) -> Any:
    wide = x.astype(np.float64)
    return np.sqrt(((wide[:, None] - wide[None]) ** 2).sum(axis=-1))


def _partition(numbers: Any) -> set[tuple[int, ...]]:
    """The sets of rows that are together, without the numbers of their clusters."""
    return {(int(number == -1), *np.flatnonzero(numbers == number).tolist()) for number in set(numbers.tolist())}
