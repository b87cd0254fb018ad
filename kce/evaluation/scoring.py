"""Scores of features with intervals: which rows are scored, by which evaluators, and how certain the result is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.errors import BadData, KCEError
from kce.evaluation.formatting import describe_unknown_recordings
from kce.evaluation.intervals import LEAST_RECORDINGS, MOST_MISSING, UNBOUNDED, resampling_interval
from kce.evaluation.resampling import Resamples
from kce.features.reduction import load_rows, reduce_rows
from kce.features.streams import StoredRows
from kce.registry import isolation
from kce.registry.validation import SCORE_RANGES, SCORE_RESAMPLES
from kce.system.rng import hash_order

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from kce.features.table import FeatureTable
    from kce.registry.registry import Registry
    from kce.types import Evaluator, Features, FeatureStream, MergePlan


def score_table(
    rows: FeatureStream, reducer: str, specs: Sequence[str], registry: Registry, seed: int, resamples: int = 200
) -> dict[str, Any]:
    """Reduce a table and score it by its labels.

    Args:
        rows: Its rows.
        reducer: Name and parameters.
        specs: Names and parameters of evaluators.
        registry: Builds them.
        seed: Random seed of the reducer, the evaluators and the bootstrap.
        resamples: Number of resamples of the bootstrap.

    Returns:
        As ``score_features``.
    """
    part = registry.resolve_seeded("reducer", reducer, seed)
    with open_evaluators(registry, specs, seed) as evaluators, isolation.component(part, registry) as reduce:
        reduced = load_rows(reduce_rows(reduce, rows), next(iter(evaluators.values()), None))
        return score_features(reduced, evaluators, seed=seed, resamples=resamples)


@contextmanager
def open_evaluators(
    registry: Registry, specs: Sequence[str], seed: int, timeout: float = 0
) -> Iterator[dict[str, Evaluator]]:
    """Build evaluators for use inside the block.

    Args:
        registry: Builds them.
        specs: Names and parameters.
        seed: Random seed of the evaluators that take one and were given no other.
        timeout: Seconds that a third party's evaluator may take for an answer; 0 = no limit.

    Yields:
        The evaluators by name; by their whole spec where a name occurs twice, with different parameters.
    """
    parts = [registry.resolve_seeded("evaluator", spec, seed) for spec in specs]
    names = [part.entry.name for part in parts]
    with ExitStack() as stack:
        yield {
            part.entry.name if names.count(part.entry.name) == 1 else part.spec: stack.enter_context(
                isolation.component(part, registry, timeout)
            )
            for part in parts
        }


def score_features(
    features: Features,
    evaluators: Mapping[str, Evaluator],
    *,
    seed: int,
    plan: MergePlan | None = None,
    resamples: int = 200,
) -> dict[str, Any]:
    """Score rows by their labels, with 95 % intervals from a bootstrap over recordings.

    An interval says how far a score would move if other recordings of the same categories had been taken, as many rows
    of each as here. Whole recordings (``group``) are resampled within each label (``kce.Resamples``); see
    ``kce.evaluation.intervals.resampling_interval``, and the manual's page ``interpreting-results`` for how often these
    intervals contain the expected score. They lie within the ranges that an evaluator's ``score_ranges`` returns. An
    evaluator with ``score_resamples`` is given all resamples at once, the others the rows of one after the other.

    Where the recording of a row is unknown (``group`` is empty), its file is resampled instead. Files may be frames of
    one recording, so the interval may then be too narrow; a remark says so.

    There is no interval (None) for an evaluator whose attribute ``intervals`` is False; for any score if a label has
    fewer than three recordings; for a score that is not finite in more than 5 % of the resamples, that does not vary,
    or that is at a bound of its range; and if `resamples` is 0.

    Args:
        features: The rows.
        evaluators: Evaluators by name.
        seed: Random seed of the bootstrap.
        plan: Passed on to the evaluators.
        resamples: Number of resamples of the bootstrap.

    Returns:
        {"n": rows, "dims": dimensions, "unknown_recordings": rows whose recording is unknown, "seed": seed, "scores":
        {evaluator: {score: value}}, "intervals": {evaluator: {score: [low, high] or None}}, "ranges": {evaluator:
        {score: [low or None, high or None]}} of the scores that have bounds, "remarks": [why an interval is None, or
        may be too narrow]}.

    Raises:
        BadData: If there are too few rows, only one label, or values that are not finite.
        KCEError: If an evaluator fails; the message names it.
    """
    _check_scorable(features)
    bootstrap = Resamples(features, resamples, seed)
    recordings = np.bincount(bootstrap.label)
    unknown = int((features.group == "").sum())
    scores = {name: _score(name, evaluator.score, features, plan) for name, evaluator in evaluators.items()}
    remarks = _describe_few(features.categories, recordings.tolist())
    resampled = {name: evaluator for name, evaluator in evaluators.items() if getattr(evaluator, "intervals", True)}
    draws = {} if remarks or not resamples else _score_resamples(resampled, features, bootstrap, plan)
    remarks += [f"no interval for {name}: it has none" for name in evaluators if name not in resampled]
    if draws and unknown:
        remarks.append(describe_unknown_recordings(unknown, len(features)))
    _check_names(scores, draws)
    intervals: dict[str, dict[str, list[float] | None]] = {name: dict.fromkeys(own) for name, own in scores.items()}
    ranges = {name: _score_ranges(name, evaluator, features) for name, evaluator in evaluators.items()}
    for name, values in draws.items():
        for score, own in values.items():
            label, bounds = f"{name} {score}", ranges[name].get(score, UNBOUNDED)
            with _naming(name):
                intervals[name][score], said = _interval(label, scores[name][score], own, recordings, bounds)
            remarks += said
    return {
        "n": len(features),
        "dims": features.x.shape[1],
        "unknown_recordings": unknown,
        "seed": seed,
        "scores": scores,
        "intervals": intervals,
        "ranges": {
            name: {score: [end if math.isfinite(end) else None for end in bounds] for score, bounds in own.items()}
            for name, own in ranges.items()
        },
        "remarks": remarks,
    }


def read_evaluation_rows(table: FeatureTable, per_category: int, seed: int) -> Features:
    """Read the rows that ``choose_evaluation_rows`` chooses of a table; only labels and keys of the rest are read."""
    rows = StoredRows.all_of(table)
    return rows.take(choose_evaluation_rows(rows.label, rows.key, per_category, seed))


def choose_evaluation_rows(labels: ArrayLike, keys: ArrayLike, per_category: int, seed: int) -> NDArray[np.int64]:
    """Choose the rows to score: equally many of each label.

    Which rows they are depends only on the seed, the labels and the keys, so every plan and backbone is scored on the
    same faces.

    Args:
        labels: (n,) str.
        keys: (n,) str.
        per_category: Rows of each label; or as many as the smallest label has, if it has fewer.
        seed: Random seed of the choice.

    Returns:
        (m,) row numbers, ascending.

    Raises:
        BadData: If there are no rows.
        KCEError: If `per_category` is below 1.
    """
    label, key = np.asarray(labels), np.asarray(keys)
    if per_category < 1:
        raise KCEError(f"cannot score {per_category} rows per category", "use at least 1")
    if not len(label):
        raise BadData("there are no rows to score", "check that the table holds the unknown categories")
    names, counts = np.unique(label, return_counts=True)
    count = min(per_category, int(counts.min()))
    chosen = []
    for name in names.tolist():
        rows = np.flatnonzero(label == name)
        chosen.append(rows[hash_order(seed, key[rows].tolist(), name)[:count]])
    return np.sort(np.concatenate(chosen)).astype(np.int64)


def _check_scorable(features: Features) -> None:
    labels = features.categories
    if len(labels) < 2:
        content = f"only one category, {labels[0]}" if labels else "no rows"
        raise BadData(f"nothing to compare: the table holds {content}", "score at least two categories together")
    if len(features) <= len(labels):
        raise BadData(
            f"{len(features)} rows of {len(labels)} categories are too few to score", "take several rows of each"
        )
    finite = np.isfinite(features.x).all(axis=1)
    if not finite.all():
        bad = features.key[int(np.argmin(finite))]
        raise BadData(f"the features of {bad} are not finite (NaN or infinite)", "extract the features again")


def _describe_few(labels: Sequence[str], recordings: Sequence[int]) -> list[str]:
    """A remark for each number of recordings that is too low for intervals."""
    few: dict[int, list[str]] = {}
    for label, count in zip(labels, recordings, strict=True):
        if count < LEAST_RECORDINGS:
            few.setdefault(count, []).append(label)
    return [
        f"no intervals: only {count} recording{'s' * (count > 1)} behind {', '.join(names)}; at least "
        f"{LEAST_RECORDINGS} of each label are needed"
        for count, names in sorted(few.items())
    ]


def _score_ranges(name: str, evaluator: Any, features: Features) -> Mapping[str, tuple[float, float]]:
    """The ranges of the scores that have bounds."""
    if not hasattr(evaluator, SCORE_RANGES):
        return {}
    with _naming(name):
        return dict(evaluator.score_ranges(features))


def _interval(
    name: str, value: float, draws: NDArray[np.float64], recordings: NDArray[np.intp], bounds: tuple[float, float]
) -> tuple[list[float] | None, list[str]]:
    """The interval of a score, and remarks on it."""
    missing = int(np.count_nonzero(~np.isfinite(draws)))
    counted = f"NaN or infinite in {missing} of {len(draws)} resamples"
    if missing > MOST_MISSING * len(draws):
        return None, [f"no interval for {name}: it is {counted}"]
    remarks = [f"{name} is {counted}, which its interval leaves out"] if missing else []
    interval = resampling_interval(value, draws, recordings, bounds)
    if interval is None:
        remarks.append(f"no interval for {name}: it does not vary, or is at a bound of its range")
    return list(interval) if interval else None, remarks


def _check_names(scores: Mapping[str, Mapping[str, float]], draws: Mapping[str, Mapping[str, Any]]) -> None:
    for name, values in draws.items():
        if values.keys() != scores[name].keys():
            raise KCEError(
                f"the evaluator {name} returns the scores {', '.join(values)} for resamples, not "
                f"{', '.join(scores[name])}",
                "leave it out, or fix it",
            )


def _score_resamples(
    evaluators: Mapping[str, Any], features: Features, bootstrap: Resamples, plan: MergePlan | None
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Evaluator -> score -> its values in all resamples."""
    draws = {}
    by_rows = {}
    for name, evaluator in evaluators.items():
        if hasattr(evaluator, SCORE_RESAMPLES):
            with _naming(name):
                draws[name] = dict(evaluator.score_resamples(features, bootstrap, plan))
        else:
            by_rows[name] = evaluator
    if not by_rows:
        return draws
    scored: dict[str, list[dict[str, float]]] = {name: [] for name in by_rows}
    for rows in bootstrap.by_rows():
        sample = features.take(rows)
        for name, evaluator in by_rows.items():
            # A component that a run calls is asked in a way that lets NaN pass: it is counted.
            score = getattr(evaluator, "score_resample", evaluator.score)
            scored[name].append(_score(name, score, sample, plan))
    for name, values in scored.items():
        draws[name] = {score: np.array([one[score] for one in values]) for score in values[0]}
    return draws


def _score(
    name: str, call: Callable[..., Mapping[str, float]], features: Features, plan: MergePlan | None
) -> dict[str, float]:
    with _naming(name):
        return {score: float(value) for score, value in call(features, plan).items()}


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Name the evaluator in errors of what it computes."""
    try:
        yield
    except KCEError:
        raise
    except (ValueError, ArithmeticError) as error:
        raise KCEError(f"the evaluator {name} cannot score these rows: {error}", "leave it out, or fix it") from error
