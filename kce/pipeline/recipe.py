"""What a run is told: the choices, their text form, and the check of all of them before any work."""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING, Any, Literal

import tomlkit

from kce.errors import KCEError, UnknownName
from kce.registry import distributions
from kce.registry.specs import format_spec, parse_spec
from kce.system.atomic import write_atomic
from kce.training.settings import TrainSettings, check_train_settings

if TYPE_CHECKING:
    from kce.faces.folder import Faces
    from kce.registry.registry import Registry, ResolvedComponent

_log = logging.getLogger("kce.pipeline.recipe")

PLANS = ("none", "name", "random", "clusters")
_CHOSEN = ("backbone", "aligner", "reducer", "clusterer")  # kinds that have a choice of their own


@dataclass(frozen=True)
class Evaluate:
    """How a run is scored."""

    reducer: str = "pca:n_components=64"  # before the scores: the paper's results section says PCA 64
    evaluators: tuple[str, ...] = ("calinski-harabasz", "silhouette", "davies-bouldin")
    per_category: int = 250  # rows of each unknown category, the same for every plan
    resamples: int = 200  # bootstrap rounds behind an interval


@dataclass(frozen=True)
class Recipe:
    """Every choice of a run. Components are written NAME:key=value,key=value."""

    faces: str = ""
    unknown: tuple[str, ...] = ()
    known: tuple[str, ...] = ()  # empty = every forged category of the face folder that is not unknown
    backbone: str = "xception"
    extractor: str = ""  # whose features are clustered; empty = the backbone, trained with nothing merged
    aligner: str = "none"
    reducer: str = "pca:n_components=64"
    clusterer: str = "kmeans"
    plan: str = "clusters"  # none, name, random, clusters, or the path of a plan.toml
    # Classes of the plan by clusters; "name" = as many as there are names, "estimate" = as the features say.
    k: int | str = "name"
    vote: Literal["means", "rows"] = "means"  # what is clustered: category "means", or "rows" with a majority vote
    rules: tuple[tuple[str, ...], ...] = ()  # of the plan by name; empty = equal method names
    seed: int = 0
    timeout: float = 7200.0  # seconds a third party's part may take for an answer; 0 = for ever
    train: TrainSettings = field(default_factory=TrainSettings)
    evaluate: Evaluate = field(default_factory=Evaluate)
    # Of a recipe that was read: "kind name" -> the package or file each component came from. No choice of its own.
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def first(self) -> str:
        """The backbone of the first model."""
        return self.extractor or self.backbone

    @property
    def clusters(self) -> bool:
        """Whether the plan is made from features: there is a first model then."""
        return self.plan in ("clusters", "random")

    def changed(self, **choices: Any) -> Recipe:
        """The recipe with some choices made otherwise; None leaves a choice as it is."""
        return replace(self, **{name: choice for name, choice in choices.items() if choice is not None})


def read(path: Path) -> Recipe:
    """A recipe from its file. Raises KCEError for a file that is none, UnknownName for a key that does not exist."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise KCEError(f"{path} is no recipe: {error}", "a recipe is a TOML file; `kce run` writes one") from error
    return of(document, str(path))


def choose(folder: Path, file: Path | None, **choices: Any) -> Recipe:
    """The recipe of a run: from a file, from the run's own folder, or the defaults; then the choices made here.

    A choice of None, alone or in the table `train`, is no choice.
    """
    own = folder / "recipe.toml"
    chosen = read(file) if file else read(own) if own.is_file() else Recipe()
    settings = {name: value for name, value in choices.pop("train", {}).items() if value is not None}
    chosen = chosen.changed(**choices, train=replace(chosen.train, **settings))
    if not chosen.faces:
        raise KCEError("no face folder is given", "name it with --faces; `kce cut` makes one")
    return chosen


def of(document: Mapping[str, Any], where: str) -> Recipe:
    """A recipe from a parsed document; `where` is what errors call it."""
    tables = {"train": TrainSettings, "evaluate": Evaluate}
    plain = {key: value for key, value in document.items() if key not in (*tables, "resolved")}
    built = {name: _fill(kind, document.get(name, {}), f"{where}: [{name}]") for name, kind in tables.items()}
    recipe: Recipe = _fill(Recipe, {**plain, **built}, where)
    resolved = document.get("resolved")
    origins = resolved.get("from") if isinstance(resolved, Mapping) else None
    return replace(recipe, origins={str(part): str(its) for part, its in dict(origins or {}).items()})


def _fill(kind: Any, values: Any, where: str) -> Any:
    if not isinstance(values, Mapping):
        raise KCEError(f"{where} must be a table", "write it as [train] with one key = value a line")
    known = {item.name: item for item in fields(kind) if item.compare}
    for key in values:
        if key not in known:
            raise UnknownName.among(f"key of {where}", key, known)
    try:
        return kind(**{key: _tuples(value) for key, value in values.items()})
    except TypeError as error:
        raise KCEError(f"{where}: {error}", "") from error


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def document(recipe: Recipe) -> dict[str, Any]:
    """The choices as plain tables, lists and values: what ``of`` reads."""
    plain: dict[str, Any] = _plain(asdict(recipe))
    del plain["origins"]
    return plain


def write(path: Path, recipe: Recipe, registry: Registry) -> None:
    """The choices, and under ``[resolved]`` what they came to: every parameter, and the versions behind them."""
    told = document(recipe)
    parts = {kind: registry.resolve_seeded(kind, getattr(recipe, kind), recipe.seed) for kind in _CHOSEN}
    told["resolved"] = {
        **{kind: part.spec for kind, part in parts.items()},
        "extractor": registry.resolve("backbone", recipe.first).spec,
        "evaluation reducer": registry.resolve_seeded("reducer", recipe.evaluate.reducer, recipe.seed).spec,
        "evaluators": [
            registry.resolve_seeded("evaluator", spec, recipe.seed).spec for spec in recipe.evaluate.evaluators
        ],
        "versions": versions(),
        "from": {
            f"{kind} {part.entry.name}": distributions.plugin_origin(registry, part.entry.plugin)
            for kind, part in _parts(recipe, registry)
        },
    }
    if registry.takes("clusterer", recipe.clusterer, "n_clusters"):  # its default is not what it will be given
        own = {name: value for name, value in parts["clusterer"].parameters.items() if name != "n_clusters"}
        told["resolved"]["clusterer"] = format_spec(parts["clusterer"].entry.name, {**own, "n_clusters": recipe.k})
    write_atomic(path, tomlkit.dumps(told).encode())


def as_text(recipe: Recipe) -> dict[str, str]:
    """Every choice as key -> text, to be laid beside another recipe's. Evaluation is left out: it can be done again."""
    flat = {key: value for key, value in asdict(recipe).items() if key not in ("evaluate", "timeout", "origins")}
    settings = {f"train.{key}": value for key, value in flat.pop("train").items() if key != "save_every"}
    return {key: str(value) for key, value in {**flat, **settings}.items()}


