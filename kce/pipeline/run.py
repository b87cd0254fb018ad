"""The only file that knows the order of a run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xxhash

from kce.errors import KCEError, Refused, UnknownName
from kce.evaluation.scoring import open_evaluators, read_evaluation_rows, score_features
from kce.faces.folder import read_faces
from kce.features.reduction import reduce_rows
from kce.features.streams import in_memory
from kce.features.table import open_table
from kce.merging.plan_file import plan_origin, read_plan
from kce.pipeline.plan_edits import refuse_late_edit
from kce.pipeline.recipe import compared_choices, named_components, read_recipe, write_recipe
from kce.pipeline.recipe_checks import check_recipe
from kce.pipeline.rehearsal import rehearse
from kce.pipeline.remarks import plan_remarks, training_remarks
from kce.pipeline.run_faces import select_faces
from kce.pipeline.run_features import FEATURES, FINAL, FIRST, RunFeatures, weights_file
from kce.pipeline.run_plan import PLAN, RECIPE, RunPlan
from kce.pipeline.run_report import RunReport, count_faces
from kce.registry import isolation
from kce.registry.result_provenance import record_provenance
from kce.system import lock
from kce.system.documents import checked_model, document_to_table, write_document
from kce.system.regular import require_inside
from kce.training.device import check_precision, resolve_precision
from kce.training.turns import torch_turn
from kce.training.weights import format_differences

if TYPE_CHECKING:
    from kce.faces.pixel_cache import PixelCache, SharedPixels
    from kce.pipeline.recipe import Recipe
    from kce.pipeline.run_faces import RunFaces
    from kce.registry.registry import Registry
    from kce.registry.result_provenance import Provenance
    from kce.types import MergePlan, Progress

_log = logging.getLogger("kce.pipeline.run")

STAGES = ("first", "known", "plan", "final", "unknown", "scores")
"""First model, its features of the known categories, plan, final model, its features of the unknown ones, scores."""

REPORT = "report.json"
FILES = (FEATURES, PLAN, RECIPE, REPORT, "train.csv", "tensorboard", "report.html")
"""What a run reads and writes in its folder, beside weights."""


def run(
    folder: Path,
    recipe: Recipe,
    registry: Registry,
    until: str = STAGES[-1],
    other_runs: Sequence[Path] = (),
    devices: int = 1,
    progress: Progress = lambda *_: None,
    cache: PixelCache | None = None,
    command: str | None = None,
) -> dict[str, Any]:
    """Do in `folder` what is not done yet, up to a stage.

    Args:
        folder: The run's folder; it is made if it does not exist.
        recipe: The choices.
        registry: Where components are looked up.
        until: The last stage to do, one of `STAGES`.
        other_runs: Folders of other runs; models and plans made there in exactly the same way are copied, and features
            of the known categories are read from there.
        devices: How many GPUs, or processes on the CPU, networks run on.
        progress: Called while the run works.
        cache: Where decoded faces are stored on disk; None = nowhere.
        command: The command as it was typed, for the report; None = that of this process.

    Returns:
        The run's report as ``report.json`` has it; before the last stage {"plan": category -> class} or nothing.

    Raises:
        Refused: The folder holds a run of other choices.
        KCEError: Choices that cannot work.
    """
    if until not in STAGES:
        raise UnknownName.among("stage", until, STAGES)
    recipe = checked_model(recipe, "the recipe")
    # "auto" or "fast" is decided once, here: the run's own recipe has the precision that was used.
    precision = resolve_precision(recipe.train.precision)
    recipe = replace(recipe, train=replace(recipe.train, seed=recipe.seed, precision=precision))
    all_faces = read_faces(Path(recipe.faces))
    known, unknown = check_recipe(recipe, all_faces, registry)
    if until == STAGES[-1] and len(unknown) < 2:
        raise KCEError(
            f"{unknown[0]} is the only unknown category: there is nothing to separate it from",
            "hold out two categories or more",
        )
    require_inside(folder, *FILES)
    with lock.folder_lock(folder, "run"), torch_turn():
        _refuse_other_choices(folder / RECIPE, recipe)
        refuse_late_edit(folder / PLAN, weights_file(folder, FINAL))
        faces = select_faces(all_faces, recipe, registry, known, unknown)
        shared = cache.of(all_faces) if cache else None
        stages = _Stages(folder, recipe, registry, faces, other_runs, devices, progress, shared, command)
        if stages.is_long(until):
            check_precision(precision)
            rehearse(recipe, faces, registry, stages.features.dims(), plan=STAGES.index(until) >= STAGES.index("plan"))
        stages.record_recipe()  # only now: what cannot work leaves nothing in the folder
        return stages.do(until)


def extract_piece(
    folder: Path,
    registry: Registry,
    table: str,
    rows: range,
    progress: Progress = lambda *_: None,
    cache: PixelCache | None = None,
) -> None:
    """Extract some rows of a run's table, while other processes extract others; ``run`` then finds and publishes them.

    Args:
        folder: The run's folder, with its recipe and the model that the table is made with.
        registry: Where components are looked up.
        table: "known" or "unknown".
        rows: The rows, one of ``kce.features.pieces.split_rows``.
        progress: Called while it works.
        cache: As for ``run``.
    """
    require_inside(folder, *FILES)
    recipe = read_recipe(folder / RECIPE)
    all_faces = read_faces(Path(recipe.faces))
    known, unknown = check_recipe(recipe, all_faces, registry)
    faces = select_faces(all_faces, recipe, registry, known, unknown)
    shared = cache.of(all_faces) if cache else None
    _Stages(folder, recipe, registry, faces, (), 1, progress, shared).extract_rows(table, rows)


def _refuse_other_choices(path: Path, recipe: Recipe) -> None:
    """Raise Refused if other choices have made something in the folder."""
    if not path.is_file() or not _holds_work(path.parent):
        return
    existing, requested = compared_choices(read_recipe(path)), compared_choices(recipe)
    began = existing["train.precision"]
    if began in ("auto", "fast"):  # not recorded by the version that wrote it: the weights say whether they fit
        existing["train.precision"] = requested["train.precision"]
    if existing != requested:
        same = existing | {"train.precision": requested["train.precision"]} == requested
        raise Refused(
            f"{path.parent} holds a run of other choices:\n{format_differences(existing, requested)}",
            (f"--precision {began} continues it as it began; or " if same else "")
            + "name another folder for this run, or move that one away",
        )


def _holds_work(folder: Path) -> bool:
    """Whether a run has made more in the folder than its recipe, finished or not."""
    return any(any(folder.glob(pattern)) for pattern in ("*.safetensors*", f"{FEATURES}*", PLAN))


class _Stages:
    """The stages of one run, which share its choices and faces."""

    def __init__(
        self,
        folder: Path,
        recipe: Recipe,
        registry: Registry,
        faces: RunFaces,
        other_runs: Sequence[Path],
        devices: int,
        progress: Progress,
        cache: SharedPixels | None,
        command: str | None = None,
    ) -> None:
        self.folder, self.recipe, self.registry, self.faces = folder, recipe, registry, faces
        self.progress, self.command = progress, command
        folders = [folder, *other_runs]
        self.features = RunFeatures(folders, recipe, registry, faces, devices, progress, cache)
        self.plan = RunPlan(folders, recipe, registry, faces, self.features, progress)

    def is_long(self, until: str) -> bool:
        """Whether a network is trained, or faces are seen by the first one: then later stages are tried beforehand."""
        clusters, features = self.plan.needs_clusters(), self.features
        return (
            (clusters and not features.is_trained(FIRST))
            or (clusters and not features.may_have_known() and until != "first")
            or (until in STAGES[STAGES.index("final") :] and not features.is_trained(FINAL))
        )

    def do(self, until: str) -> dict[str, Any]:
        """Do what is not done yet, in the order of the stages."""
        stages = STAGES[: STAGES.index(until) + 1]
        for remark in training_remarks(self.recipe.train, self.faces.trained):
            _log.warning(remark)
        self.plan.copy()
        if self.plan.needs_clusters():
            self.features.train_first()
            if "known" in stages:
                self.features.extract_known()
        if "plan" not in stages:
            return {}
        plan = self.plan.get()
        self.record_recipe()
        if "final" in stages:
            self.features.train_final(plan)
        if "unknown" in stages:
            self.features.extract_unknown()
        if "scores" not in stages:
            return {"plan": dict(plan.classes)}
        report = self._score(plan)
        write_document(self.folder / REPORT, report)
        return document_to_table(report)

    def record_recipe(self) -> None:
        """Write the recipe, with what it came to so far."""
        plan = read_plan(self.plan.file) if self.plan.file.is_file() else None
        write_recipe(self.folder / RECIPE, self.recipe, self.registry, plan)

    def extract_rows(self, table: str, rows: range) -> None:
        """Extract some rows of the table "known" or "unknown", without publishing them."""
        if table == "known":
            self.features.extract_known_piece(rows)
        else:
            self.features.extract_unknown(rows)

    def _score(self, plan: MergePlan) -> RunReport:
        evaluate, seed = self.recipe.evaluate, self.recipe.seed
        rows = read_evaluation_rows(open_table(self.features.file, "unknown"), evaluate.per_category, seed)
        self.progress("scoring", 0, 1)
        part = self.registry.resolve_seeded("reducer", evaluate.reducer, seed)
        with isolation.component(part, self.registry, self.recipe.timeout) as reducer:
            reduced = in_memory(reduce_rows(reducer, rows))
        with open_evaluators(self.registry, evaluate.evaluators, seed, self.recipe.timeout) as evaluators:
            scored = score_features(reduced, evaluators, seed=seed, plan=plan, resamples=evaluate.resamples)
        self.progress("scoring", 1, 1)
        train = self.recipe.train
        scored["remarks"] += [*training_remarks(train, self.faces.trained), *plan_remarks(plan, train)]
        import torch

        return RunReport(
            folder=str(self.folder),
            plan=dict(plan.classes),
            **asdict(plan_origin(plan)),
            classes=len(plan.names),
            precision=self.recipe.train.precision,
            threads=torch.get_num_threads(),
            asked=plan.asked,
            known=count_faces(self.faces.known),
            unknown=count_faces(self.faces.unknown),
            provenance=self._provenance(scored["n"]),
            evaluated={category: int((rows.label == category).sum()) for category in rows.categories},
            **scored,
        )

    def _provenance(self, rows: int) -> Provenance:
        faces, clusters = self.faces, self.recipe.clusters
        parts = named_components(self.recipe)
        return record_provenance(
            self.registry,
            [part for part in parts if clusters or part[0] not in ("aligner", "clusterer")],
            n={"rows": rows, "known faces": len(faces.known), "unknown faces": len(faces.unknown)},
            seeds=[self.recipe.seed],
            data=f"faces of {len(faces.categories)} known and {len(self.recipe.unknown)} unknown categories",
            data_hash=xxhash.xxh3_128_hexdigest(
                f"{faces.trained.content_hash()} {faces.unknown.content_hash()}".encode()
            ),
            command=self.command,
        )
