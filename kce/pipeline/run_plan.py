"""The merge plan of a run: the one in its folder, one that another run made in the same way, or a new one."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kce.audit.unlearned import find_unlearned
from kce.merging.plan_file import check_plan, mark_edit, read_plan, write_plan
from kce.merging.plans import at_random, by_name, unmerged_plan
from kce.pipeline.clustered_plan import cluster_rows, mark_unlearned
from kce.pipeline.recipe import PLANS, cluster_choices, read_recipe
from kce.pipeline.remarks import plan_remarks

if TYPE_CHECKING:
    from kce.pipeline.recipe import Recipe
    from kce.pipeline.run_faces import RunFaces
    from kce.pipeline.run_features import RunFeatures
    from kce.registry.registry import Registry
    from kce.types import FeatureStream, MergePlan, Progress

_log = logging.getLogger("kce.pipeline.run_plan")

PLAN = "plan.toml"
RECIPE = "recipe.toml"


class RunPlan:
    """The plan of a run.

    Args:
        run_folders: The run's folder, then those of other runs, where the plan may be ready.
        recipe: The choices.
        registry: Where components are looked up.
        faces: The faces of the run.
        features: Has the rows to cluster, and makes them if they are asked for.
        progress: Called while it works.
    """

    def __init__(
        self,
        run_folders: Sequence[Path],
        recipe: Recipe,
        registry: Registry,
        faces: RunFaces,
        features: RunFeatures,
        progress: Progress,
    ) -> None:
        self._folder, self._other_runs = run_folders[0], run_folders[1:]
        self._recipe, self._registry, self._faces, self._features = recipe, registry, faces, features
        self._progress = progress

    @property
    def file(self) -> Path:
        """Where the run has its plan."""
        return self._folder / PLAN

    def needs_clusters(self) -> bool:
        """Whether rows must be clustered for it."""
        return self._recipe.clusters and not self.file.is_file()

    def copy(self) -> None:
        """Copy the plan of a run that clustered in exactly this way, so that nothing is clustered twice."""
        if self._recipe.plan == "clusters" and not self.file.is_file():
            plan = self._of_other_run()
            if plan is not None:
                write_plan(self.file, plan)

    def get(self) -> MergePlan:
        """The plan of the folder if there is one, edited or not, else a new one, which is written there."""
        if self.file.is_file():
            plan = self._checked(self.file)
            mark_edit(self.file, plan)
        else:
            plan = self._new()
            write_plan(self.file, plan)
        for remark in plan_remarks(plan, self._recipe.train):
            _log.warning(remark)
        return plan

    def _of_other_run(self) -> MergePlan | None:
        choices = cluster_choices(self._recipe)
        for folder in self._other_runs:
            path = folder / PLAN
            if folder != self._folder and path.is_file():
                other = read_recipe(folder / RECIPE)
                if other.plan == "clusters" and cluster_choices(other) == choices:
                    plan = read_plan(path)
                    if not plan.edited:  # what a person made of it is that run's alone
                        return plan
        return None

    def _checked(self, path: Path) -> MergePlan:
        plan = read_plan(path)
        check_plan(plan, self._faces.categories)
        return plan

    def _new(self) -> MergePlan:
        recipe, known = self._recipe, self._faces.known
        if recipe.plan not in PLANS:
            return self._checked(Path(recipe.plan))
        if recipe.plan == "none":
            return unmerged_plan(self._faces.categories)
        one = known.first_of_categories()
        named = by_name(dict(zip(one.category.tolist(), one.method.tolist(), strict=True)), recipe.rules)
        if recipe.plan == "name":
            return named
        clustered = self._of_other_run()
        if clustered is None:
            clustered = self._by_clusters(len(named.names))
        if recipe.plan == "clusters":
            return clustered
        # The control of the plan by clusters: classes of the same sizes, with random members.
        sizes = [len(clustered.members(name)) for name in clustered.names]
        control = at_random(self._faces.categories, sizes, recipe.seed)
        return replace(control, asked=clustered.asked, between=clustered.between)

    def _by_clusters(self, names: int) -> MergePlan:
        """Cluster the known rows; `names` is how many classes the plan by name has."""
        recipe, rows = self._recipe, self._features.known_rows()
        unlearned = find_unlearned(rows, recipe.seed)
        clustered: FeatureStream = self._features.logits_of(rows) if recipe.layer == "logits" else rows
        plan = cluster_rows(clustered, recipe, self._registry, names, self._progress)
        return mark_unlearned(plan, unlearned, trained=recipe.train.epochs > 0)
