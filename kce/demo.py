"""The whole method on a corpus that is made on the spot: ``kce demo``."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce import recipe, report
from kce.cut import cut
from kce.files import write_json
from kce.plans import compare, under_plans

if TYPE_CHECKING:
    from kce.registry import Registry
    from kce.types import Progress

RECIPE = Path(__file__).resolve().parent / "recipes" / "demo.toml"


def demo(
    folder: Path,
    registry: Registry,
    seed: int = 0,
    told: Path = RECIPE,
    progress: Progress = lambda *_: None,
) -> dict[str, Any]:
    """Make a small world, cut its faces, run four plans, and compare them. What is there already is used again.

    The road is a user's own: the world lies on disk as real datasets do, and the ordinary adapters read it. Its truth
    is read by the evaluator `agreement` alone.
    """
    document = tomllib.loads(told.read_text(encoding="utf-8"))
    world = registry.build("dataset", document["world"], root=folder / "world", seed=seed)
    world.make(progress=progress)
    cut(world, folder / "faces", seed=seed, progress=progress, **document["cut"])
    chosen = recipe.of({**document["run"], "faces": str(folder / "faces"), "seed": seed}, str(told))
    truth = f'agreement:truth="{(folder / "world" / "truth.toml").as_posix()}"'
    evaluators = (*chosen.evaluate.evaluators, truth)
    chosen = replace(chosen, evaluate=replace(chosen.evaluate, evaluators=evaluators))
    reports = under_plans(folder / "runs", chosen, document["plans"], registry, progress)
    found = {
        "report": str(folder / "report.html"),
        "plan": reports["clusters"]["plan"],
        "plans": compare(reports),
    }
    write_json(folder / "report.json", {**found, "runs": reports})
    report.write(folder, registry, progress=progress)
    return found
