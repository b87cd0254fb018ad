"""Tries the later stages of a run on random rows, before the first network is trained.

A parameter of a clusterer or an evaluator is often checked only by the rows it is given, and they come when all
networks are trained. Random rows have the labels, the recordings and the dimensions of the real ones, so what fails
with them would have failed hours later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kce.errors import KCEError
from kce.evaluation.scoring import choose_evaluation_rows, open_evaluators, score_features
from kce.merging.plans import by_clusters, unmerged_plan
from kce.registry import isolation
from kce.system.rng import generator
from kce.types import Features

if TYPE_CHECKING:
    from kce.faces.folder import Faces
    from kce.pipeline.recipe import Recipe
    from kce.pipeline.run_faces import RunFaces
    from kce.registry.registry import Registry

_ROWS = 500
"""Rows of the known categories: a clusterer of rows that needs more is not tried."""


class PlannedDims(NamedTuple):
    """How many features a row has.

    Attributes:
        clustered: One that is clustered: features of the first model, or logits.
        scored: One that is scored: features of the final model.
    """

    clustered: int
    scored: int


def rehearse(recipe: Recipe, faces: RunFaces, registry: Registry, dims: PlannedDims, *, plan: bool = True) -> None:
    """Reduce, cluster and score random rows as the run will do with its features.

    Args:
        recipe: The choices.
        faces: The faces of the run.
        registry: Where components are looked up.
        dims: Of the rows.
        plan: Whether the run goes as far as its plan. Runs of a study share what comes before, and a reducer or
            clusterer that fails in one of them is no reason to stop the others.

    Raises:
        KCEError: What a component cannot do with such rows.
    """
    try:
        if plan and recipe.clusters:
            _rehearse_plan(recipe, faces, registry, dims.clustered)
        if len(faces.unknown.category.counts()) > 1:
            _rehearse_scores(recipe, faces, registry, dims.scored)
    except KCEError as error:
        raise error.prefixed("tried on random rows before training") from error


def _rehearse_plan(recipe: Recipe, faces: RunFaces, registry: Registry, dim: int) -> None:
    known = faces.known
    share = min(_ROWS / len(known), 1.0)
    rng = generator(recipe.seed, "rehearsal of the plan")
    sampled = known.take(np.sort(rng.choice(len(known), max(int(share * len(known)), 1), replace=False)))
    if set(sampled.category.counts()) != set(faces.categories):  # some have very few faces
        sampled = known.first_of_categories()
    rows = _random_rows(sampled, dim, rng)
    with _open(recipe, registry, "reducer", recipe.reducer) as reducer:
        rows = rows.with_x(reducer.fit_transform(rows.x))
    parameters: dict[str, Any] = {}
    if registry.takes("clusterer", recipe.clusterer, "n_clusters"):
        parameters["n_clusters"] = recipe.k if isinstance(recipe.k, int) else min(2, len(faces.categories))
    with _open(recipe, registry, "clusterer", recipe.clusterer, **parameters) as clusterer:
        if recipe.vote == "rows":
            clusterer.check_price(len(known), rows.x.shape[1])
        if recipe.vote != "rows" or len(sampled) == len(known):
            by_clusters(rows, clusterer, recipe.vote)


def _rehearse_scores(recipe: Recipe, faces: RunFaces, registry: Registry, dim: int) -> None:
    evaluate, unknown = recipe.evaluate, faces.unknown
    chosen = choose_evaluation_rows(unknown.category[:], unknown.key[:], evaluate.per_category, recipe.seed)
    rows = _random_rows(unknown.take(chosen), dim, generator(recipe.seed, "rehearsal of the scores"))
    with _open(recipe, registry, "reducer", evaluate.reducer) as reducer:
        rows = rows.with_x(reducer.fit_transform(rows.x))
    with open_evaluators(registry, evaluate.evaluators, recipe.seed, recipe.timeout) as evaluators:
        score_features(rows, evaluators, seed=recipe.seed, plan=unmerged_plan(faces.categories), resamples=0)


def _open(recipe: Recipe, registry: Registry, kind: str, spec: str, **parameters: Any) -> Any:
    component = registry.resolve_seeded(kind, spec, recipe.seed, **parameters)
    return isolation.component(component, registry, recipe.timeout)


def _random_rows(faces: Faces, dim: int, rng: np.random.Generator) -> Features:
    """Rows around a centre of their own for each category, as features are."""
    codes = np.unique(faces.category.codes, return_inverse=True)[1]
    centres = rng.normal(size=(codes.max() + 1, dim))
    x = (centres[codes] + rng.normal(size=(len(faces), dim))).astype(np.float32)
    return Features(faces.key[:], faces.category[:], faces.group[:], x)
