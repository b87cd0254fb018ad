"""How much of a cluster is forgery and how much is data set: a dataset probe, a batch-mixing score, and lengths.

All figures are {"value", "n", "seed", "interval"}; intervals are 95 %, by resampling recordings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.audit.traces import group_means
from kce.evaluation.intervals import bootstrap_interval
from kce.system.rng import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.audit.traces import Codes, Field, Traces

_FOLDS = 5
_NEIGHBOURS = 30
_DRAWS = 500


def mixing_scores(traces: Traces, members: Sequence[int], seed: int) -> dict[str, Any]:
    """Of a cluster with these labels: {"reason": why there are no figures, or "", "chance", and for the rows as they
    are and (..._anchored) without the means of their datasets' reals "probe" and "ilisi"; "forgery"}; each may be None.

    probe    balanced accuracy of a linear classifier that tells the rows' datasets, tested on other recordings
    ilisi    datasets among a row's neighbours of other recordings, as the inverse Simpson index says it (Korsunsky et
             al. 2019), each neighbour weighted by how rare its dataset is; 0 = its own alone, 1 = all alike
    forgery  of what sets the members apart from all reals and from each other, the part their traces have in common
    """
    at = np.flatnonzero(np.isin(traces.label, members))
    homes, dataset = np.unique(traces.dataset[at], return_inverse=True)
    group = np.unique(traces.group[at], return_inverse=True)[1]
    found: dict[str, Any] = dict.fromkeys(("chance", "probe", "ilisi", "probe_anchored", "ilisi_anchored", "forgery"))
    if len(homes) < 2:
        return {"reason": f"rows of one dataset only, {traces.datasets[homes[0]]}", **found}
    recordings = min(len(np.unique(group[dataset == home])) for home in range(len(homes)))
    if recordings < _FOLDS:
        return {"reason": f"a dataset with {recordings} recordings, and {_FOLDS} are needed", **found}
    bare = [traces.datasets[home] for home in homes if home not in {traces.home(i) for i in _anchored(traces)}]
    found["chance"] = 1 / len(homes)
    for ending, x in (("", traces.whole[at]), ("_anchored", traces.x[at])):
        if ending and bare:
            continue
        for name, rows in (("probe", _right(x, dataset, group, seed)), ("ilisi", _mixed(x, dataset, group))):
            found[f"{name}{ending}"] = _figure(rows, dataset, group, seed)
    if not bare:
        found["forgery"] = _forgery(traces, members, seed)
    return {"reason": f"no reals in {', '.join(bare)}" if bare else "", **found}


def _anchored(traces: Traces) -> list[int]:
    return [number for number in traces.forged if traces.reals(number) is not None]


def _right(x: Field, dataset: Codes, group: Codes, seed: int) -> Field:
    """Whether a classifier that never saw a row's recording tells its dataset (n,), 0 or 1."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import StratifiedGroupKFold

    lots = int(generator(seed, "probe folds").integers(2**31))
    folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=lots)
    count = int(dataset.max()) + 1
    right = np.zeros(len(x))
    for train, test in folds.split(x, dataset, group):
        probe = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=np.full(count, 1 / count))
        right[test] = probe.fit(x[train], dataset[train]).predict(x[test]) == dataset[test]
    return right


def _mixed(x: Field, dataset: Codes, group: Codes) -> Field:
    """iLISI of each row (n,), in [0, 1]; rows of a row's own recording are no neighbours of it."""
    from sklearn.neighbors import NearestNeighbors

    most = int(np.bincount(group).max())
    asked = min(len(x), _NEIGHBOURS + most)
    near = NearestNeighbors(n_neighbors=asked).fit(x).kneighbors(x, return_distance=False)
    foreign = group[near] != group[:, None]
    taken = foreign & (np.cumsum(foreign, axis=1) <= _NEIGHBOURS)
    sizes = np.bincount(dataset)
    counts = np.stack([(taken & (dataset[near] == home)).sum(axis=1) / size for home, size in enumerate(sizes)], axis=1)
    shares = counts / counts.sum(axis=1, keepdims=True)
    return np.asarray((1 / (shares**2).sum(axis=1) - 1) / (len(sizes) - 1))


