"""The schema of a study file: groups, plans, backbones, published values and smaller scales; read and checked."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from kce.errors import KCEError, UnknownName
from kce.pipeline.recipe import Recipe, recipe_from_table
from kce.pipeline.world_recipe import CutChoices
from kce.registry import defaults
from kce.system.documents import Document, document_from_table, model_from_table, read_table
from kce.system.shipped import RECIPES

GroupName = str | int


@dataclass(frozen=True)
class StudyGroup:
    """Categories that are held out together; all others of the study train, unless `known` names some."""

    name: GroupName
    unknown: tuple[str, ...]
    known: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlanKeys:
    """The keys of ``[plan.NAME]`` that are not choices of a recipe.

    Attributes:
        backbones: Which of the study's backbones are trained on the plan; empty = all.
        images_as: The plan, made by name or not at all, that has as many images; empty = per_class of each class.
    """

    backbones: tuple[str, ...] = ()
    images_as: str = ""


@dataclass(frozen=True)
class PlanChoices(PlanKeys):
    """A plan of a study.

    Attributes:
        name: What the tables call it.
        choices: Choices of a recipe, on top of those that all runs share.
    """

    name: str = ""
    choices: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PublishedScores:
    """Calinski-Harabasz indices that somebody published.

    Attributes:
        values: An index for each group.
        groups: The groups, in the same order; empty where it is not known which they were.
    """

    backbone: str
    plan: str
    values: tuple[float, ...]
    groups: tuple[GroupName, ...] = ()


@dataclass(frozen=True)
class PublishedClaim:
    """That the average over the groups is `percent` higher under `plan` than under the plan `over`."""

    backbone: str
    plan: str
    over: str
    percent: float


@dataclass(frozen=True)
class StudyScale:
    """The same study in small.

    Attributes:
        world: A synthetic dataset with the names of the study's categories.
        cut: How its faces are cut.
        backbone: Name in the tables -> component, instead of the study's.
        run: Choices of a recipe, on top of the study's.
    """

    world: str
    cut: CutChoices = field(default_factory=CutChoices)
    backbone: Mapping[str, str] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)


class Study(
    Document,
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={"groups": "group", "plan_tables": "plan", "backbones": "backbone", "claims": "claim", "scales": "scale"},
):
    """groups x plans x backbones (x seeds).

    Attributes:
        title: What the report is called.
        groups: Categories that are held out together; the tables ``[[group]]``.
        plan_tables: Name -> a plan, as choices of a recipe, `backbones` and `images_as`; the tables ``[plan.NAME]``.
        backbones: Name in the tables -> component; the table ``[backbone]``.
        run: Choices of a recipe that all runs share.
        categories: Categories of the study; empty = the forged ones of the face folder.
        cut: How the faces should have been cut.
        published: Published values, to be shown beside ours; the tables ``[[published]]``.
        claims: Published claims, to be tested; the tables ``[[claim]]``.
        scales: Name -> the same study in small; the tables ``[scale.NAME]``.
        rank_by: The evaluator by whose first score plans are compared; one that says whether greater is better.
    """

    NOUN: ClassVar[str] = "a study"
    HINT: ClassVar[str] = "`kce/recipes/sun2023.toml` is one"
    BY_HAND: ClassVar[bool] = True

    groups: tuple[StudyGroup, ...]
    plan_tables: Mapping[str, Mapping[str, Any]]
    backbones: Mapping[str, str]
    title: str = ""
    run: Mapping[str, Any] = {}
    categories: tuple[str, ...] = ()
    cut: CutChoices = CutChoices()
    published: tuple[PublishedScores, ...] = ()
    claims: tuple[PublishedClaim, ...] = ()
    scales: Mapping[str, StudyScale] = {}
    rank_by: str = defaults.INDEX

    @property
    def plans(self) -> list[PlanChoices]:
        """The plans, in the order of the file."""
        return [self.plan(name) for name in self.plan_tables]

    def plan(self, name: str) -> PlanChoices:
        """The plan of a name."""
        return _plan_choices(name, self.plan_tables[name], "the study")

    def changed(self, **values: Any) -> Study:
        """The study with some fields changed."""
        return msgspec.structs.replace(self, **values)

    def scaled(self, scale: StudyScale) -> Study:
        """The study with a scale's backbones and choices."""
        return self.changed(
            backbones={**self.backbones, **scale.backbone},
            run=_merged(self.run, scale.run),
            cut=replace(self.cut, **scale.cut.options()),
        )

    def recipe(self, plan: PlanChoices, backbone: str) -> Recipe:
        """The recipe of a plan and a backbone; group, seed and faces are still open."""
        recipe = recipe_from_table(_merged(self.run, plan.choices), f"plan {plan.name!r}")
        extractor = self.backbones.get(recipe.extractor, recipe.extractor)
        return replace(recipe, backbone=self.backbones[backbone], extractor=extractor)


