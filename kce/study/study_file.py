"""What a study is told, read from TOML and checked: groups, plans, backbones, what was published, smaller scales."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from kce.errors import KCEError, UnknownName
from kce.pipeline.recipe import Recipe, recipe_from_table
from kce.system.shipped import RECIPES

Name = str | int


@dataclass(frozen=True)
class Group:
    """Categories that are held back together; all others of the study train, unless `known` names some."""

    name: Name
    unknown: tuple[str, ...]
    known: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A plan under the name the tables use: choices of a recipe, on top of those that all runs share.

    backbones  which of the study's backbones are trained on it; empty = all
    images_as  the plan, made by name or not at all, that has as many images; empty = per_class images of each class
    """

    name: str
    choices: Mapping[str, Any] = field(default_factory=dict)
    backbones: tuple[str, ...] = ()
    images_as: str = ""


@dataclass(frozen=True)
class Published:
    """Calinski-Harabasz indices somebody printed; `groups` is empty where it is not known which they were."""

    backbone: str
    plan: str
    values: tuple[float, ...]
    groups: tuple[Name, ...] = ()


@dataclass(frozen=True)
class Claim:
    """That the average over the groups is `percent` higher under `plan` than under the plan `over`."""

    backbone: str
    plan: str
    over: str
    percent: float


@dataclass(frozen=True)
class Scale:
    """The same study in small: a world with its categories' names, how its faces are cut, and other choices."""

    world: str
    cut: Mapping[str, Any] = field(default_factory=dict)
    backbone: Mapping[str, str] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """groups x plans x backbones (x seeds).

    categories  of the study; empty = the forged ones of the face folder
    cut         how the faces should have been cut: detector, per_category
    backbones   name in the tables -> component
    run         choices all runs share, as in a recipe
    """

    title: str
    groups: tuple[Group, ...]
    plans: tuple[Plan, ...]
    backbones: Mapping[str, str]
    run: Mapping[str, Any] = field(default_factory=dict)
    categories: tuple[str, ...] = ()
    cut: Mapping[str, Any] = field(default_factory=dict)
    published: tuple[Published, ...] = ()
    claims: tuple[Claim, ...] = ()
    scales: Mapping[str, Scale] = field(default_factory=dict)

    def plan(self, name: str) -> Plan:
        return next(plan for plan in self.plans if plan.name == name)

    def scaled(self, scale: Scale) -> Study:
        """The study with a scale's backbones and choices."""
        return replace(
            self,
            backbones={**self.backbones, **scale.backbone},
            run=_merged(self.run, scale.run),
            cut={**self.cut, **scale.cut},
        )

    def choices(self, plan: Plan, backbone: str) -> Recipe:
        """The recipe of a plan and a backbone; group, seed and faces are still open."""
        document = _merged(self.run, plan.choices)
        chosen = recipe_from_table(document, f"plan {plan.name!r}")
        extractor = self.backbones.get(chosen.extractor, chosen.extractor)
        return replace(chosen, backbone=self.backbones[backbone], extractor=extractor)


def names() -> list[str]:
    """The studies that are shipped."""
    return sorted(path.stem for path in RECIPES.glob("*.toml") if "[[group]]" in path.read_text(encoding="utf-8"))


def read(named: str) -> Study:
    """A study by its shipped name or from a TOML file. Raises KCEError, UnknownName for whatever cannot be."""
    path = Path(named)
    if path.suffix != ".toml" and named in names():
        path = RECIPES / f"{named}.toml"
    if not path.is_file():
        raise UnknownName.among("study", named, names(), "or give the path of a study's .toml")
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise KCEError(f"{path} is no study: {error}", "`kce/recipes/sun2023.toml` is one") from error
    return of(document, path)


def of(document: Mapping[str, Any], path: Path) -> Study:
    """A study from a parsed document."""
    where, tables = str(path), dict(document)
    study: Study = _fill(
        Study,
        {
            **tables,
            "title": tables.get("title", path.stem),
            "groups": _each(Group, tables.pop("group", []), f"{where}: [[group]]"),
            "plans": tuple(_plan(name, told, path) for name, told in _table(tables.pop("plan", {}), where).items()),
            "backbones": _table(tables.pop("backbone", {}), where),
            "published": _each(Published, tables.pop("published", []), f"{where}: [[published]]"),
            "claims": _each(Claim, tables.pop("claim", []), f"{where}: [[claim]]"),
            "scales": {
                name: _fill(Scale, told, f"{where}: [scale.{name}]")
                for name, told in _table(tables.pop("scale", {}), where).items()
            },
        },
        where,
        left_out=("group", "plan", "backbone", "claim", "scale"),
    )
    _check(study, where)
    return study


