from __future__ import annotations

import numpy as np

from kce import Box, Registry
from kce.types import Detector


def test_the_whole_picture_is_the_face() -> None:
    detector = Registry.load("/").build("detector", "whole")
    assert isinstance(detector, Detector)
    assert detector.detect(np.zeros((30, 50, 3), np.uint8)) == [Box(0, 0, 50, 30)]
