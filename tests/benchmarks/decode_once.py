"""What a cache of decoded faces is worth: faces stored as png of 256 px, seen by networks at other sizes.

    python -m tests.benchmarks.decode_once        prints JSON

- ``sizes``: microseconds of a core that a face takes to decode, to store, and to read back from the page cache, best of
  three; and how quickly a disk must read, for each core that decodes, for the cache to pay where neither pixels nor
  pngs are in memory.
- ``extraction``: faces/s of ``kce`` over those of the bare network on a tensor in memory, at 64 px: without a cache, in
  the pass that fills it, and in the next. They take turns; the ratios are medians over rounds, once by the clock, where
  idle cores decode beside the network, and once by processor time, which counts on a machine that is busy.
- ``trainings``: faces decoded by trainings and extractions of a study whose faces memory does not hold, with the cache
  and without.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

os.environ.setdefault("GOMP_SPINCOUNT", "20000")  # as kce.cli has it, before torch is loaded

import numpy as np
import timm
import torch

from kce.faces import loader
from kce.faces.folder import THREADS, Faces, load_pixels
from kce.faces.loader import Pixels
from kce.faces.pixel_cache import PixelCache, place_bytes
from kce.features.extract import extract_features
from kce.merging.plans import unmerged_plan
from kce.registry.registry import Registry
from kce.training.settings import TrainSettings
from kce.training.train import train
from tests.benchmarks.network_rate import CATEGORIES, folder

if TYPE_CHECKING:
    from kce.faces.pixel_cache import SharedPixels

STORED, SIZE, BATCH, FACES, ROUNDS = 256, 64, 64, 256, 3
TRAININGS, EPOCHS = 3, 3
REGISTRY = Registry.load(Path("/"))
PLAN = unmerged_plan(CATEGORIES)


def now() -> np.ndarray:
    """Seconds by the clock and of processor time."""
    return np.array([time.perf_counter(), time.process_time()])


def spent(work: Callable[[], Any]) -> np.ndarray:
    start = now()
    work()
    taken: np.ndarray = now() - start
    return taken


def per_size(faces: Faces, to: Path) -> list[dict[str, Any]]:
    rows, found = np.arange(128), []
    png = sum((faces.root / file).stat().st_size for file in faces.file[rows].tolist()) / len(rows)
    for size in (64, 112, 224, 299):
        best: dict[str, float] = {}
        for _ in range(3):
            shared = PixelCache(to, 2**30).of(faces)
            file, pixels = shared.open(faces, size), load_pixels(faces, rows, size)
            times = {
                "decode": spent(lambda size=size: load_pixels(faces, rows, size))[1],  # type: ignore[misc]
                "store": spent(lambda file=file, pixels=pixels: file.write(rows, pixels))[1],  # type: ignore[misc]
                "read": spent(lambda file=file, pixels=pixels: file.read(rows, pixels))[1],  # type: ignore[misc]
            }
            shutil.rmtree(to)
            best = {name: min(best.get(name, 1e9), taken / len(rows) * 1e6) for name, taken in times.items()}
        more = max(place_bytes(size) - png, 0)
        found.append(
            {
                "size": size,
                "bytes": place_bytes(size),
                "png bytes": round(png),
                **{f"{name} us": round(value, 1) for name, value in best.items()},
                "decode / read": round(best["decode"] / best["read"], 1),
                "pays from MB/s": round(more / best["decode"], 1),
            }
        )
    return found


def bare() -> np.ndarray:
    """Seconds of the network alone."""
    network = timm.create_model("resnet18", num_classes=0).to(memory_format=torch.channels_last).eval()
    x = torch.rand(BATCH, 3, SIZE, SIZE).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        network(x)
        return spent(lambda: [network(x) for _ in range(FACES // BATCH)])


def extraction(faces: Faces, at: Path) -> dict[str, Any]:
    weights = at / "a.safetensors"
    few = TrainSettings(epochs=1, per_class=8, batch_size=8, held_out=0.0)
    train(f"resnet18:size={SIZE}", Pixels(faces, SIZE), PLAN, few, REGISTRY, weights)

    def extract(shared: SharedPixels | None) -> np.ndarray:
        seen: list[np.ndarray] = []
        clock = lambda *_: seen.append(now())  # noqa: E731
        table = at / f"{time.monotonic_ns()}.h5"
        extract_features(Pixels(faces, SIZE, 0, "", shared), weights, REGISTRY, table, "known", BATCH, progress=clock)
        taken: np.ndarray = now() - seen[0]
        return taken

    rounds = []
    for turn in range(ROUNDS + 1):
        shared = PixelCache(at / str(turn), 2**30).of(faces)
        network = bare()
        taken = {"without": extract(None), "first pass": extract(shared), "second pass": extract(shared)}
        if turn:  # the first only warms up
            rounds.append({name: network / value for name, value in taken.items()})
    return {
        name: {
            what: [round(float(median(own)), 3), [round(float(ratio), 3) for ratio in own]]
            for what, own in zip(("clock", "processor"), zip(*(r[name] for r in rounds), strict=True), strict=True)
        }
        for name in rounds[0]
    }


def trainings(faces: Faces, at: Path) -> dict[str, Any]:
    count = 0

    def counting(faces: Faces, rows: Any, *rest: Any, **more: Any) -> Any:
        nonlocal count
        count += len(rows)
        return load_pixels(faces, rows, *rest, **more)

    loader.load_pixels = counting  # type: ignore[attr-defined]
    found: dict[str, Any] = {"trainings": TRAININGS, "epochs": EPOCHS, "faces": len(faces)}
    for name, shared in (("without", None), ("with", PixelCache(at / "shared", 2**30).of(faces))):
        count, start = 0, time.perf_counter()
        for seed in range(TRAININGS):
            weights = at / name / f"{seed}.safetensors"
            weights.parent.mkdir(exist_ok=True, parents=True)
            settings = TrainSettings(epochs=EPOCHS, batch_size=BATCH, held_out=0.0, seed=seed)
            pixels = Pixels(faces, 16, 0, "", shared)
            train("tiny:size=16,width=2", pixels, PLAN, settings, REGISTRY, weights)
            extract_features(pixels, weights, REGISTRY, weights.with_suffix(".h5"), "known", BATCH)
        found[name] = {"decoded": count, "seconds": round(time.perf_counter() - start, 1)}
    loader.load_pixels = load_pixels  # type: ignore[attr-defined]
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        at = Path(name)
        faces = folder(at / "faces", FACES, STORED)
        found = {
            "threads": THREADS,
            "stored": STORED,
            "sizes": per_size(faces, at / "sizes"),
            "extraction": extraction(faces, at),
            "trainings": trainings(faces, at),
        }
    print(json.dumps(found, indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
