"""The data that clusterers are benchmarked on: feature worlds, image worlds through a network, and stored features."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from kce.bench import synthetic
from kce.bench.world_parameters import FeatureWorldParameters, feature_world_parameters
from kce.errors import BadData, KCEError, UnknownName
from kce.faces.cut import cut
from kce.faces.folder import read_faces
from kce.features.streams import StoredRows, content_hash
from kce.features.table import find_table, open_table, split_table_address
from kce.labels import label_parts
from kce.pipeline.recipe import recipe_from_table
from kce.pipeline.run import run
from kce.pipeline.world_recipe import read_world_recipe
from kce.registry import defaults
from kce.registry.specs import format_spec, parse_spec
from kce.system.regular import read_regular_text
from kce.system.shipped import RECIPES

if TYPE_CHECKING:
    from kce.types import FeatureStream, Progress

SUITE_FILE = RECIPES / "feature_worlds.toml"
SUITE = "suite"
"""Stands for every feature world but the small one."""
SMALL = "small"
IMAGE_WORLD = "demo"
"""The image world: "demo", or "demo:artefact=1.0,seed=2" with parameters of the synthetic dataset."""

_DEMO_RECIPE = RECIPES / "demo.toml"


@dataclass(frozen=True, eq=False)
class BenchData:
    """Rows to cluster, and the right answers.

    Attributes:
        name: Name in results: "plain@1", or the address of a table.
        rows: Features of forgeries, with reals and views if there are any; those of a table are read in batches.
        truths: Name of a truth -> the true class of each row, (n,) str; the first one decides the ranks.
    """

    name: str
    rows: FeatureStream
    truths: Mapping[str, Any]


def resolve_world_names(text: str) -> list[str]:
    """Return the full names of a feature world, the suite, or a table: "plain" is "plain@1", "suite" is all of them.

    Raises:
        UnknownName: For a world, version or parameter that does not exist.
        KCEError: For a parameter of a wrong type or out of its range.
        BadData: For a table that cannot be read.
    """
    if text == SUITE:
        return [f"{name}@{max(versions, key=int)}" for name, versions in suite_worlds().items() if name != SMALL]
    if is_table(text):
        open_table(text)  # raises before any work
        return [text]
    name, parameters = parse_spec(text)
    name, _, version = name.partition("@")
    if name not in suite_worlds():
        raise UnknownName.among("world", name, (*suite_worlds(), SUITE, IMAGE_WORLD), "or give FEATURES.h5:/TABLE")
    versions = suite_worlds()[name]
    version = version or max(versions, key=int)
    if version not in versions:
        raise UnknownName.among(f"version of the world {name}", version, versions)
    own = {key: value for key, value in parameters.items() if key != "seed"}
    feature_world_parameters({**versions[version], **own}, f"world {name}")  # raises before any work
    return [format_spec(f"{name}@{version}", parameters)]


def load_bench_data(name: str, truth: str = "", views: bool = True) -> BenchData:
    """Make a feature world, or read a table.

    Args:
        name: Its full name.
        truth: Path of the truth of a table, a TOML file with a table [method]; empty takes the labels as the truth.
        views: Whether views are made too.

    Raises:
        BadData: If a table has nothing to cluster, or the truth lacks a category.
    """
    if is_table(name):
        return _load_table(name, truth)
    world = synthetic.make_feature_world(*world_parameters(name), views)
    fakes = np.arange(len(world.features))
    reals = np.arange(len(world.reals)) + len(fakes)
    rows = replace(
        world.features,
        reals=replace(world.reals, views={view: table.take(reals) for view, table in world.views.items()}),
        views={view: table.take(fakes) for view, table in world.views.items()},
    )
    return BenchData(name, rows, _list_truths(rows, world.method))


def hash_of_worlds(names: Sequence[str], truth: str = "") -> str:
    """Hash of what benchmarks run on: of the definition of each world, and of the rows of each table (32 hex digits).

    A feature world is the same bytes wherever its definition is the same, so none is made for this.

    Args:
        names: Full names, in any order.
        truth: Path of the truth of tables; empty = their labels.
    """
    total = xxhash.xxh3_128()
    for name in sorted(set(names)):
        definition = _hash_of_table(name, truth) if is_table(name) else _definition(name)
        total.update(f"{definition}\n".encode())
    return total.hexdigest()


def _definition(name: str) -> str:
    if is_image_world(name):
        recipe = xxhash.xxh3_128_hexdigest(read_regular_text(str(_DEMO_RECIPE)).encode())
        return f"{_dataset_spec(name)} {recipe}"
    parameters, seed = world_parameters(name)
    return json.dumps({"parameters": asdict(parameters), "seed": seed}, sort_keys=True)


def _hash_of_table(address: str, truth: str) -> str:
    methods = xxhash.xxh3_128_hexdigest(read_regular_text(truth).encode()) if truth else ""
    return f"{content_hash(StoredRows.all_of(open_table(address)))} {methods}"


def world_parameters(name: str) -> tuple[FeatureWorldParameters, int]:
    """The parameters and the seed of a feature world by its full name."""
    spec, parameters = parse_spec(name)
    world_name, _, version = spec.partition("@")
    seed = parameters.pop("seed", 0)
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise KCEError(f"seed = {seed!r} is not a whole number", "write it as in plain:seed=1")
    return feature_world_parameters({**suite_worlds()[world_name][version], **parameters}, f"world {world_name}"), seed


@cache
def suite_worlds() -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    """Name of a feature world -> version -> the parameters in which it differs from the defaults."""
    return tomllib.loads(SUITE_FILE.read_text(encoding="utf-8"))


def is_table(text: str) -> bool:
    """Whether a name is the address of a table.

    >>> is_table("features.h5:/known"), is_table("plain@1")
    (True, False)
    """
    return ":/" in text


def _load_table(address: str, truth: str) -> BenchData:
    path, table = split_table_address(address)
    rows = StoredRows.all_of(open_table(path, table))
    by_label = label_parts(rows)
    forged = np.flatnonzero([not by_label[label].real for label in rows.label.tolist()])
    rows = rows.select(forged)
    if len(rows.categories) < 2:
        raise BadData(
            f"{address} has {len(rows.categories)} forged categories: there is nothing to cluster",
            "name a table with at least two categories",
        )
    methods = _read_truth(truth, rows.categories) if truth else {}
    return BenchData(address, _with_reals_and_views(rows, path, table), _list_truths(rows, methods))


def _with_reals_and_views(rows: StoredRows, path: Path, table: str) -> StoredRows:
    """Add the reals and views that a run stored in the same file, if it did."""

    def open_views(name: str) -> dict[str, StoredRows]:
        tables = {view: find_table(path, f"{name}+{view}") for view in synthetic.VIEWS}
        return {view: StoredRows.all_of(found) for view, found in tables.items() if found is not None}

    reals = find_table(path, "reals")
    return replace(
        rows,
        reals=None if reals is None else replace(StoredRows.all_of(reals), views=open_views("reals")),
        views=open_views(table),
    )


def _read_truth(truth: str, categories: list[str]) -> dict[str, str]:
    try:
        document = tomllib.loads(read_regular_text(truth))
    except (OSError, ValueError) as error:
        raise BadData(f"cannot read the truth {truth}: {error}", "name a truth.toml") from error
    methods = document.get("method")
    if not isinstance(methods, dict):
        hint = "rename its table [process] to [method]" if "process" in document else 'add lines category = "method"'
        raise BadData(f"the truth {truth} has no table [method]", hint)
    if missing := [category for category in categories if not isinstance(methods.get(category), str)]:
        raise BadData(f"the truth {truth} has no method for: {', '.join(missing)}", "add them to its table [method]")
    return {category: methods[category] for category in categories}


def _list_truths(rows: FeatureStream, methods: Mapping[str, str]) -> dict[str, Any]:
    """The true class of each row: by method if that is known, else by label; further by dataset and by name."""
    by_label = label_parts(rows)
    labels = rows.label.tolist()
    first = {"method": [methods[label] for label in labels]} if methods else {"label": labels}
    others = {
        "dataset": [by_label[label].dataset for label in labels],
        "name": [by_label[label].method for label in labels],
    }
    return {name: np.array(values, np.str_) for name, values in {**first, **others}.items()}


def is_image_world(name: str) -> bool:
    """Whether a name means the image world."""
    return not is_table(name) and parse_spec(name)[0] == IMAGE_WORLD


def check_image_world(name: str) -> None:
    """Raise KCEError for parameters that the image world does not have, or that are out of range."""
    defaults.build_default("dataset", _dataset_spec(name), root="")


def make_image_world(folder: Path, name: str, progress: Progress = lambda *_: None) -> tuple[str, str]:
    """Make an image world below `folder`, cut its faces, train the first model of the demo, and extract features.

    Everything that exists already is reused, and all components are the shipped ones.

    Args:
        folder: Where image worlds are kept.
        name: "demo" with parameters.
        progress: Called while it is made.

    Returns:
        The address of the table of known categories, with reals and views beside it, and the path of the truth.
    """
    registry = defaults.shipped_registry()
    path = folder / re.sub(r"[^0-9A-Za-z.=]+", "_", name)
    demo = read_world_recipe(_DEMO_RECIPE)
    seed = int(parse_spec(name)[1].get("seed", 0))
    world: Any = registry.build("dataset", _dataset_spec(name), root=path / "world")
    world.make(progress=progress)
    cut(
        world, path / "faces", seed=seed, registry_folder=registry.folder, progress=progress, **demo.cut.options()
    )  # fmt: skip
    categories = set(read_faces(path / "faces").category.counts())
    table = {
        **demo.run,
        "faces": str(path / "faces"),
        "unknown": [category for category in demo.run["unknown"] if category in categories],
        "aligner": defaults.VIEWS_ALIGNER,
        "seed": seed,
    }
    recipe = recipe_from_table(table, str(_DEMO_RECIPE))
    run(path / "run", recipe, registry, until="known", progress=progress)
    return f"{path / 'run' / 'features.h5'}:/known", str(path / "world" / "truth.toml")


def image_world_dataset(name: str) -> tuple[str, dict[str, Any]]:
    """The name of the dataset behind an image world, and the parameters in which it differs from its defaults."""
    return parse_spec(_dataset_spec(name))


def _dataset_spec(name: str) -> str:
    """The demo's dataset with the parameters of this world."""
    parameters = parse_spec(name)[1]
    base, own = parse_spec(read_world_recipe(_DEMO_RECIPE).world)
    if "root" in parameters:
        raise KCEError(f"{name} names a root", "the worlds of a benchmark are made in its own folder; leave it out")
    return format_spec(base, {**own, **parameters})
