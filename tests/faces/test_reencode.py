"""Views of faces, by their names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kce.data.pictures import rejpeg
from kce.errors import KCEError
from kce.faces.folder import load_pixels, read_faces
from kce.faces.loader import Pixels
from kce.faces.reencode import make_view
from tests.support.corpus import face_folder


def noise(side: int = 60) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)


def test_steps_are_done_from_left_to_right() -> None:
    image = noise()
    small = make_view("scale50")(image)
    assert small.shape == (30, 30, 3)
    assert np.array_equal(make_view("scale50+jpeg60")(image), rejpeg(small, 60))
    assert not np.array_equal(make_view("jpeg60+scale50")(image), make_view("scale50+jpeg60")(image))


def test_a_side_keeps_its_last_pixels() -> None:
    assert make_view("scale1")(noise(60)).shape == (8, 8, 3)
    assert make_view("scale50")(noise(5)).shape == (5, 5, 3)


@pytest.mark.parametrize("name", ["", "jpeg", "jpeg0", "jpeg101", "jpeg70+", "scale200", "blur3", "jpeg070", "../x"])
def test_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(KCEError, match="not a view"):
        make_view(name)


def test_a_view_is_of_the_face_as_it_was_cut_and_kept_apart(tmp_path: Path) -> None:
    faces = read_faces(face_folder(tmp_path))
    rows = np.array([3, 1])
    plain, seen = Pixels(faces, 16), Pixels(faces, 16, view="jpeg20")
    wanted = load_pixels(faces, rows, 16, make_view("jpeg20"))
    assert np.array_equal(seen.read(rows), wanted)
    assert np.array_equal(Pixels(faces, 16, 0, "jpeg20").read(rows), wanted)
    assert not np.array_equal(plain.read(rows), wanted)
