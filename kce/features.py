"""Faces + backbone -> rows in the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kce import store, weights
from kce.device import fabric, to_input

if TYPE_CHECKING:
    from pathlib import Path

    from kce.faces import Faces
    from kce.pixels import Pixels
    from kce.registry import Registry
    from kce.types import Progress

BATCH = 64


def extract(
    pixels: Pixels,
    network: Path,
    registry: Registry,
    to: Path,
    table: str,
    progress: Progress = lambda *_: None,
) -> None:
    """Write the features of every face of `pixels` into the table `table` of the feature file `to`.

    network  weights written by ``kce.train.train``; its backbone is built anew by name. Features are taken in
             evaluation mode, pooled, without the classifier's head: float32 (n, dim), in the order of the faces.
    Goes on where a killed extraction stopped. Raises Refused where `to` holds rows made another way.
    """
    import torch

    faces = pixels.faces
    made = made_of(faces, network)
    with store.writer(to, table, made) as writer:
        if writer.finished:
            return
        what = f"features /{table}"
        machine = fabric()
        backbone = machine.to_device(weights.backbone(network, registry)).eval().to(memory_format=torch.channels_last)
        starts = range(writer.done, len(faces), BATCH)
        batches = (np.arange(start, min(start + BATCH, len(faces))) for start in starts)
        progress(what, writer.done, len(faces))
        for rows, images in pixels.ahead(batches):
            with torch.inference_mode(), machine.autocast():
                x = backbone(to_input(machine, images)).float().cpu().numpy()
            writer.append(faces.key[rows], faces.category[rows], faces.group[rows], x)
            progress(what, int(rows[-1]) + 1, len(faces))
        writer.publish()


def made_of(faces: Faces, network: Path) -> dict[str, str]:
    """All that makes the rows: which faces, which network."""
    about = weights.read_about(network)
    return {"faces": faces.mark(), "backbone": about["backbone"], "weights": weights.digest(network)}
