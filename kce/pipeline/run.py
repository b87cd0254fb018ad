"""The only file that knows the order of a run."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.audit.unlearned import UNLEARNED_NOTE, find_unlearned
from kce.errors import KCEError, Refused, UnknownName
from kce.evaluation.intervals import score_features
from kce.evaluation.scoring import open_evaluators, read_evaluation_rows
from kce.faces import folder as folders
from kce.faces import reencode
from kce.faces.loader import Pixels
from kce.features.extract import extract_features, features_provenance
from kce.features.table import has_table, open_table
from kce.merging.aligner_inputs import collect_reals, find_fallback_reals, sample_real_rows, sample_viewed_rows
from kce.merging.plan_file import check_plan, read_plan, write_plan
from kce.merging.plans import estimate_class_count, plan_at_random, plan_by_clusters, plan_by_name, unmerged_plan
from kce.pipeline.recipe import PLANS, cluster_choices, compared_choices, read_recipe, write_recipe
from kce.pipeline.recipe_checks import check_recipe
from kce.registry import isolation
from kce.system import lock
from kce.system.atomic import write_json
from kce.system.documents import checked_model
from kce.training.train import train
from kce.training.weights import format_differences

if TYPE_CHECKING:
    from kce.faces.folder import Faces
    from kce.pipeline.recipe import Recipe
    from kce.registry.registry import Registry
    from kce.types import Features, MergePlan, Progress

_log = logging.getLogger("kce.pipeline.run")

STAGES = ("first", "known", "plan", "final", "unknown", "scores")
"""first model, its features of the known categories, plan, final model, its features of the unknown ones, scores."""


def run(
    folder: Path,
    chosen: Recipe,
    registry: Registry,
    until: str = STAGES[-1],
    places: Sequence[Path] = (),
    devices: int = 1,
    progress: Progress = lambda *_: None,
) -> dict[str, Any]:
    """Do in `folder` what is not done yet, up to a stage, and return its report: scores and plan, as far as it goes.

    places   folders of other runs; models and plans made there in exactly the same way are taken over, and features of
             the known categories are read where they lie
    devices  how many GPUs, or processes on the CPU, networks run on
    Raises Refused where the folder holds a run of other choices, and KCEError for choices that cannot be.
    """
    if until not in STAGES:
        raise UnknownName.among("stage", until, STAGES)
    chosen = checked_model(replace(chosen, train=replace(chosen.train, seed=chosen.seed)), "the recipe")
    all_faces = folders.read(Path(chosen.faces))
    known, unknown = check_recipe(chosen, all_faces, registry)
    if until == STAGES[-1] and len(unknown) < 2:
        raise KCEError(f"{unknown[0]} alone cannot come apart from anything", "hold out two unknown categories or more")
    with lock.folder_lock(folder, "run"):
        _settle_recipe(folder / "recipe.toml", chosen, registry)
        work = _Run(folder, chosen, registry, all_faces, known, unknown, list(places), devices, progress)
        del all_faces  # taken apart: a million rows are a gigabyte
        found = work.go(until)
        if "scores" in found:
            write_json(folder / "report.json", found)
        return found


class _Run:
    """One run's choices and places, so that its stages can be read one by one."""

    def __init__(
        self,
        folder: Path,
        chosen: Recipe,
        registry: Registry,
        faces: Faces,
        known: list[str],
        unknown: list[str],
        places: list[Path],
        devices: int,
        progress: Progress,
    ) -> None:
        self.folder, self.recipe, self.registry = folder, chosen, registry
        self.places, self.devices, self.progress = [folder, *places], devices, progress
        # What is unknown is out of reach from here on: training, aligning, reducing and clustering get `self.known`.
        self.categories = known
        self.known = faces.take(np.flatnonzero(np.isin(faces.category, known)))
        self.unknown = faces.take(np.flatnonzero(np.isin(faces.category, unknown)))
        self.stands, self.views = self._needs(faces) if chosen.clusters else ({}, ())
        sets = set(self.known.dataset.tolist())
        self.reals = faces.take(sample_real_rows(faces, self.known, sets | set(self.stands.values()), chosen.seed))
        self.shown = self.known
        if chosen.train.loss == "within-dataset":
            self.shown = _together(faces, self.known, self.reals.take(np.isin(self.reals.dataset, sorted(sets))))
            _see_rivals(self.shown)
        for spec in {chosen.backbone, chosen.first}:
            isolation.check_backbone(registry.resolve("backbone", spec), registry, chosen.timeout)
        sizes = {spec: int(registry.build("backbone", spec).size) for spec in {chosen.backbone, chosen.first}}
        self.size = sizes[chosen.backbone]
        self.first_size = sizes[chosen.first]
        self._pixels: dict[tuple[int, int], Pixels] = {}
        self.table = folder / "features.h5"

    def go(self, until: str) -> dict[str, Any]:
        done = STAGES[: STAGES.index(until) + 1]
        self._adopt_plan()
        if self.recipe.clusters and not self._plan_path.is_file():
            self._train(self.recipe.first, self.first_size, unmerged_plan(self.categories), "first")
            if "known" in done:
                for pixels, table in self._first_tables():
                    self._first_file(pixels, table)
        if "plan" not in done:
            return {}
        plan = self._plan()
        if "final" in done:
            self._train(self.recipe.backbone, self.size, plan, "final")
        if "unknown" in done:
            self._extract(Pixels(self.unknown, self.size), "final", "unknown")
        return self._scores(plan) if "scores" in done else {"plan": dict(plan.classes)}

    def _needs(self, faces: Faces) -> tuple[dict[str, str], tuple[str, ...]]:
        """What the aligner asks for: which reals stand for which dataset, and views. Raises where there are none."""
        with self._held("aligner", self.recipe.aligner) as aligner:
            views, wants_reals = tuple(aligner.views), aligner.reals
        for view in views:
            reencode.view(view)
        datasets = set(self.known.dataset.tolist())
        return find_fallback_reals(faces, datasets, self.registry) if wants_reals else {}, views

    def _pixels_of(self, faces: Faces, size: int) -> Pixels:
        """Of known faces or those that training is shown, which may be the same; decoded once for all who ask."""
        return self._pixels.setdefault((id(faces), size), Pixels(faces, size))

    def _train(self, backbone: str, size: int, plan: MergePlan, name: str) -> None:
        to = self.folder / f"{name}.safetensors"
        settings, pixels = self.recipe.train, self._pixels_of(self.shown, size)
        alone = set(pixels.faces.category.tolist()) - set(plan.classes)  # reals, each dataset's a class of its own
        plan = replace(plan, classes={**plan.classes, **{category: category for category in alone}})
        if name == "first":  # a budget of images is the final model's
            settings = replace(settings, images=None)
        train(backbone, pixels, plan, settings, self.registry, to, self.places, self.devices, self.progress)

    def _extract(self, pixels: Pixels, network: str, table: str) -> None:
        weights = self.folder / f"{network}.safetensors"
        # A batch that could be trained on fits all the more where nothing is trained.
        batch = self.recipe.train.batch_size
        extract_features(pixels, weights, self.registry, self.table, table, batch, self.devices, self.progress)

    def _first_tables(self) -> Iterator[tuple[Pixels, str]]:
        """What the first model looks at: known faces, and the reals and views that the aligner asks for."""
        yield self._pixels_of(self.known, self.first_size), "known"
        if self.stands:
            yield Pixels(self.reals, self.first_size), "reals"
        for faces, table in ((self.known, "known"), *(((self.reals, "reals"),) if self.stands else ())):
            some = faces.take(sample_viewed_rows(faces, self.recipe.seed)) if self.views else faces
            for view in self.views:
                yield Pixels(some, self.first_size, view=view), f"{table}+{view}"

    def _first_file(self, pixels: Pixels, table: str) -> Path:
        """The file that holds the first model's features of these faces: another run's, if they were made there."""
        made = features_provenance(pixels.faces, self.folder / "first.safetensors", pixels.view)
        for place in self.places:
            if has_table(place / "features.h5", table, made):
                return place / "features.h5"
        self._extract(pixels, "first", table)
        return self.table

    def _known_rows(self) -> Features:
        """Features of the known categories, with the reals and views of the aligner."""
        found = {table: open_table(self._first_file(pixels, table), table) for pixels, table in self._first_tables()}
        views = {view: found[f"known+{view}"].read_all() for view in self.views}
        rows = replace(found["known"].read_all(), views=views)
        if not self.stands:
            return rows
        seen = {view: collect_reals(found[f"reals+{view}"].read_all(), self.stands) for view in self.views}
        return replace(rows, reals=replace(collect_reals(found["reals"].read_all(), self.stands), views=seen))

    @property
    def _plan_path(self) -> Path:
        return self.folder / "plan.toml"

    def _adopt_plan(self) -> None:
        """Take over the plan of a run that clustered in exactly this way, so that nothing is clustered twice."""
        if self.recipe.plan == "clusters" and not self._plan_path.is_file():
            there = self._clustered_elsewhere()
            if there is not None:
                write_plan(self._plan_path, there)

    def _clustered_elsewhere(self) -> MergePlan | None:
        wanted = cluster_choices(self.recipe)
        for place in self.places:
            path = place / "plan.toml"
            if place != self.folder and path.is_file():
                other = read_recipe(place / "recipe.toml")
                if other.plan == "clusters" and cluster_choices(other) == wanted:
                    return read_plan(path)
        return None

    def _plan(self) -> MergePlan:
        """The plan of the folder if it is there, edited or not, else a new one."""
        if self._plan_path.is_file():
            plan = read_plan(self._plan_path)
            check_plan(plan, self.categories)
            return plan
        plan = self._new_plan()
        write_plan(self._plan_path, plan)
        return plan

    def _new_plan(self) -> MergePlan:
        chosen = self.recipe
        methods = dict(zip(self.known.category.tolist(), self.known.method.tolist(), strict=True))
        by_name = plan_by_name(methods, chosen.rules)
        if chosen.plan == "none":
            return unmerged_plan(self.categories)
        if chosen.plan == "name":
            return by_name
        if chosen.plan not in PLANS:
            plan = read_plan(Path(chosen.plan))
            check_plan(plan, self.categories)
            return plan
        by_clusters = self._clustered_elsewhere()
        if by_clusters is None:
            by_clusters = self._by_clusters(len(by_name.names))
        if chosen.plan == "clusters":
            return by_clusters
        # The control of the plan by clusters: classes of the very same sizes, their members drawn by lot.
        sizes = [len(by_clusters.members(name)) for name in by_clusters.names]
        return plan_at_random(self.categories, sizes, chosen.seed)

    def _by_clusters(self, names: int) -> MergePlan:
        chosen = self.recipe
        rows = self._known_rows()
        unlearned = find_unlearned(rows, chosen.seed)
        with self._held("aligner", chosen.aligner) as aligner:
            rows = rows.with_x(aligner.align(rows))
        self.progress("reducing and clustering", 0, 1)
        with self._held("reducer", chosen.reducer) as reducer:
            rows = rows.with_x(reducer.fit_transform(rows.x))
        own = {}
        if self.registry.takes("clusterer", chosen.clusterer, "n_clusters"):
            k = names if chosen.k == "name" else chosen.k
            own["n_clusters"] = estimate_class_count(rows) if k == "estimate" else int(k)
        with self._held("clusterer", chosen.clusterer, **own) as clusterer:
            plan = plan_by_clusters(rows, clusterer, chosen.vote)
        text = self.registry.resolve_seeded("clusterer", chosen.clusterer, chosen.seed, **own).spec
        votes = {name: f"{vote}; {UNLEARNED_NOTE}" if name in unlearned else vote for name, vote in plan.votes.items()}
        plan = replace(plan, votes=votes, made=f"by clusters of {chosen.vote}: {text}")
        if unlearned:
            _log.warning(
                "the first model does not tell %s from the reals of their datasets: their place in the plan is chance; "
                "train longer (--epochs), or with less --augment",
                ", ".join(unlearned),
            )
        self.progress("reducing and clustering", 1, 1)
        return plan

    def _held(self, kind: str, spec: str, **own: Any) -> AbstractContextManager[Any]:
        part = self.registry.resolve_seeded(kind, spec, self.recipe.seed, **own)
        return isolation.component(part, self.registry, self.recipe.timeout)

    def _scores(self, plan: MergePlan) -> dict[str, Any]:
        evaluate = self.recipe.evaluate
        table = open_table(self.table, "unknown")
        rows = read_evaluation_rows(table, evaluate.per_category, self.recipe.seed)
        self.progress("scoring", 0, 1)
        with self._held("reducer", evaluate.reducer) as reducer:
            reduced = rows.with_x(reducer.fit_transform(rows.x))
        seed, timeout = self.recipe.seed, self.recipe.timeout
        with open_evaluators(self.registry, evaluate.evaluators, seed, timeout) as asked:
            found = score_features(reduced, asked, seed=seed, plan=plan, resamples=evaluate.resamples)
        self.progress("scoring", 1, 1)
        return {
            "folder": str(self.folder),
            "plan": dict(plan.classes),
            "made": plan.made,
            "classes": len(plan.names),
            "known": counts(self.known),
            "unknown": counts(self.unknown),
            "evaluated": {category: int((rows.label == category).sum()) for category in rows.categories},
            **found,
        }


