"""``kce.score``: how well the labels of a feature table come apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kce.api.arguments import feature_rows, require_numbers, require_texts, several
from kce.api.results import Result, interval_columns
from kce.registry import defaults
from kce.system.text import counted

if TYPE_CHECKING:
    from kce.api.arguments import AnyPath
    from kce.types import FeatureStream

EVALUATORS = (defaults.INDEX,)


class ScoreResult(Result):
    """Scores of features, with 95 % intervals from a bootstrap over recordings."""

    @property
    def n(self) -> int:
        """Rows that were scored."""
        return int(self._document["n"])

    @property
    def seed(self) -> int:
        """Seed of all random choices."""
        return int(self._document["seed"])

    @property
    def scores(self) -> dict[str, dict[str, float]]:
        """Evaluator -> score -> value."""
        return {name: dict(values) for name, values in self._document["scores"].items()}

    @property
    def intervals(self) -> dict[str, dict[str, tuple[float, float] | None]]:
        """Evaluator -> score -> (low, high), 95 %; None where there is none."""
        return {
            name: {score: tuple(pair) if pair else None for score, pair in values.items()}
            for name, values in self._document["intervals"].items()
        }

    @property
    def remarks(self) -> list[str]:
        """What a reader must know, such as why there is no interval."""
        return list(self._document["remarks"])

    def _records(self) -> list[dict[str, Any]]:
        return score_records(self._document)

    def _summary(self) -> str:
        return f"{describe_scores(self._document)}, n {self.n:,}, seed {self.seed}"


def score_records(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One line for each score of a document that has some."""
    return [
        {
            "evaluator": evaluator,
            "score": score,
            "value": value,
            **interval_columns(document["intervals"].get(evaluator, {}).get(score)),
            "n": document["n"],
            "seed": document["seed"],
        }
        for evaluator, values in document["scores"].items()
        for score, value in values.items()
    ]


def describe_scores(document: Mapping[str, Any]) -> str:
    """The first score of each evaluator."""
    firsts = [next(iter(values.items())) for values in document["scores"].values() if values]
    return ", ".join(f"{score} {value:.4g}" for score, value in firsts) or counted(0, "score")


def score(
    table: AnyPath | FeatureStream,
    *,
    reducer: str = defaults.NO_REDUCER,
    evaluator: str | Iterable[str] = EVALUATORS,
    seed: int = 0,
) -> ScoreResult:
    """Score features by their labels, with intervals.

    Args:
        table: ``FEATURES.h5:/TABLE``, or features in memory.
        reducer: Reduces the features before they are scored.
        evaluator: One or more evaluators.
        seed: Seed of the reducer, the evaluators and the bootstrap.

    Returns:
        The scores. ``to_frame()``: evaluator, score, value, low, high, n, seed.

    Raises:
        KCEError: There is no such table, its rows cannot be scored, or an evaluator fails.

    Example:
        >>> import numpy as np
        >>> from kce import Features
        >>> x = np.array([[0, 0], [0, 1], [9, 0], [9, 1]])
        >>> result = score(Features.from_arrays(x, ["A_x", "A_x", "A_y", "A_y"]), evaluator="silhouette")
        >>> result
        <ScoreResult: silhouette 0.8892, n 4, seed 0>
    """
    from kce.evaluation.scoring import score_table
    from kce.registry.registry import Registry

    require_texts(reducer=reducer)
    require_numbers(seed=seed)
    evaluators = several("evaluator", evaluator) or EVALUATORS
    return ScoreResult(score_table(feature_rows(table), reducer, evaluators, Registry.load(), seed))
