"""How far two categories' traces lie apart, how sure that is, and whether one is a mixture that holds the other.

Recordings are the unit: what a recording adds to a trace, less its mean, is given a sign by lot, the same for all
categories the recording is in (the wild bootstrap, by cluster). Without a difference between two traces their distance
is as likely under any signs as under the true ones, which makes p; and the spread under many signs makes intervals.
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

LEAST_RECORDINGS = 5  # of a label: fewer signs than this make no spread to speak of
_CHUNK = 256  # rounds at a time
_DRAWS = 2000  # for an interval


@dataclass(frozen=True)
class TraceDifference:
    """Of two traces. Lengths are in standard deviations of a category's rows, freed of what scatter adds to them.

    n         rows behind both traces, reals among them
    distance  between the traces
    cosine    of the angle between them
    effect    the distance over the root mean square of their lengths: 0 = one trace, 1.41 = nothing in common
    interval  of the effect, and of the cosine: 95 %
    p         of no difference
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
    """Where a category's rows lie along another one's trace, from the anchor (0) to that one's mean (1).

    place     of their mean
    spread    their variance along it, over that along other directions, and that over the same of the other one's own
              rows: 1 = scattered as those; rows of two kinds, one of which lies at the end, scatter more
    interval  of the spread: 95 %, jackknife over recordings
    """

    place: float
    spread: float
    interval: tuple[float, float]


@dataclass(frozen=True, eq=False)
class _Trace:
    """mean (axes,); residual (its recordings, axes): what each adds; recordings: their numbers; n: rows behind it."""

    mean: Field
    residual: Field
    recordings: Codes
    n: int


def trace_differences(
    traces: Traces, pairs: Sequence[tuple[int, int]], rounds: int, seed: int
) -> dict[tuple[int, int], TraceDifference | None]:
    """Pair of labels -> their difference; None where a trace is no longer than scatter makes it.

    Both datasets need reals, and each label two recordings at least. `rounds` of signs make p, 2000 the intervals.
    """
    numbers = sorted({number for pair in pairs for number in pair})
    found = [_trace(traces, number) for number in numbers]
    places = [(numbers.index(a), numbers.index(b)) for a, b in pairs]
    if not places:
        return {}
    a, b = np.array(places).T
    centre = np.stack([one.mean for one in found])
    gap = ((centre[a] - centre[b]) ** 2).sum(axis=1)
    groups = int(traces.group.max()) + 1
    beaten = np.zeros(len(pairs))
    for moved in _moved(found, groups, rounds, seed, "signs for p"):
        gram = moved @ moved.transpose(0, 2, 1)
        beaten += (gram[:, a, a] + gram[:, b, b] - 2 * gram[:, a, b] >= gap).sum(axis=0)
    products = [
        (moved @ moved.transpose(0, 2, 1), moved @ centre.T)
        for moved in _moved(found, groups, _DRAWS, seed, "signs for intervals")
    ]
    gram, cross = (np.concatenate(parts) for parts in zip(*products, strict=True))
    p = (1 + beaten) / (1 + rounds)
    return {
        pair: _difference(
            found[one],
            found[other],
            gram[:, [one, other]][:, :, [one, other]],
            cross[:, [one, other]][:, :, [one, other]],
            float(its),
        )
        for pair, (one, other), its in zip(pairs, places, p, strict=True)
    }


def _moved(found: Sequence[_Trace], groups: int, rounds: int, seed: int, what: str) -> Iterator[Field]:
    """How far signs by lot move each trace: (rounds, traces, axes), a chunk at a time."""
    random = generator(seed, what)
    for start in range(0, rounds, _CHUNK):
        signs = random.choice(np.array([-1.0, 1.0]), (min(_CHUNK, rounds - start), groups))
        yield np.stack([signs[:, one.recordings] @ one.residual for one in found], axis=1)


def _difference(a: _Trace, b: _Trace, gram: Field, cross: Field, p: float) -> TraceDifference | None:
    """From the draws' own products (draws, 2, 2), and theirs with the means (draws, 2, 2)."""
    squares = np.array([a.mean @ a.mean, b.mean @ b.mean])
    noise = np.stack([gram[:, 0, 0], gram[:, 1, 1]])
    apart = noise.sum(axis=0) - 2 * gram[:, 0, 1]
    # Scatter makes every length longer, on average by as much as signs alone make.
    free = squares - noise.mean(axis=1)
    if free.min() <= 0 or (noise >= squares[:, None]).mean(axis=1).max() > 1 - LEVEL:
        return None
    gap = float(((a.mean - b.mean) ** 2).sum())
    between = max(gap - float(apart.mean()), 0.0)
    inner = float(a.mean @ b.mean - gram[:, 0, 1].mean())
    # Draws about traces of these freed lengths: about the raw ones, all would lie further apart than the truth.
    shrunk = np.sqrt(free / squares)
    lengths = np.stack([free[i] + 2 * shrunk[i] * cross[:, i, i] + noise[i] - noise[i].mean() for i in (0, 1)])
    inners = inner + shrunk[1] * cross[:, 0, 1] + shrunk[0] * cross[:, 1, 0] + gram[:, 0, 1] - gram[:, 0, 1].mean()
    along = cross[:, 0, 0] - cross[:, 0, 1] - cross[:, 1, 0] + cross[:, 1, 1]
    gaps = between + 2 * math.sqrt(between / gap) * along + apart - apart.mean() if gap else apart - apart.mean()
    least = 1e-12 * free.max()
    ratios = np.sqrt(np.maximum(gaps, 0) / np.maximum(lengths.mean(axis=0), least))
    cosines = inners / np.sqrt(np.maximum(lengths, least).prod(axis=0))
    return TraceDifference(
        n=a.n + b.n,
        distance=math.sqrt(between),
        cosine=float(np.clip(inner / math.sqrt(free.prod()), -1, 1)),
        cosine_interval=percentile_interval(np.clip(cosines, -1, 1)),
        effect=math.sqrt(between / float(free.mean())),
        interval=percentile_interval(ratios),
        p=p,
    )


