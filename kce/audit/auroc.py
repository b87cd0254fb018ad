"""How well what tells a category from the rest of its dataset tells another one from the rest of its own: AUROC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kce.audit.traces import group_means
from kce.evaluation.intervals import student_factor
from kce.system.rng import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.audit.traces import Codes, Field, Traces

_FOLDS = 5  # of recordings, for the AUROC within a dataset
_CHUNK = 256  # permutations at a time


@dataclass(frozen=True)
class Auroc:
    """Of rows of a category against the rest of its dataset, by one linear score: 0.5 is chance.

    n         rows of both sides
    interval  95 %, by recording (Obuchowski 1997); the training side is taken as given
    """

    value: float
    interval: tuple[float, float]
    n: int


def discriminant_axes(traces: Traces) -> Field:
    """For each label what tells it from the rest of its dataset: linear discriminant, in whitened space (labels, axes).

    The rest is the mean of the other labels, so that a large one does not stand for all. NaN where there is no rest.
    """
    return _axes(traces, group_means(traces.x, traces.label, len(traces.names)))


def cross_dataset_auroc(traces: Traces) -> dict[tuple[int, int], Auroc]:
    """(a, b) -> AUROC of b against the rest of its dataset by the score that was trained on a against its own rest.

    For all forgeries a and b of different datasets whose datasets hold something else too.
    """
    found: dict[tuple[int, int], Auroc] = {}
    scores = traces.x @ discriminant_axes(traces).T
    for b in traces.forged:
        at = np.flatnonzero(traces.dataset == traces.home(b))
        trained = [a for a in traces.forged if traces.home(a) != traces.home(b) and not np.isnan(scores[0, a])]
        if trained and traces.siblings(b):
            told = _aurocs(scores[at][:, trained], traces.label[at] == b, traces.group[at])
            found |= {(a, b): one for a, one in zip(trained, told, strict=True)}
    return found


def within_dataset_auroc(traces: Traces, seed: int) -> dict[int, Auroc]:
    """Forgery -> AUROC against the rest of its own dataset, trained on other recordings than those it is tested on.

    Of the forgeries that have recordings enough to be on both sides, in datasets that hold something else too.
    """
    groups = int(traces.group.max()) + 1
    fold = generator(seed, "folds").permutation(groups)[traces.group] % _FOLDS
    scores = np.full((len(traces.x), len(traces.names)), np.nan)
    for number in range(_FOLDS):
        inside, outside = fold == number, fold != number
        centres = group_means(traces.x[outside], traces.label[outside], len(traces.names))
        # A score is taken from the middle between both sides, so that those of all folds can be ranked together.
        middles = centres - _axes(traces, centres) / 2
        own = _axes(traces, centres)
        scores[inside] = traces.x[inside] @ own.T - (middles * own).sum(axis=1)
    found = {}
    for a in traces.forged:
        at = np.flatnonzero(traces.dataset == traces.home(a))
        if np.isfinite(scores[at, a]).all() and traces.siblings(a):
            (found[a],) = _aurocs(scores[at][:, [a]], traces.label[at] == a, traces.group[at])
    return found


def permutation_p_values(traces: Traces, rounds: int, seed: int) -> dict[tuple[int, int], float]:
    """(a, b) -> p of the AUROC of `across`, one-sided: is b singled out by a's score more than by chance?

    By permutation: in b's dataset, what belongs to one recording and one label stays together, and the labels of these
    blocks are dealt anew `rounds` times. Where recordings are shared by the labels this errs on the safe side: dealt
    blocks differ by their recordings as well.
    """
    from scipy.stats import rankdata

    found: dict[tuple[int, int], float] = {}
    scores = traces.x @ discriminant_axes(traces).T
    for home, name in enumerate(traces.datasets):
        at = np.flatnonzero(traces.dataset == home)
        inside = [b for b in traces.forged if traces.home(b) == home and traces.siblings(b)]
        trained = [a for a in traces.forged if traces.home(a) != home and not np.isnan(scores[0, a])]
        if not inside or not trained:
            continue
        ranks = rankdata(scores[at][:, trained], axis=0)
        pairs, block = np.unique(np.stack([traces.label[at], traces.group[at]]), axis=1, return_inverse=True)
        sums = group_means(ranks, block, pairs.shape[1]) * np.bincount(block)[:, None]
        sizes = np.bincount(block).astype(np.float64)
        seen = {b: _from_ranks(pairs[0][None] == b, sums, sizes)[0] for b in inside}
        beaten = {b: np.zeros(len(trained)) for b in inside}
        random = generator(seed, "labels of blocks", name)
        for start in range(0, rounds, _CHUNK):
            dealt = random.permuted(np.tile(pairs[0], (min(_CHUNK, rounds - start), 1)), axis=1)
            for b in inside:
                beaten[b] += (_from_ranks(dealt == b, sums, sizes) >= seen[b] - 1e-12).sum(axis=0)
        for b in inside:
            found |= {(a, b): (1 + n) / (1 + rounds) for a, n in zip(trained, beaten[b].tolist(), strict=True)}
    return found


def _axes(traces: Traces, centres: Field) -> Field:
    found = np.full_like(centres, np.nan)
    for number in range(len(traces.names)):
        if others := traces.siblings(number):
            found[number] = centres[number] - centres[others].mean(axis=0)
    return found


def _from_ranks(chosen: NDArray[np.bool_], sums: Field, sizes: Field) -> Field:
    """AUROC (rounds, scores) of chosen blocks (rounds, blocks) against the others, from the rank sums of the blocks."""
    picked = chosen.astype(np.float64)
    n = (picked @ sizes)[:, None]
    return np.asarray((picked @ sums - n * (n + 1) / 2) / (n * (sizes.sum() - n)))


def _aurocs(scores: Field, inside: NDArray[np.bool_], group: Codes) -> list[Auroc]:
    """AUROC of the rows inside against the others, of each column of scores (n, m)."""
    from scipy.stats import rankdata

    n, count = len(scores), int(inside.sum())
    ranks = rankdata(scores, axis=0)
    # The share of the other side that a row beats, or that beats it: what is left of its rank without its own side.
    won = np.empty_like(scores)
    won[inside] = (ranks[inside] - rankdata(scores[inside], axis=0)) / (n - count)
    won[~inside] = 1 - (ranks[~inside] - rankdata(scores[~inside], axis=0)) / count
    value = won[inside].mean(axis=0)
    weight = np.where(inside, 1 / count, 1 / (n - count))[:, None]
    kin = np.unique(group, return_inverse=True)[1]
    groups = int(kin.max()) + 1
    part = np.zeros((groups, scores.shape[1]))
    np.add.at(part, kin, (won - value) * weight)
    error = np.sqrt((part**2).sum(axis=0) * groups / max(groups - 1, 1))
    reach = student_factor(max(groups, 2)) * error
    low, high = np.clip(value - reach, 0, 1), np.clip(value + reach, 0, 1)
    return [Auroc(*one, n) for one in zip(value.tolist(), zip(low.tolist(), high.tolist(), strict=True), strict=True)]
