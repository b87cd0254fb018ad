"""What bf16 costs on this machine beside 32, and what it changes in a plan.

    python -m tests.benchmarks.precision [SEEDS [EPOCHS]]

Prints JSON. `speed`: milliseconds of a training step and of a forward pass, 32 and bf16 in turn, the shortest of some
rounds, and the ratio bf16 / 32: above 1, bf16 is slower. `plans`: runs up to their plan in both precisions and with
each seed, on the faces of one small world; adjusted Rand indices over its categories (1 = equal plans, 0 = chance) of
the two plans of each seed; for scale, of the plans in 32 of every two seeds; and with the methods truly behind the
names.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import tomllib
from itertools import combinations
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

os.environ.setdefault("GOMP_SPINCOUNT", "20000")  # as kce.cli has it, before torch is loaded

import numpy as np
import torch

from kce.evaluation.agreement import agreement_scores
from kce.faces.cut import cut
from kce.pipeline.recipe import Recipe
from kce.pipeline.run import run
from kce.registry.registry import Registry
from kce.training.device import make_fabric, to_network_input
from kce.training.settings import TrainSettings
from kce.training.steps import training_step
from kce.training.train import build_classifier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kce.training.settings import Precision

PRECISIONS: tuple[Precision, ...] = ("32", "bf16")
NETWORKS = ("tiny:size=64", "resnet18:size=64")
BATCH = 8
ROUNDS = 5
WORLD = "world:artefact=0.1,images=32,identities=12"
UNKNOWN = ("FaceForensics++_NeuralTextures", "ForgeryNet_StarGAN2", "ForgeryNet_SC-FEGAN", "ForgeryNet_DiscoFaceGAN")
PLAN_NETWORK = "tiny:size=24,width=8"


def speed(spec: str, registry: Registry) -> dict[str, Any]:
    """Work -> precision -> milliseconds, and the ratio."""
    best: dict[str, dict[str, float]] = {}
    works = {precision: _works(spec, precision, registry) for precision in PRECISIONS}
    for _ in range(ROUNDS + 1):  # the first is the warm-up
        for precision, named in works.items():
            for name, work in named.items():
                start = time.perf_counter()
                work()
                took = 1000 * (time.perf_counter() - start)
                of_work = best.setdefault(name, {})
                of_work[precision] = min(of_work.get(precision, float("inf")), took)
    return {name: {**took, "ratio": took["bf16"] / took["32"]} for name, took in best.items()}


def _works(spec: str, precision: str, registry: Registry) -> dict[str, Callable[[], Any]]:
    torch.manual_seed(0)
    fabric, backbone = make_fabric(precision), registry.build("backbone", spec)
    network = build_classifier(backbone, 2).to(memory_format=torch.channels_last)
    model, optimizer = fabric.setup(network, torch.optim.AdamW(network.parameters()))
    images = np.random.default_rng(0).integers(0, 256, (BATCH, backbone.size, backbone.size, 3), dtype=np.uint8)
    targets = np.arange(BATCH) % 2

    def train() -> None:
        network.train()
        training_step(fabric, model, optimizer, images, targets, BATCH)

    def extract() -> None:
        network.eval()
        with torch.inference_mode(), fabric.autocast():
            backbone(to_network_input(fabric, images)).float().cpu()

    return {"training": train, "extraction": extract}


def plans(folder: Path, seeds: int, epochs: int, registry: Registry) -> dict[str, Any]:
    """Make the plans, and compare them."""
    world = registry.build("dataset", WORLD, root=folder / "world")
    cut(world, folder / "faces", detector="whole", registry_folder=registry.folder)
    made = {
        (precision, seed): _plan(folder, precision, seed, epochs, registry)
        for seed in range(seeds)
        for precision in PRECISIONS
    }
    method = tomllib.loads((folder / "world" / "truth.toml").read_text(encoding="utf-8"))["method"]
    in_32 = [made["32", seed] for seed in range(seeds)]
    between_seeds = [agreement(one, other) for one, other in combinations(in_32, 2)]
    between_precisions = [agreement(made["32", seed], made["bf16", seed]) for seed in range(seeds)]
    return {
        "categories": len(in_32[0]),
        "seeds": seeds,
        "epochs": epochs,
        "network": PLAN_NETWORK,
        "world": WORLD,
        "32_and_bf16_of_a_seed": _summary(between_precisions),
        "two_seeds_of_32": _summary(between_seeds),
        **{
            f"{precision}_and_truth": _summary([agreement(method, made[precision, seed]) for seed in range(seeds)])
            for precision in PRECISIONS
        },
    }


def _plan(folder: Path, precision: Precision, seed: int, epochs: int, registry: Registry) -> Mapping[str, str]:
    recipe = Recipe(
        faces=str(folder / "faces"),
        unknown=UNKNOWN,
        backbone=PLAN_NETWORK,
        reducer="pca:n_components=16",
        seed=seed,
        train=TrainSettings(epochs=epochs, lr=0.005, held_out=0.0, precision=precision),
    )
    plan: Mapping[str, str] = run(folder / "runs" / f"{precision}-{seed}", recipe, registry, "plan")["plan"]
    return plan


def agreement(one: Mapping[str, str], other: Mapping[str, str]) -> float:
    """The adjusted Rand index of two plans, over the categories of the second."""
    categories = sorted(other)
    numbers = np.unique([other[category] for category in categories], return_inverse=True)[1]
    return agreement_scores([one[category] for category in categories], numbers)["ari"]


def _summary(values: Sequence[float]) -> dict[str, Any]:
    return {"mean": mean(values), "each": list(values)} if values else {}


def main(seeds: int = 5, epochs: int = 8) -> None:
    """Measure, and print the JSON."""
    registry = Registry.load(Path("/"))
    instructions: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    with tempfile.TemporaryDirectory() as folder:
        result = {
            "threads": torch.get_num_threads(),
            "batch": BATCH,
            "bf16_instructions": [
                name for name, there in sorted(instructions.items()) if there is True and "bf16" in name
            ],
            "speed": {spec: speed(spec, registry) for spec in NETWORKS},
            "plans": plans(Path(folder), seeds, epochs, registry),
        }
    rounded = json.loads(json.dumps(result), parse_float=lambda text: float(f"{float(text):.3g}"))
    print(json.dumps(rounded, indent=1))  # noqa: T201


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
