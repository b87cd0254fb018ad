from kce_umap import UMAP

from kce.testing import conforms

test_umap = conforms("reducer", UMAP)
