"""Checks of a study before any of its work: errors that its runs would raise, and remarks for the reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from kce.errors import BadData, KCEError
from kce.faces.folder import read_detector
from kce.labels import REAL
from kce.merging.aligner_inputs import count_aligner_rows, find_fallback_reals
from kce.merging.plans import unmerged_plan
from kce.pipeline.recipe_checks import check_choices, check_recipe
from kce.pipeline.run_faces import select_trained
from kce.registry import isolation
from kce.study.ranking import check_ranking
from kce.training.sampling import choose_examples

if TYPE_CHECKING:
    from pathlib import Path

    from kce.faces.folder import Faces
    from kce.registry.registry import Registry
    from kce.study.grid import StudyRun
    from kce.study.study_file import Study


def add_aligner_tables(
    runs: list[StudyRun], faces: Faces | None, registry: Registry, allow_missing: bool
) -> tuple[list[StudyRun], list[str]]:
    """Add to each run what its aligner needs besides the known faces, and keep the runs whose aligner has its reals.

    Args:
        runs: All runs of the study.
        faces: The face folder; None returns all runs as they are.
        registry: Where aligners are looked up.
        allow_missing: Whether plans without the reals they need are left out.

    Returns:
        The runs to do, and a remark for each plan that is left out.

    Raises:
        BadData: If reals are missing and `allow_missing` is false.
    """
    if faces is None:
        return runs, []
    counts, errors = faces.category.counts(), dict[str, BadData]()
    needs: dict[str, tuple[bool, tuple[str, ...]]] = {}
    kept = []
    for run in runs:
        if not run.recipe.clusters:
            kept.append(run)
            continue
        spec, fallback = run.recipe.aligner, dict[str, str]()
        if spec not in needs:
            with isolation.component(registry.resolve("aligner", spec), registry, run.recipe.timeout) as aligner:
                needs[spec] = aligner.reals, tuple(aligner.views)
        needs_reals, views = needs[spec]
        if needs_reals:
            datasets = set(faces.take(faces.category.isin(run.known)).dataset.counts())
            try:
                fallback = find_fallback_reals(faces, datasets, registry)
            except BadData as error:
                errors.setdefault(run.plan, error)
                continue
        tables = count_aligner_rows(counts, run.known, fallback, views)
        kept.append(replace(run, aligner_tables=tuple(tables.items())))
    if errors and not allow_missing:
        plan, first = next(iter(errors.items()))
        raise BadData(f"plan {plan!r}: {first.message}", f"{first.hint}; --allow-missing leaves the plan out")
    return kept, [f"left out: the plan {plan}; {error.message}" for plan, error in errors.items()]


def category_methods(faces: Faces) -> dict[str, str]:
    """Return the forgery method of each forged category in the face folder."""
    forged = faces.take(~faces.real).first_of_categories()
    return dict(zip(forged.category.tolist(), forged.method.tolist(), strict=True))


def dataset_reals(faces: Faces) -> dict[str, str]:
    """Return for each forged category the category of its dataset's reals, where the face folder has any."""
    reals, forged = faces.take(faces.real), faces.take(~faces.real).first_of_categories()
    of = {dataset: f"{dataset}_{REAL}" for dataset in reals.dataset.counts()}
    categories = zip(forged.category.tolist(), forged.dataset.tolist(), strict=True)
    return {category: of[dataset] for category, dataset in categories if dataset in of}


def check_run(run: StudyRun, rank_by: str, faces: Faces | None, registry: Registry, sampled: set[Any]) -> None:
    """Raise what the run would raise, as far as that can be known without starting it.

    Args:
        run: The run.
        rank_by: The evaluator by which plans are compared.
        faces: The face folder; None checks only what needs no faces.
        registry: Where components are looked up.
        sampled: Known categories and training settings whose training set was sampled for an earlier run; those of
            this run are added.

    Raises:
        KCEError: For the first error; its message starts with the name of the run.
    """
    try:
        check_ranking(rank_by, run.recipe, registry)
        if not run.recipe.train.epochs:
            raise KCEError(
                "epochs = 0 trains nothing, so no plan can score better than another",
                "a study compares plans by the networks trained on them; `kce run` makes a plan without training",
            )
        if faces is None:
            check_choices(run.recipe, registry)
            return
        check_recipe(run.recipe, faces, registry)
        if (run.known, run.recipe.train) not in sampled:
            trained = select_trained(faces, run.recipe, faces.take(faces.category.isin(run.known)))
            choose_examples(trained, unmerged_plan([*run.known, *run.reals]), run.recipe.train)
            sampled.add((run.known, run.recipe.train))
    except KCEError as error:
        raise error.prefixed(run.name) from error


def describe_faces(study: Study, faces: Path | None, scale: str) -> list[str]:
    """Return remarks on the faces that a reader of the results must know."""
    remarks = []
    if scale:
        remarks.append(f"scaled down ({scale}): synthetic faces and small networks, not the study's data")
    expected = study.cut.detector
    if faces and expected and (detector := read_detector(faces)) not in (None, expected):
        remarks.append(f"the faces were cut with {detector}; the study asks for {expected}")
    return remarks


def describe_missing(runs: Sequence[StudyRun]) -> list[str]:
    """Return a remark on the categories that the runs had to do without, if any."""
    missing = sorted({category for run in runs for category in run.missing})
    if not missing:
        return []
    groups = ", ".join(dict.fromkeys(str(run.group) for run in runs))
    return [f"groups {groups} only, trained without {len(missing)} of the study's categories: {', '.join(missing)}"]
