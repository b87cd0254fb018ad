"""What becomes of a plan that a person edited: it is marked as such, and refused where it comes too late."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kce.errors import Refused
from kce.merging.plan_file import describe_edit, read_plan
from kce.training.weights import read_weights_metadata

if TYPE_CHECKING:
    from kce.types import MergePlan

_SHOWN = 5  # categories that an error lists


def edit_remarks(plan: MergePlan) -> list[str]:
    """What a reader of results must know of the plan: that it was edited."""
    return [describe_edit(plan.made, plan.edited_from)] if plan.edited else []


def refuse_late_edit(path: Path, weights: Path) -> None:
    """Raise Refused, with what changed, if the plan was edited after the final model was trained on it.

    Other names for the classes are no such edit unless they change the order of the classes, which the model has.

    Args:
        path: The ``plan.toml`` of a run.
        weights: The weights of its final model.
    """
    if not (path.is_file() and weights.is_file()):
        return
    trained: Mapping[str, str] = read_weights_metadata(weights).get("plan", {})
    plan = read_plan(path).classes
    now = {**trained, **{category: name for category, name in plan.items() if category in trained}}
    if _class_numbers(now) == _class_numbers(trained):
        return
    changed = [f"{category}: was {trained[category]!r}, now {now[category]!r}" for category in sorted(trained)
               if trained[category] != now[category]]  # fmt: skip
    more = [f"and {len(changed) - _SHOWN} more"] if len(changed) > _SHOWN else []
    raise Refused(
        f"{path} was edited after the final model was trained on it:\n  " + "\n  ".join([*changed[:_SHOWN], *more]),
        f"to have both, start a run in another folder with --plan and a copy of the edited file, and undo the edit "
        f"here; to replace the model, move {weights.name} and features.h5 away",
    )


def _class_numbers(classes: Mapping[str, str]) -> dict[str, int]:
    """The number of each category's class, as a network has it."""
    names = sorted(set(classes.values()))
    return {category: names.index(name) for category, name in classes.items()}
