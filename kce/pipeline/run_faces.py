"""Which faces a run uses for what: unknown categories are separated here, before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kce.errors import KCEError
from kce.faces.reencode import make_view
from kce.merging.aligner_inputs import find_fallback_reals, sample_real_rows
from kce.registry import isolation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kce.faces.folder import Faces
    from kce.pipeline.recipe import Recipe
    from kce.registry.registry import Registry


@dataclass(frozen=True, eq=False)
class RunFaces:
    """The faces of a run.

    Attributes:
        categories: The known categories, sorted.
        known: Faces of the known categories: training, aligning, reducing and clustering get these and no others.
        unknown: Faces of the unknown categories, for the evaluation alone.
        trained: What networks are trained on: the known faces, and with the loss "within-dataset" reals of their
            datasets.
        reals: Reals for the aligner.
        fallback_reals: Dataset -> the dataset whose reals are its own, for an aligner that needs them; else empty.
        views: The views that the aligner needs.
    """

    categories: list[str]
    known: Faces
    unknown: Faces
    trained: Faces
    reals: Faces
    fallback_reals: Mapping[str, str]
    views: tuple[str, ...]


def select_faces(faces: Faces, recipe: Recipe, registry: Registry, known: list[str], unknown: list[str]) -> RunFaces:
    """Select the faces of a run.

    Args:
        faces: The whole face folder.
        recipe: The choices.
        registry: Where the aligner is looked up.
        known: The known categories.
        unknown: The unknown categories.

    Raises:
        KCEError: The aligner or the loss needs reals that are not there.
    """
    is_known = faces.category.isin(known)
    known_faces = faces.take(is_known)
    datasets = set(known_faces.dataset.counts())
    fallback_reals, views = _aligner_inputs(faces, datasets, recipe, registry) if recipe.clusters else ({}, ())
    real_rows = sample_real_rows(faces, known_faces, datasets | set(fallback_reals.values()), recipe.seed)
    reals = faces.take(real_rows)
    return RunFaces(
        sorted(known),
        known_faces,
        faces.take(faces.category.isin(unknown)),
        select_trained(faces, recipe, known_faces, real_rows[reals.dataset.isin(datasets)]),
        reals,
        fallback_reals,
        views,
    )


def select_trained(faces: Faces, recipe: Recipe, known: Faces, real_rows: NDArray[np.int64] | None = None) -> Faces:
    """Select what networks are trained on; see ``RunFaces.trained``.

    Args:
        faces: The whole face folder.
        recipe: The choices.
        known: Those of the known categories.
        real_rows: Rows of the reals of their datasets, where they are sampled already.

    Raises:
        KCEError: The loss needs reals that are not there.
    """
    if recipe.train.loss != "within-dataset":
        return known  # the very object: its faces are decoded once for both
    if real_rows is None:
        real_rows = sample_real_rows(faces, known, set(known.dataset.counts()), recipe.seed)
    is_trained = faces.category.isin(known.category.counts())
    is_trained[real_rows] = True
    trained = faces.take(is_trained)
    _check_rivals(trained)
    return trained


def _aligner_inputs(
    faces: Faces, datasets: set[str], recipe: Recipe, registry: Registry
) -> tuple[dict[str, str], tuple[str, ...]]:
    """What the aligner needs besides features: for each dataset the one whose reals are taken, and views."""
    component = registry.resolve_seeded("aligner", recipe.aligner, recipe.seed)
    with isolation.component(component, registry, recipe.timeout) as aligner:
        views, needs_reals = tuple(aligner.views), aligner.reals
    for view in views:
        make_view(view)
    return find_fallback_reals(faces, datasets, registry) if needs_reals else {}, views


def _check_rivals(faces: Faces) -> None:
    """Raise KCEError for a dataset with one category: within it there is nothing to tell that from."""
    for dataset in faces.dataset.counts():
        categories = list(faces.take(faces.dataset == dataset).category.counts())
        if len(categories) == 1:
            raise KCEError(
                f'with the loss "within-dataset" there is nothing to tell {categories[0]} from: '
                f"{dataset} has no reals here",
                f"cut the reals of {dataset} into the face folder, or train with --loss softmax",
            )
