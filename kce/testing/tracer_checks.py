"""The checks of tracers alone."""

from __future__ import annotations

import numpy as np

from kce.testing.base import Failure, Subject, check
from kce.testing.probes import blob_features, built, unmerged
from kce.types import MergePlan


@check("tracer")
def own_family(subject: Subject) -> None:
    """Each row is least unlike its own family, in data of well separated families; there is a column for each."""
    given = blob_features()
    plan = unmerged(given)
    with built(subject) as component:
        component.fit(given, plan)
        scores = component.score(given.x)
    if scores.shape != (len(given), len(plan.names)):
        raise Failure(f"for {len(given)} rows and {len(plan.names)} families its scores have the shape {scores.shape}")
    right = np.array(plan.names)[scores.argmin(axis=1)] == given.label
    if not right.all():
        raise Failure(f"{(~right).sum()} of {len(given)} rows are less unlike another family than their own")


@check("tracer")
def merged_families(subject: Subject) -> None:
    """Categories of one family share a column, and their rows are least unlike it."""
    given = blob_features()
    one, other, *rest = given.categories
    plan = MergePlan({one: "joined", other: "joined", **{name: name for name in rest}})
    with built(subject) as component:
        component.fit(given, plan)
        scores = component.score(given.x)
    expected = [plan.classes[label] for label in given.label.tolist()]
    if scores.shape[1] != len(plan.names) or [plan.names[n] for n in scores.argmin(axis=1)] != expected:
        raise Failure("rows of two categories that are one family are not least unlike that family")


@check("tracer")
def row_by_row(subject: Subject) -> None:
    """The score of a row depends on that row alone, within rounding."""
    given = blob_features()
    with built(subject) as component:
        component.fit(given, unmerged(given))
        whole = component.score(given.x)
        parts = np.concatenate([component.score(given.x[start : start + 5]) for start in range(0, len(given), 5)])
    if not np.allclose(whole, parts, rtol=1e-3, atol=1e-3 * float(np.abs(whole).max())):
        raise Failure("it scores rows otherwise when it is given fewer of them at a time")
