"""The two networks of a run, and their features: what another run made in the same way is not made again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kce.faces.loader import Pixels
from kce.features.extract import extract_features, features_provenance
from kce.features.logits import logit_rows, read_head
from kce.features.streams import StoredRows
from kce.features.table import find_table, has_table, open_table
from kce.merging.aligner_inputs import collect_reals, sample_viewed_rows
from kce.merging.plans import unmerged_plan
from kce.pipeline.networks import Networks
from kce.pipeline.rehearsal import PlannedDims
from kce.training.train import train

if TYPE_CHECKING:
    from kce.faces.folder import Faces
    from kce.faces.pixel_cache import SharedPixels
    from kce.pipeline.recipe import Recipe
    from kce.pipeline.run_faces import RunFaces
    from kce.registry.registry import Registry
    from kce.types import FeatureStream, MergePlan, Progress

FEATURES = "features.h5"
FIRST, FINAL = "first", "final"


def weights_file(folder: Path, network: str) -> Path:
    """The file with the weights of the network "first" or "final" of a run."""
    return folder / f"{network}.safetensors"


class RunFeatures:
    """The first network, which is trained on the known categories as they are, the final one, and their features.

    Args:
        run_folders: The run's folder, then those of other runs, where networks and features may be ready.
        recipe: The choices.
        registry: Where backbones are looked up.
        faces: The faces of the run.
        devices: How many GPUs, or processes on the CPU, networks run on.
        progress: Called while it works.
        cache: Where decoded faces are stored on disk; None = nowhere.
    """

    def __init__(
        self,
        run_folders: Sequence[Path],
        recipe: Recipe,
        registry: Registry,
        faces: RunFaces,
        devices: int,
        progress: Progress,
        cache: SharedPixels | None,
    ) -> None:
        self._run_folders, self._folder = run_folders, run_folders[0]
        self._recipe, self._registry, self._faces = recipe, registry, faces
        self._devices, self._progress, self._cache = devices, progress, cache
        weights = [weights_file(folder, name) for folder in run_folders for name in (FIRST, FINAL)]
        self._networks = Networks(registry, weights, recipe.timeout)
        self._pixels: dict[tuple[int, int], Pixels] = {}

    @property
    def file(self) -> Path:
        """Where the run stores features."""
        return self._folder / FEATURES

    def is_trained(self, network: str) -> bool:
        """Whether the run's folder has the network "first" or "final"."""
        return weights_file(self._folder, network).is_file()

    def may_have_known(self) -> bool:
        """Whether the run or another one has features of known categories; of which faces is checked later."""
        return any(find_table(folder / FEATURES, "known") for folder in self._run_folders)

    def dims(self) -> PlannedDims:
        """How many features a row has that is clustered, and one that is scored."""
        logits = len(self._faces.trained.category.counts())
        clustered = logits if self._recipe.layer == "logits" else self._networks.shape(self._recipe.first).dim
        return PlannedDims(clustered, self._networks.shape(self._recipe.backbone).dim)

    def train_first(self) -> None:
        """Train the first network, on the known categories as they are."""
        self._train(self._recipe.first, unmerged_plan(self._faces.categories), FIRST)

    def train_final(self, plan: MergePlan) -> None:
        """Train the final network, on the classes of a plan."""
        self._train(self._recipe.backbone, plan, FINAL)

    def extract_known(self) -> None:
        """Extract what the plan is made of, unless it is there: known faces, and reals and views for the aligner."""
        for pixels, table in self._first_tables():
            self._extract_or_find(pixels, table)

    def extract_known_piece(self, rows: range) -> None:
        """Extract some rows of the table "known", without publishing them."""
        if self.is_trained(FIRST):  # a run whose plan was copied has no first network
            pixels = self._pixels_of(self._faces.known, self._networks.shape(self._recipe.first).size)
            self._extract(pixels, FIRST, "known", rows)

    def extract_unknown(self, rows: range | None = None) -> None:
        """Extract the table "unknown" by the final network; or some rows of it, without publishing them."""
        pixels = self._new_pixels(self._faces.unknown, self._networks.shape(self._recipe.backbone).size)
        self._extract(pixels, FINAL, "unknown", rows)

    def known_rows(self) -> StoredRows:
        """Features of the known categories by the first network, with the reals and views that the aligner needs."""
        tables = {
            table: StoredRows.all_of(open_table(self._extract_or_find(pixels, table), table))
            for pixels, table in self._first_tables()
        }
        views, fallback = self._faces.views, self._faces.fallback_reals
        rows = replace(tables["known"], views={view: tables[f"known+{view}"] for view in views})
        if not fallback:
            return rows
        viewed = {view: collect_reals(tables[f"reals+{view}"], fallback) for view in views}
        return replace(rows, reals=replace(collect_reals(tables["reals"], fallback), views=viewed))

    def logits_of(self, rows: StoredRows) -> FeatureStream:
        """The first network's logits of rows that have its features."""
        return logit_rows(rows, read_head(weights_file(self._folder, FIRST), self._softmaxes()))

    def _softmaxes(self) -> dict[str, str]:
        """Class of the first network -> the softmax it takes part in: that of its dataset, or one of all classes."""
        if self._recipe.train.loss == "softmax":
            return {}
        one = self._faces.trained.first_of_categories()
        return dict(zip(one.category.tolist(), one.dataset.tolist(), strict=True))

    def _pixels_of(self, faces: Faces, size: int) -> Pixels:
        """The known faces and those to train on may be the same: they are decoded once."""
        return self._pixels.setdefault((id(faces), size), self._new_pixels(faces, size))

    def _new_pixels(self, faces: Faces, size: int, view: str = "") -> Pixels:
        """What is seen in a view is a sample, for which no place is kept for every face of the folder."""
        shared = self._cache.cache.of(faces) if self._cache and view else self._cache
        return Pixels(faces, size, view=view, cache=shared)

    def _train(self, backbone: str, plan: MergePlan, name: str) -> None:
        settings = self._recipe.train
        pixels = self._pixels_of(self._faces.trained, self._networks.shape(backbone).size)
        reals = set(pixels.faces.category.counts()) - set(plan.classes)  # those of each dataset are a class
        plan = replace(plan, classes={**plan.classes, **{category: category for category in reals}})
        if name == FIRST:  # a number of images is the final model's
            settings = replace(settings, images=None)
        weights = weights_file(self._folder, name)
        train(
            backbone,
            pixels,
            plan,
            settings,
            self._registry,
            weights,
            self._run_folders,
            self._devices,
            self._progress,
        )

    def _extract(self, pixels: Pixels, network: str, table: str, rows: range | None = None) -> None:
        extract_features(
            pixels,
            weights_file(self._folder, network),
            self._registry,
            self.file,
            table,
            self._recipe.train.batch_size,  # what could be trained on fits where nothing is trained
            precision=self._recipe.train.precision,
            devices=self._devices,
            rows=rows,
            progress=self._progress,
        )

    def _extract_or_find(self, pixels: Pixels, table: str) -> Path:
        """The file with the first network's features of these faces: another run's, if they were made there."""
        weights, precision = weights_file(self._folder, FIRST), self._recipe.train.precision
        provenance = features_provenance(pixels.faces, weights, precision, pixels.view)
        for folder in self._run_folders:
            if has_table(folder / FEATURES, table, provenance):
                return folder / FEATURES
        self._extract(pixels, FIRST, table)
        return self.file

    def _first_tables(self) -> Iterator[tuple[Pixels, str]]:
        """Faces -> table, of the first network: known faces, and the reals and views that the aligner needs."""
        size, views = self._networks.shape(self._recipe.first).size, self._faces.views
        yield self._pixels_of(self._faces.known, size), "known"
        tables = [(self._faces.known, "known")]
        if self._faces.fallback_reals:
            yield self._new_pixels(self._faces.reals, size), "reals"
            tables.append((self._faces.reals, "reals"))
        for faces, table in tables:
            sample = faces.take(sample_viewed_rows(faces, self._recipe.seed)) if views else faces
            for view in views:
                yield self._new_pixels(sample, size, view), f"{table}+{view}"
