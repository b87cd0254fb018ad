"""AUROC between categories: whether what separates one from the rest of its dataset separates another from its own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kce.audit.traces import group_means
from kce.evaluation.intervals import student_interval
from kce.system.rng import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.audit.traces import Codes, Field, Traces

_FOLDS = 5  # of recordings, for the AUROC within a dataset
_CHUNK = 256  # permutations at a time


@dataclass(frozen=True)
class Auroc:
    """How well one linear score separates a category from the rest of its dataset.

    Attributes:
        value: AUROC, in [0, 1]; 0.5 is chance.
        interval: 95 % interval, clustered by recording (Obuchowski 1997), on the logit scale; the score itself is taken
            as given. None if the score separates the sides without an error, or every row is an error, or if a
            side has one recording.
        n: Rows of both sides.
    """

    value: float
    interval: tuple[float, float] | None
    n: int


def discriminant_axes(traces: Traces) -> Field:
    """Compute for each label the direction that separates it from the rest of its dataset, in whitened space.

    The rest is the mean of the other labels' means, so that a large label does not dominate.

    Returns:
        (labels, axes); NaN for a label without a rest.
    """
    return _axes(traces, group_means(traces.x, traces.label, len(traces.labels)))


def cross_dataset_auroc(traces: Traces) -> dict[tuple[int, int], Auroc]:
    """Compute how well the score of forgery a, trained in its own dataset, separates forgery b in b's dataset.

    Returns:
        (a, b) -> AUROC, for all forgeries of different datasets that hold other labels too.
    """
    result: dict[tuple[int, int], Auroc] = {}
    scores = traces.x @ discriminant_axes(traces).T
    for b in traces.forged:
        at = np.flatnonzero(traces.dataset == traces.dataset_of(b))
        trained = [
            a for a in traces.forged if traces.dataset_of(a) != traces.dataset_of(b) and not np.isnan(scores[0, a])
        ]
        if trained and traces.siblings(b):
            aurocs = clustered_auroc(scores[at][:, trained], traces.label[at] == b, traces.group[at])
            result |= {(a, b): auroc for a, auroc in zip(trained, aurocs, strict=True)}
    return result


def within_dataset_auroc(traces: Traces, seed: int) -> dict[int, Auroc]:
    """Compute how well a forgery is separated from the rest of its own dataset, cross-validated over recordings.

    Args:
        traces: Traces of all labels.
        seed: Random seed of the folds.

    Returns:
        Forgery -> AUROC, for forgeries with enough recordings for every fold, in datasets that hold other labels too.
    """
    groups = int(traces.group.max()) + 1
    fold = generator(seed, "folds").permutation(groups)[traces.group] % _FOLDS
    scores = np.full((len(traces.x), len(traces.labels)), np.nan)
    for number in range(_FOLDS):
        inside, outside = fold == number, fold != number
        centres = group_means(traces.x[outside], traces.label[outside], len(traces.labels))
        # Scores are relative to the middle between both sides, so that those of all folds can be ranked together.
        middles = centres - _axes(traces, centres) / 2
        own = _axes(traces, centres)
        scores[inside] = traces.x[inside] @ own.T - (middles * own).sum(axis=1)
    result = {}
    for a in traces.forged:
        at = np.flatnonzero(traces.dataset == traces.dataset_of(a))
        if np.isfinite(scores[at, a]).all() and traces.siblings(a):
            (result[a],) = clustered_auroc(scores[at][:, [a]], traces.label[at] == a, traces.group[at])
    return result


def permutation_p_values(traces: Traces, rounds: int, seed: int) -> dict[tuple[int, int], float]:
    """Test whether a's score separates b better than chance, by permutation.

    In b's dataset, rows of one recording and one label form a block, and the labels of the blocks are permuted. If
    labels share recordings, the test is conservative: permuted blocks differ by their recordings as well.

    Args:
        traces: Traces of all labels.
        rounds: Permutations.
        seed: Random seed of the permutations.

    Returns:
        (a, b) -> one-sided p of the AUROC of ``cross_dataset_auroc``.
    """
    from scipy.stats import rankdata

    result: dict[tuple[int, int], float] = {}
    scores = traces.x @ discriminant_axes(traces).T
    for dataset, name in enumerate(traces.datasets):
        at = np.flatnonzero(traces.dataset == dataset)
        inside = [b for b in traces.forged if traces.dataset_of(b) == dataset and traces.siblings(b)]
        trained = [a for a in traces.forged if traces.dataset_of(a) != dataset and not np.isnan(scores[0, a])]
        if not inside or not trained:
            continue
        ranks = rankdata(scores[at][:, trained], axis=0)
        pairs, block = np.unique(np.stack([traces.label[at], traces.group[at]]), axis=1, return_inverse=True)
        sums = group_means(ranks, block, pairs.shape[1]) * np.bincount(block)[:, None]
        sizes = np.bincount(block).astype(np.float64)
        observed = {b: _auroc_from_ranks(pairs[0][None] == b, sums, sizes)[0] for b in inside}
        reached = {b: np.zeros(len(trained)) for b in inside}
        rng = generator(seed, "labels of blocks", name)
        for start in range(0, rounds, _CHUNK):
            permuted = rng.permuted(np.tile(pairs[0], (min(_CHUNK, rounds - start), 1)), axis=1)
            for b in inside:
                reached[b] += (_auroc_from_ranks(permuted == b, sums, sizes) >= observed[b] - 1e-12).sum(axis=0)
        for b in inside:
            result |= {(a, b): (1 + n) / (1 + rounds) for a, n in zip(trained, reached[b].tolist(), strict=True)}
    return result


def _axes(traces: Traces, centres: Field) -> Field:
    result = np.full_like(centres, np.nan)
    for number in range(len(traces.labels)):
        if others := traces.siblings(number):
            result[number] = centres[number] - centres[others].mean(axis=0)
    return result


def _auroc_from_ranks(chosen: NDArray[np.bool_], sums: Field, sizes: Field) -> Field:
    """AUROC (rounds, scores) of chosen blocks (rounds, blocks) against the others, from the rank sums of the blocks."""
    picked = chosen.astype(np.float64)
    n = (picked @ sizes)[:, None]
    return np.asarray((picked @ sums - n * (n + 1) / 2) / (n * (sizes.sum() - n)))


def clustered_auroc(scores: Field, inside: NDArray[np.bool_], group: Codes) -> list[Auroc]:
    """Compute the AUROC of the rows inside against the others, of each column of scores (n, m).

    Args:
        scores: (n, m).
        inside: (n,), with rows on both sides.
        group: (n,) recordings.
    """
    from scipy.stats import rankdata

    n, count = len(scores), int(inside.sum())
    ranks = rankdata(scores, axis=0)
    # The share of the other side that a row exceeds, or that exceeds it: its rank less its rank in its own side.
    won = np.empty_like(scores)
    won[inside] = (ranks[inside] - rankdata(scores[inside], axis=0)) / (n - count)
    won[~inside] = 1 - (ranks[~inside] - rankdata(scores[~inside], axis=0)) / count
    value = won[inside].mean(axis=0)
    weight = np.where(inside, 1 / count, 1 / (n - count))[:, None]
    recording = np.unique(group, return_inverse=True)[1]
    groups = int(recording.max()) + 1
    sides = [len(np.unique(recording[side])) for side in (inside, ~inside)]
    # Deviations from a mean that the recordings of a side made themselves are too short by this factor.
    inflation = [math.sqrt(own / max(own - 1, 1)) for own in sides]
    part = np.zeros((groups, scores.shape[1]))
    np.add.at(part, recording, (won - value) * weight * np.where(inside, *inflation)[:, None])
    error = np.sqrt((part**2).sum(axis=0))
    return [
        Auroc(one, student_interval(one, se, groups - 1, (0.0, 1.0)) if min(sides) > 1 else None, n)
        for one, se in zip(np.clip(value, 0.0, 1.0).tolist(), error.tolist(), strict=True)
    ]
