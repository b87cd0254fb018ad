"""A quick training for tests: of a tiny network, on the faces of `tests.support.corpus`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from kce.merging.plans import unmerged_plan
from kce.registry.registry import Registry
from kce.training.settings import TrainSettings
from kce.training.train import train
from kce.training.weights import file_sha256
from tests.support.corpus import KNOWN

if TYPE_CHECKING:
    from kce.faces.loader import Pixels

TINY = "tiny:size=16,width=2"
QUICK = TrainSettings(epochs=2, batch_size=20, lr=0.01, held_out=0.0, save_every=1e6)
REGISTRY = Registry.load(Path("/"))
PLAN = unmerged_plan(KNOWN)


def trained(pixels: Pixels, to: Path, settings: TrainSettings = QUICK, **more: object) -> str:
    train(TINY, pixels, PLAN, settings, REGISTRY, to, **more)  # type: ignore[arg-type]
    return file_sha256(to)
