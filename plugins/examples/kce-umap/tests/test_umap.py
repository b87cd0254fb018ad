"""UMAP keeps what KCE asks of a reducer."""

from __future__ import annotations

from kce.testing import conforms
from kce_umap import UMAP

test_umap = conforms("reducer", UMAP, n_neighbors=5)