def shipped_studies() -> list[str]:
    """The names of the studies that come with KCE."""
    return sorted(
        path.stem for path in RECIPES.glob("*.toml") if "group" in tomllib.loads(path.read_text(encoding="utf-8"))
    )


def read_study(named: str) -> Study:
    """Read a study by its shipped name or from a TOML file.

    Raises:
        UnknownName: There is no such study, or it names something that does not exist.
        KCEError: For whatever else cannot be right in it.
    """
    path = Path(named)
    if path.suffix != ".toml" and named in shipped_studies():
        path = RECIPES / f"{named}.toml"
    if not path.is_file():
        raise UnknownName.among("study", named, shipped_studies(), "or give the path of a study's .toml")
    study = document_from_table(read_table(path, Study), Study, str(path))
    study = study.changed(
        title=study.title or path.stem,
        plan_tables={name: _with_plan_path(table, path) for name, table in study.plan_tables.items()},
    )
    _check_study(study, str(path))
    return study


def _plan_choices(name: str, table: Mapping[str, Any], where: str) -> PlanChoices:
    own = {key: value for key, value in table.items() if key in ("backbones", "images_as")}
    keys = model_from_table(own, PlanKeys, where, f"plan.{name}")
    choices = {key: value for key, value in table.items() if key not in own}
    return PlanChoices(keys.backbones, keys.images_as, name, choices)


