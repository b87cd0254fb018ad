from kce_genie import Genie

from kce.testing import conforms

test_genie = conforms("clusterer", Genie)
