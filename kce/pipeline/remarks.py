"""What a reader of a run's results must know of its networks and its plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kce.merging.class_count import count_remarks
from kce.merging.stability import doubt_remarks
from kce.pipeline.plan_edits import edit_remarks

if TYPE_CHECKING:
    from kce.faces.folder import Faces
    from kce.training.settings import TrainSettings
    from kce.types import MergePlan


def training_remarks(train: TrainSettings, trained: Faces) -> list[str]:
    """What to know of the networks.

    Args:
        train: How they are trained.
        trained: The faces they are trained on, or would be.
    """
    if not train.epochs:
        return [
            "nothing was trained (epochs = 0): features are those of the weights that networks begin with, and their "
            "scores do not depend on the plan"
        ]
    unknown = int((trained.group == "").sum())
    if unknown and train.held_out:
        return [
            f"the recording of {unknown} of {len(trained)} known faces is unknown: frames of one recording may be both "
            "trained on and held out, so the held-out accuracy may be too high"
        ]
    return []


def plan_remarks(plan: MergePlan, train: TrainSettings) -> list[str]:
    """What to know of the plan.

    Args:
        plan: The plan.
        train: How the network was trained whose features it is made of.
    """
    loss = train.loss if train.epochs else None
    return [*edit_remarks(plan), *count_remarks(plan, loss), *doubt_remarks(plan)]
