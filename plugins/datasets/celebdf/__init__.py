"""Celeb-DF, versions 1 and 2, and Celeb-DF++."""

from __future__ import annotations

from kce import Tree, hookimpl

from .plusplus import CelebDFpp
from .swapped import CelebDFv1, CelebDFv2


@hookimpl
def kce_datasets() -> dict[str, type[Tree]]:
    """The adapters of all versions."""
    return {"CelebDFv1": CelebDFv1, "CelebDFv2": CelebDFv2, "CelebDF++": CelebDFpp}
