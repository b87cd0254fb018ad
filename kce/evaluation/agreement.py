"""Agreement of clusters with a known truth, by the field's measures, with noise counted as what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

ARI_RANGE = (-0.5, 1.0)
"""What an adjusted Rand index can be at least and at most (Chacon and Rastrojo 2023)."""

AGREEMENT_MEASURES = ("ari", "nmi", "ami", "v_measure", "homogeneity", "completeness", "accuracy", "ari_clustered")
"""The measures that ``agreement_scores`` returns, besides the share of noise and the number of clusters."""


def agreement_scores(truth: ArrayLike, clusters: ArrayLike) -> dict[str, float]:
    """Measure how well cluster numbers agree with true classes.

    In all measures but "ari_clustered" every row of noise is a cluster of its own, so leaving a row out gains nothing;
    in "accuracy" such a row is never correct.

    Args:
        truth: (n,) classes.
        clusters: (n,) int, -1 for noise.

    Returns:
        ari: adjusted Rand index (Hubert and Arabie 1985), from -0.5 to 1; chance gives 0.
        nmi, ami: normalised mutual information (arithmetic mean), and the same adjusted for chance.
        v_measure, homogeneity, completeness: Rosenberg and Hirschberg 2007; v_measure equals nmi.
        accuracy: share of rows that are correct under the best one-to-one matching of clusters and classes.
        ari_clustered: ari of the rows that are not noise; 0 if there are fewer than two.
        noise: share of rows that are noise.
        clusters: their number.

    Raises:
        ValueError: If the lengths differ, or there are no rows.
    """
    from sklearn import metrics

    classes = np.unique(np.asarray(truth), return_inverse=True)[1]
    numbers = np.asarray(clusters)
    if classes.shape != numbers.shape or not len(numbers):
        raise ValueError(f"{len(classes)} classes against {len(numbers)} clusters")
    clustered = numbers != -1
    with_singletons = numbers.astype(np.int64, copy=True)
    with_singletons[~clustered] = numbers.max(initial=0) + 1 + np.arange(np.count_nonzero(~clustered))
    homogeneity, completeness, v_measure = metrics.homogeneity_completeness_v_measure(classes, with_singletons)
    enough = np.count_nonzero(clustered) > 1
    scores = {
        "ari": metrics.adjusted_rand_score(classes, with_singletons),
        "nmi": metrics.normalized_mutual_info_score(classes, with_singletons),
        "ami": metrics.adjusted_mutual_info_score(classes, with_singletons),
        "v_measure": v_measure,
        "homogeneity": homogeneity,
        "completeness": completeness,
        "accuracy": _count_matched(classes[clustered], numbers[clustered]) / len(numbers),
        "ari_clustered": metrics.adjusted_rand_score(classes[clustered], numbers[clustered]) if enough else 0.0,
        "noise": float(np.mean(~clustered)),
        "clusters": len(np.unique(numbers[clustered])),
    }
    return {name: float(value) for name, value in scores.items()}


def _count_matched(classes: NDArray[np.int_], numbers: NDArray[np.int_]) -> int:
    """Count the rows that are correct under the best one-to-one matching of clusters and classes (Hungarian method)."""
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics.cluster import contingency_matrix

    if not len(classes):
        return 0
    table = contingency_matrix(classes, numbers)
    return int(table[linear_sum_assignment(-table)].sum())


def partition_stability(partitions: list[NDArray[np.int_]]) -> float | None:
    """Compute the mean adjusted Rand index over all pairs of partitions of the same rows; None for fewer than two."""
    from itertools import combinations

    from sklearn.metrics import adjusted_rand_score

    scores = [adjusted_rand_score(one, other) for one, other in combinations(partitions, 2)]
    return float(np.mean(scores)) if scores else None
