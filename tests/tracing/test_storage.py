"""The test of storage: it is right where storage is the same, and sees codecs, scales and noise."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from kce.tracing.storage import compare_storage, recording_means, storage_statistics

SIZE = 48


def faces(count: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth pictures with some noise, each another one."""
    images = np.empty((count, SIZE, SIZE, 3), np.uint8)
    for number in range(count):
        smooth = cv2.GaussianBlur(rng.normal(0, 80, (SIZE, SIZE, 3)), (0, 0), 5)
        images[number] = np.clip(120 + rng.normal(0, 20) + smooth * 4 + rng.normal(0, 4, (SIZE, SIZE, 3)), 0, 255)
    return images


def jpeg(images: np.ndarray, quality: int) -> np.ndarray:
    coded = [cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1] for image in images]
    return np.stack([cv2.imdecode(one, cv2.IMREAD_COLOR) for one in coded])


def halved(images: np.ndarray) -> np.ndarray:
    return np.stack([cv2.resize(cv2.resize(image, (SIZE // 2,) * 2), (SIZE, SIZE)) for image in images])


@pytest.fixture(scope="module")
def known() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(0)
    plain = storage_statistics(faces(120, rng))
    coded = storage_statistics(jpeg(faces(120, rng), 60))
    return {"plain": (plain[:80], plain[80:]), "coded": (coded[:80], coded[80:])}


@pytest.mark.parametrize("count", [5, 60])
def test_inputs_that_are_stored_alike_are_rarely_called_otherwise(known: dict, count: int) -> None:
    rng = np.random.default_rng(1)
    called = 0
    for seed in range(40):
        images = faces(count, rng)
        found = compare_storage(storage_statistics(images if seed % 2 else jpeg(images, 60)), known)
        called += found.unlike
        assert found.nearest == ("plain" if seed % 2 else "coded")
    assert called <= 2


@pytest.mark.parametrize(
    "change", [lambda x: jpeg(x, 10), halved, lambda x: cv2.blur(x[0], (3, 3))[None].repeat(len(x), 0)]
)
def test_other_storage_is_seen(known: dict, change) -> None:
    found = compare_storage(storage_statistics(change(faces(20, np.random.default_rng(2)))), known)
    assert found.unlike
    assert found.p <= 0.01


def test_without_enough_recordings_nothing_is_said(known: dict) -> None:
    few = {name: (described[:10], held_out) for name, (described, held_out) in known.items()}
    assert compare_storage(known["plain"][1], few) is None
    assert compare_storage(known["plain"][1], {}) is None
    assert compare_storage(known["plain"][1][:4], known) is None


def test_a_mixture_of_known_categories_is_known(known: dict) -> None:
    images = faces(60, np.random.default_rng(3))
    mixed = storage_statistics(np.concatenate([images[:30], jpeg(images[30:], 60)]))
    assert not compare_storage(mixed, known).unlike


def test_recordings_are_averaged() -> None:
    x = np.array([[1.0, 0.0], [3.0, 0.0], [7.0, 1.0]])
    assert recording_means(x, np.array(["b", "b", "a"])).tolist() == [[7.0, 1.0], [2.0, 0.0]]
