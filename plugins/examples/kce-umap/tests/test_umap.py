"""The checks of KCE, run on this package's component."""

from kce_umap import UMAP

from kce.testing import conforms

test_umap = conforms("reducer", UMAP)