def _plan(name: str, told: Any, path: Path) -> Plan:
    choices = dict(_table(told, f"{path}: [plan.{name}]"))
    kept = {key: choices.pop(key) for key in ("backbones", "images_as") if key in choices}
    file = choices.get("plan")
    if isinstance(file, str) and file.endswith(".toml"):
        choices["plan"] = str(path.parent / file)
    plan: Plan = _fill(Plan, {"name": name, "choices": choices, **kept}, f"{path}: [plan.{name}]")
    return plan


def _check(study: Study, where: str) -> None:
    if not study.groups or not study.plans or not study.backbones:
        raise KCEError(f"{where}: a study needs groups, plans and backbones", "see `kce/recipes/sun2023.toml`")
    _check_groups(study, where)
    _check_names(study, where)


def _check_groups(study: Study, where: str) -> None:
    _once([group.name for group in study.groups], f"{where}: group")
    _once(list(study.categories), f"{where}: category")
    held: dict[str, Name] = {}
    for group in study.groups:
        if len(set(group.unknown)) < 2:
            raise KCEError(
                f"{where}: group {group.name} holds back {len(set(group.unknown))} categories",
                "at least two must be told apart",
            )
        _once(list(group.unknown), f"{where}: unknown category of group {group.name}")
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
            if category in held:
                raise KCEError(
                    f"{where}: the groups {held[category]} and {group.name} overlap: both evaluate {category}",
                    "each category is evaluated in one group",
                )
            held[category] = group.name


def _check_names(study: Study, where: str) -> None:
    plans = [plan.name for plan in study.plans]
    for plan in study.plans:
        for name in plan.backbones:
            if name not in study.backbones:
                raise UnknownName.among(f"backbone of {where}", name, study.backbones)
        if plan.images_as and plan.images_as not in plans:
            raise UnknownName.among(f"plan of {where}", plan.images_as, plans)
        chosen = study.choices(plan, next(iter(study.backbones)))
        if isinstance(chosen.k, int) and chosen.k < 1:
            raise KCEError(f"{where}: [plan.{plan.name}] k = {chosen.k} is no number of classes", "a number from 1")
    named = [(row.backbone, row.plan) for row in study.published]
    named += [(claim.backbone, claim.plan) for claim in study.claims]
    named += [(claim.backbone, claim.over) for claim in study.claims]
    for backbone, its_plan in named:
        if its_plan not in plans:
            raise UnknownName.among(f"plan of {where}", its_plan, plans)
        if backbone not in study.backbones:
            raise UnknownName.among(f"backbone of {where}", backbone, study.backbones)


def _once(listed: Sequence[Name], what: str) -> None:
    twice = sorted({str(name) for name in listed if list(listed).count(name) > 1})
    if twice:
        raise KCEError(f"{what} {twice[0]} is there twice", "name it once")


def _each(kind: Any, told: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(told, list):
        raise KCEError(f"{where} must be a list of tables", f"write each as {where.rpartition(' ')[2]}")
    return tuple(_fill(kind, item, where) for item in told)


def _fill(kind: Any, values: Any, where: str, left_out: Iterable[str] = ()) -> Any:
    known = {item.name for item in fields(kind)}
    given = {key: value for key, value in _table(values, where).items() if key not in left_out}
    for key in given:
        if key not in known:
            raise UnknownName.among(f"key of {where}", key, known)
    try:
        return kind(**{key: tuple(value) if isinstance(value, list) else value for key, value in given.items()})
    except TypeError as error:
        raise KCEError(f"{where}: {error}", "see `kce/recipes/sun2023.toml`") from error


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise KCEError(f"{where} must be a table", "write it with one key = value a line")
    return value


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two documents, table by table; what `above` says wins."""
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        merged[key] = _merged(under, value) if isinstance(value, Mapping) and isinstance(under, Mapping) else value
    return merged
