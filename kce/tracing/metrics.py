"""How good answers are where the truth is known: on known families, on unseen ones, and of the sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kce.tracing.conformal import prediction_sets

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


UNSEEN = -1
"""The family of a face that is of none."""


@dataclass(frozen=True)
class TraceScores:
    """How good the answers to faces with a known truth are.

    Attributes:
        accuracy: Share of the faces of known families whose family has the largest p value, in [0, 1].
        coverage: Share of them whose family is not excluded; at a level of 0.95 it should be 0.95 or a little more.
        set_size: Mean number of families that are not excluded, of faces of known families.
        false_unknown: Share of them whose answer is unknown.
        calibration_error: Mean distance of the p values of the own family from even ones, in [0, 0.5]: 0 if a share of
            a of them is at most a, for every a.
        true_unknown: Share of unseen faces whose answer is unknown.
        auroc: Probability that a face of a known family is less unlike its nearest family than an unseen one is, by the
            tracer's own scores.
        fpr95: Share of unseen faces that are no more unlike their nearest family than 95 % of the known ones are.
        oscr: Area under the correct classification rate of known faces over the false positive rate of unseen ones
            (Dhamija, Günther and Boult 2018); accuracy where nothing unseen is taken for known.
    """

    accuracy: float
    coverage: float
    set_size: float
    false_unknown: float
    calibration_error: float
    true_unknown: float | None
    auroc: float | None
    fpr95: float | None
    oscr: float | None


def score_traces(
    p: ArrayLike,
    family: ArrayLike,
    level: float,
    scores: ArrayLike | None = None,
    unknown: ArrayLike | None = None,
) -> TraceScores:
    """Score p values against the truth.

    >>> found = score_traces([[0.9, 0.1], [0.2, 0.6], [0.01, 0.02]], [0, 1, UNSEEN], level=0.95)
    >>> found.accuracy, found.coverage, found.auroc, found.oscr
    (1.0, 1.0, 1.0, 1.0)

    Args:
        p: (n, families) p values.
        family: (n,) the true family of each face; -1 = of none of them.
        level: In (0, 1).
        scores: (n, families) how unlike each family each face is: what known and unseen faces are told apart by; None =
            their largest p value.
        unknown: (n,) whether the answer is unknown; None = where every family is excluded.

    Returns:
        The scores; true_unknown, auroc, fpr95 and oscr are None without faces of both kinds.

    Raises:
        ValueError: There are no faces of known families.
    """
    values, truth = np.asarray(p, np.float64), np.asarray(family, np.int64)
    known = truth != UNSEEN
    if not known.any():
        raise ValueError("there are no faces of known families")
    rows = np.flatnonzero(known)
    own = values[rows, truth[rows]]
    possible = prediction_sets(values, level)
    no_answer = np.asarray(~possible.any(axis=1) if unknown is None else unknown, bool)
    right = values[rows].argmax(axis=1) == truth[rows]
    likeness = values.max(axis=1) if scores is None else -np.asarray(scores, np.float64).min(axis=1)
    separation: dict[str, float | None] = {"true_unknown": None, "auroc": None, "fpr95": None, "oscr": None}
    if not known.all():
        separation = {
            "true_unknown": float(no_answer[~known].mean()),
            "auroc": _auroc(likeness[known], likeness[~known]),
            "fpr95": float((likeness[~known] >= np.quantile(likeness[known], 0.05, method="lower")).mean()),
            "oscr": _oscr(likeness[known], right, likeness[~known]),
        }
    even = (np.arange(len(own)) + 0.5) / len(own)
    return TraceScores(
        accuracy=float(right.mean()),
        coverage=float(possible[rows, truth[rows]].mean()),
        set_size=float(possible[rows].sum(axis=1).mean()),
        false_unknown=float(no_answer[rows].mean()),
        calibration_error=float(np.abs(np.sort(own) - even).mean()),
        **separation,
    )


def _auroc(known: NDArray[np.float64], unseen: NDArray[np.float64]) -> float:
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate([known, unseen]))[: len(known)]
    return float((ranks.sum() - len(known) * (len(known) + 1) / 2) / (len(known) * len(unseen)))


def _oscr(known: NDArray[np.float64], right: NDArray[np.bool_], unseen: NDArray[np.float64]) -> float:
    """The area, by the share of right known faces that are at least as alike as each threshold."""
    from scipy.integrate import trapezoid

    thresholds = np.unique(np.concatenate([known, unseen]))[::-1]
    correct = np.sort(known[right])
    rate = (len(correct) - np.searchsorted(correct, thresholds)) / len(known)
    false = (len(unseen) - np.searchsorted(np.sort(unseen), thresholds)) / len(unseen)
    return float(trapezoid(np.concatenate([[0.0], rate]), np.concatenate([[0.0], false])))


@dataclass(frozen=True)
class DiscoveryScores:
    """How well unknown faces are grouped, by the protocol of OW-DFA (Sun et al., ICCV 2023).

    Attributes:
        known: Share of the faces of known methods that are in the cluster of their method.
        novel: The same of faces of unseen methods.
        all: The same of all.
        nmi: Normalised mutual information of clusters and methods of unseen faces.
        ari: Adjusted Rand index of the same.
    """

    known: float | None
    novel: float | None
    all: float
    nmi: float | None
    ari: float | None


def score_discovery(cluster: ArrayLike, method: ArrayLike, unseen: ArrayLike) -> DiscoveryScores:
    """Score clusters against methods; clusters are matched to methods so that as many faces as possible agree.

    >>> found = score_discovery([0, 0, 1, 2], ["a", "a", "b", "c"], [False, False, True, True])
    >>> found.known, found.novel, found.all
    (1.0, 1.0, 1.0)

    Args:
        cluster: (n,) cluster of each face: the family where it has one, and the group where it is unknown.
        method: (n,) its true method.
        unseen: (n,) whether the method is unseen.
    """
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    _, clusters = np.unique(np.asarray(cluster), return_inverse=True)
    _, methods = np.unique(np.asarray(method), return_inverse=True)
    novel = np.asarray(unseen, bool)
    table = np.zeros((clusters.max() + 1, methods.max() + 1), np.int64)
    np.add.at(table, (clusters, methods), 1)
    matched = dict(zip(*(side.tolist() for side in linear_sum_assignment(-table)), strict=True))
    agrees = np.array(
        [matched.get(one) == other for one, other in zip(clusters.tolist(), methods.tolist(), strict=True)]
    )
    return DiscoveryScores(
        known=float(agrees[~novel].mean()) if (~novel).any() else None,
        novel=float(agrees[novel].mean()) if novel.any() else None,
        all=float(agrees.mean()),
        nmi=float(normalized_mutual_info_score(methods[novel], clusters[novel])) if novel.any() else None,
        ari=float(adjusted_rand_score(methods[novel], clusters[novel])) if novel.any() else None,
    )
