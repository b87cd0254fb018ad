"""The evaluator `agreement`, against a known truth."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kce import BadData, hookimpl

if TYPE_CHECKING:
    from kce import Features, MergePlan


class Agreement:
    """Agreement with the truth: adjusted Rand index, normalised and adjusted mutual information.

    Of a plan, if there is a truth: its classes against the methods of its categories (ari_truth, nmi_truth, ami_truth).
    Otherwise of rows: K-means with as many clusters as there are labels against the labels, or, if there is a truth,
    against their methods (ari, nmi, ami). 1 is perfect agreement, 0 is chance (nmi is higher by chance).

    Args:
        truth: A ``truth.toml`` with a table [method] of lines category = "the method that made it"; empty = none.
        n_init: Initialisations of K-means.
        seed: Random seed of K-means.
    """

    greater_is_better = True
    intervals = False  # a plan has no rows to resample, and repeating K-means 200 times would measure K-means

    def __init__(self, truth: str = "", n_init: int = 10, seed: int = 0) -> None:
        self.truth, self.n_init, self.seed = truth, n_init, seed

    def score(self, features: Features, plan: MergePlan | None = None) -> Mapping[str, float]:
        """Score a plan or rows. Raises BadData if the truth cannot be read or lacks a category."""
        if plan is not None and self.truth:
            categories = sorted(plan.classes)
            return _agreement(self._methods(categories), [plan.classes[name] for name in categories], "_truth")
        labels = features.label.tolist()
        if self.truth:
            categories = features.categories
            method = dict(zip(categories, self._methods(categories), strict=True))
            labels = [method[label] for label in labels]
        return _agreement(labels, self._clusters(features, len(set(labels))), "")

    def score_ranges(self, features: Features) -> Mapping[str, tuple[float, float]]:  # noqa: ARG002
        """Return the ranges of the scores that have bounds; that of ami has none below."""
        ranges = {"ari": (-0.5, 1.0), "nmi": (0.0, 1.0), "ami": (-math.inf, 1.0)}
        return ranges | {f"{name}_truth": bounds for name, bounds in ranges.items()}

    def _clusters(self, features: Features, count: int) -> list[int]:
        from sklearn.cluster import KMeans

        if not 1 < count <= len(features):
            raise BadData(
                f"agreement needs at least two labels; there are {count}", "score several categories together"
            )
        clusters: list[int] = KMeans(count, n_init=self.n_init, random_state=self.seed).fit_predict(features.x).tolist()
        return clusters

    def _methods(self, categories: Sequence[str]) -> list[str]:
        import tomllib
        from pathlib import Path

        try:
            if Path(self.truth).exists() and not Path(self.truth).is_file():
                raise BadData(f"the truth {self.truth} is not a file", "name a truth.toml, or none")
            document = tomllib.loads(Path(self.truth).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BadData(f"cannot read the truth {self.truth}: {error}", "name a truth.toml, or none") from error
        known = document.get("method")
        if not isinstance(known, dict):
            hint = (
                "rename its table [process] to [method]" if "process" in document else 'add lines category = "method"'
            )
            raise BadData(f"the truth {self.truth} has no table [method]", hint)
        missing = [name for name in categories if not isinstance(known.get(name), str)]
        if missing:
            raise BadData(
                f"the truth {self.truth} has no method for: {', '.join(missing)}", "add them to its table [method]"
            )
        return [known[name] for name in categories]


def _agreement(truth: Sequence[Any], partition: Sequence[Any], suffix: str) -> dict[str, float]:
    from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, normalized_mutual_info_score

    return {
        f"ari{suffix}": float(adjusted_rand_score(truth, partition)),
        f"nmi{suffix}": float(normalized_mutual_info_score(truth, partition)),
        f"ami{suffix}": float(adjusted_mutual_info_score(truth, partition)),
    }


@hookimpl
def kce_evaluators() -> dict[str, Callable[..., Any]]:
    return {"agreement": Agreement}
