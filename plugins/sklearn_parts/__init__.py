"""Reducers, clusterers and evaluators of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kce import hookimpl

from . import clusterers
from .evaluators import CalinskiHarabasz, DaviesBouldin, PermutedLabels, Silhouette
from .reducers import PCA


@hookimpl
def kce_reducers() -> dict[str, Callable[..., Any]]:
    return {"pca": PCA}


@hookimpl
def kce_clusterers() -> dict[str, Callable[..., Any]]:
    return {
        "kmeans": clusterers.kmeans,
        "minibatch-kmeans": clusterers.minibatch_kmeans,
        "bisecting-kmeans": clusterers.bisecting_kmeans,
        "gaussian-mixture": clusterers.gaussian_mixture,
        "agglomerative": clusterers.agglomerative,
        "cannot-link": clusterers.CannotLink,
        "birch": clusterers.birch,
        "spectral": clusterers.spectral,
        "dbscan": clusterers.dbscan,
        "optics": clusterers.optics,
        "mean-shift": clusterers.mean_shift,
        "affinity-propagation": clusterers.affinity_propagation,
    }


@hookimpl
def kce_evaluators() -> dict[str, Callable[..., Any]]:
    return {
        "calinski-harabasz": CalinskiHarabasz,
        "permuted-labels": PermutedLabels,
        "silhouette": Silhouette,
        "davies-bouldin": DaviesBouldin,
    }
