"""The components that KCE itself names: what recipes, reports and benchmarks use if nobody chooses, always as shipped.

This is the only module of ``kce`` that names components. A user's ``registry.toml`` may redefine or disable any of them
without breaking a report: ``build_default`` reads the shipped registry alone.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kce.registry.registry import Registry

DETECTOR = "yunet"  # needs no download
BACKBONE = "xception"  # the paper's
NO_ALIGNER = "none"
NO_REDUCER = "none"
REDUCER = "pca:n_components=64"  # the paper, section of results
CLUSTERER = "kmeans"
ENGINE = "local"
TRACER = "mahalanobis-energy"

INDEX = "calinski-harabasz"
"""The evaluator by which plans are compared; its scores are `INDEX_SCORE`, "variance_share" and "adjusted"."""
INDEX_SCORE = "calinski_harabasz"
PERMUTATION = "permuted-labels"
"""The evaluator that says how far above chance the index is."""
EVALUATORS = (INDEX, "silhouette", "davies-bouldin")
AGREEMENT = "agreement"
"""The evaluator that compares a plan with the truth of a synthetic world."""

PCA, TSNE, KMEANS = "pca", "tsne", "kmeans"
"""What figures use: the reducers of the maps, the clusterer of the elbow."""
VIEWS_ALIGNER = "codec-delta"
"""The aligner that asks for everything: reals and re-encoded views."""

FOLDER = "folder"
FF, DFD, CELEB, NET = LAID_OUT = ("FaceForensics++", "DeepFakeDetection", "CelebDFv2", "ForgeryNet")
"""The datasets whose layouts a world has."""
# Those of Sun et al. 2023 beside them. DeepfakeTIMIT ships no reals of its own, but those of VidTIMIT are used under
# its name. DeeperForensics has none: its reals are those of FaceForensics++.
CELEB1, DEEPER, MNIST, TIMIT, AV, PATCH = FURTHER = (
    "CelebDFv1", "DeeperForensics", "DeepFakeMnist+", "DeepfakeTIMIT", "FakeAVCeleb", "Patch-wise_Face_Image_Forensics",
)  # fmt: skip
"""The further datasets of a world."""


@cache
def shipped_registry() -> Registry:
    """Return the registry as shipped, without any file of the user."""
    from kce.registry.registry import Registry  # the names above are defaults of `kce --help`, which needs no registry

    return Registry.shipped()


def build_default(kind: str, spec: str, **parameters: Any) -> Any:
    """Build a shipped component, whatever a user's registry says about its name.

    Args:
        kind: Kind of component, as in ``Registry.build``.
        spec: NAME or NAME:key=value,key=value.
        **parameters: Further parameters of the component.

    Returns:
        The component.
    """
    return shipped_registry().build(kind, spec, **parameters)
