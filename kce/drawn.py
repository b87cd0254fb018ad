"""The drawn faces of `kce demo`, through a trained network, as features whose truth is known."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce import faces as folders
from kce import recipe, specs
from kce.cut import cut
from kce.errors import KCEError
from kce.run import run

if TYPE_CHECKING:
    from kce.registry import Registry
    from kce.types import Progress

NAME = "demo"
"""What such a world is called: "demo", or "demo:artefact=1.0,seed=2" with dials of the dataset `world`."""

_RECIPE = Path(__file__).resolve().parent / "recipes" / "demo.toml"


def is_drawn(name: str) -> bool:
    return ":/" not in name and specs.read(name)[0] == NAME


def check(name: str, registry: Registry) -> None:
    """Raise for dials that are none, or out of their range."""
    registry.build("dataset", _world(name), root="")


def features(folder: Path, name: str, registry: Registry, progress: Progress = lambda *_: None) -> tuple[str, str]:
    """(address of the table of known categories, path of its truth); made below `folder`, unless they are there.

    The first model of the demo's recipe is trained on the known categories; reals and the views of ``codec-delta`` lie
    beside its features. Raises KCEError as the world and the run do.
    """
    at = folder / re.sub(r"[^0-9A-Za-z.=]+", "_", name)
    told = tomllib.loads(_RECIPE.read_text(encoding="utf-8"))
    seed = int(specs.read(name)[1].get("seed", 0))
    world: Any = registry.build("dataset", _world(name), root=at / "world")
    world.make(progress=progress)
    cut(world, at / "faces", seed=seed, registry_folder=registry.folder, progress=progress, **told["cut"])
    there = set(folders.read(at / "faces").category.tolist())
    unknown = [category for category in told["run"]["unknown"] if category in there]
    own = {"faces": str(at / "faces"), "unknown": unknown, "aligner": "codec-delta", "seed": seed}
    run(at / "run", recipe.of({**told["run"], **own}, str(_RECIPE)), registry, until="known", progress=progress)
    return f"{at / 'run' / 'features.h5'}:/known", str(at / "world" / "truth.toml")


def _world(name: str) -> str:
    """The demo's world with these dials."""
    dials = specs.read(name)[1]
    base, own = specs.read(tomllib.loads(_RECIPE.read_text(encoding="utf-8"))["world"])
    if "root" in dials:
        raise KCEError(f"{name} names a root", "a world of a bench lies in the bench's own folder")
    return specs.write(base, {**own, **dials})