def _with_plan_path(table: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """A plan file is named from the folder of the study."""
    plan = table.get("plan")
    return {**table, "plan": str(path.parent / plan)} if isinstance(plan, str) and plan.endswith(".toml") else table


def _check_study(study: Study, where: str) -> None:
    if not study.groups or not study.plan_tables or not study.backbones:
        raise KCEError(f"{where}: a study needs groups, plans and backbones", "see `kce/recipes/sun2023.toml`")
    model_from_table(study.run, Recipe, where, "run")
    for name, scale in study.scales.items():
        model_from_table(scale.run, Recipe, where, f"scale.{name}.run")
    for name, table in study.plan_tables.items():
        model_from_table(_plan_choices(name, table, where).choices, Recipe, where, f"plan.{name}")
    if (study.published or study.claims) and study.rank_by != defaults.INDEX:
        raise KCEError(
            f"{where}: plans are compared by {study.rank_by}, and what was published is {defaults.INDEX}",
            "leave out `rank_by`, or the tables [[published]] and [[claim]]",
        )
    _check_groups(study, where)
    _check_names(study, where)


def _check_groups(study: Study, where: str) -> None:
    _check_unique([group.name for group in study.groups], f"{where}: group")
    _check_unique(study.categories, f"{where}: category")
    evaluated: dict[str, GroupName] = {}
    for group in study.groups:
        if len(set(group.unknown)) < 2:
            raise KCEError(
                f"{where}: group {group.name} holds out {len(set(group.unknown))} categories",
                "at least two are needed, to be told apart",
            )
        _check_unique(group.unknown, f"{where}: unknown category of group {group.name}")
        for category in (*group.unknown, *group.known):
            if study.categories and category not in study.categories:
                raise UnknownName.among(f"category of {where}", category, study.categories)
        both = sorted(set(group.unknown) & set(group.known))
        if both:
            raise KCEError(
                f"{where}: group {group.name} evaluates {both[0]} and trains on it",
                "an unknown category must never be trained on",
            )
        for category in group.unknown:
            if category in evaluated:
                raise KCEError(
                    f"{where}: the groups {evaluated[category]} and {group.name} overlap: both evaluate {category}",
                    "each category is evaluated in one group",
                )
            evaluated[category] = group.name


def _check_names(study: Study, where: str) -> None:
    for plan in study.plans:
        _check_known(plan.backbones, study.backbones, f"backbone of {where}")
        if plan.images_as:
            _check_known([plan.images_as], study.plan_tables, f"plan of {where}")
        k = study.recipe(plan, next(iter(study.backbones))).k
        if isinstance(k, int) and k < 1:
            raise KCEError(f"{where}: plan.{plan.name}.k = {k} is not a number of classes", "a number from 1")
    rows: list[PublishedScores | PublishedClaim] = [*study.published, *study.claims]
    _check_known([row.plan for row in rows], study.plan_tables, f"plan of {where}")
    _check_known([claim.over for claim in study.claims], study.plan_tables, f"plan of {where}")
    _check_known([row.backbone for row in rows], study.backbones, f"backbone of {where}")
    for row in rows:
        for name in {row.plan, row.over} if isinstance(row, PublishedClaim) else {row.plan}:
            own = study.plan(name).backbones
            if own and row.backbone not in own:
                raise KCEError(
                    f"{where}: values are published for {row.backbone} under the plan {name}, which only trains "
                    f"{', '.join(own)}",
                    f"add {row.backbone} to the backbones of [plan.{name}], or leave the published values out",
                )
    for claim in study.claims:
        if claim.plan == claim.over:
            raise KCEError(f"{where}: a claim compares the plan {claim.plan} with itself", "name another plan in over")
        if not -100 <= claim.percent <= 10**6:
            raise KCEError(
                f"{where}: a claim says {claim.percent} percent", "it is how much higher the average is, such as 12.5"
            )
    for published in study.published:
        _check_published(published, study, where)


def _check_published(row: PublishedScores, study: Study, where: str) -> None:
    what = f"{where}: the published values of {row.backbone} under {row.plan}"
    if not row.values or not all(math.isfinite(value) and value > 0 for value in row.values):
        raise KCEError(f"{what} are not numbers above 0", "give an index for each group")
    if row.groups and len(row.groups) != len(row.values):
        raise KCEError(
            f"{what} are {len(row.values)}, of {len(row.groups)} groups", "give a group for each value, or no groups"
        )
    groups = {str(group.name) for group in study.groups}
    if row.groups and groups.isdisjoint(map(str, row.groups)):  # some may be missing: a study can be cut down
        raise UnknownName.among(f"group of {where}", str(row.groups[0]), groups)
    for other in study.published:
        if other.backbone == row.backbone and len(other.values) != len(row.values):
            raise KCEError(
                f"{what} are {len(row.values)}, and those under {other.plan} are {len(other.values)}",
                "give the same number of values for all plans of a backbone: they are compared one by one",
            )


def _check_known(names: Iterable[str], known: Iterable[str], what: str) -> None:
    for name in names:
        if name not in known:
            raise UnknownName.among(what, name, known)


def _check_unique(names: Sequence[GroupName], what: str) -> None:
    repeated = sorted({str(name) for name in names if list(names).count(name) > 1})
    if repeated:
        raise KCEError(f"{what} {repeated[0]} is there twice", "name it once")


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two tables, one inside the other; where both have a value, that of `above` is taken."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        merged[key] = _merged(under, value) if isinstance(value, Mapping) and isinstance(under, Mapping) else value
    return merged
