"""The checks of KCE, run on this package's component."""

from kce_genie import Genie

from kce.testing import conforms

test_genie = conforms("clusterer", Genie)
