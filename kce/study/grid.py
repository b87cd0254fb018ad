"""The runs that a study is made of, and what each will train on; nothing is started here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.errors import KCEError, UnknownName
from kce.merging.plan_file import read_plan
from kce.merging.plans import by_name

if TYPE_CHECKING:
    from kce.pipeline.recipe import Recipe
    from kce.registry.registry import Registry
    from kce.study.study_file import GroupName, PlanChoices, Study, StudyGroup
    from kce.training.settings import TrainSettings
    from kce.types import MergePlan


@dataclass(frozen=True)
class StudyRun:
    """One run of a study.

    Attributes:
        group: Name of the group that it evaluates.
        plan: Name of the plan in the study.
        backbone: Name of the backbone in the study; the recipe has the component.
        seed: Its seed.
        recipe: All its choices.
        known: The categories that it trains on.
        classes: Number of classes of the plan; None where only the clusterer decides.
        images: Number of images of the final training, reals among them; None where that is not known yet.
        trains: What the final model is made from: runs with equal `trains` have the same one.
        missing: Categories of the study that are not in the face folder, and so are not trained on.
        reals: With the loss "within-dataset", the categories of reals that networks are trained on besides, of the same
            datasets.
        aligner_tables: Table -> its rows, of what the first network sees for the aligner besides the known faces.
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
    reals: tuple[str, ...] = ()
    aligner_tables: tuple[tuple[str, int], ...] = ()

    @property
    def name(self) -> str:
        """Its folder below the study's ``runs``: ``group-1/seed-0/xception/kmeans-pca64``."""
        parts = (f"group-{self.group}", f"seed-{self.seed}", self.backbone, self.plan)
        return "/".join(re.sub(r"[^\w.+-]", "_", part) for part in parts)

    @property
    def extracts(self) -> tuple[Any, ...] | None:
        """What the known features are made from; None where the plan needs none."""
        if not self.recipe.clusters:
            return None
        settings = _settings_without_images(self.recipe)
        return (self.group, self.seed, self.recipe.first, self.recipe.train.per_class, "none", settings)

    def summary(self) -> dict[str, Any]:
        """What ``kce study --dry-run --json`` prints about it."""
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


def list_runs(
    study: Study,
    faces: str,
    methods: Mapping[str, str],
    reals: Mapping[str, str],
    seeds: Sequence[int],
    registry: Registry,
    allow_missing: bool,
) -> list[StudyRun]:
    """List every run of the study, group by group and seed by seed.

    Args:
        study: The study.
        faces: Its face folder, for the recipes.
        methods: Category -> method, of what is in the face folder; empty = the study's own categories, as if all were
            there.
        reals: Category -> the reals of its dataset, where the face folder has any.
        seeds: The seeds.
        registry: Where components are looked up.
        allow_missing: Whether groups may train on fewer categories than the study has.

    Raises:
        KCEError: Categories are missing and may not be, or are needed for the evaluation.
    """
    if not (study.categories or methods):
        raise KCEError("the study names no categories", "name the face folder with --faces: its categories are taken")
    _check_plan_files(study, methods)
    runs = []
    for group in complete_groups(study, methods, allow_missing):
        intended = [c for c in group.known or study.categories or sorted(methods) if c not in group.unknown]
        missing = tuple(category for category in intended if methods and category not in methods)
        known = tuple(category for category in intended if category not in missing)
        if len(known) < 2:
            raise KCEError(f"group {group.name}: {len(known)} known categories are there", "at least 2 are needed")
        for seed in seeds:
            for plan in study.plans:
                for backbone in plan.backbones or study.backbones:
                    recipe = replace(
                        study.recipe(plan, backbone), faces=faces, seed=seed, unknown=group.unknown, known=known
                    )
                    runs.append(_study_run(study, group, plan, backbone, recipe, methods, reals, registry, missing))
    return runs


def _check_plan_files(study: Study, methods: Mapping[str, str]) -> None:
    known = study.categories or tuple(methods)
    for plan in study.plans:
        path = str(plan.choices.get("plan", ""))
        for category in read_plan(Path(path)).classes if path.endswith(".toml") else ():
            if category not in known:
                raise UnknownName.among(f"category (in the plan {path})", category, known)


def complete_groups(study: Study, methods: Mapping[str, str], allow_missing: bool) -> list[StudyGroup]:
    """Return the groups whose evaluation categories are all there.

    Raises:
        KCEError: Categories are missing, and `allow_missing` is not given or does not help.
    """
    if not methods:
        return list(study.groups)
    categories = study.categories or {c for group in study.groups for c in (*group.unknown, *group.known)}
    missing = sorted(category for category in categories if category not in methods)
    complete = [group for group in study.groups if set(group.unknown) <= set(methods)]
    if not missing:
        return complete
    message = f"{len(missing)} categories of the study are missing: {', '.join(missing)}"
    if not complete:
        raise KCEError(message, "no group has all its evaluation categories; cut the faces of more datasets")
    if not allow_missing:
        names = ", ".join(str(group.name) for group in complete)
        raise KCEError(
            message,
            f"groups with all their evaluation categories: {names}; --allow-missing runs these, trained on less, "
            "and every table tells it",
        )
    return complete


