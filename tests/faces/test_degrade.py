"""Degraded face folders: how much each kind alters, and that nothing but pictures changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kce.errors import KCEError, UnknownName
from kce.faces.degrade import ARTEFACT_KINDS, Artefact, assign_artefacts, degrade_faces
from kce.faces.folder import load_pixels, read_faces
from tests.support.corpus import face_folder

SETS = ["A", "B", "C", "D"]


@pytest.mark.parametrize("kind", ARTEFACT_KINDS)
def test_every_kind_alters_faces_the_more_the_larger_its_amount(kind: str) -> None:
    random = np.random.default_rng(0)
    smooth = np.kron(random.integers(40, 216, (12, 12, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    clip = [smooth, np.roll(smooth, 2, axis=1)]

    def change(amount: float) -> float:
        import cv2

        out = ARTEFACT_KINDS[kind](clip, amount, np.random.default_rng(1))
        assert len(out) == len(clip)
        assert all(image.dtype == np.uint8 and image.shape[0] == image.shape[1] for image in out)
        sized = [cv2.resize(image, smooth.shape[1::-1], interpolation=cv2.INTER_AREA) for image in out]
        return float(np.abs(np.stack(sized).astype(float) - np.stack(clip)).mean())

    little, much = change(0.1), change(1.0)
    assert 0 <= little < much


@pytest.mark.parametrize("kind", [*ARTEFACT_KINDS, "mixed"])
def test_datasets_differ_at_one_and_are_alike_at_zero(kind: str) -> None:
    assert all(artefact.amount == 0 for artefact in assign_artefacts(SETS, kind, 0.0, 3).values())
    chosen = assign_artefacts(SETS, kind, 1.0, 3)
    assert set(chosen) == set(SETS)
    assert len(set(chosen.values())) == len(SETS)
    if kind != "mixed":
        assert sorted(artefact.amount for artefact in chosen.values()) == pytest.approx([0, 1 / 3, 2 / 3, 1])


def test_the_order_of_datasets_is_random() -> None:
    firsts = {min(SETS, key=lambda name: assign_artefacts(SETS, "blur", 1.0, seed)[name].amount) for seed in range(30)}
    assert firsts == set(SETS)


def test_a_folder_keeps_its_labels_and_only_its_pictures_change(tmp_path: Path) -> None:
    source = face_folder(tmp_path)
    before = read_faces(source)
    sets = sorted(set(before.dataset.tolist()))
    chosen = {name: Artefact("jpeg", float(number > 0)) for number, name in enumerate(sets)}
    degrade_faces(source, tmp_path / "worse", chosen, seed=0)
    after = read_faces(tmp_path / "worse")
    for column in ("key", "category", "group", "file", "real"):
        assert np.array_equal(getattr(before, column), getattr(after, column))
    same = before.hash == after.hash
    assert np.array_equal(same, before.dataset == sets[0])
    assert len(load_pixels(after, np.arange(len(after)), 16)) == len(after)


def test_an_unknown_kind_and_an_amount_out_of_range_are_refused() -> None:
    with pytest.raises(UnknownName, match="jepg"):
        assign_artefacts(SETS, "jepg", 1.0, 0)
    with pytest.raises(KCEError, match="out of range"):
        assign_artefacts(SETS, "jpeg", 1.5, 0)
