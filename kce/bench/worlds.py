"""What clusterers are tried on: frozen feature worlds, worlds of one's own dials, and stored features with labels."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.bench import synthetic
from kce.errors import BadData, KCEError, UnknownName
from kce.faces import folder as folders
from kce.faces.cut import cut
from kce.features.table import find_table, open_table, split_table_address
from kce.labels import label_parts
from kce.pipeline.recipe import recipe_from_table
from kce.pipeline.run import run
from kce.registry.specs import format_spec, parse_spec
from kce.system.shipped import RECIPES

if TYPE_CHECKING:
    from kce.registry.registry import Registry
    from kce.types import Features, Progress

SUITE = RECIPES / "clouds.toml"
ALL = "suite"
"""The name that stands for every world of the suite but the small one."""


@dataclass(frozen=True, eq=False)
class Ground:
    """Rows to cluster, and the right answers.

    name    as results call it: "plain@1", or the address of a table
    rows    of forgeries, with the reals and views there are
    truths  name of a truth -> (n,) the true class of each row; the first is the one that counts
    """

    name: str
    rows: Features
    truths: Mapping[str, Any]


def named(text: str) -> list[str]:
    """The full names of what a user asked for: "plain" is "plain@1", "suite" all of them, an address itself."""
    if text == ALL:
        return [f"{name}@{max(versions, key=int)}" for name, versions in _suite().items() if name != "small"]
    if _is_table(text):
        open_table(text)  # raises before any work
        return [text]
    name, dials = parse_spec(text)
    name, _, version = name.partition("@")
    if name not in _suite():
        raise UnknownName.among("world", name, (*_suite(), ALL, "demo"), "or give FEATURES.h5:/TABLE")
    versions = _suite()[name]
    version = version or max(versions, key=int)
    if version not in versions:
        raise UnknownName.among(f"version of the world {name}", version, versions)
    own = {key: value for key, value in dials.items() if key != "seed"}
    synthetic.feature_world_parameters({**versions[version], **own}, f"world {name}")  # raises before any work
    return [format_spec(f"{name}@{version}", dials)]


def load(name: str, truth: str = "", views: bool = True) -> Ground:
    """A ground by its full name.

    truth  of stored features: a truth.toml with a table [method]; without it the labels are the truth
    views  whether views are wanted too
    Raises BadData where a table holds nothing to cluster, or the truth says nothing of a category.
    """
    if _is_table(name):
        return _stored(name, truth)
    spec, dials = parse_spec(name)
    world, _, version = spec.partition("@")
    seed = dials.pop("seed", 0)
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise KCEError(f"seed = {seed!r} is no whole number", "")
    drawn = synthetic.make_feature_world(
        synthetic.feature_world_parameters({**_suite()[world][version], **dials}, f"world {world}"), seed, views
    )
    fakes = np.arange(len(drawn.features))
    reals = np.arange(len(drawn.reals)) + len(fakes)
    seen = {view: table.take(reals) for view, table in drawn.views.items()}
    rows = replace(
        drawn.features,
        reals=replace(drawn.reals, views=seen),
        views={view: table.take(fakes) for view, table in drawn.views.items()},
    )
    return Ground(name, rows, _truths(rows, drawn.method))


@cache
def _suite() -> dict[str, dict[str, dict[str, Any]]]:
    return tomllib.loads(SUITE.read_text(encoding="utf-8"))


def _is_table(text: str) -> bool:
    return ":/" in text


def _stored(address: str, truth: str) -> Ground:
    path, table = split_table_address(address)
    rows = open_table(path, table).read_all()
    told = label_parts(rows)
    forged = np.array([not told[label].real for label in rows.label.tolist()], bool)
    rows = rows.take(forged)
    if len(rows.categories) < 2:
        raise BadData(
            f"{address} holds {len(rows.categories)} forged categories: there is nothing to tell apart",
            "name a table of two categories at least",
        )
    method = _told(truth, rows.categories) if truth else {}
    return Ground(address, _with_company(rows, path, table), _truths(rows, method))


def _with_company(rows: Features, path: Path, table: str) -> Features:
    """The rows with the reals and views that a run left beside them, if it did."""

    def beside(name: str) -> dict[str, Features]:
        return {
            view: found.read_all()
            for view in synthetic.VIEWS
            if (found := find_table(path, f"{name}+{view}")) is not None
        }

    reals = find_table(path, "reals")
    kept = None if reals is None else replace(reals.read_all(), views=beside("reals"))
    return replace(rows, reals=kept, views=beside(table))


def _told(truth: str, categories: list[str]) -> dict[str, str]:
    try:
        document = tomllib.loads(Path(truth).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadData(f"cannot read the truth {truth}: {error}", "name a truth.toml") from error
    methods = document.get("method")
    if not isinstance(methods, dict):
        hint = "rename its table [process] to [method]" if "process" in document else 'add lines category = "method"'
        raise BadData(f"the truth {truth} has no table [method]", hint)
    if missing := [category for category in categories if not isinstance(methods.get(category), str)]:
        raise BadData(f"the truth {truth} has no method for: {', '.join(missing)}", "add them to its table [method]")
    return {category: methods[category] for category in categories}


def _truths(rows: Features, method: Mapping[str, str]) -> dict[str, Any]:
    """Several right answers: by method where that is known, else by label; by dataset, and by name."""
    told = label_parts(rows)
    labels = rows.label.tolist()
    first = {"method": [method[label] for label in labels]} if method else {"label": labels}
    others = {"dataset": [told[label].dataset for label in labels], "name": [told[label].method for label in labels]}
    return {name: np.array(values, np.str_) for name, values in {**first, **others}.items()}


NAME = "demo"
"""What such a world is called: "demo", or "demo:artefact=1.0,seed=2" with dials of the dataset `world`."""

_RECIPE = RECIPES / "demo.toml"


def is_drawn(name: str) -> bool:
    return ":/" not in name and parse_spec(name)[0] == NAME


def check_drawn(name: str, registry: Registry) -> None:
    """Raise for dials that are none, or out of their range."""
    registry.build("dataset", _drawn_spec(name), root="")


def drawn_features(
    folder: Path, name: str, registry: Registry, progress: Progress = lambda *_: None
) -> tuple[str, str]:
    """(address of the table of known categories, path of its truth); made below `folder`, unless they are there.

    The first model of the demo's recipe is trained on the known categories; reals and the views of ``codec-delta`` lie
    beside its features. Raises KCEError as the world and the run do.
    """
    at = folder / re.sub(r"[^0-9A-Za-z.=]+", "_", name)
    told = tomllib.loads(_RECIPE.read_text(encoding="utf-8"))
    seed = int(parse_spec(name)[1].get("seed", 0))
    world: Any = registry.build("dataset", _drawn_spec(name), root=at / "world")
    world.make(progress=progress)
    cut(world, at / "faces", seed=seed, registry_folder=registry.folder, progress=progress, **told["cut"])
    there = set(folders.read(at / "faces").category.tolist())
    unknown = [category for category in told["run"]["unknown"] if category in there]
    own = {"faces": str(at / "faces"), "unknown": unknown, "aligner": "codec-delta", "seed": seed}
    run(at / "run", recipe_from_table({**told["run"], **own}, str(_RECIPE)), registry, until="known", progress=progress)
    return f"{at / 'run' / 'features.h5'}:/known", str(at / "world" / "truth.toml")


def _drawn_spec(name: str) -> str:
    """The demo's world with these dials."""
    dials = parse_spec(name)[1]
    base, own = parse_spec(tomllib.loads(_RECIPE.read_text(encoding="utf-8"))["world"])
    if "root" in dials:
        raise KCEError(f"{name} names a root", "a world of a bench lies in the bench's own folder")
    return format_spec(base, {**own, **dials})
