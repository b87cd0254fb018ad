"""Which runs a study is made of, and what each will train on. Pure: nothing is started here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.errors import KCEError, UnknownName
from kce.merging.plan_file import read_plan
from kce.merging.plans import plan_by_name
from kce.types import MergePlan

if TYPE_CHECKING:
    from kce.pipeline.recipe import Recipe
    from kce.registry.registry import Registry
    from kce.study.study_file import GroupName, PlanChoices, Study, StudyGroup
    from kce.training.settings import TrainSettings


@dataclass(frozen=True)
class Run:
    """One run of a study.

    backbone  by its name in the study; the recipe has the component
    classes   of the plan; None where the clusterer alone decides
    images    of the final training; None where that depends on the classes
    trains    what the final model is made from: runs with equal `trains` have the same one
    missing   categories of the study that are not in the face folder, and so are not trained on
    """

    group: GroupName
    plan: str
    backbone: str
    seed: int
    recipe: Recipe
    known: tuple[str, ...]
    classes: int | None
    images: int | None
    trains: tuple[Any, ...]
    missing: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its place below the study's ``runs``: ``group-1/seed-0/xception/kmeans-pca64``."""
        parts = (f"group-{self.group}", f"seed-{self.seed}", self.backbone, self.plan)
        return "/".join(re.sub(r"[^\w.+-]", "_", part) for part in parts)

    @property
    def extracts(self) -> tuple[Any, ...] | None:
        """What the known features are made from; None where the plan needs none."""
        if not self.recipe.clusters:
            return None
        return (self.group, self.seed, self.recipe.first, self.recipe.train.per_class, "none", _how(self.recipe))

    def summary(self) -> dict[str, Any]:
        """As ``kce study --dry-run --json`` prints it."""
        return {
            "run": self.name,
            "group": self.group,
            "plan": self.plan,
            "backbone": self.backbone,
            "component": self.recipe.backbone,
            "seed": self.seed,
            "classes": self.classes,
            "images": self.images,
            "known": list(self.known),
            "unknown": list(self.recipe.unknown),
            "missing": list(self.missing),
        }


def runs(
    study: Study, faces: str, methods: Mapping[str, str], seeds: Sequence[int], registry: Registry, missing: bool
) -> list[Run]:
    """Every run of the study, group by group and seed by seed.

    methods  category -> method, of what the face folder holds; empty = the study's own categories, as if all were there
    missing  whether groups may train on less than the study's categories
    Raises KCEError where categories are missing and may not be, or are needed for the evaluation.
    """
    if not (study.categories or methods):
        raise KCEError("the study names no categories", "name the face folder with --faces: it tells them")
    _check_plan_files(study, methods)
    found = []
    for group in whole_groups(study, methods, missing):
        known = [c for c in group.known or study.categories or sorted(methods) if c not in group.unknown]
        lacks = tuple(category for category in known if methods and category not in methods)
        there = tuple(category for category in known if category not in lacks)
        if len(there) < 2:
            raise KCEError(f"group {group.name}: {len(there)} known categories are there", "at least 2 are needed")
        for seed in seeds:
            for plan in study.plans:
                for backbone in plan.backbones or study.backbones:
                    chosen = replace(
                        study.recipe(plan, backbone), faces=faces, seed=seed, unknown=group.unknown, known=there
                    )
                    found.append(_run(study, group, plan, backbone, chosen, methods, registry, lacks))
    return found


def _check_plan_files(study: Study, methods: Mapping[str, str]) -> None:
    named = study.categories or tuple(methods)
    for plan in study.plans:
        path = str(plan.choices.get("plan", ""))
        for category in read_plan(Path(path)).classes if path.endswith(".toml") else ():
            if category not in named:
                raise UnknownName.among(f"category (in the plan {path})", category, named)


