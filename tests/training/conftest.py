"""Faces to train on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kce.faces.folder import read_faces
from kce.faces.loader import Pixels
from tests.support.corpus import KNOWN, face_folder


@pytest.fixture(scope="module")
def faces_at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return face_folder(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def pixels(faces_at: Path) -> Pixels:
    faces = read_faces(faces_at)
    return Pixels(faces.take(np.flatnonzero(np.isin(faces.category, KNOWN))), 16)
