"""What can be known of a study before any of its work: each raises what a run would raise, or is said to the reader."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.errors import BadData, KCEError
from kce.faces import folder as folders
from kce.merging.aligner_inputs import find_fallback_reals
from kce.merging.plans import unmerged_plan
from kce.pipeline.recipe_checks import check_choices, check_recipe
from kce.registry import isolation
from kce.registry.specs import parse_spec
from kce.study import comparison
from kce.training.sampling import choose_examples

if TYPE_CHECKING:
    from pathlib import Path

    from kce.faces.folder import Faces
    from kce.registry.registry import Registry
    from kce.study.grid import Run
    from kce.study.study_file import Study


def with_reals(runs: list[Run], table: Faces | None, registry: Registry, missing: bool) -> tuple[list[Run], list[str]]:
    """The runs whose aligners have the reals they need, and what is said of the others; raises where none may lack."""
    if table is None:
        return runs, []
    lacking: dict[str, BadData] = {}
    wants: dict[str, bool] = {}
    kept = []
    for run in runs:
        spec = run.recipe.aligner
        if spec not in wants:
            with isolation.component(registry.resolve("aligner", spec), registry, run.recipe.timeout) as aligner:
                wants[spec] = aligner.reals
        if run.recipe.clusters and wants[spec]:
            try:
                find_fallback_reals(table, set(table.dataset[np.isin(table.category, run.known)].tolist()), registry)
            except BadData as error:
                lacking.setdefault(run.plan, error)
                continue
        kept.append(run)
    if lacking and not missing:
        plan, first = next(iter(lacking.items()))
        raise BadData(f"plan {plan!r}: {first.message}", f"{first.hint}; --allow-missing leaves the plan out")
    return kept, [f"left out: the plan {plan}; {its.message}" for plan, its in lacking.items()]


def methods(table: Faces) -> dict[str, str]:
    forged = ~table.real
    return dict(zip(table.category[forged].tolist(), table.method[forged].tolist(), strict=True))


def look(run: Run, table: Faces | None, registry: Registry, drawn: set[Any]) -> None:
    """Raise what the run would raise, as far as that can be known without starting it.

    drawn  known categories and settings whose training set was drawn before, by an earlier run; those of this one join
    """
    try:
        scored = {registry.entry("evaluator", parse_spec(spec)[0]).name for spec in run.recipe.evaluate.evaluators}
        if comparison.EVALUATOR not in scored:
            raise KCEError(f"its evaluators lack {comparison.EVALUATOR}", "plans of a study are compared by it: add it")
        if table is None:
            check_choices(run.recipe, registry)
            return
        check_recipe(run.recipe, table, registry)
        if (run.known, run.recipe.train) not in drawn:
            known = table.take(np.flatnonzero(np.isin(table.category, run.known)))
            choose_examples(known, unmerged_plan(run.known), run.recipe.train)
            drawn.add((run.known, run.recipe.train))
    except KCEError as error:
        raise error.of(run.name) from error


def remarks(study: Study, faces: Path | None, scale: str) -> list[str]:
    """What a reader of the results must know of the faces."""
    remarks = []
    if scale:
        remarks.append(f"scaled down ({scale}): drawn faces and small networks, not the study's data")
    wanted = study.cut.get("detector")
    if faces and wanted and (found := folders.detector(faces)) not in (None, wanted):
        remarks.append(f"the faces were cut with {found}; the study asks for {wanted}")
    return remarks


def less(runs: Sequence[Run]) -> list[str]:
    lacking = sorted({category for run in runs for category in run.lacks})
    if not lacking:
        return []
    groups = ", ".join(dict.fromkeys(str(run.group) for run in runs))
    return [f"groups {groups} alone, trained without {len(lacking)} of the study's categories: {', '.join(lacking)}"]
