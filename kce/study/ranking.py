"""What the plans of a study are compared by: the first score of an evaluator that the study names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kce.errors import KCEError
from kce.registry import defaults
from kce.registry.specs import parse_spec

if TYPE_CHECKING:
    from kce.pipeline.recipe import Recipe
    from kce.registry.registry import Registry


@dataclass(frozen=True)
class Ranking:
    """What plans are compared by.

    Attributes:
        evaluator: Name of the evaluator.
        score: The first of its scores; empty before a run is finished.
        greater_is_better: Whether the plan of the highest score is the best; else that of the lowest.
    """

    evaluator: str = defaults.INDEX
    score: str = defaults.INDEX_SCORE
    greater_is_better: bool = True

    @property
    def is_index(self) -> bool:
        """Whether it is the Calinski-Harabasz index, of which papers publish values."""
        return self.evaluator == defaults.INDEX

    @property
    def sentence(self) -> str:
        """What a table says about it."""
        if self.is_index:
            return "Calinski-Harabasz index of the unknown categories, by their true labels"
        better = "greater" if self.greater_is_better else "lower"
        score = f"{self.score or 'score'} ({self.evaluator})"
        return f"{score} of the unknown categories, by their true labels; {better} is better"


BY_INDEX = Ranking()


def check_ranking(evaluator: str, recipe: Recipe, registry: Registry) -> None:
    """Raise KCEError if plans cannot be compared by an evaluator.

    It must be in the recipe once, and say whether greater is better; the index, by which publications compare, must be
    the shipped one.
    """
    entries = [registry.entry("evaluator", parse_spec(spec)[0]) for spec in recipe.evaluate.evaluators]
    own = [entry for entry in entries if entry.name == evaluator]
    if len(own) != 1:
        problem = f"its evaluators lack {evaluator}" if not own else f"its evaluators have {evaluator} {len(own)} times"
        raise KCEError(problem, "the plans of a study are compared by it (its key `rank_by`): list it once")
    if evaluator == defaults.INDEX:
        shipped = defaults.shipped_registry().entry("evaluator", defaults.INDEX)
        if (own[0].plugin, own[0].factory) != (shipped.plugin, shipped.factory):
            raise KCEError(
                f"{own[0].source} redefines the evaluator {evaluator}, by which the plans of a study are compared",
                "give your evaluator another name, and list both in the study",
            )
    _greater_is_better(evaluator, registry)


def ranking(evaluator: str, registry: Registry, reports: Mapping[str, Mapping[str, Any]]) -> Ranking:
    """Return what plans are compared by; the name of the score is that of the finished runs' reports."""
    names = next((list(report["scores"][evaluator]) for report in reports.values()), [""])
    return Ranking(evaluator, names[0], _greater_is_better(evaluator, registry))


def _greater_is_better(evaluator: str, registry: Registry) -> bool:
    declared = getattr(registry.component("evaluator", evaluator).factory, "greater_is_better", None)
    if not isinstance(declared, bool):
        raise KCEError(
            f"the evaluator {evaluator} does not say whether a greater score is better, so no plans are compared by it",
            "give its factory the attribute greater_is_better = True, or False; or choose another `rank_by`",
        )
    return declared
