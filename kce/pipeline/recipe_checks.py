"""Finds every choice of a recipe that cannot work, before any work starts."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from kce.errors import KCEError, UnknownName
from kce.pipeline.recipe import PLANS, Recipe, named_components
from kce.registry import distributions
from kce.registry.specs import parse_spec
from kce.system.documents import checked_model
from kce.training.settings import check_train_settings

if TYPE_CHECKING:
    from kce.faces.folder import Faces
    from kce.registry.registry import Registry, ResolvedComponent

_YEAR = 365 * 24 * 3600

_log = logging.getLogger("kce.pipeline.recipe")


def check_recipe(recipe: Recipe, faces: Faces, registry: Registry) -> tuple[list[str], list[str]]:
    """Check every choice against the registry and the faces.

    Returns:
        The known and the unknown categories, sorted.

    Raises:
        KCEError: A choice that cannot work; UnknownName where a name does not exist.
    """
    check_choices(recipe, registry)
    forged = list(faces.take(~faces.real).category.counts())
    if not recipe.unknown:
        raise KCEError("no category is held out as unknown", f"choose with --unknown among: {', '.join(forged)}")
    for category in (*recipe.unknown, *recipe.known):
        if category not in forged:
            raise UnknownName.among(f"forged category in {faces.root}", category, forged)
    both = sorted(set(recipe.unknown) & set(recipe.known))
    if both:
        raise KCEError(f"{both[0]} is both known and unknown", "an unknown category must never be trained on")
    unknown = sorted(set(recipe.unknown))
    known = sorted(set(recipe.known)) or [category for category in forged if category not in unknown]
    if len(known) < 2:
        raise KCEError(f"{len(known)} known categories are left: there is nothing to merge", "at least 2 are needed")
    if recipe.k != "name" and not registry.takes("clusterer", recipe.clusterer, "n_clusters"):
        raise KCEError(f"k = {recipe.k} does not go with {recipe.clusterer!r}, which finds its own", "leave k out")
    if isinstance(recipe.k, int) and recipe.k > len(known):
        raise KCEError(f"k = {recipe.k} classes of {len(known)} known categories", f"k is at most {len(known)}")
    return known, unknown


def check_choices(recipe: Recipe, registry: Registry) -> None:
    """Raise KCEError or UnknownName for every choice that can be seen to be wrong without the faces."""
    checked_model(recipe, "the recipe")
    for kind, component in _components(recipe, registry):
        origin = recipe.origins.get(f"{kind} {component.entry.name}")
        here = distributions.plugin_origin(registry, component.entry.plugin)
        if origin and origin != here:
            _log.warning(
                "the recipe was made with the %s %r of %s; here it is of %s", kind, component.entry.name, origin, here
            )
    if recipe.plan not in PLANS and not Path(recipe.plan).is_file():
        raise UnknownName.among("plan", recipe.plan, PLANS, "or give the path of a plan.toml")
    check_train_settings(recipe.train)
    if recipe.layer == "logits" and not recipe.train.epochs:
        raise KCEError(
            "epochs = 0 trains no classifier, so its logits are chance", 'take layer = "features", or train: epochs = 3'
        )
    _check_numbers(recipe)


def _components(recipe: Recipe, registry: Registry) -> Iterator[tuple[str, ResolvedComponent]]:
    """(kind, component) of all that the recipe names; an error says what to install where the recipe knows it."""
    for kind, spec in named_components(recipe):
        try:
            yield kind, registry.resolve(kind, spec)
        except UnknownName as error:
            name = parse_spec(spec)[0]
            origin = recipe.origins.get(f"{kind} {name}")
            if origin is None or (error.what, error.name) != (kind, name):
                raise
            raise UnknownName(error.message, distributions.install_hint(origin), kind, name) from error


def _check_numbers(recipe: Recipe) -> None:
    k, evaluate = recipe.k, recipe.evaluate
    if not (k in ("name", "estimate") if isinstance(k, str) else k >= 1):
        raise KCEError(f"k = {k!r} is not a number of classes", 'give a number from 1, "name", or "estimate"')
    if not 0 <= recipe.timeout <= _YEAR:
        raise KCEError(
            f"timeout = {recipe.timeout!r} is not a number of seconds", "give one from 0 to a year; 0 is for ever"
        )
    for name, value, least, most in (
        ("seed", recipe.seed, 0, 2**32 - 1),  # as numpy and scikit-learn take them
        ("evaluate.per_category", evaluate.per_category, 2, 10_000_000),
        ("evaluate.resamples", evaluate.resamples, 0, 100_000),
    ):
        if not least <= value <= most:
            raise KCEError(
                f"{name} = {value} is not a whole number from {least} to {most:,}", f"for example {name} = 200"
            )
    if not evaluate.evaluators:
        raise KCEError("evaluate.evaluators is empty: nothing would be scored", "name one, or leave the line out")
