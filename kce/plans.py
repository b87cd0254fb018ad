"""One recipe under several plans, one after the other in this process, and their comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.run import run

if TYPE_CHECKING:
    from kce.recipe import Recipe
    from kce.registry import Registry
    from kce.types import Progress


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
