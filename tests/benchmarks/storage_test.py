"""How often `kce trace` says that inputs are stored unlike the known faces, where the truth is known: prints JSON.

    python -m tests.benchmarks.storage_test FOLDER NUMBER [KIND ...]

FOLDER is where `kce bench tracers --to` keeps drawn worlds (FOLDER/worlds); world NUMBER, stored alike, must be there.
Half of its recordings describe each known category, a quarter is what inputs are compared with, and the rest is traced:
`trials` times, 5, 10, 20 or 40 recordings at random. `alike`: as they are, of all known categories or of one, so every
warning is a false alarm. `unseen`: of a method that nothing has seen, stored alike. Then each KIND (default: all): the
same recordings of one dataset, stored with `amount` of it.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kce.bench.drawn_worlds import read_drawn_recipe
from kce.bench.tracer_trials import CALIBRATE, FIT, TRACED, split_recordings
from kce.faces import degrade
from kce.faces.folder import load_pixels, read_faces
from kce.faces.loader import Pixels
from kce.labels import recordings
from kce.system.rng import generator
from kce.tracing.storage import compare_storage, storage_statistics

SIZE, TRIALS, AMOUNTS, COUNTS = 64, 200, (0.25, 0.5, 1.0), (5, 10, 20, 40)


def main(folder: Path, number: int, kinds: list[str]) -> None:
    """Print the shares of warnings."""
    faces = read_faces(folder / str(number) / "faces")
    recording = recordings(faces.group, faces.key)
    category = np.array(faces.category.tolist())
    # A face of each recording of each category, as `kce trace` looks at.
    first = np.sort(np.unique(np.char.add(np.char.add(category, " "), recording), return_index=True)[1])
    faces, category, part = faces.take(first), category[first], split_recordings(recording, 0)[first]
    pixels = Pixels(faces, SIZE, budget=0).read(np.arange(len(faces)))
    statistics = storage_statistics(pixels)
    unknown = np.isin(category, read_drawn_recipe().unknown)
    known = {
        name: tuple(statistics[(category == name) & (part == which)] for which in (FIT, CALIBRATE))
        for name in sorted(set(category[~unknown].tolist()))
    }

    def warned(pool: list[np.ndarray], count: int, what: str) -> dict[str, Any]:
        random = generator(number, "trials", what, str(count))
        tests = []
        for trial in range(TRIALS):
            own = pool[trial % len(pool)]
            tests.append(compare_storage(own[random.permutation(len(own))[:count]], known))
        share = float(np.mean([test.unlike for test in tests if test is not None]))
        return {"inputs": what, "recordings": count, "trials": len(tests), "warned": share}

    traced = part == TRACED
    one = [statistics[traced & (category == name)] for name in known]
    unseen = [statistics[traced & (category == name)] for name in sorted(set(category[unknown].tolist()))]
    results = []
    for count in COUNTS:
        results.append(warned([np.concatenate(one)], count, "alike, of all known categories"))
        results.append(warned(one, count, "alike, of one known category"))
        results.append(warned(unseen, count, "alike, of one unseen method"))
    dataset = np.array(faces.dataset.tolist())
    for kind in kinds or list(degrade.ARTEFACT_KINDS):
        for amount in AMOUNTS:
            alter = degrade.ARTEFACT_KINDS[kind]
            random = generator(number, "degrade", kind, str(amount))
            rows = np.flatnonzero(traced & ~unknown)
            change = partial(_altered, alter, amount, random)
            altered = storage_statistics(load_pixels(faces, rows, SIZE, change=change))
            pools = [altered[dataset[rows] == name] for name in sorted(set(dataset[rows].tolist()))]
            results.append({**warned(pools, 20, f"{kind} {amount:g}, of one dataset"), "kind": kind, "amount": amount})
    print(json.dumps({"world": number, "size": SIZE, "results": results}, indent=1))  # noqa: T201


def _altered(alter: Any, amount: float, random: np.random.Generator, image: np.ndarray) -> np.ndarray:
    return np.asarray(alter([image], amount, random)[0])


if __name__ == "__main__":
    main(Path(sys.argv[1]) / "worlds", int(sys.argv[2]), sys.argv[3:])
