"""The worlds of the benchmarks and their parameters, for ``kce list world`` and ``kce show world NAME``."""

from __future__ import annotations

from dataclasses import fields
from types import SimpleNamespace
from typing import Any

from kce.bench.drawn_worlds import CHOICES, DRAWN, DRAWN_SUITE, DrawnWorld, parse_drawn_world
from kce.bench.world_parameters import RANGES, FeatureWorldParameters
from kce.bench.worlds import (
    IMAGE_WORLD,
    SUITE,
    check_image_world,
    image_world_dataset,
    is_image_world,
    resolve_world_names,
    suite_worlds,
    world_parameters,
)
from kce.errors import KCEError
from kce.registry import defaults
from kce.registry.registry import describe_component
from kce.registry.specs import parse_spec
from kce.system.field_docs import field_meanings

_HARD = {
    "plain": "nothing in particular",
    "close": "methods that are close together",
    "wide": "2048 features",
    "wider": "4096 features",
    "many": "many categories",
    "uneven": "sizes and spreads that differ",
    "heavy": "heavy tails and outliers",
    "bent": "curved clusters",
    "shifted": "each dataset moves its rows",
    "stretched": "each dataset moves its rows and alters the traces",
    "misnamed": "names that mislead",
    "small": "nothing: for a first look, and not in the suite",
}
"""Feature world -> what makes it hard."""
_IMAGES = "faces of kce demo through a trained network; not in the suite"
_DRAWN = "drawn faces with unseen methods, through a trained network; for kce bench tracers alone"


def list_worlds() -> list[dict[str, Any]]:
    """List the worlds by name: what makes each hard, and the parameters in which it differs from the defaults.

    Returns:
        Rows with kind ("world"), name, version (empty for the image world), hard and parameters.

    >>> [row["parameters"] for row in list_worlds() if row["name"] == "close"]
    [{'separation': 3.0}]
    """
    rows = [
        {"kind": "world", "name": name, "version": version, "hard": _HARD[name], "parameters": dict(parameters)}
        for name, versions in suite_worlds().items()
        for version, parameters in versions.items()
    ]
    images = {"kind": "world", "name": IMAGE_WORLD, "version": "", "hard": _IMAGES}
    drawn = {"kind": "world", "name": DRAWN, "version": "", "hard": _DRAWN, "parameters": {}}
    return [*rows, {**images, "parameters": image_world_dataset(IMAGE_WORLD)[1]}, drawn]


def describe_world(name: str) -> dict[str, Any]:
    """Describe a world by a name that a benchmark takes: NAME, NAME@VERSION, NAME:key=value.

    Returns:
        kind, name (in full), hard and parameters: for each its name, type, value, from ("world" or "default"), range
        (lowest and highest; None = any) and doc.

    Raises:
        UnknownName: There is no such world, version or parameter.
        KCEError: It is a table, or the suite; or a value is out of its range.

    >>> rows = next(row for row in describe_world("close")["parameters"] if row["name"] == "separation")
    >>> rows["value"], rows["from"], rows["range"]
    (3.0, 'world', [0, 1000])
    """
    if name in (SUITE, DRAWN_SUITE) or ":/" in name:
        what = "a table" if ":/" in name else "a whole suite"
        raise KCEError(f"{name} is {what}, not one world", "`kce list world` has the names")
    if is_image_world(name):
        return {"kind": "world", "name": name, "hard": _IMAGES, "parameters": _image_parameters(name)}
    if parse_spec(name)[0] == DRAWN:
        return {"kind": "world", "name": name, "hard": _DRAWN, "parameters": _drawn_parameters(name)}
    (full,) = resolve_world_names(name)
    parameters, seed = world_parameters(full)
    base, version = parse_spec(full)[0].split("@")
    given = {**suite_worlds()[base][version], **parse_spec(full)[1]}
    docs = field_meanings(FeatureWorldParameters)
    rows = [
        {
            "name": field.name,
            "type": str(field.type),
            "value": getattr(parameters, field.name),
            "from": "world" if field.name in given else "default",
            "range": list(RANGES[field.name]),
            "doc": docs[field.name],
        }
        for field in fields(FeatureWorldParameters)
    ]
    seeded = {"name": "seed", "type": "int", "value": seed, "from": "world" if "seed" in given else "default"}
    rows.append({**seeded, "range": None, "doc": "Seed of all its random numbers."})
    return {"kind": "world", "name": full, "hard": _HARD[base], "parameters": rows}


def _drawn_parameters(name: str) -> list[dict[str, Any]]:
    world, given = parse_drawn_world(name), parse_spec(name)[1]
    docs = field_meanings(DrawnWorld)
    return [
        {
            "name": field.name,
            "type": str(field.type),
            "value": getattr(world, field.name),
            "from": "world" if field.name in given else "default",
            "range": None,
            "doc": docs[field.name],
        }
        for field in fields(DrawnWorld)
        if field.name in CHOICES
    ]


def _image_parameters(name: str) -> list[dict[str, Any]]:
    check_image_world(name)
    dataset, given = image_world_dataset(name)
    component = describe_component(defaults.shipped_registry(), "dataset", dataset)
    docs = field_meanings(SimpleNamespace(__doc__=component["doc"]), "Args")
    return [
        {
            "name": parameter["name"],
            "type": parameter["type"],
            "value": given.get(parameter["name"], parameter["default"]),
            "from": "world" if parameter["name"] in given else "default",
            "range": None,
            "doc": docs.get(parameter["name"], ""),
        }
        for parameter in component["parameters"]
        if parameter["name"] != "root"  # the benchmark's own folder
    ]
