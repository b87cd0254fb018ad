"""Photographs that nobody has to agree to: the GAN draws them, eight people of two cameras."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from kce_photos import Photos
from kce_photos.files import write_png
from kce_photos.gan import Gan
from kce_photos.latents import DECODER, ENCODER
from kce_photos.layers import tiny_decoder, tiny_encoder


def save_vae(folder: Path, seed: int = 0) -> Path:
    """Random weights of the autoencoder: those of the real one come from no package."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    torch.save(tiny_encoder().state_dict(), folder / ENCODER)
    torch.save(tiny_decoder().state_dict(), folder / DECODER)
    return folder


SMALL = {"side": 96, "pool": 12, "categories": 10, "people": "shared"}
PEOPLE = {"london": {"ann": 2, "bob": 2, "cat": 2, "dan": 2, "eli": 1, "flo": 1}, "canada": {"gus": 1, "ida": 1}}
"""Camera -> person -> number of pictures."""


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures") / "people"
    gan, number = Gan(seed=77), 0
    for camera, people in PEOPLE.items():
        for person, takes in people.items():
            for take in range(takes):
                number += 1
                write_png(root / camera / f"{person}_{take}.png", gan.draw(gan.style(number), 160))
    return root


@pytest.fixture(scope="session")
def forged(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which all of it was forged once."""
    made = tmp_path_factory.mktemp("forged")
    Photos(photographs, made=str(made), **SMALL).forge()
    return made


@pytest.fixture
def world(photographs: Path, forged: Path) -> Callable[..., Photos]:
    """Worlds of these pictures that are not forged again."""

    def build(**parameters: object) -> Photos:
        return Photos(photographs, **{"made": str(forged), **SMALL, **parameters})  # type: ignore[arg-type]

    return build


@pytest.fixture
def copied(photographs: Path, tmp_path: Path) -> Path:
    """Four of the pictures, of two people, to spoil."""
    root = tmp_path / "people"
    for name in ("ann_0", "ann_1", "bob_0", "bob_1"):
        (root / "london").mkdir(parents=True, exist_ok=True)
        shutil.copy(photographs / "london" / f"{name}.png", root / "london")
    return root
