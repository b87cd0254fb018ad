"""What the parts that work on rows of features promise: aligners, reducers, clusterers, evaluators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kce.errors import BrokenPromise
from kce.registry import validation
from kce.testing.base import Subject, promise, refuses
from kce.testing.probes import BLOBS, ROWS, ask, check_answer, made, permuted, same, table
from kce.types import Features, MergePlan


@promise(*ROWS)
def input_untouched(subject: Subject) -> None:
    """It changes nothing of what it is given."""
    given = table()
    with made(subject) as component:
        ask(subject.kind, component, given)
    fresh = table()
    for name in ("x", "label", "key", "group"):
        if not same(getattr(given, name), getattr(fresh, name)):
            raise BrokenPromise("", f"it changes the {name} it is given")


@promise("aligner", "reducer", "evaluator")
def finite(subject: Subject) -> None:
    """Of finite features it makes finite numbers."""
    with made(subject) as component:
        answer = ask(subject.kind, component, table())
    values = np.array([float(value) for value in answer.values()]) if subject.kind == "evaluator" else answer
    if not np.isfinite(values).all():
        raise BrokenPromise("", "it answers NaN or infinity for finite features")


@promise("reducer", "clusterer")
def row_for_row(subject: Subject) -> None:
    """Its answer's rows stand in the order of the rows given. Of groups far apart, each clustering respects one side: a
    cluster holds one group, or a group lies in one cluster; and a reduced row lies next to one of its own group."""
    given = table()
    with made(subject) as component:
        answer = ask(subject.kind, component, given)
    if subject.kind == "clusterer":
        numbers, labels = answer[answer >= 0], given.label[answer >= 0]
        if not len(numbers):
            raise BrokenPromise("", f"it calls all of {BLOBS} groups far apart noise")
        pairs = len(set(zip(numbers.tolist(), labels.tolist(), strict=True)))
        if pairs not in (len(set(numbers.tolist())), len(set(labels.tolist()))):
            raise BrokenPromise("", f"its clusters mix the rows of {BLOBS} groups far apart")
        return
    gaps = _gaps(answer)
    np.fill_diagonal(gaps, np.inf)
    right = given.label[gaps.argmin(axis=1)] == given.label
    if right.mean() < 0.9:
        raise BrokenPromise("", f"only {right.mean():.0%} of rows lie next to a row of their own group")


@promise(*ROWS)
def row_order(subject: Subject) -> None:
    """The order of the rows changes nothing: clusters, distances and figures are the same, within rounding."""
    given = table()
    mixed, order = permuted(given)
    with made(subject) as component:
        one = ask(subject.kind, component, given)
    with made(subject) as component:
        other = ask(subject.kind, component, mixed)
    if subject.kind == "evaluator":
        alike = _same_figures(one, other, 1e-4)
    elif subject.kind == "clusterer":
        alike = _partition(one[order]) == _partition(other)
    elif subject.kind == "aligner":
        alike = np.allclose(one[order], other, rtol=1e-3, atol=1e-3 * float(np.abs(one).max()))
    else:
        gaps = _gaps(one)
        alike = np.allclose(gaps[np.ix_(order, order)], _gaps(other), rtol=0.01, atol=0.01 * float(gaps.max()))
    if not alike:
        raise BrokenPromise("", "the same rows in another order are answered differently")


@promise(*ROWS)
def no_rows(subject: Subject) -> None:
    """No rows at all are answered with none, or refused in words."""
    _answers_or_refuses(subject, table().take(np.arange(0)), "no rows")


@promise(*ROWS)
def one_row(subject: Subject) -> None:
    """One row is answered, or refused in words."""
    _answers_or_refuses(subject, table().take(np.arange(1)), "one row")


@promise(*ROWS)
def few_rows(subject: Subject) -> None:
    """Two and three rows are answered, or refused in words."""
    for count in (2, 3):
        _answers_or_refuses(subject, table().take(np.arange(count)), f"{count} rows")


@promise(*ROWS)
def rows_all_alike(subject: Subject) -> None:
    """Rows that are all the same are answered, or refused in words."""
    given = table()
    _answers_or_refuses(subject, given.with_x(np.ones_like(given.x)), "rows that are all the same")


@promise(*ROWS)
def constant_columns(subject: Subject) -> None:
    """Columns that are the same in every row do no harm."""
    given = table()
    x = np.concatenate([given.x, np.zeros_like(given.x), np.full_like(given.x, 3)], axis=1)
    _answers(subject, given.with_x(x))


@promise(*ROWS)
def duplicated_rows(subject: Subject) -> None:
    """Rows that stand there twice do no harm, and a clusterer gives both the same number."""
    given = table()
    twice = np.repeat(np.arange(len(given)), 2)
    answer = _answers(subject, given.take(twice))
    if subject.kind == "clusterer" and not (answer[::2] == answer[1::2]).all():
        raise BrokenPromise("", "it puts two rows that are the same into two clusters")


@promise(*ROWS)
def not_finite(subject: Subject) -> None:
    """NaN and infinity are refused in words, or stay to be seen: NaN in that row or figure, noise among clusters."""
    for bad in (np.nan, np.inf):
        given = table()
        given.x[5, 3] = bad
        answer: Any = None

        def call(given: Features = given) -> None:
            nonlocal answer
            with made(subject) as component, np.errstate(all="ignore"):
                answer = ask(subject.kind, component, given)

        if refuses(call, f"a {bad} among the features"):
            continue
        if subject.kind == "evaluator":
            seen = not all(np.isfinite(float(value)) for value in answer.values())
        elif subject.kind == "clusterer":
            seen = answer[5] == -1
        else:
            seen = not np.isfinite(answer[5]).all()
        if not seen:
            raise BrokenPromise("", f"it answers as if nothing were wrong with a {bad} among the features")


@promise("clusterer")
def cluster_count(subject: Subject) -> None:
    """A factory that takes `n_clusters` makes no more clusters than it is told, and refuses none, and more than there
    are rows."""
    if not subject.takes("n_clusters") and "n_clusters" not in subject.parameters:
        return
    given = table()
    for count in (1, 2, BLOBS, 7):
        with made(subject, n_clusters=count) as component:
            numbers = set(ask("clusterer", component, given).tolist()) - {-1}
        if len(numbers) > count:
            raise BrokenPromise("", f"told to make {count} clusters it makes {len(numbers)}")
    for count, rows in ((0, 8), (9, 8)):

        def call(count: int = count, rows: int = rows) -> None:
            with made(subject, n_clusters=count) as component:
                ask("clusterer", component, given.take(np.arange(rows)))

        if not refuses(call, f"{count} clusters of {rows} rows"):
            raise BrokenPromise("", f"it makes {count} clusters of {rows} rows without a word")


@promise("evaluator")
def one_label(subject: Subject) -> None:
    """Rows of one label alone are refused in words: nothing comes apart."""
    given = table()
    alone = Features(given.key, np.full_like(given.label, given.label[0]), given.group, given.x)

    def call() -> None:
        with made(subject) as component:
            ask("evaluator", component, alone)

    if not refuses(call, "one label alone"):
        raise BrokenPromise("", "it scores rows of one label as if there were something to tell apart")


@promise("evaluator")
def names_mean_nothing(subject: Subject) -> None:
    """What categories are called changes no figure."""
    given = table()
    renamed = Features(given.key, np.char.add("Z", given.label), given.group, given.x)
    with made(subject) as component:
        one, other = ask("evaluator", component, given), ask("evaluator", component, renamed)
    if not _same_figures(one, other, 1e-9):
        raise BrokenPromise("", "the same rows under other names get other figures")


@promise("evaluator")
def same_figures(subject: Subject) -> None:
    """It gives the same figures, by name, whatever the rows; with a plan too."""
    with made(subject) as component:
        one = list(component.score(table()))
        other = list(component.score(table(96, 8)))
        validation.figures(component.score(table(), _plan()), table())
    if one != other:
        raise BrokenPromise("", f"of one table it says {', '.join(one)}, of another {', '.join(other)}")


def _plan() -> MergePlan:
    categories = table().categories
    return MergePlan({category: f"class {n // 2}" for n, category in enumerate(categories)})


def _answers(subject: Subject, given: Features) -> Any:
    with made(subject) as component:
        answer = ask(subject.kind, component, given)
        try:
            check_answer(subject.kind, component, given, answer)
        except BrokenPromise as broken:
            if broken.promise != "own-memory":  # that is said once
                raise
    if subject.kind in ("aligner", "reducer") and not np.isfinite(answer).all():
        raise BrokenPromise("", "it answers NaN or infinity for finite features")
    return answer


def _answers_or_refuses(subject: Subject, given: Features, what: str) -> None:
    refuses(lambda: _answers(subject, given), what)


def _same_figures(one: Mapping[str, Any], other: Mapping[str, Any], rtol: float) -> bool:
    return one.keys() == other.keys() and all(np.isclose(one[name], other[name], rtol=rtol) for name in one)


def _gaps(x: Any) -> Any:
    wide = x.astype(np.float64)
    return np.sqrt(((wide[:, None] - wide[None]) ** 2).sum(axis=-1))


def _partition(numbers: Any) -> set[tuple[int, ...]]:
    """Which rows are together, whatever the clusters are called."""
    return {(int(number == -1), *np.flatnonzero(numbers == number).tolist()) for number in set(numbers.tolist())}