def _together(faces: Faces, *parts: Faces) -> Faces:
    """The faces of all parts, in their order in the folder."""
    return faces.take(np.isin(faces.key, np.concatenate([part.key for part in parts])))


def _see_rivals(faces: Faces) -> None:
    """Raise KCEError for a dataset that has one category: within it there is nothing to tell that from."""
    for dataset in sorted(set(faces.dataset.tolist())):
        alone = sorted(set(faces.category[faces.dataset == dataset].tolist()))
        if len(alone) == 1:
            raise KCEError(
                f'with the loss "within-dataset" there is nothing to tell {alone[0]} from: {dataset} has no reals here',
                f"cut the reals of {dataset} into the face folder, or train with --loss softmax",
            )


def counts(faces: Faces) -> dict[str, int]:
    """category -> faces of it, by category."""
    categories, found = np.unique(faces.category, return_counts=True)
    return dict(zip(categories.tolist(), found.tolist(), strict=True))


def _settle_recipe(path: Path, chosen: Recipe, registry: Registry) -> None:
    """Write down the choices, or see that they are those of the folder."""
    if path.is_file():
        there = compared_choices(read_recipe(path))
        wanted = compared_choices(chosen)
        if there != wanted:
            raise Refused(
                f"{path.parent} holds a run of other choices:\n{format_differences(there, wanted)}",
                "name another folder for this run, or remove that one",
            )
    write_recipe(path, chosen, registry)
