"""The only file that knows the order of a run."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xxhash

from kce.audit.unlearned import find_unlearned
from kce.errors import KCEError, Refused, UnknownName
from kce.evaluation.scoring import open_evaluators, read_evaluation_rows, score_features
from kce.faces.folder import read_faces
from kce.faces.loader import Pixels
from kce.features.extract import extract_features, features_provenance
from kce.features.logits import logit_rows, read_head
from kce.features.reduction import reduce_rows
from kce.features.streams import StoredRows, in_memory
from kce.features.table import find_table, has_table, open_table
from kce.merging.aligner_inputs import collect_reals, sample_viewed_rows
from kce.merging.plan_file import check_plan, mark_edit, plan_origin, read_plan, write_plan
from kce.merging.plans import at_random, by_name, unmerged_plan
from kce.pipeline.clustered_plan import cluster_rows, mark_unlearned
from kce.pipeline.networks import Networks
from kce.pipeline.plan_edits import refuse_late_edit
from kce.pipeline.recipe import (
    PLANS,
    cluster_choices,
    compared_choices,
    named_components,
    read_recipe,
    write_recipe,
)
from kce.pipeline.recipe_checks import check_recipe
from kce.pipeline.rehearsal import PlannedDims, rehearse
from kce.pipeline.remarks import plan_remarks, training_remarks
from kce.pipeline.run_faces import select_faces
from kce.pipeline.run_report import RunReport, count_faces
from kce.registry import isolation
from kce.registry.result_provenance import record_provenance
from kce.system import lock
from kce.system.documents import checked_model, document_to_table, write_document
from kce.system.regular import require_inside
from kce.training.device import check_precision, resolve_precision
from kce.training.train import train
from kce.training.turns import torch_turn
from kce.training.weights import format_differences

if TYPE_CHECKING:
    from kce.faces.folder import Faces
    from kce.faces.pixel_cache import PixelCache, SharedPixels
    from kce.pipeline.recipe import Recipe
    from kce.pipeline.run_faces import RunFaces
    from kce.registry.registry import Registry
    from kce.registry.result_provenance import Provenance
    from kce.types import FeatureStream, MergePlan, Progress

_log = logging.getLogger("kce.pipeline.run")

STAGES = ("first", "known", "plan", "final", "unknown", "scores")
"""First model, its features of the known categories, plan, final model, its features of the unknown ones, scores."""

FEATURES = "features.h5"
PLAN = "plan.toml"
RECIPE = "recipe.toml"
REPORT = "report.json"
FILES = (FEATURES, PLAN, RECIPE, REPORT, "train.csv", "tensorboard", "report.html")
"""What a run reads and writes in its folder, beside weights."""
FIRST, FINAL = "first", "final"


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
        refuse_late_edit(folder / PLAN, _weights(folder, FINAL))
        faces = select_faces(all_faces, recipe, registry, known, unknown)
        shared = cache.of(all_faces) if cache else None
        stages = _Stages(folder, recipe, registry, faces, other_runs, devices, progress, shared, command)
        if stages.is_long(until):
            check_precision(precision)
            rehearse(recipe, faces, registry, stages.dims(), plan=STAGES.index(until) >= STAGES.index("plan"))
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


def _weights(folder: Path, network: str) -> Path:
    return folder / f"{network}.safetensors"


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
        self.run_folders = [folder, *other_runs]
        self.devices, self.progress, self.cache, self.command = devices, progress, cache, command
        weights = [_weights(other, name) for other in self.run_folders for name in (FIRST, FINAL)]
        self.networks = Networks(registry, weights, recipe.timeout)
        self._pixels: dict[tuple[int, int], Pixels] = {}

    def is_long(self, until: str) -> bool:
        """Whether a network is trained, or faces are seen by the first one: then later stages are tried beforehand."""
        clusters = self.recipe.clusters and not self._plan_path.is_file()
        known = any(find_table(other / FEATURES, "known") for other in self.run_folders)
        return (
            (clusters and not _weights(self.folder, FIRST).is_file())
            or (clusters and not known and until != "first")
            or (until in STAGES[STAGES.index("final") :] and not _weights(self.folder, FINAL).is_file())
        )

    def dims(self) -> PlannedDims:
        """How many features a row has that is clustered, and one that is scored."""
        logits = len(self.faces.trained.category.counts())
        clustered = logits if self.recipe.layer == "logits" else self.networks.shape(self.recipe.first).dim
        return PlannedDims(clustered, self.networks.shape(self.recipe.backbone).dim)

    def do(self, until: str) -> dict[str, Any]:
        """Do what is not done yet, in the order of the stages."""
        stages = STAGES[: STAGES.index(until) + 1]
        for remark in training_remarks(self.recipe.train, self.faces.trained):
            _log.warning(remark)
        self._copy_plan()
        if self.recipe.clusters and not self._plan_path.is_file():
            self._train(self.recipe.first, unmerged_plan(self.faces.categories), FIRST)
            if "known" in stages:
                for pixels, table in self._first_tables():
                    self._extract_or_find(pixels, table)
        if "plan" not in stages:
            return {}
        plan = self._plan()
        self.record_recipe()
        if "final" in stages:
            self._train(self.recipe.backbone, plan, FINAL)
        if "unknown" in stages:
            self._extract(self._unknown_pixels(), FINAL, "unknown")
        if "scores" not in stages:
            return {"plan": dict(plan.classes)}
        report = self._score(plan)
        write_document(self.folder / REPORT, report)
        return document_to_table(report)

    def record_recipe(self) -> None:
        """Write the recipe, with what it came to so far."""
        plan = read_plan(self._plan_path) if self._plan_path.is_file() else None
        write_recipe(self.folder / RECIPE, self.recipe, self.registry, plan)

    def extract_rows(self, table: str, rows: range) -> None:
        """Extract some rows of the table "known" or "unknown", without publishing them."""
        if table == "known":
            if _weights(self.folder, FIRST).is_file():  # not needed where there is a plan already
                pixels = self._pixels_of(self.faces.known, self.networks.shape(self.recipe.first).size)
                self._extract(pixels, FIRST, table, rows)
        else:
            self._extract(self._unknown_pixels(), FINAL, table, rows)

    # Networks and features ---------------------------------------------------------------------------------------

    def _pixels_of(self, faces: Faces, size: int) -> Pixels:
        """The known faces and those to train on may be the same: they are decoded once."""
        return self._pixels.setdefault((id(faces), size), self._new_pixels(faces, size))

    def _new_pixels(self, faces: Faces, size: int, view: str = "") -> Pixels:
        """What is seen in a view is a sample, for which no place is kept for every face of the folder."""
        shared = self.cache.cache.of(faces) if self.cache and view else self.cache
        return Pixels(faces, size, view=view, cache=shared)

    def _unknown_pixels(self) -> Pixels:
        return self._new_pixels(self.faces.unknown, self.networks.shape(self.recipe.backbone).size)

    def _train(self, backbone: str, plan: MergePlan, name: str) -> None:
        weights = _weights(self.folder, name)
        settings, pixels = self.recipe.train, self._pixels_of(self.faces.trained, self.networks.shape(backbone).size)
        reals = set(pixels.faces.category.counts()) - set(plan.classes)  # those of each dataset are a class
        plan = replace(plan, classes={**plan.classes, **{category: category for category in reals}})
        if name == FIRST:  # a number of images is the final model's
            settings = replace(settings, images=None)
        train(backbone, pixels, plan, settings, self.registry, weights, self.run_folders, self.devices, self.progress)

    def _extract(self, pixels: Pixels, network: str, table: str, rows: range | None = None) -> None:
        weights, to = _weights(self.folder, network), self.folder / FEATURES
        batch_size = self.recipe.train.batch_size  # what could be trained on fits where nothing is trained
        extract_features(
            pixels,
            weights,
            self.registry,
            to,
            table,
            batch_size,
            precision=self.recipe.train.precision,
            devices=self.devices,
            rows=rows,
            progress=self.progress,
        )

    def _extract_or_find(self, pixels: Pixels, table: str) -> Path:
        """The file with the first model's features of these faces: another run's, if they were made there."""
        weights, precision = _weights(self.folder, FIRST), self.recipe.train.precision
        provenance = features_provenance(pixels.faces, weights, precision, pixels.view)
        for folder in self.run_folders:
            if has_table(folder / FEATURES, table, provenance):
                return folder / FEATURES
        self._extract(pixels, FIRST, table)
        return self.folder / FEATURES

    def _first_tables(self) -> Iterator[tuple[Pixels, str]]:
        """Faces -> table, of the first model: known faces, and the reals and views that the aligner needs."""
        size, views = self.networks.shape(self.recipe.first).size, self.faces.views
        yield self._pixels_of(self.faces.known, size), "known"
        tables = [(self.faces.known, "known")]
        if self.faces.fallback_reals:
            yield self._new_pixels(self.faces.reals, size), "reals"
            tables.append((self.faces.reals, "reals"))
        for faces, table in tables:
            sample = faces.take(sample_viewed_rows(faces, self.recipe.seed)) if views else faces
            for view in views:
                yield self._new_pixels(sample, size, view), f"{table}+{view}"

    def _known_rows(self) -> StoredRows:
        """Features of the known categories, with the reals and views that the aligner needs."""
        tables = {
            table: StoredRows.all_of(open_table(self._extract_or_find(pixels, table), table))
            for pixels, table in self._first_tables()
        }
        views, fallback = self.faces.views, self.faces.fallback_reals
        rows = replace(tables["known"], views={view: tables[f"known+{view}"] for view in views})
        if not fallback:
            return rows
        viewed = {view: collect_reals(tables[f"reals+{view}"], fallback) for view in views}
        return replace(rows, reals=replace(collect_reals(tables["reals"], fallback), views=viewed))

    # The plan ----------------------------------------------------------------------------------------------------

    @property
    def _plan_path(self) -> Path:
        return self.folder / PLAN

    def _copy_plan(self) -> None:
        """Copy the plan of a run that clustered in exactly this way, so that nothing is clustered twice."""
        if self.recipe.plan == "clusters" and not self._plan_path.is_file():
            plan = self._plan_of_other_run()
            if plan is not None:
                write_plan(self._plan_path, plan)

    def _plan_of_other_run(self) -> MergePlan | None:
        choices = cluster_choices(self.recipe)
        for folder in self.run_folders:
            path = folder / PLAN
            if folder != self.folder and path.is_file():
                other = read_recipe(folder / RECIPE)
                if other.plan == "clusters" and cluster_choices(other) == choices:
                    plan = read_plan(path)
                    if not plan.edited:  # what a person made of it is that run's alone
                        return plan
        return None

    def _plan(self) -> MergePlan:
        """The plan of the folder if there is one, edited or not, else a new one."""
        if self._plan_path.is_file():
            plan = self._checked_plan(self._plan_path)
            mark_edit(self._plan_path, plan)
        else:
            plan = self._new_plan()
            write_plan(self._plan_path, plan)
        for remark in plan_remarks(plan, self.recipe.train):
            _log.warning(remark)
        return plan

    def _checked_plan(self, path: Path) -> MergePlan:
        plan = read_plan(path)
        check_plan(plan, self.faces.categories)
        return plan

    def _new_plan(self) -> MergePlan:
        recipe, known = self.recipe, self.faces.known
        if recipe.plan not in PLANS:
            return self._checked_plan(Path(recipe.plan))
        if recipe.plan == "none":
            return unmerged_plan(self.faces.categories)
        one = known.first_of_categories()
        named = by_name(dict(zip(one.category.tolist(), one.method.tolist(), strict=True)), recipe.rules)
        if recipe.plan == "name":
            return named
        clustered = self._plan_of_other_run()
        if clustered is None:
            clustered = self._plan_by_clusters(len(named.names))
        if recipe.plan == "clusters":
            return clustered
        # The control of the plan by clusters: classes of the same sizes, with random members.
        sizes = [len(clustered.members(name)) for name in clustered.names]
        control = at_random(self.faces.categories, sizes, recipe.seed)
        return replace(control, asked=clustered.asked, between=clustered.between)

    def _plan_by_clusters(self, names: int) -> MergePlan:
        """Cluster the known rows; `names` is how many classes the plan by name has."""
        rows: FeatureStream = self._known_rows()
        unlearned = find_unlearned(rows, self.recipe.seed)
        if self.recipe.layer == "logits":
            rows = logit_rows(rows, read_head(_weights(self.folder, FIRST), self._softmaxes()))
        plan = cluster_rows(rows, self.recipe, self.registry, names, self.progress)
        return mark_unlearned(plan, unlearned, trained=self.recipe.train.epochs > 0)

    def _softmaxes(self) -> dict[str, str]:
        """Class of the first model -> the softmax it takes part in: that of its dataset, or one of all classes."""
        if self.recipe.train.loss == "softmax":
            return {}
        one = self.faces.trained.first_of_categories()
        return dict(zip(one.category.tolist(), one.dataset.tolist(), strict=True))

    # Scores ------------------------------------------------------------------------------------------------------

    def _score(self, plan: MergePlan) -> RunReport:
        evaluate, seed = self.recipe.evaluate, self.recipe.seed
        rows = read_evaluation_rows(open_table(self.folder / FEATURES, "unknown"), evaluate.per_category, seed)
        self.progress("scoring", 0, 1)
        with self._component("reducer", evaluate.reducer) as reducer:
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

    def _component(self, kind: str, spec: str, **parameters: Any) -> AbstractContextManager[Any]:
        component = self.registry.resolve_seeded(kind, spec, self.recipe.seed, **parameters)
        return isolation.component(component, self.registry, self.recipe.timeout)
