"""How well clusters agree with a truth: the field's measures, with rows left as noise counted for what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

AGREEMENT_MEASURES = ("ari", "nmi", "ami", "v_measure", "homogeneity", "completeness", "accuracy", "ari_clustered")
"""What ``agreement`` tells, besides the shares of noise and the number of clusters."""


def agreement_scores(truth: ArrayLike, found: ArrayLike) -> dict[str, float]:
    """Measures of agreement between true classes (n,) and cluster numbers (n,), -1 being noise.

    ari            adjusted Rand index (Hubert and Arabie 1985), from -0.5 to 1; chance gives 0
    nmi, ami       normalised mutual information (arithmetic mean), and the same adjusted for chance
    v_measure      of homogeneity and completeness (Rosenberg and Hirschberg 2007); equals nmi, and is told beside them
    accuracy       share of rows that are right under the best one-to-one matching of clusters and classes (Hungarian)
    ari_clustered  ari of the rows that are not noise alone; 0 where fewer than two are left
    noise          share of rows that are noise
    clusters       how many there are

    In all but `ari_clustered` every row of noise is a cluster of its own: to leave a row out gains nothing. It is right
    nowhere in `accuracy`. Raises ValueError for unlike lengths and for no rows.
    """
    from sklearn import metrics

    classes = np.unique(np.asarray(truth), return_inverse=True)[1]
    numbers = np.asarray(found)
    if classes.shape != numbers.shape or not len(numbers):
        raise ValueError(f"{len(classes)} classes against {len(numbers)} clusters")
    clustered = numbers != -1
    alone = numbers.astype(np.int64, copy=True)
    alone[~clustered] = numbers.max(initial=0) + 1 + np.arange(np.count_nonzero(~clustered))
    homogeneity, completeness, v = metrics.homogeneity_completeness_v_measure(classes, alone)
    some = np.count_nonzero(clustered) > 1
    told = {
        "ari": metrics.adjusted_rand_score(classes, alone),
        "nmi": metrics.normalized_mutual_info_score(classes, alone),
        "ami": metrics.adjusted_mutual_info_score(classes, alone),
        "v_measure": v,
        "homogeneity": homogeneity,
        "completeness": completeness,
        "accuracy": _matched(classes[clustered], numbers[clustered]) / len(numbers),
        "ari_clustered": metrics.adjusted_rand_score(classes[clustered], numbers[clustered]) if some else 0.0,
        "noise": float(np.mean(~clustered)),
        "clusters": len(np.unique(numbers[clustered])),
    }
    return {name: float(value) for name, value in told.items()}


def _matched(classes: NDArray[np.int_], numbers: NDArray[np.int_]) -> int:
    """Rows that are right when each cluster stands for at most one class, and each class for at most one cluster."""
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics.cluster import contingency_matrix

    if not len(classes):
        return 0
    table = contingency_matrix(classes, numbers)
    return int(table[linear_sum_assignment(-table)].sum())


def partition_stability(answers: list[NDArray[np.int_]]) -> float | None:
    """Mean ARI over all pairs of answers for the same rows; None for fewer than two of them."""
    from itertools import combinations

    from sklearn.metrics import adjusted_rand_score

    pairs = [adjusted_rand_score(one, other) for one, other in combinations(answers, 2)]
    return float(np.mean(pairs)) if pairs else None
