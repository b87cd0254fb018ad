"""Genie keeps what KCE asks of a clusterer."""

from __future__ import annotations

from kce.testing import conforms
from kce_genie import Genie

test_genie = conforms("clusterer", Genie, n_clusters=3)
