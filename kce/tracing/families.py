"""Which family each known category is of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from kce.errors import BadData
from kce.labels import REAL
from kce.tracing.conformal import UNKNOWN

if TYPE_CHECKING:
    from kce.types import MergePlan


def plan_with_reals(plan: MergePlan, reals: Iterable[str]) -> MergePlan:
    """Return the plan with the reals of all datasets as one more family, called "real".

    >>> from kce import MergePlan
    >>> plan_with_reals(MergePlan({"A_x": "one"}), ["A_real", "B_real"]).classes
    {'A_x': 'one', 'A_real': 'real', 'B_real': 'real'}

    Args:
        plan: The classes of forgeries.
        reals: The categories of reals; none = the plan as it is.

    Raises:
        BadData: A class of the plan is called like one of the answers, "real" or "unknown".
    """
    taken = {UNKNOWN, REAL} & set(plan.names)
    if taken:
        raise BadData(
            f"the plan has a class called {min(taken)!r}, which is an answer of its own",
            "give the class another name in plan.toml: the names of classes may be changed at any time",
        )
    return replace(plan, classes={**plan.classes, **dict.fromkeys(reals, REAL)})