def cluster_choices(recipe: Recipe) -> dict[str, str]:
    """Every choice that decides which categories cluster together, as key -> text."""
    chosen = {
        key: text
        for key, text in as_text(recipe).items()
        if key not in ("plan", "backbone", "extractor", "train.images")
    }
    return {"first": recipe.first, **chosen}


def versions() -> dict[str, str]:
    """Of everything whose version can change a result."""
    found = {"python": python_version()}
    for name in ("kce", "torch", "timm", "numpy", "scikit-learn", "hdbscan", "openTSNE"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _plain(value: Any) -> Any:
    """Without what TOML has no word for: None is left out, tuples are lists."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _parts(recipe: Recipe, registry: Registry) -> Iterator[tuple[str, ResolvedComponent]]:
    """(kind, part) of every component a recipe names. Raises as ``Registry.resolve`` does, and says what to install
    where the recipe knows it."""
    named = [(kind, getattr(recipe, kind)) for kind in _CHOSEN]
    named += [("backbone", recipe.first), ("reducer", recipe.evaluate.reducer)]
    named += [("evaluator", spec) for spec in recipe.evaluate.evaluators]
    for kind, spec in named:
        try:
            yield kind, registry.resolve(kind, spec)
        except UnknownName as error:
            name = parse_spec(spec)[0]
            origin = recipe.origins.get(f"{kind} {name}")
            if origin is None or not error.message.startswith(f"no {kind} named {name!r}"):
                raise
            raise UnknownName(error.message, distributions.install_hint(origin)) from error


def check_parts(recipe: Recipe, registry: Registry) -> None:
    """Raise for every choice that can be seen to be wrong without the faces."""
    for kind, part in _parts(recipe, registry):
        there, here = (
            recipe.origins.get(f"{kind} {part.entry.name}"),
            distributions.plugin_origin(registry, part.entry.plugin),
        )
        if there and there != here:
            _log.warning(
                "the recipe was made with the %s %r of %s; here it is of %s", kind, part.entry.name, there, here
            )
    if recipe.plan not in PLANS and not Path(recipe.plan).is_file():
        raise UnknownName.among("plan", recipe.plan, PLANS, "or give the path of a plan.toml")
    if recipe.vote not in ("means", "rows"):
        raise UnknownName.among("vote", recipe.vote, ("means", "rows"))
    _check_numbers(recipe)


def check(recipe: Recipe, faces: Faces, registry: Registry) -> tuple[list[str], list[str]]:
    """(known, unknown) categories, after every choice has been looked at. Raises before any work starts."""
    check_parts(recipe, registry)
    forged = sorted(set(faces.category[~faces.real].tolist()))
    if not recipe.unknown:
        raise KCEError("no category is held back as unknown", f"choose with --unknown among: {', '.join(forged)}")
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
        raise KCEError(f"k = {recipe.k} is no choice with {recipe.clusterer!r}, which finds its own", "leave k out")
    if isinstance(recipe.k, int) and recipe.k > len(known):
        raise KCEError(f"k = {recipe.k} classes of {len(known)} known categories", f"k is at most {len(known)}")
    return known, unknown


def _check_numbers(recipe: Recipe) -> None:
    k = recipe.k
    if not (k in ("name", "estimate") or (isinstance(k, int) and not isinstance(k, bool) and k >= 1)):
        raise KCEError(f"k = {k!r} is no number of classes", 'give a number from 1, "name", or "estimate"')
    if isinstance(recipe.timeout, bool) or not isinstance(recipe.timeout, int | float) or recipe.timeout < 0:
        raise KCEError(f"timeout = {recipe.timeout!r} is not a number of seconds", "give one from 0 on; 0 is for ever")
    check_train_settings(recipe.train)
    evaluate = recipe.evaluate
    for name, value, least in (
        ("evaluate.per_category", evaluate.per_category, 2),
        ("evaluate.resamples", evaluate.resamples, 0),
    ):
        if value is not None and (not isinstance(value, int) or value < least):
            raise KCEError(f"{name} = {value!r} is not a whole number from {least}", "")