def zero_trace_p_values(traces: Traces, numbers: Sequence[int], seed: int) -> dict[int, float]:
    """Label -> p of its trace being none: how often signs by lot make one that is as long.

    The datasets need reals, and each label two recordings at least.
    """
    if not numbers:
        return {}
    found = [_trace(traces, number) for number in numbers]
    squares = np.array([one.mean @ one.mean for one in found])
    beaten = np.zeros(len(found))
    for moved in _moved(found, int(traces.group.max()) + 1, _DRAWS, seed, "signs for nothing"):
        beaten += (np.square(moved).sum(axis=2) >= squares).sum(axis=0)
    return dict(zip(numbers, ((1 + beaten) / (1 + _DRAWS)).tolist(), strict=True))


def project_on_trace(traces: Traces, number: int, of: int) -> TraceProjection | None:
    """Where the rows of a label lie along the trace of another one; None where their mean is not between 0 and 1.

    Both datasets need reals, and each label two recordings at least.
    """
    trace = _trace(traces, of).mean
    its, pure = (_scatter(traces, one, trace) for one in (number, of))
    if its is None or pure is None or not 0 < its.places.min() <= its.places.max() < 1:
        return None
    spread = its.spread - pure.spread
    low, high = student_interval(spread, math.hypot(its.error, pure.error), min(its.n, pure.n))
    return TraceProjection(float(its.places[0]), math.exp(spread), (math.exp(low), math.exp(high)))


@dataclass(frozen=True, eq=False)
class _Scatter:
    """Of a label's rows along a trace: the log of their spread, its standard error, by jackknife over n recordings, and
    their mean place, of all rows and without each recording."""

    spread: float
    error: float
    n: int
    places: Field


def _scatter(traces: Traces, number: int, trace: Field) -> _Scatter | None:
    """None for fewer than two recordings, or rows."""
    rows = traces.rows(number)
    place = traces.x[rows] @ trace / (trace @ trace)
    kin = np.unique(traces.group[rows], return_inverse=True)[1]
    # The sums that make variances, of each recording: what is left without it is their total less its own.
    sums = _sums(np.column_stack([np.ones(len(rows)), place, place**2, traces.x[rows], traces.x[rows] ** 2]), kin)
    count, left = len(sums), np.concatenate([sums.sum(axis=0)[None], sums.sum(axis=0) - sums])
    if count < 2 or left[:, 0].min() < 2:
        return None
    spread = np.log(_spread(left, float(trace @ trace)))
    pseudo = count * spread[0] - (count - 1) * spread[1:]
    return _Scatter(float(pseudo.mean()), float(pseudo.std(ddof=1)) / math.sqrt(count), count, left[:, 1] / left[:, 0])


def _spread(sums: Field, square: float) -> Field:
    """The variance along a trace of this squared length over the median variance along the axes."""
    n, axes = sums[:, :1], (sums.shape[1] - 3) // 2
    first = np.hstack([sums[:, 1:2], sums[:, 3 : 3 + axes]])
    second = np.hstack([sums[:, 2:3], sums[:, 3 + axes :]])
    variance = np.maximum((second - first**2 / n) / (n - 1), 1e-12)
    return np.asarray(variance[:, 0] * square / np.median(variance[:, 1:], axis=1))


def _sums(values: Field, codes: Codes) -> Field:
    found = np.zeros((int(codes.max()) + 1, values.shape[1]))
    np.add.at(found, codes, values)
    return found


def _trace(traces: Traces, number: int) -> _Trace:
    reals = traces.reals(number)
    if reals is None:
        raise ValueError(f"{traces.names[number]} has no reals to be measured from")
    recordings = np.unique(traces.group[traces.dataset == traces.home(number)])
    own, anchor = traces.rows(number), traces.rows(reals)
    parts = [_parts(traces, rows, recordings) for rows in (own, anchor)]
    mean = traces.x[own].mean(axis=0) - traces.x[anchor].mean(axis=0)
    return _Trace(mean, parts[0] - parts[1], recordings, len(own) + len(anchor))


def _parts(traces: Traces, rows: Codes, recordings: Codes) -> Field:
    """What each recording adds to the mean of these rows, less its due; (recordings, axes)."""
    x = traces.x[rows]
    found = np.zeros((len(recordings), x.shape[1]))
    np.add.at(found, np.searchsorted(recordings, traces.group[rows]), (x - x.mean(axis=0)) / len(rows))
    count = len(np.unique(traces.group[rows]))
    # Parts about a mean that they made themselves are too short by this.
    return found * math.sqrt(count / max(count - 1, 1))
