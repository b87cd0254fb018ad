"""What KCE itself uses is as shipped, whatever a user's registry says."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np

from kce.registry import defaults
from kce.registry.registry import Registry
from tests.registry.test_registry import write

HOSTILE = """
[reducer.pca]
use = "mine:broken"
[reducer.tsne]
enabled = false
[clusterer.kmeans]
enabled = false
[evaluator.calinski-harabasz]
enabled = false
[evaluator.agreement]
enabled = false
[dataset.world]
enabled = false
"""
PLUGIN = """
from kce import hookimpl

def broken():
    raise ValueError("the user's own")

@hookimpl
def kce_reducers():
    return {"broken": broken}
"""


def test_a_users_registry_does_not_change_what_is_shipped(at: Path) -> None:
    user = write(at, HOSTILE, mine=PLUGIN)
    assert "kmeans" not in user.names("clusterer")
    rows = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    assert defaults.build_default("reducer", defaults.PCA, n_components=2).fit_transform(rows).shape == (20, 2)
    assert len(defaults.build_default("clusterer", defaults.KMEANS, n_clusters=2).fit_predict(rows)) == 20
    shipped = defaults.shipped_registry()
    assert {row["source"] for row in shipped.list_components("clusterer")} <= {"built-in"}
    # Other processes load it from its folder.
    copied = pickle.loads(pickle.dumps(shipped))  # noqa: S301 - pickled on this line
    for copy in (copied, Registry.load(shipped.folder)):
        assert "kmeans" in copy.names("clusterer")


def test_every_default_is_shipped() -> None:
    shipped = defaults.shipped_registry()
    for kind, spec in (
        ("detector", defaults.DETECTOR),
        ("backbone", defaults.BACKBONE),
        ("aligner", defaults.NO_ALIGNER),
        ("aligner", defaults.VIEWS_ALIGNER),
        ("reducer", defaults.NO_REDUCER),
        ("reducer", defaults.REDUCER),
        ("reducer", defaults.TSNE),
        ("clusterer", defaults.CLUSTERER),
        ("engine", defaults.ENGINE),
        ("evaluator", defaults.PERMUTATION),
        ("evaluator", defaults.AGREEMENT),
        *(("evaluator", spec) for spec in defaults.EVALUATORS),
    ):
        assert shipped.component(kind, spec.partition(":")[0]).entry.source == "the shipped registry.toml"
