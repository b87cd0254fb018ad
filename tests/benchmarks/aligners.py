"""How far training and aligners take the datasets' storage out of a plan: prints JSON, ARI against the truth.

``python tests/benchmarks/aligners.py FOLDER [--worlds 311 312] [--nets 0] [--kinds jpeg] [--amount 1]``: worlds of
`kce demo` without any artefact, cut once; then each dataset's faces are stored in a way of its own (``kce.degrade``), a
first model is trained on the known categories in the paper's way (a softmax over all classes, no augmentation) and
within datasets (loss "within-dataset", augmentation codec), both for 16 epochs, and each is clustered behind every
aligner, at the true number of processes. About five minutes a world, kind and network on one core; what is in FOLDER
already is used again. n of each mean is worlds x networks; the interval is Student's t over the worlds.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

import numpy as np
from sklearn.metrics import adjusted_rand_score

from kce import faces as folders
from kce import merge, statistics
from kce.cut import cut
from kce.degrade import KINDS, artefacts, degrade
from kce.demo import RECIPE
from kce.recipe import Recipe
from kce.registry import Registry
from kce.run import run
from kce.settings import Settings

TRAININGS = {
    "paper": Settings(epochs=16, rate=0.003, held_out=0.0),
    "within": Settings(epochs=16, rate=0.003, held_out=0.0, loss="within-dataset", augment=("codec",)),
}
ALIGNERS = ("none", "real-anchor", "codec-delta", "dataset-centre")
REGISTRY = Registry.load(Path("/"))


def stored(folder: Path, seed: int, kind: str, amount: float) -> Path:
    """The face folder of a world whose datasets are stored in this way."""
    world = REGISTRY.build("dataset", "world:artefact=0.0", root=folder / "world", seed=seed)
    cut(world, folder / "faces", frames=4, seed=seed, workers=1)
    if not amount:
        return folder / "faces"
    datasets = sorted(set(folders.read(folder / "faces").dataset.tolist()))
    degrade(folder / "faces", folder / kind, artefacts(datasets, kind, amount, seed), seed)
    return folder / kind


def agreement(folder: Path, faces: Path, training: str, net: int) -> dict[str, float]:
    """ARI behind each aligner; they share one first model, and its features."""
    truth = tomllib.loads((folder.parent / "world" / "truth.toml").read_text(encoding="utf-8"))["process"]
    unknown = tuple(tomllib.loads(RECIPE.read_text(encoding="utf-8"))["run"]["unknown"])
    known = {category: its for category, its in truth.items() if its != "real" and category not in unknown}
    found = {}
    for aligner in ("codec-delta", *(name for name in ALIGNERS if name != "codec-delta")):
        chosen = Recipe(
            faces=str(faces), unknown=unknown, backbone="tiny", aligner=aligner, reducer="pca:n_components=32",
            k=len(set(known.values())), seed=net, train=TRAININGS[training],
        )  # fmt: skip
        # The first one makes all the tables that the others need.
        run(folder / aligner, chosen, REGISTRY, until="plan", places=[folder / "codec-delta"])
        plan = merge.read(folder / aligner / "plan.toml").classes
        found[aligner] = float(adjusted_rand_score([known[c] for c in plan], list(plan.values())))
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--worlds", type=int, nargs="+", default=[311, 312, 313, 314, 315])
    parser.add_argument("--nets", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--kinds", nargs="+", default=[*KINDS, "mixed"])
    parser.add_argument("--amount", type=float, default=1.0)
    asked = parser.parse_args()
    cells: dict[str, list[list[float]]] = defaultdict(list)
    for kind in asked.kinds:
        for world in asked.worlds:
            at = asked.folder / str(world)
            faces = stored(at, world, kind, asked.amount)
            for training in TRAININGS:
                every = [agreement(at / f"{faces.name}-{training}-{net}", faces, training, net) for net in asked.nets]
                for aligner in ALIGNERS:
                    cells[f"{kind} {training} {aligner}"].append([one[aligner] for one in every])
            print({name: np.round(values, 2).tolist() for name, values in cells.items()}, file=sys.stderr)  # noqa: T201
    told = {}
    for name, values in cells.items():
        over = statistics.mean([float(np.mean(one)) for one in values])
        told[name] = {"n": len(values) * len(asked.nets), "mean": over.mean, "interval": over.interval,
                      "worst": float(np.min(values)), "ari": values}  # fmt: skip
    print(json.dumps({"worlds": asked.worlds, "nets": asked.nets, "amount": asked.amount, "ari": told}, indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