def whole_groups(study: Study, methods: Mapping[str, str], missing: bool) -> list[StudyGroup]:
    """The groups whose evaluation categories are all there; raises KCEError where `missing` is needed and not given."""
    if not methods:
        return list(study.groups)
    named = study.categories or {c for group in study.groups for c in (*group.unknown, *group.known)}
    lacking = sorted(category for category in named if category not in methods)
    whole = [group for group in study.groups if set(group.unknown) <= set(methods)]
    if not lacking:
        return whole
    can = ", ".join(str(group.name) for group in whole) or "none"
    said = f"{len(lacking)} categories of the study are missing: {', '.join(lacking)}"
    if not whole:
        raise KCEError(said, "of no group all evaluation categories are there; cut the faces of more datasets")
    if not missing:
        raise KCEError(
            said,
            f"groups whose evaluation categories are all there: {can}; --allow-missing runs these, trained on less, "
            "and says so in every table",
        )
    return whole


def _run(
    study: Study,
    group: StudyGroup,
    plan: PlanChoices,
    backbone: str,
    chosen: Recipe,
    methods: Mapping[str, str],
    registry: Registry,
    lacks: tuple[str, ...],
) -> Run:
    if not chosen.train.per_class:
        raise KCEError(
            f"plan {plan.name!r} does not say how many images each class has",
            "set per_class in [run.train]: plans are compared at equal budgets",
        )
    classes, partition = _classes(chosen, methods, registry)
    images = None if classes is None else classes * chosen.train.per_class
    if plan.images_as:
        like = study.recipe(study.plan(plan.images_as), backbone)
        its = _classes(replace(chosen, plan=like.plan, rules=like.rules, k=like.k), methods, registry)[0]
        if its is None:
            raise KCEError(
                f"plan {plan.name!r}: how many images {plan.images_as!r} has is not known before it is made",
                "name a plan whose number of classes is",
            )
        images = its * chosen.train.per_class
        chosen = replace(chosen, train=replace(chosen.train, per_class=None, images=images))
    budget = chosen.train.per_class or -(images or 0)
    trains = (group.name, chosen.seed, chosen.backbone, budget, partition, _how(chosen))
    return Run(group.name, plan.name, backbone, chosen.seed, chosen, chosen.known, classes, images, trains, lacks)


def _how(chosen: Recipe) -> TrainSettings:
    """The settings of a training but for its number of images."""
    return replace(chosen.train, per_class=None, images=None, seed=chosen.seed)


def _classes(chosen: Recipe, methods: Mapping[str, str], registry: Registry) -> tuple[int | None, Any]:
    """How many classes the plan will have, if that is known, and what stands for its partition."""
    known = chosen.known
    by_name = plan_by_name({category: methods.get(category, category) for category in known}, chosen.rules)
    if chosen.plan == "none" or (chosen.plan == "name" and len(by_name.names) == len(known)):
        return len(known), "none"
    if chosen.plan == "name":
        return len(by_name.names), "name"
    if not chosen.clusters:
        plan = restricted(Path(chosen.plan), known)
        return len(plan.names), chosen.plan
    wanted = len(by_name.names) if chosen.k == "name" else 0 if chosen.k == "estimate" else int(chosen.k)
    if wanted > len(known):
        raise KCEError(f"k = {wanted} classes of {len(known)} known categories", f"k is at most {len(known)}")
    makes = (chosen.plan, chosen.first, chosen.aligner, chosen.reducer, chosen.clusterer, chosen.vote, str(chosen.k))
    return (wanted or None if registry.takes("clusterer", chosen.clusterer, "n_clusters") else None), makes


def restricted(path: Path, known: Sequence[str]) -> MergePlan:
    """The plan of a file for these categories; what else it names is left out, as the group evaluates it.

    Raises KCEError where the file is none or leaves a category out.
    """
    plan = read_plan(path)
    kept = {category: name for category, name in plan.classes.items() if category in known}
    lacking = sorted(set(known) - set(kept))
    if lacking:
        raise KCEError(f"the plan {path} does not name {lacking[0]}", "a plan gives every known category one class")
    return MergePlan(kept, {c: vote for c, vote in plan.votes.items() if c in kept}, plan.made)


def count_trainings(grid: Sequence[Run]) -> int:
    """How many networks are trained: what runs share counts once. Plans that turn out to be equal may save more."""
    first = {run.extracts for run in grid if run.extracts}
    # A first model is a final one with nothing merged.
    return len(first | {run.trains for run in grid})
