"""``kce demo``: the whole method on a small synthetic corpus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.errors import KCEError
from kce.faces.cut import cut
from kce.pipeline.recipe import recipe_from_table
from kce.pipeline.run import run
from kce.pipeline.run_report import RunReport
from kce.pipeline.world_recipe import TRUTH, read_world_recipe, write_truth
from kce.registry import defaults
from kce.registry.registry import Registry
from kce.report.demo_report import DemoReport, PlanScores
from kce.report.report import write_report
from kce.system.documents import document_from_table, document_to_table, write_document
from kce.system.lock import folder_lock
from kce.system.shipped import RECIPES

if TYPE_CHECKING:
    from kce.pipeline.recipe import Recipe
    from kce.types import Progress

DEMO_RECIPE = RECIPES / "demo.toml"


def run_demo(
    folder: Path,
    seed: int = 0,
    path: Path = DEMO_RECIPE,
    progress: Progress = lambda *_: None,
    world: str | None = None,
) -> dict[str, Any]:
    """Make a small world, cut its faces, run four plans, and compare them. What exists already is reused.

    Everything goes the way of a user's own data: the world is stored as real datasets are, and the ordinary adapters
    read it. Its truth is read only by the evaluator of agreement. All components are the shipped ones, whatever a
    user's registry says, unless a world is given.

    Args:
        folder: Where everything is written.
        seed: Random seed of the world, the sampling and the trainings.
        path: The recipe: the world, how faces are cut, what runs have in common, and the plans.
        progress: Called while the demo works.
        world: A dataset with known truth, NAME:key=value, instead of the recipe's. One whose root is given, here or
            in ``registry.toml``, is made where it says, by its own seed.

    Returns:
        {"report": path of the page, "plan": category -> class of the plan by clusters, "plans": plan -> its scores}.

    Raises:
        KCEError: If another process writes in the folder, or the dataset cannot say its truth.
    """
    with folder_lock(folder, "demo"):
        return _run_demo(folder, seed, path, progress, world)


def _run_demo(folder: Path, seed: int, path: Path, progress: Progress, named: str | None) -> dict[str, Any]:
    registry = defaults.shipped_registry() if named is None else Registry.load()
    spec = read_world_recipe(path)
    world = _build_world(registry, named or spec.world, folder / "world", seed)
    world.make(progress=progress)
    cut(world, folder / "faces", seed=seed, registry_folder=registry.folder, progress=progress, **spec.cut.options())
    chosen = recipe_from_table({**spec.run, "faces": str(folder / "faces"), "seed": seed}, str(path))
    truth = folder / TRUTH
    write_truth(truth, world.truth())
    evaluators = (*chosen.evaluate.evaluators, f'{defaults.AGREEMENT}:truth="{truth.as_posix()}"')
    chosen = replace(chosen, evaluate=replace(chosen.evaluate, evaluators=evaluators))
    reports = run_under_plans(folder / "runs", chosen, spec.plans, registry, progress)
    runs = {plan: document_from_table(report, RunReport, plan) for plan, report in reports.items()}
    report = DemoReport(
        str(folder / "report.html"),
        reports["clusters"]["plan"],
        compare_runs(reports),
        runs,
        runs["clusters"].provenance,  # all runs have one data and one command, and this one has the most parts
    )
    write_document(folder / "report.json", report)
    write_report(folder, progress=progress)
    table = document_to_table(report)
    return {key: table[key] for key in ("report", "plan", "plans")}


def _build_world(registry: Registry, spec: str, root: Path, seed: int) -> Any:
    has_root = "root" in registry.given("dataset", spec)
    world = registry.build_with_defaults("dataset", spec, **({} if has_root else {"root": root, "seed": seed}))
    if not (hasattr(world, "make") and hasattr(world, "truth")):
        raise KCEError(
            f"{spec} is not a dataset with known truth",
            "the dataset `world` is one; others are made with `kce.WorldDataset`",
        )
    return world


def run_under_plans(
    folder: Path, chosen: Recipe, plans: Sequence[str], registry: Registry, progress: Progress = lambda *_: None
) -> dict[str, dict[str, Any]]:
    """Run the same recipe under several plans, each in a run of its own below `folder`.

    A run reuses what an earlier one made in exactly the same way: the plans "clusters" and "random" start from one
    first model, which is the final model of the plan "none". Every plan is scored on the same rows.

    Args:
        folder: Where the runs are.
        chosen: The recipe.
        plans: Plans in the order in which they are done.
        registry: Where components are looked up.
        progress: Called with the plan before each message.

    Returns:
        Plan -> the report of its run.
    """
    reports: dict[str, dict[str, Any]] = {}
    earlier: list[Path] = []
    for plan in plans:
        reports[plan] = run(
            folder / plan, replace(chosen, plan=plan), registry, other_runs=earlier, progress=_prefixed(progress, plan)
        )
        earlier.append(folder / plan)
    return reports


def compare_runs(reports: dict[str, dict[str, Any]]) -> dict[str, PlanScores]:
    """Return for each plan its classes, its index with n, interval and share of variance, and its agreement."""
    return {plan: _summarize(report) for plan, report in reports.items()}


def _summarize(report: dict[str, Any]) -> PlanScores:
    scores = report["scores"][defaults.INDEX]
    return PlanScores(
        report["classes"],
        report["n"],
        report["seed"],
        scores[defaults.INDEX_SCORE],
        report["intervals"][defaults.INDEX][defaults.INDEX_SCORE],
        scores["variance_share"],
        report["scores"].get(defaults.AGREEMENT, {}).get("ari_truth"),
    )


def _prefixed(progress: Progress, plan: str) -> Progress:
    return lambda what, done, total: progress(f"{plan}: {what}", done, total)
