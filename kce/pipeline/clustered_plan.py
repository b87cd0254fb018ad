"""The plan that comes out of clustering the known categories, by the choices of a run."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from kce.audit.unlearned import UNLEARNED_NOTE
from kce.errors import KCEError
from kce.features.reduction import align_rows, reduce_rows
from kce.merging.category_means import CategoryMeans
from kce.merging.plans import by_clusters
from kce.merging.stability import count_joined, mark_doubtful
from kce.registry import isolation

if TYPE_CHECKING:
    from collections.abc import Collection

    from kce.pipeline.recipe import Recipe
    from kce.registry.registry import Registry
    from kce.types import Clusterer, FeatureStream, MergePlan, Progress

_log = logging.getLogger("kce.pipeline.clustered_plan")


def cluster_rows(
    rows: FeatureStream, recipe: Recipe, registry: Registry, names: int, progress: Progress = lambda *_: None
) -> MergePlan:
    """Align, reduce and cluster the rows of the known categories.

    Args:
        rows: Of the layer that the recipe names, with the reals and views that its aligner needs.
        recipe: Names the components and the number of classes.
        registry: Where the components are looked up.
        names: How many classes the plan by name has.
        progress: Called before and after.

    Returns:
        The plan, which says what it was made of.
    """
    parts = {kind: registry.resolve_seeded(kind, getattr(recipe, kind), recipe.seed) for kind in ("aligner", "reducer")}
    with (
        isolation.component(parts["aligner"], registry, recipe.timeout) as aligner,
        isolation.component(parts["reducer"], registry, recipe.timeout) as reducer,
    ):
        aligned = align_rows(aligner, rows)
        progress("reducing and clustering", 0, 1)
        plan = _cluster(reduce_rows(reducer, aligned), recipe, registry, names)
    progress("reducing and clustering", 1, 1)
    made = [plan.made, f"of {recipe.layer}", *(f"{kind} {part.spec}" for kind, part in parts.items())]
    return replace(plan, made="; ".join(made))


def _cluster(rows: FeatureStream, recipe: Recipe, registry: Registry, names: int) -> MergePlan:
    parameters, count = dict[str, int](), None
    takes_number = registry.takes("clusterer", recipe.clusterer, "n_clusters")
    estimated = takes_number and recipe.k == "estimate"
    if recipe.vote != "rows" or estimated:
        means = CategoryMeans.of(rows)  # read once, whatever is asked of them
        count = means.count_classes(recipe.seed) if estimated else None
    if takes_number:
        parameters["n_clusters"] = count.best if count else names if recipe.k == "name" else int(recipe.k)
    part = registry.resolve_seeded("clusterer", recipe.clusterer, recipe.seed, **parameters)
    with isolation.component(part, registry, recipe.timeout) as clusterer:
        asked = part.parameters.get("n_clusters")
        plan = by_clusters(rows if recipe.vote == "rows" else means, clusterer, recipe.vote, part.spec, asked)
        if recipe.vote != "rows":
            plan = _mark_doubtful(plan, means, clusterer, recipe)
    if count is None:
        return plan
    _log.info("%s", count.describe())
    return replace(plan, made=f"{plan.made}; {count.describe()}", between=(count.low, count.high))


def _mark_doubtful(plan: MergePlan, means: CategoryMeans, clusterer: Clusterer, recipe: Recipe) -> MergePlan:
    try:
        return mark_doubtful(plan, count_joined(means, clusterer, recipe.seed, recipe.vote))
    except KCEError as error:  # the plan is there: it is not lost for what is said of it
        _log.warning("how surely categories are joined is not known: %s", error.message)
        return plan


def mark_unlearned(plan: MergePlan, unlearned: Collection[str], *, trained: bool) -> MergePlan:
    """Say, in the log and in the plan's votes, which categories the network does not tell from reals."""
    if not unlearned:
        return plan
    _log.warning(
        "the first model does not tell %s from the reals of their datasets: their classes in the plan are chance; %s",
        ", ".join(unlearned),
        "train longer (--epochs), or with less --augment" if trained else "train it (--epochs)",
    )
    votes = {name: f"{vote}; {UNLEARNED_NOTE}" if name in unlearned else vote for name, vote in plan.votes.items()}
    return replace(plan, votes=votes)
