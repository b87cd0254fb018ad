"""Dataset mixing: how much of a class is forgery and how much is dataset, by a probe, iLISI and the lengths of traces.

All scores are {"value", "n", "seed", "interval"} in [0, 1], with 95 % intervals from half-samples of recordings; None
where ``resampling_interval`` returns none, as at the ends of the range.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.audit.traces import group_means
from kce.evaluation.intervals import resampling_interval
from kce.evaluation.resampling import half_sample_times
from kce.system.rng import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.audit.traces import Codes, Field, Traces

_FOLDS = 5
_NEIGHBOURS = 30
_RESAMPLES = 500


def mixing_scores(traces: Traces, members: Sequence[int], seed: int) -> dict[str, Any]:
    """Score how well the datasets in a class are mixed.

    Args:
        traces: Traces of all labels.
        members: Numbers of the labels in the class.
        seed: Random seed of all random choices.

    Returns:
        reason: why scores are missing, or "".
        chance: what a classifier without information would reach.
        probe: balanced accuracy of a linear classifier of the rows' datasets, cross-validated over recordings.
        ilisi: how mixed the datasets are among a row's nearest neighbours from other recordings, by the inverse Simpson
            index (Korsunsky et al. 2019), each neighbour weighted by how rare its dataset is; 0 = one dataset, 1 = all
            equally.
        probe_anchored, ilisi_anchored: the same without the means of the datasets' reals.
        forgery: the share that the members' traces have in common, of that and what separates members of different
            datasets.
        Each but the reason may be None.
    """
    rows = np.flatnonzero(np.isin(traces.label, members))
    numbers, dataset = np.unique(traces.dataset[rows], return_inverse=True)
    group = np.unique(traces.group[rows], return_inverse=True)[1]
    scores: dict[str, Any] = dict.fromkeys(("chance", "probe", "ilisi", "probe_anchored", "ilisi_anchored", "forgery"))
    if len(numbers) < 2:
        return {"reason": f"rows of one dataset only, {traces.datasets[numbers[0]]}", **scores}
    recordings = min(len(np.unique(group[dataset == code])) for code in range(len(numbers)))
    if recordings < _FOLDS:
        return {"reason": f"a dataset has {recordings} recordings, and {_FOLDS} are needed", **scores}
    with_reals = {traces.dataset_of(label) for label in traces.forged if traces.reals_of(label) is not None}
    without_reals = [traces.datasets[number] for number in numbers if number not in with_reals]
    scores["chance"] = 1 / len(numbers)
    for ending, x in (("", traces.unanchored(rows)), ("_anchored", traces.x[rows].astype(np.float64))):
        if ending and without_reals:
            continue
        correct, lisi = _probe(x, dataset, group, seed), _ilisi(x, dataset, group)
        scores[f"probe{ending}"] = _mean_over_datasets(correct, dataset, group, seed)
        scores[f"ilisi{ending}"] = _mean_over_datasets(lisi, dataset, group, seed)
    if not without_reals:
        scores["forgery"] = _forgery_share(traces, members, seed)
    return {"reason": f"no reals in {', '.join(without_reals)}" if without_reals else "", **scores}


def _probe(x: Field, dataset: Codes, group: Codes, seed: int) -> Field:
    """Whether a classifier that never saw a row's recording predicts its dataset (n,), 0 or 1."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import StratifiedGroupKFold

    random_state = int(generator(seed, "probe folds").integers(2**31))
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=random_state)
    count = int(dataset.max()) + 1
    correct = np.zeros(len(x))
    for train, test in folds.split(x, dataset, group):
        probe = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=np.full(count, 1 / count))
        correct[test] = probe.fit(x[train], dataset[train]).predict(x[test]) == dataset[test]
    return correct


def _ilisi(x: Field, dataset: Codes, group: Codes) -> Field:
    """Compute the iLISI of each row (n,), in [0, 1]; rows of a row's own recording are not its neighbours."""
    from sklearn.neighbors import NearestNeighbors

    largest = int(np.bincount(group).max())
    searched = min(len(x), _NEIGHBOURS + largest)
    near = NearestNeighbors(n_neighbors=searched).fit(x).kneighbors(x, return_distance=False)
    other_recording = group[near] != group[:, None]
    counted = other_recording & (np.cumsum(other_recording, axis=1) <= _NEIGHBOURS)
    sizes = np.bincount(dataset)
    counts = np.stack(
        [(counted & (dataset[near] == code)).sum(axis=1) / size for code, size in enumerate(sizes)], axis=1
    )
    shares = counts / counts.sum(axis=1, keepdims=True)
    return np.asarray((1 / (shares**2).sum(axis=1) - 1) / (len(sizes) - 1))


