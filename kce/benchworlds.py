"""What clusterers are tried on: frozen feature worlds, worlds of one's own dials, and stored features with labels."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kce import clouds, specs, store
from kce.errors import BadData, KCEError, UnknownName
from kce.labels import parts

if TYPE_CHECKING:
    from kce.types import Features

SUITE = Path(__file__).resolve().parent / "recipes" / "clouds.toml"
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
        store.open_table(text)  # raises before any work
        return [text]
    name, dials = specs.read(text)
    name, _, version = name.partition("@")
    if name not in _suite():
        raise UnknownName.among("world", name, (*_suite(), ALL, "demo"), "or give FEATURES.h5:/TABLE")
    versions = _suite()[name]
    version = version or max(versions, key=int)
    if version not in versions:
        raise UnknownName.among(f"version of the world {name}", version, versions)
    own = {key: value for key, value in dials.items() if key != "seed"}
    clouds.dials({**versions[version], **own}, f"world {name}")  # raises before any work
    return [specs.write(f"{name}@{version}", dials)]


def load(name: str, truth: str = "", views: bool = True) -> Ground:
    """A ground by its full name.

    truth  of stored features: a truth.toml with a table [process]; without it the labels are the truth
    views  whether views are wanted too
    Raises BadData where a table holds nothing to cluster, or the truth says nothing of a category.
    """
    if _is_table(name):
        return _stored(name, truth)
    spec, dials = specs.read(name)
    world, _, version = spec.partition("@")
    seed = dials.pop("seed", 0)
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise KCEError(f"seed = {seed!r} is no whole number", "")
    drawn = clouds.draw(clouds.dials({**_suite()[world][version], **dials}, f"world {world}"), seed, views)
    fakes = np.arange(len(drawn.features))
    reals = np.arange(len(drawn.reals)) + len(fakes)
    seen = {view: table.take(reals) for view, table in drawn.views.items()}
    rows = replace(
        drawn.features,
        reals=replace(drawn.reals, views=seen),
        views={view: table.take(fakes) for view, table in drawn.views.items()},
    )
    return Ground(name, rows, _truths(rows, drawn.process))


@cache
def _suite() -> dict[str, dict[str, dict[str, Any]]]:
    return tomllib.loads(SUITE.read_text(encoding="utf-8"))


def _is_table(text: str) -> bool:
    return ":/" in text


def _stored(address: str, truth: str) -> Ground:
    path, table = store.split_address(address)
    rows = store.open_table(path, table).load()
    told = parts(rows)
    forged = np.array([not told[label].real for label in rows.label.tolist()], bool)
    rows = rows.take(forged)
    if len(rows.categories) < 2:
        raise BadData(
            f"{address} holds {len(rows.categories)} forged categories: there is nothing to tell apart",
            "name a table of two categories at least",
        )
    process = _told(truth, rows.categories) if truth else {}
    return Ground(address, _with_company(rows, path, table), _truths(rows, process))


def _with_company(rows: Features, path: Path, table: str) -> Features:
    """The rows with the reals and views that a run left beside them, if it did."""

    def beside(name: str) -> dict[str, Features]:
        return {
            view: found.load() for view in clouds.VIEWS if (found := store.find(path, f"{name}+{view}")) is not None
        }

    reals = store.find(path, "reals")
    kept = None if reals is None else replace(reals.load(), views=beside("reals"))
    return replace(rows, reals=kept, views=beside(table))


def _told(truth: str, categories: list[str]) -> dict[str, str]:
    try:
        known = tomllib.loads(Path(truth).read_text(encoding="utf-8"))["process"]
        return {category: str(known[category]) for category in categories}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadData(
            f"the truth {truth} does not tell: {error}", "it has [process] and a line for each category"
        ) from error


def _truths(rows: Features, process: Mapping[str, str]) -> dict[str, Any]:
    """Several right answers: by process where that is known, else by label; by dataset, and by name."""
    told = parts(rows)
    labels = rows.label.tolist()
    first = {"process": [process[label] for label in labels]} if process else {"label": labels}
    others = {"dataset": [told[label].dataset for label in labels], "name": [told[label].method for label in labels]}
    return {name: np.array(values, np.str_) for name, values in {**first, **others}.items()}
