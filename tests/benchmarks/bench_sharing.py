"""What the benches on faces share, and what that saves: seconds of processor time with one thread, and ratios.

    python -m tests.benchmarks.bench_sharing [PICTURES]        prints JSON

The world is that of `kce bench aligners`, with PICTURES (default: 100) of each category, and one epoch of training.

- ``stored``: a face folder that is stored in another way is made from the faces that are there. Listing the dataset and
  verifying those faces, as was done for each such folder, takes `again`; `ratio` is (again + storing) / storing.
- ``extraction``: the features of the faces that a drawn world's network is trained on, `decoded` again, as was done,
  and from the pixels that the training `kept`; `ratio` is decoded / kept.
- ``decoding``: decoding the faces of a setting over one epoch of its training, which has 16 to 40: what a cache of
  decoded faces could save where several settings share a face folder.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as workers have it, before torch is loaded

import numpy as np

from kce.bench.aligner_cells import ALIGNER_RECIPE, read_aligner_bench, run_recipe
from kce.bench.drawn_faces import build_world, make_face_folder, read_methods, store_face_folder
from kce.faces.cut import cut
from kce.faces.folder import read_faces
from kce.faces.loader import Pixels
from kce.features.extract import extract_features
from kce.labels import REAL
from kce.merging.plans import unmerged_plan
from kce.registry.registry import Registry
from kce.training.train import train

REGISTRY = Registry.shipped()


def spent(work: Callable[[], Any]) -> float:
    """Seconds of processor time."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    """Make a world and measure what is shared on it."""
    bench = read_aligner_bench(ALIGNER_RECIPE)
    world = f"{bench.world},images={sys.argv[1]}" if len(sys.argv) > 1 else bench.world
    with tempfile.TemporaryDirectory() as at:
        folder = Path(at)
        make_face_folder(folder, 1, world, bench.cut, REGISTRY)
        recipe = run_recipe(bench, "paper").changed(faces=str(folder / "1" / "faces"))
        found = {"world": world, "stored": stored(folder, world, bench.cut.options())}
        print(json.dumps({**found, **networks(folder, recipe.backbone, recipe.train)}, indent=1))  # noqa: T201


def stored(folder: Path, world: str, choices: dict[str, Any]) -> dict[str, float]:
    dataset = build_world(world, REGISTRY, 1, folder / "1" / "world")
    again = spent(
        lambda: cut(dataset, folder / "1" / "faces", seed=1, workers=1, registry_folder=REGISTRY.folder, **choices)
    )
    storing = spent(lambda: store_face_folder(folder, 1, "jpeg", 1.0))
    return {"again": round(again, 2), "storing": round(storing, 2), "ratio": round((again + storing) / storing, 2)}


def networks(folder: Path, backbone: str, settings: Any) -> dict[str, Any]:
    methods = read_methods(folder, 1)
    known = [category for category, method in methods.items() if method != REAL]
    faces = read_faces(folder / "1" / "faces")
    faces = faces.take(faces.category.isin(known))
    size, weights = int(REGISTRY.build("backbone", backbone).size), folder / "network.safetensors"
    kept, rows = Pixels(faces, size), np.arange(len(faces))
    decoding = spent(lambda: kept.read(rows))
    plan, settings = unmerged_plan(known), replace(settings, epochs=1)
    epoch = spent(lambda: train(backbone, kept, plan, settings, REGISTRY, weights))

    def extraction(pixels: Pixels, to: str) -> float:
        return spent(lambda: extract_features(pixels, weights, REGISTRY, folder / f"{to}.h5", "fit"))

    took = {"decoded": extraction(Pixels(faces, size), "decoded"), "kept": extraction(kept, "kept")}
    shown = {name: round(seconds, 2) for name, seconds in took.items()}
    return {
        "faces": len(faces),
        "extraction": {**shown, "ratio": round(took["decoded"] / took["kept"], 2)},
        "decoding": {"decoding": round(decoding, 2), "epoch": round(epoch, 2), "ratio": round(decoding / epoch, 3)},
    }


if __name__ == "__main__":
    main()
