"""The whole method on a corpus that is made on the spot: ``kce demo``."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.faces.cut import cut
from kce.pipeline.recipe import recipe_from_table
from kce.pipeline.run import run
from kce.report import report
from kce.system.atomic import write_json
from kce.system.shipped import RECIPES

if TYPE_CHECKING:
    from kce.pipeline.recipe import Recipe
    from kce.registry.registry import Registry
    from kce.types import Progress

RECIPE = RECIPES / "demo.toml"


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
    chosen = recipe_from_table({**document["run"], "faces": str(folder / "faces"), "seed": seed}, str(told))
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


def under_plans(
    folder: Path,
    chosen: Recipe,
    plans: Sequence[str],
    registry: Registry,
    progress: Progress = lambda *_: None,
) -> dict[str, dict[str, Any]]:
    """The same recipe under several plans, each a run of its own below `folder`; plan -> its report.

    A run takes over what an earlier one made in exactly the same way: the plans by clusters and at random start from
    one first model, which is the final model of the plan "none". Every plan is scored on the same rows.
    """
    reports: dict[str, dict[str, Any]] = {}
    places: list[Path] = []
    for plan in plans:
        here = folder / plan
        told = _prefixed(progress, plan)
        reports[plan] = run(here, replace(chosen, plan=plan), registry, places=places, progress=told)
        places.append(here)
    return reports


def compare(reports: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """plan -> its classes and its Calinski-Harabasz score with n, interval and share of variance; ARI where known."""
    return {plan: _line(report) for plan, report in reports.items()}


def _line(report: dict[str, Any]) -> dict[str, Any]:
    found = report["scores"]["calinski-harabasz"]
    return {
        "classes": report["classes"],
        "n": report["n"],
        "seed": report["seed"],
        "calinski_harabasz": found["calinski_harabasz"],
        "interval": report["intervals"]["calinski-harabasz"]["calinski_harabasz"],
        "variance_share": found["variance_share"],
        "ari_truth": report["scores"].get("agreement", {}).get("ari_truth"),
    }


def _prefixed(progress: Progress, plan: str) -> Progress:
    return lambda what, done, total: progress(f"{plan}: {what}", done, total)