def _study_run(
    study: Study,
    group: StudyGroup,
    plan: PlanChoices,
    backbone: str,
    recipe: Recipe,
    methods: Mapping[str, str],
    reals: Mapping[str, str],
    registry: Registry,
    missing: tuple[str, ...],
) -> StudyRun:
    if not recipe.train.per_class:
        raise KCEError(
            f"plan {plan.name!r} does not say how many images each class has",
            "set per_class in [run.train]: plans are compared at equal budgets",
        )
    per_class, own = recipe.train.per_class, {reals[category] for category in recipe.known if category in reals}
    trained_reals = tuple(sorted(own)) if recipe.train.loss == "within-dataset" else ()
    classes, partition = _count_classes(recipe, methods, registry)
    images = None if classes is None else (classes + len(trained_reals)) * per_class
    if plan.images_as:
        other = study.recipe(study.plan(plan.images_as), backbone)
        same = replace(recipe, plan=other.plan, rules=other.rules, k=other.k)
        other_classes = _count_classes(same, methods, registry)[0]
        if other_classes is None:
            raise KCEError(
                f"plan {plan.name!r}: how many images {plan.images_as!r} has is not known before it is made",
                "name a plan whose number of classes is",
            )
        images = (other_classes + len(trained_reals)) * per_class
        recipe = replace(recipe, train=replace(recipe.train, per_class=None, images=images))
    budget = recipe.train.per_class or -(images or 0)
    trains = (group.name, recipe.seed, recipe.backbone, budget, partition, _settings_without_images(recipe))
    if recipe.train.loss == "within-dataset" and not methods:  # without a face folder: which reals it has is not known
        images = None
    return StudyRun(
        group.name,
        plan.name,
        backbone,
        recipe.seed,
        recipe,
        recipe.known,
        classes,
        images,
        trains,
        missing,
        trained_reals,
    )


def _settings_without_images(recipe: Recipe) -> TrainSettings:
    return replace(recipe.train, per_class=None, images=None, seed=recipe.seed)


def _count_classes(recipe: Recipe, methods: Mapping[str, str], registry: Registry) -> tuple[int | None, Any]:
    """How many classes the plan will have, if that is known; and a key that equal partitions have in common."""
    known = recipe.known
    named = by_name({category: methods.get(category, category) for category in known}, recipe.rules)
    if recipe.plan == "none" or (recipe.plan == "name" and len(named.names) == len(known)):
        return len(known), "none"
    if recipe.plan == "name":
        return len(named.names), "name"
    if not recipe.clusters:
        return len(restrict_plan(Path(recipe.plan), known).names), recipe.plan
    k = len(named.names) if recipe.k == "name" else 0 if recipe.k == "estimate" else int(recipe.k)
    if k > len(known):
        raise KCEError(f"k = {k} classes of {len(known)} known categories", f"k is at most {len(known)}")
    components = (recipe.first, recipe.aligner, recipe.reducer, recipe.clusterer)
    key = (recipe.plan, *components, recipe.vote, recipe.layer, str(recipe.k))
    return (k or None if registry.takes("clusterer", recipe.clusterer, "n_clusters") else None), key


def sum_counts(counts: Mapping[str, int], categories: Iterable[str]) -> int:
    """Add up the faces of some categories; counts are category -> faces in the face folder."""
    return sum(counts.get(category, 0) for category in categories)


def unmerged_images(run: StudyRun, counts: Mapping[str, int]) -> int:
    """Count the images of a training on all known categories, unmerged, and on the reals that go with them.

    Where a run has no number of images of each class, it is the largest that all can give, about.

    Args:
        run: The run.
        counts: Category -> faces in the face folder.
    """
    classes = (*run.known, *run.reals)
    each = run.recipe.train.per_class
    if each is None:
        each = round(min(counts.get(category, 0) for category in classes) * (1 - run.recipe.train.held_out))
    return len(classes) * each


def restrict_plan(path: Path, known: Sequence[str]) -> MergePlan:
    """Read the plan of a file for these categories alone: what else it names, the group evaluates.

    Raises:
        KCEError: The file is not a plan, or leaves a category out.
    """
    plan = read_plan(path)
    classes = {category: name for category, name in plan.classes.items() if category in known}
    missing = sorted(set(known) - set(classes))
    if missing:
        raise KCEError(f"the plan {path} does not name {missing[0]}", "a plan gives every known category one class")
    votes = {category: vote for category, vote in plan.votes.items() if category in classes}
    doubtful = tuple(pair for pair in plan.doubtful if {*pair[:2]} <= {*classes})
    return replace(plan, classes=classes, votes=votes, doubtful=doubtful)


def count_trainings(runs: Sequence[StudyRun]) -> int:
    """Count the networks to train: what runs share counts once. Plans that turn out to be equal may save more."""
    first = {run.extracts for run in runs if run.extracts}
    # A first model is a final one with nothing merged.
    return len(first | {run.trains for run in runs})
