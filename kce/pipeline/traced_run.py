"""A finished run, to trace faces to: its families, its final network, and known faces as that network sees them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kce.errors import KCEError, Refused
from kce.faces.folder import read_faces
from kce.faces.loader import Pixels
from kce.features.extract import extract_features, features_provenance
from kce.features.streams import StoredRows
from kce.features.table import has_table, open_table
from kce.merging.aligner_inputs import sample_per_category
from kce.merging.plan_file import check_plan, read_plan
from kce.pipeline.plan_edits import refuse_late_edit
from kce.pipeline.recipe import read_recipe
from kce.pipeline.recipe_checks import check_recipe
from kce.pipeline.run_faces import select_faces
from kce.pipeline.trace_faces import is_face_folder
from kce.system.lock import folder_lock
from kce.tracing.families import plan_with_reals
from kce.training.device import resolve_precision
from kce.training.provenance import weights_provenance
from kce.training.sampling import choose_examples
from kce.training.weights import read_weights_metadata

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.faces.folder import Faces
    from kce.pipeline.recipe import Recipe
    from kce.registry.registry import Registry
    from kce.types import Features, MergePlan, Progress

FIT_ROWS = 500
"""Faces of each category that a tracer is fitted on, and among which neighbours are sought, at most."""
CALIBRATION_ROWS = 2000
"""Held-out faces of each category that it is calibrated on, at most."""
KNOWN = "known.h5"
"""The feature file of known faces, beside a trace to a run whose folder cannot be written."""
TABLE = "traced"
"""The table of a run's feature file with both, as the final network sees them."""


@dataclass(frozen=True, eq=False)
class TracedRun:
    """A run whose final network was trained.

    Attributes:
        folder: Its folder.
        recipe: Its choices.
        plan: Category -> family; the reals that the network was trained on are the family "real".
        faces: The known faces that are fitted and calibrated on.
        held_out: (n,) which of them the network was not trained on: whole recordings.
        weights: The file of the final network.
        size: Side of its faces, in pixels.
    """

    folder: Path
    recipe: Recipe
    plan: MergePlan
    faces: Faces
    held_out: np.ndarray
    weights: Path
    size: int


def open_traced_run(folder: Path, registry: Registry) -> TracedRun:
    """Open a run to trace faces to.

    Raises:
        KCEError: It is not the folder of a run, or has no final network.
        Refused: Its plan was edited, or its faces changed, after the final network was trained.
        BadData: Its face folder or its plan cannot be read, or does not fit.
    """
    recipe_path, weights, plan_path = folder / "recipe.toml", folder / "final.safetensors", folder / "plan.toml"
    if not recipe_path.is_file():
        raise KCEError(f"{folder} is not the folder of a run: it has no recipe.toml", "give a folder made by `kce run`")
    if not weights.is_file():
        raise KCEError(
            f"the run {folder} has no final network yet",
            f"`kce run {folder}` continues it; faces are traced by that one",
        )
    refuse_late_edit(plan_path, weights)
    recipe, plan = read_recipe(recipe_path), read_plan(plan_path)
    if not is_face_folder(Path(recipe.faces)):
        raise KCEError(
            f"the faces that {folder} was trained on are not in {recipe.faces}",
            "bring them back, or write their new place as `faces` into its recipe.toml",
        )
    everything = read_faces(Path(recipe.faces))
    known, unknown = check_recipe(recipe, everything, registry)
    faces = select_faces(everything, recipe, registry, known, unknown).trained
    check_plan(plan, sorted(known))
    reals = sorted(set(faces.category.counts()) - set(plan.classes))
    held_out = _unseen(faces, plan, reals, recipe, weights, registry)
    rows = np.sort(
        np.concatenate(
            [
                own[sample_per_category(faces.category[own], most, recipe.seed)]
                for own, most in ((np.flatnonzero(held_out), CALIBRATION_ROWS), (np.flatnonzero(~held_out), FIT_ROWS))
            ]
        )
    )
    size = int(read_weights_metadata(weights)["size"])
    return TracedRun(folder, recipe, plan_with_reals(plan, reals), faces.take(rows), held_out[rows], weights, size)


def _unseen(
    faces: Faces, plan: MergePlan, reals: Sequence[str], recipe: Recipe, weights: Path, registry: Registry
) -> NDArray[np.bool_]:
    """Which faces the final network was not trained on: (n,); raises Refused where that cannot be known."""
    trained = replace(plan, classes={**plan.classes, **{category: category for category in reals}})
    settings = replace(recipe.train, seed=recipe.seed)
    examples, held_out = choose_examples(faces, trained, settings)
    now = weights_provenance(recipe.backbone, faces, examples, held_out, settings, registry)
    if now["training_set"] != read_weights_metadata(weights)["provenance"]["training_set"]:
        raise Refused(
            f"the faces of {recipe.faces} are not those that the final network was trained on: it may have seen any of "
            "them, so nothing is left to calibrate by",
            "bring back the faces as they were, or train a run on those that are there now",
        )
    mask = np.zeros(len(faces), bool)
    mask[held_out.rows] = True
    return mask


def known_rows(
    run: TracedRun, to: Path, registry: Registry, devices: int, progress: Progress
) -> tuple[Features, StoredRows]:
    """Extract what a tracer is fitted and calibrated on, or find it in the run's feature file.

    Args:
        run: The run.
        to: The folder of the trace; it gets these rows where the run's own folder cannot be written.
        registry: Builds the backbone.
        devices: GPUs, or processes on the CPU.
        progress: Called while it works.

    Returns:
        The faces to fit on, in memory; and those to calibrate on, as a stream.
    """
    path = run.folder / "features.h5"
    lock: AbstractContextManager[None] = folder_lock(run.folder, "run")
    train = run.recipe.train
    # Traces to one run at a time must not lock each other out, so only who extracts takes the lock.
    if has_table(path, TABLE, features_provenance(run.faces, run.weights, resolve_precision(train.precision))):
        lock = nullcontext()
    elif not os.access(run.folder, os.W_OK):
        path, lock = to / KNOWN, nullcontext()
    with lock:
        extract_features(
            Pixels(run.faces, run.size),
            run.weights,
            registry,
            path,
            TABLE,
            train.batch_size,
            precision=train.precision,
            devices=devices,
            progress=progress,
        )
    rows = StoredRows.all_of(open_table(path, TABLE))
    return rows.take(~run.held_out), rows.select(np.flatnonzero(run.held_out))
