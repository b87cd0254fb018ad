"""How fast KCE trains and extracts from a face folder, beside the bare timm model on tensors that are in memory.

    python tests/benchmarks/network_rate.py [BACKBONE:SIZE:BATCH:STEPS[:STORED] ...]

Prints JSON. Bare is what a script would write: timm's network in the same memory layout, one random batch already
there as floats, forward, backward and AdamW (training) or forward in inference mode (extraction); same batch, threads
and precision. KCE trains one epoch from png, each decoded for the first time, and writes rows to HDF5. STORED is the
side of the pngs in pixels (default: that of the network). In both, threads wait for each other as ``kce`` has them do.
The two take turns; the ratio is the median over rounds of KCE's images/s over bare images/s, all of them beside it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

os.environ.setdefault("GOMP_SPINCOUNT", "20000")  # as kce.cli has it, before torch is loaded

import numpy as np
import timm
import torch

from kce.data.finished_tables import FACES
from kce.data.pictures import encode_png
from kce.faces.file_names import content_hash, face_path
from kce.faces.folder import read_faces
from kce.faces.loader import Pixels
from kce.faces.tables import FaceRow, write_csv_table
from kce.features.extract import extract_features
from kce.merging.plans import unmerged_plan
from kce.registry.registry import Registry
from kce.training.history import read_history
from kce.training.settings import TrainSettings
from kce.training.train import train

if TYPE_CHECKING:
    from kce.faces.folder import Faces

ROUNDS = 5
MODELS = {"xception": "legacy_xception"}
CASES = ("xception:299:8:6", "resnet18:224:32:8", "resnet18:64:64:24", "resnet18:64:64:24:256")
CATEGORIES = ("A_One", "A_Two")


def folder(root: Path, count: int, side: int) -> Faces:
    """`count` faces as a cut leaves them: smooth colours with some noise, which png packs about as it does faces."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(count):
        category = CATEGORIES[number % len(CATEGORIES)]
        key = f"A/{number:05}.png"
        file = face_path(category, key)
        coarse = rng.integers(60, 200, (8, 8, 3)).repeat(-(-side // 8), 0).repeat(-(-side // 8), 1)[:side, :side]
        png = encode_png(np.clip(coarse + rng.normal(0, 3, (side, side, 3)), 0, 255).astype(np.uint8))
        (root / file).parent.mkdir(exist_ok=True, parents=True)
        (root / file).write_bytes(png)
        dataset, _, method = category.partition("_")
        told = (key, category, dataset, method, "0", key, "", "", "", "0 0 9 9", "1", key, file, content_hash(png), "")
        rows.append(FaceRow(*told))
    write_csv_table(root / FACES, FaceRow._fields, rows)
    return read_faces(root)


def bare(model: str, size: int, batch: int, rounds: int) -> dict[str, float]:
    """Images/s of the network alone."""
    network = timm.create_model(MODELS.get(model, model), num_classes=2).to(memory_format=torch.channels_last)
    x = torch.rand(batch, 3, size, size).to(memory_format=torch.channels_last)
    y = torch.arange(batch) % 2
    optimizer = torch.optim.AdamW(network.parameters())
    network.train()
    start = time.perf_counter()
    for _ in range(rounds):
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(network(x), y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    trained = rounds * batch / (time.perf_counter() - start)
    network.reset_classifier(0)  # type: ignore[operator]
    network.eval()
    start = time.perf_counter()
    with torch.inference_mode():
        for _ in range(rounds):
            network(x)
    return {"training": trained, "extraction": rounds * batch / (time.perf_counter() - start)}


def ours(spec: str, faces: Faces, size: int, batch: int, to: Path) -> dict[str, float]:
    """Images/s of KCE, as train.csv has it, and of an extraction from its first batch to the table that is there."""
    registry = Registry.load(Path("/"))
    settings = TrainSettings(epochs=1, batch_size=batch, held_out=0.0)
    to.mkdir()
    train(spec, Pixels(faces, size), unmerged_plan(CATEGORIES), settings, registry, to / "a.safetensors")
    seen: list[float] = []
    at = to / "f.h5"
    clock = lambda *_: seen.append(time.perf_counter())  # noqa: E731
    extract_features(Pixels(faces, size), to / "a.safetensors", registry, at, "known", batch, progress=clock)
    return {
        "training": float(read_history(to / "train.csv", "a")[-1]["images_per_second"]),
        "extraction": len(faces) / (time.perf_counter() - seen[0]),
    }


def case(told: str, folder_at: Path) -> dict[str, Any]:
    model, *numbers = told.split(":")
    size, batch, steps, stored = (*map(int, numbers), int(numbers[0]))[:4]
    faces = folder(folder_at / "faces", batch * steps, stored)
    rounds: list[dict[str, dict[str, float]]] = []
    for turn in range(ROUNDS + 1):
        pair = {
            "bare": bare(model, size, batch, steps),
            "kce": ours(f"{model}:size={size}", faces, size, batch, folder_at / str(turn)),
        }
        if turn:  # the first only warms up
            rounds.append(pair)
    found: dict[str, Any] = {"backbone": model, "size": size, "batch": batch, "faces": len(faces), "stored": stored}
    for what in ("training", "extraction"):
        ratios = [pair["kce"][what] / pair["bare"][what] for pair in rounds]
        found[what] = {
            "ratio": round(median(ratios), 3),
            "ratios": [round(ratio, 3) for ratio in ratios],
            "kce images/s": round(median(pair["kce"][what] for pair in rounds), 1),
            "bare images/s": round(median(pair["bare"][what] for pair in rounds), 1),
        }
    return found


def main(cases: list[str]) -> None:
    found = []
    for told in cases or CASES:
        with tempfile.TemporaryDirectory() as folder_at:
            found.append(case(told, Path(folder_at)))
    print(json.dumps({"threads": torch.get_num_threads(), "cases": found}, indent=1))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