def _figure(rows: Field, dataset: Codes, group: Codes, seed: int) -> dict[str, Any]:
    """The mean over datasets of the mean over their rows, with its interval."""
    count = int(dataset.max()) + 1
    drawn = []
    for weight in _weights(dataset, group, seed):
        per = [np.bincount(dataset, weight * one, minlength=count) for one in (rows, np.ones(len(rows)))]
        drawn.append(float((per[0] / per[1]).mean()))
    value = float(np.mean([rows[dataset == home].mean() for home in range(count)]))
    return _told(value, np.array(drawn), len(rows), seed)


def _weights(dataset: Codes, group: Codes, seed: int) -> list[Field]:
    """How often each row is in a sample of its dataset's recordings, drawn with replacement."""
    random = generator(seed, "recordings of a cluster")
    kin = [np.unique(group[dataset == home]) for home in range(int(dataset.max()) + 1)]
    weights = []
    for _ in range(_DRAWS):
        times = np.zeros((len(kin), int(group.max()) + 1))
        for home, its in enumerate(kin):
            times[home, its] = random.multinomial(len(its), np.full(len(its), 1 / len(its)))
        weights.append(times[dataset, group])
    return weights


def _forgery(traces: Traces, members: Sequence[int], seed: int) -> dict[str, Any] | None:
    """The common part of the members' traces over that and what sets members of different datasets apart, squared."""
    reals = sorted({real for member in members if (real := traces.reals(member)) is not None})
    at = np.flatnonzero(np.isin(traces.label, [*members, *reals]))
    label, dataset = traces.label[at], np.unique(traces.dataset[at], return_inverse=True)[1]
    group = np.unique(traces.group[at], return_inverse=True)[1]
    homes = np.array([traces.home(member) for member in members])
    pairs = homes[:, None] != homes[None, :]
    anchors = np.array([traces.reals(member) for member in members])

    def share(weight: Field) -> float:
        if np.bincount(label, weight)[[*members, *reals]].min() == 0:  # a sample without one of them
            return float("nan")
        sums = [_means(x[at], label, weight, len(traces.names)) for x in (traces.x, traces.whole)]
        trace = sums[0][list(members)] - sums[0][anchors]
        common = max(float((trace @ trace.T)[pairs].mean()), 0.0)
        place = sums[1][list(members)]
        scatter = _scatter(traces.whole[at], label, group, weight, members)
        gaps = ((place[:, None] - place[None]) ** 2).sum(axis=2) - scatter[:, None] - scatter[None]
        apart = max(float(gaps[pairs].mean()) / 2, 0.0)
        return common / (common + apart) if common + apart else float("nan")

    value = share(np.ones(len(at)))
    drawn = np.array([share(weight) for weight in _weights(dataset, group, seed)])
    drawn = drawn[np.isfinite(drawn)]
    return _told(value, drawn, len(at), seed) if np.isfinite(value) and len(drawn) > _DRAWS / 2 else None


def _means(x: Field, label: Codes, weight: Field, count: int) -> Field:
    """Weighted mean of each label's rows; NaN for a label without rows."""
    sums = group_means(np.column_stack([x * weight[:, None], weight]), label, count)
    return np.asarray(sums[:, :-1] / sums[:, -1:])


def _scatter(x: Field, label: Codes, group: Codes, weight: Field, members: Sequence[int]) -> Field:
    """What the scatter of recordings adds to the squared distance of each member's mean."""
    found = []
    for member in members:
        its = label == member
        rows, w = x[its], weight[its]
        kin = np.unique(group[its], return_inverse=True)[1]
        parts = np.zeros((int(kin.max()) + 1, x.shape[1]))
        np.add.at(parts, kin, (rows - (w @ rows) / w.sum()) * w[:, None] / w.sum())
        found.append(float((parts**2).sum()))
    return np.array(found)


def _told(value: float, drawn: NDArray[np.float64], n: int, seed: int) -> dict[str, Any]:
    low, high = np.clip(bootstrap_interval(value, drawn), 0, 1)
    return {"value": value, "n": n, "seed": seed, "interval": [float(low), float(high)]}