def _mean_over_datasets(values: Field, dataset: Codes, group: Codes, seed: int) -> dict[str, Any]:
    """The mean over datasets of the mean over their rows, with its interval."""
    recordings = _recordings_by_dataset(dataset, group)
    draws = []
    for weight in _resample_weights(recordings, dataset, group, seed):
        sums, sizes = (
            np.bincount(dataset, weight * one, minlength=len(recordings)) for one in (values, np.ones(len(values)))
        )
        draws.append(float((sums / sizes).mean()))
    value = float(np.mean([values[dataset == code].mean() for code in range(len(recordings))]))
    return _with_interval(value, draws, recordings, len(values), seed)


def _recordings_by_dataset(dataset: Codes, group: Codes) -> list[Codes]:
    return [np.unique(group[dataset == code]) for code in range(int(dataset.max()) + 1)]


def _resample_weights(recordings: Sequence[Codes], dataset: Codes, group: Codes, seed: int) -> Iterator[Field]:
    """Yield how often each row is in each half-sample of its dataset's recordings."""
    rng = generator(seed, "recordings of a cluster")
    drawn = [half_sample_times(len(own), _RESAMPLES, rng) for own in recordings]
    times = np.zeros((len(recordings), int(group.max()) + 1))
    for number in range(_RESAMPLES):
        for code, own in enumerate(recordings):
            times[code, own] = drawn[code][number]
        yield times[dataset, group]


def _forgery_share(traces: Traces, members: Sequence[int], seed: int) -> dict[str, Any] | None:
    """The part that the members' traces have in common, over that and what separates them by dataset, squared."""
    reals = sorted({real for member in members if (real := traces.reals_of(member)) is not None})
    rows = np.flatnonzero(np.isin(traces.label, [*members, *reals]))
    label, dataset = traces.label[rows], np.unique(traces.dataset[rows], return_inverse=True)[1]
    group = np.unique(traces.group[rows], return_inverse=True)[1]
    datasets = np.array([traces.dataset_of(member) for member in members])
    pairs = datasets[:, None] != datasets[None, :]
    anchors = np.array([traces.reals_of(member) for member in members])

    anchored = _Blocks.of(traces.x[rows], label, group)
    unanchored = _Blocks.of(traces.unanchored(rows), label, group)

    def share(weight: Field) -> float:
        if np.bincount(label, weight)[[*members, *reals]].min() == 0:  # a resample without one of them
            return float("nan")
        trace = anchored.means(weight, members) - anchored.means(weight, anchors)
        place = unanchored.means(weight, members)
        common = max(float((trace @ trace.T)[pairs].mean()), 0.0)
        noise = unanchored.scatter(weight, members)
        gaps = ((place[:, None] - place[None]) ** 2).sum(axis=2) - noise[:, None] - noise[None]
        apart = max(float(gaps[pairs].mean()) / 2, 0.0)
        return common / (common + apart) if common + apart else float("nan")

    value = share(np.ones(len(rows)))
    if not np.isfinite(value):
        return None
    recordings = _recordings_by_dataset(dataset, group)
    draws = [share(weight) for weight in _resample_weights(recordings, dataset, group, seed)]
    return _with_interval(value, draws, recordings, len(rows), seed)


@dataclass(frozen=True, eq=False)
class _Blocks:
    """Sums of the rows of each label and recording, which every resample takes together.

    Attributes:
        first: (blocks,) one row of each.
        label: (blocks,) its label.
        counts: (blocks,) its rows.
        sums: (blocks, axes) their sum.
    """

    first: Codes
    label: Codes
    counts: Codes
    sums: Field

    @classmethod
    def of(cls, x: NDArray[np.floating], label: Codes, group: Codes) -> _Blocks:
        """Sum rows x (n, axes) with their labels and recordings (n,)."""
        codes = label * (int(group.max()) + 1) + group
        _, first, block, counts = np.unique(codes, return_index=True, return_inverse=True, return_counts=True)
        return cls(first, label[first], counts, group_means(x, block, len(first)) * counts[:, None])

    def means(self, weight: Field, labels: Sequence[int] | Codes) -> Field:
        """The mean of each of these labels, of rows with this weight (n,), equal in a block: (labels, axes)."""
        own = (self.label == np.asarray(labels)[:, None]) * weight[self.first]
        return np.asarray(own @ self.sums / (own @ self.counts)[:, None])

    def scatter(self, weight: Field, labels: Sequence[int]) -> Field:
        """What the scatter of recordings adds to the squared distance of each label's mean: (labels,)."""
        scatter = []
        for label, mean in zip(labels, self.means(weight, labels), strict=True):
            own = self.label == label
            w, counts = weight[self.first[own]], self.counts[own]
            parts = (self.sums[own] - counts[:, None] * mean) * (w / (w @ counts))[:, None]
            scatter.append(float(np.square(parts).sum()))
        return np.array(scatter)


def _with_interval(
    value: float, draws: Sequence[float], recordings: Sequence[Codes], n: int, seed: int
) -> dict[str, Any]:
    interval = resampling_interval(value, draws, [len(own) for own in recordings], (0.0, 1.0))
    return {"value": value, "n": n, "seed": seed, "interval": list(interval) if interval else None}
