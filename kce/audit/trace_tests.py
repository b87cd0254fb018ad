"""Tests on traces: how far apart two categories' traces are, how certain that is, and whether one mixes others.

The recording is the unit. What a recording adds to a trace, less the recordings' mean, is given a random sign, the same
for all categories the recording occurs in (the wild bootstrap, by cluster). Without a difference between two traces
their distance is as likely under random signs as under the true ones, which gives p; the spread under random signs
gives intervals.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kce.evaluation.intervals import LEVEL, percentile_interval, student_interval
from kce.system.rng import generator

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kce.audit.traces import Codes, Field, Traces

LEAST_RECORDINGS = 5
"""Of a label: fewer random signs do not give a usable spread."""
_CHUNK = 256  # rounds at a time
_ROUNDS = 2000  # for an interval
_FURTHEST = 2.0  # effect of opposite traces; without the part of scatter, estimates can be above it


@dataclass(frozen=True)
class TraceDifference:
    """The difference between two traces.

    Lengths are in standard deviations of a category's rows, with the part that scatter adds to them removed.

    Attributes:
        n: Rows behind both traces, reals among them.
        distance: Distance between the traces.
        cosine: Cosine of the angle between them.
        cosine_interval: 95 % interval of the cosine.
        effect: The distance over the root mean square of their lengths: 0 = equal, 1.41 = orthogonal, 2 = opposite.
        interval: 95 % interval of the effect.
        p: p-value of the hypothesis that there is no difference.
    """

    n: int
    distance: float
    cosine: float
    cosine_interval: tuple[float, float]
    effect: float
    interval: tuple[float, float]
    p: float


@dataclass(frozen=True)
class TraceProjection:
    """A category's rows along another category's trace, from the anchor (0) to the other category's mean (1).

    Attributes:
        place: Position of their mean.
        spread: Their variance along the trace, relative to that along other directions, over the same ratio of the
            other category's own rows. 1 = they scatter alike; a mixture of rows at the end of the trace and rows
            elsewhere scatters more.
        interval: 95 % interval of the spread, above 0, by jackknife over recordings; None if no recording changes it.
    """

    place: float
    spread: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, eq=False)
class _Trace:
    """A trace and what each recording adds to it.

    Attributes:
        mean: (axes,) the trace.
        residual: (recordings, axes) what each recording adds to it, less its share.
        recordings: (recordings,) their numbers.
        n: Rows behind it.
    """

    mean: Field
    residual: Field
    recordings: Codes
    n: int


def trace_differences(
    traces: Traces, pairs: Sequence[tuple[int, int]], rounds: int, seed: int
) -> dict[tuple[int, int], TraceDifference | None]:
    """Compare pairs of labels by their traces.

    Args:
        traces: Traces of all labels.
        pairs: Numbers of labels. Both datasets need reals, and each label at least two recordings.
        rounds: Random signs for p; the intervals take 2000.
        seed: Random seed of the signs.

    Returns:
        Pair -> its difference; None if one of the traces is no longer than scatter alone would make it.
    """
    numbers = sorted({number for pair in pairs for number in pair})
    own = [_trace(traces, number) for number in numbers]
    indices = [(numbers.index(a), numbers.index(b)) for a, b in pairs]
    if not indices:
        return {}
    a, b = np.array(indices).T
    centre = np.stack([trace.mean for trace in own])
    gap = ((centre[a] - centre[b]) ** 2).sum(axis=1)
    groups = int(traces.group.max()) + 1
    exceeded = np.zeros(len(pairs))
    for shifts in _random_shifts(own, groups, rounds, seed, "signs for p"):
        gram = shifts @ shifts.transpose(0, 2, 1)
        exceeded += (gram[:, a, a] + gram[:, b, b] - 2 * gram[:, a, b] >= gap).sum(axis=0)
    products = [
        (shifts @ shifts.transpose(0, 2, 1), shifts @ centre.T)
        for shifts in _random_shifts(own, groups, _ROUNDS, seed, "signs for intervals")
    ]
    gram, cross = (np.concatenate(parts) for parts in zip(*products, strict=True))
    p_values = (1 + exceeded) / (1 + rounds)
    return {
        pair: _difference(
            own[one],
            own[other],
            gram[:, [one, other]][:, :, [one, other]],
            cross[:, [one, other]][:, :, [one, other]],
            float(p),
        )
        for pair, (one, other), p in zip(pairs, indices, p_values, strict=True)
    }


def _random_shifts(traces: Sequence[_Trace], groups: int, rounds: int, seed: int, purpose: str) -> Iterator[Field]:
    """How far random signs shift each trace: (rounds, traces, axes), a chunk of rounds at a time."""
    rng = generator(seed, purpose)
    for start in range(0, rounds, _CHUNK):
        signs = rng.choice(np.array([-1.0, 1.0]), (min(_CHUNK, rounds - start), groups))
        yield np.stack([signs[:, trace.recordings] @ trace.residual for trace in traces], axis=1)


def _difference(a: _Trace, b: _Trace, gram: Field, cross: Field, p: float) -> TraceDifference | None:
    """Compare two traces, given inner products of random shifts with each other and with the traces.

    Args:
        a: One trace.
        b: The other.
        gram: (rounds, 2, 2) of the two shifts with each other.
        cross: (rounds, 2, 2) of the two shifts with the two traces.
        p: p-value of the hypothesis that there is no difference.
    """
    squares = np.array([a.mean @ a.mean, b.mean @ b.mean])
    noise = np.stack([gram[:, 0, 0], gram[:, 1, 1]])
    apart = noise.sum(axis=0) - 2 * gram[:, 0, 1]
    # Scatter makes every length longer, on average by as much as random signs alone do.
    unbiased = squares - noise.mean(axis=1)
    if unbiased.min() <= 0 or (noise >= squares[:, None]).mean(axis=1).max() > 1 - LEVEL:
        return None
    gap = float(((a.mean - b.mean) ** 2).sum())
    between = max(gap - float(apart.mean()), 0.0)
    inner = float(a.mean @ b.mean - gram[:, 0, 1].mean())
    # Draws are about traces of the unbiased lengths; about the raw ones, all would be further apart than the truth.
    shrunk = np.sqrt(unbiased / squares)
    lengths = np.stack([unbiased[i] + 2 * shrunk[i] * cross[:, i, i] + noise[i] - noise[i].mean() for i in (0, 1)])
    inners = inner + shrunk[1] * cross[:, 0, 1] + shrunk[0] * cross[:, 1, 0] + gram[:, 0, 1] - gram[:, 0, 1].mean()
    along = cross[:, 0, 0] - cross[:, 0, 1] - cross[:, 1, 0] + cross[:, 1, 1]
    gaps = between + 2 * math.sqrt(between / gap) * along + apart - apart.mean() if gap else apart - apart.mean()
    least = 1e-12 * unbiased.max()
    ratios = np.sqrt(np.maximum(gaps, 0) / np.maximum(lengths.mean(axis=0), least))
    effect = math.sqrt(between / float(unbiased.mean()))
    cosines = inners / np.sqrt(np.maximum(lengths, least).prod(axis=0))
    return TraceDifference(
        n=a.n + b.n,
        distance=math.sqrt(between),
        cosine=float(np.clip(inner / math.sqrt(unbiased.prod()), -1, 1)),
        cosine_interval=percentile_interval(np.clip(cosines, -1, 1)),
        effect=min(effect, _FURTHEST),
        interval=percentile_interval(np.minimum(ratios, _FURTHEST)),
        p=p,
    )


def zero_trace_p_values(traces: Traces, numbers: Sequence[int], seed: int) -> dict[int, float]:
    """Test whether labels have a trace at all: how often random signs make one that is as long.

    Args:
        traces: Traces of all labels.
        numbers: Numbers of the labels to test. Their datasets need reals, and each label at least two recordings.
        seed: Random seed of the signs.

    Returns:
        Label -> p of having no trace.
    """
    if not numbers:
        return {}
    own = [_trace(traces, number) for number in numbers]
    squares = np.array([trace.mean @ trace.mean for trace in own])
    exceeded = np.zeros(len(own))
    for shifts in _random_shifts(own, int(traces.group.max()) + 1, _ROUNDS, seed, "signs for nothing"):
        exceeded += (np.square(shifts).sum(axis=2) >= squares).sum(axis=0)
    return dict(zip(numbers, ((1 + exceeded) / (1 + _ROUNDS)).tolist(), strict=True))


def project_on_trace(traces: Traces, number: int, onto: int) -> TraceProjection | None:
    """Project the rows of a label on the trace of another one.

    Args:
        traces: Traces of all labels.
        number: Number of the label whose rows are projected.
        onto: Number of the label whose trace they are projected on. Both datasets need reals, and each label at least
            two recordings.

    Returns:
        None if the mean of the rows is not between 0 and 1, also when any one recording is left out.
    """
    trace = _trace(traces, onto).mean
    projected, own = (_scatter(traces, one, trace) for one in (number, onto))
    if projected is None or own is None or not 0 < projected.places.min() <= projected.places.max() < 1:
        return None
    spread, error = math.exp(projected.spread - own.spread), math.hypot(projected.error, own.error)
    interval = student_interval(spread, spread * error, min(projected.n, own.n) - 1, (0.0, math.inf))
    return TraceProjection(float(projected.places[0]), spread, interval)


@dataclass(frozen=True, eq=False)
class _Scatter:
    """The scatter of a label's rows along a trace.

    Attributes:
        spread: Its logarithm, by jackknife over recordings.
        error: Standard error of that.
        n: Recordings.
        places: (1 + recordings,) the mean place of the rows: of all, and without each recording.
    """

    spread: float
    error: float
    n: int
    places: Field


def _scatter(traces: Traces, number: int, trace: Field) -> _Scatter | None:
    """None for fewer than two recordings, or rows."""
    rows = traces.rows_of(number)
    place = traces.x[rows] @ trace / (trace @ trace)
    recording = np.unique(traces.group[rows], return_inverse=True)[1]
    # The sums behind variances, of each recording: those without it are the total less its own.
    columns = np.column_stack([np.ones(len(rows)), place, place**2, traces.x[rows], traces.x[rows] ** 2])
    sums = _sum_by_code(columns, recording)
    count, left = len(sums), np.concatenate([sums.sum(axis=0)[None], sums.sum(axis=0) - sums])
    if count < 2 or left[:, 0].min() < 2:
        return None
    spread = np.log(_relative_variance(left, float(trace @ trace)))
    pseudo = count * spread[0] - (count - 1) * spread[1:]
    return _Scatter(float(pseudo.mean()), float(pseudo.std(ddof=1)) / math.sqrt(count), count, left[:, 1] / left[:, 0])


def _relative_variance(sums: Field, square: float) -> Field:
    """The variance along a trace of this squared length, over the median variance along the axes."""
    n, axes = sums[:, :1], (sums.shape[1] - 3) // 2
    first = np.hstack([sums[:, 1:2], sums[:, 3 : 3 + axes]])
    second = np.hstack([sums[:, 2:3], sums[:, 3 + axes :]])
    variance = np.maximum((second - first**2 / n) / (n - 1), 1e-12)
    return np.asarray(variance[:, 0] * square / np.median(variance[:, 1:], axis=1))


def _sum_by_code(values: Field, codes: Codes) -> Field:
    sums = np.zeros((int(codes.max()) + 1, values.shape[1]))
    np.add.at(sums, codes, values)
    return sums


def _trace(traces: Traces, number: int) -> _Trace:
    reals = traces.reals_of(number)
    if reals is None:
        raise ValueError(f"the dataset of {traces.labels[number]} has no reals to subtract")
    recordings = np.unique(traces.group[traces.dataset == traces.dataset_of(number)])
    own, anchor = traces.rows_of(number), traces.rows_of(reals)
    parts = [_contributions(traces, rows, recordings) for rows in (own, anchor)]
    mean = traces.x[own].mean(axis=0, dtype=np.float64) - traces.x[anchor].mean(axis=0, dtype=np.float64)
    return _Trace(mean, parts[0] - parts[1], recordings, len(own) + len(anchor))


def _contributions(traces: Traces, rows: Codes, recordings: Codes) -> Field:
    """What each recording adds to the mean of these rows, less its share: (recordings, axes)."""
    x = traces.x[rows].astype(np.float64)
    sums = np.zeros((len(recordings), x.shape[1]))
    np.add.at(sums, np.searchsorted(recordings, traces.group[rows]), (x - x.mean(axis=0)) / len(rows))
    count = len(np.unique(traces.group[rows]))
    # Deviations from a mean that the recordings made themselves are too short by this factor.
    return sums * math.sqrt(count / max(count - 1, 1))
