"""Evaluators, by themselves or by scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from kce import BadData, hookimpl

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kce import Features, MergePlan


class CalinskiHarabasz:
    """How far the labels lie apart, against how far each is spread (Calinski and Harabasz 1974); higher is better.

    calinski_harabasz  tr(B) / tr(W) x (n - k) / (k - 1); grows in proportion to n; 1.0 where no label is spread at all
    variance_share     tr(B) / (tr(B) + tr(W)), in [0, 1]; does not grow with n, but is above 0 by chance alone
    adjusted           (calinski_harabasz - 1) / rows per label: what it is above chance, whatever n is; 0 is chance.
                       It estimates the variance between labels over that within one. With labels of different size the
                       rows per label are (n - sum of squares / n) / (k - 1), as in an unbalanced analysis of variance
    """

    def score(self, features: Features, plan: MergePlan | None = None) -> Mapping[str, float]:  # noqa: ARG002
        import numpy as np

        labels, codes, counts = np.unique(features.label, return_inverse=True, return_counts=True)
        n, k = len(codes), len(labels)
        _see_labels("calinski-harabasz", n, k)
        x = features.x.astype(np.float64)
        x -= x.mean(axis=0)
        member = np.zeros((k, n))
        member[codes, np.arange(n)] = 1.0
        centres = member @ x / counts[:, None]
        between = float(counts @ np.einsum("ij,ij->i", centres, centres))
        x -= centres[codes]
        within = float(np.einsum("ij,ij->", x, x))
        index = between / within * (n - k) / (k - 1) if within else 1.0
        return {
            "calinski_harabasz": index,
            "variance_share": between / (between + within) if between else 0.0,
            "adjusted": (index - 1) * (k - 1) / (n - float((counts**2).sum()) / n),
        }


class PermutedLabels:
    """How far a Calinski-Harabasz index is from chance: the labels shuffled over whole recordings, `rounds` times.

    chance       the mean index of shuffled labels
    chance_high  what 95 % of them stay below
    p            the share that reach the true one, itself counted: at least 1 / (rounds + 1)

    Recordings (`group`) keep their rows together, since frames of one video are alike; rows of no known recording are
    shuffled one by one. Where a recording has several labels, its rows of each label are a unit.
    """

    intervals = False  # it is itself about resampling

    def __init__(self, rounds: int = 999, seed: int = 0) -> None:
        if rounds < 1:
            raise ValueError("rounds must be at least 1")
        self.rounds, self.seed = rounds, seed

    def score(self, features: Features, plan: MergePlan | None = None) -> Mapping[str, float]:  # noqa: ARG002
        import numpy as np

        labels, codes = np.unique(features.label, return_inverse=True)
        n, k = len(codes), len(labels)
        _see_labels("permuted-labels", n, k)
        alone = np.char.add("row ", np.arange(n).astype(np.str_))
        kin = np.where(features.group == "", alone, np.char.add("group ", features.group))
        _, first, unit = np.unique(np.char.add(np.char.add(codes.astype(np.str_), " "), kin), True, True)
        x = features.x.astype(np.float64)
        x -= x.mean(axis=0)
        total = float(np.einsum("ij,ij->", x, x))
        sizes = np.bincount(unit).astype(np.float64)
        sums = np.zeros((len(sizes), x.shape[1]))
        np.add.at(sums, unit, x)
        truth = codes[first]

        def index(dealt: NDArray[np.int_]) -> float:
            member = np.zeros((k, len(dealt)))
            member[dealt, np.arange(len(dealt))] = 1.0
            centre, count = member @ sums, member @ sizes
            between = float((np.einsum("ij,ij->i", centre, centre) / count).sum())
            return between / max(total - between, 1e-300) * (n - k) / (k - 1)

        random = np.random.default_rng(self.seed)
        found = np.array([index(random.permutation(truth)) for _ in range(self.rounds)])
        reached = int((found >= index(truth) * (1 - 1e-12)).sum())
        return {
            "chance": float(found.mean()),
            "chance_high": float(np.percentile(found, 95)),
            "p": (reached + 1) / (self.rounds + 1),
        }


class Silhouette:
    """How much nearer a row is to its own label than to the next one (Rousseeuw 1987), in [-1, 1]; higher is better.

    sample_size  of so many rows, drawn by `seed`, if there are more: the work grows with their square
    """

    growth: ClassVar = {"time": 2, "memory": 2}

    def __init__(self, sample_size: int = 2000, seed: int = 0) -> None:
        if sample_size < 3:
            raise ValueError("sample_size must be at least 3")
        self.sample_size, self.seed = sample_size, seed

    def score(self, features: Features, plan: MergePlan | None = None) -> Mapping[str, float]:  # noqa: ARG002
        from sklearn.metrics import silhouette_score

        _see_labels("silhouette", len(features), len(features.categories))
        size = self.sample_size if self.sample_size < len(features) else None
        value = silhouette_score(features.x, features.label, sample_size=size, random_state=self.seed)
        return {"silhouette": float(value)}


class DaviesBouldin:
    """How alike each label is to the one most like it (Davies and Bouldin 1979), from 0 on; lower is better."""

    def score(self, features: Features, plan: MergePlan | None = None) -> Mapping[str, float]:  # noqa: ARG002
        import numpy as np
        from sklearn.metrics import davies_bouldin_score

        _see_labels("davies-bouldin", len(features), len(features.categories))
        return {"davies_bouldin": float(davies_bouldin_score(features.x.astype(np.float64), features.label))}


def _see_labels(name: str, n: int, k: int) -> None:
    if not 1 < k < n:
        raise BadData(
            f"{name} needs at least two labels and more rows than labels; there are {k} labels of {n} rows",
            "score several rows of each of several categories together",
        )


@hookimpl
def kce_evaluators() -> dict[str, Callable[..., Any]]:
    return {
        "calinski-harabasz": CalinskiHarabasz,
        "permuted-labels": PermutedLabels,
        "silhouette": Silhouette,
        "davies-bouldin": DaviesBouldin,
    }
