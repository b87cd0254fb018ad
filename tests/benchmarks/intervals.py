"""What the bootstrap of Calinski-Harabasz takes beside the score itself: prints JSON.

    python -m tests.benchmarks.intervals [DIM ...]

60,000 rows of 20 labels and 2,000 recordings. "resamples" are 999 from sums over recordings, "draws" the part of it
that draws them; "by rows" is what 999 would take as copies of rows, from 3 that were made. Seconds are processor time,
the best of the rounds, all in one process with one thread.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from kce.evaluation.resampling import Resamples
from kce.registry.registry import Registry
from kce.types import Features

N, LABELS, RECORDINGS, COUNT, BY_ROWS, ROUNDS = 60_000, 20, 2_000, 999, 3, 3


def rows(dim: int) -> Features:
    random = np.random.default_rng(0)
    label = np.arange(N) * LABELS // N
    recording = np.arange(N) * RECORDINGS // N
    x = random.standard_normal((N, dim), np.float32)
    x += random.standard_normal((LABELS, dim), np.float32)[label]
    x += random.standard_normal((RECORDINGS, dim), np.float32)[recording]
    key = np.array([f"manipulated_sequences/Deepfakes/{i:06d}.png" for i in range(N)])
    return Features(key, np.char.add("D_Method", label.astype(str)), np.char.add("d:", recording.astype(str)), x)


def seconds(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def measure(dim: int) -> dict[str, float]:
    evaluator = Registry.shipped().build("evaluator", "calinski-harabasz")
    features = rows(dim)
    resamples, few = (Resamples(features, count, seed=0) for count in (COUNT, BY_ROWS))
    score = seconds(lambda: evaluator.score(features))
    quick = seconds(lambda: evaluator.score_resamples(features, resamples))
    draws = seconds(lambda: list(resamples.blocks()))
    by_rows = seconds(lambda: [evaluator.score(features.take(one)) for one in few.by_rows()], 1) * COUNT / BY_ROWS
    return {
        "score": round(score, 3),
        "resamples": round(quick, 3),
        "draws": round(draws, 3),
        "by rows, scaled": round(by_rows, 1),
        "ratio to score": round(quick / score, 2),
        "ratio to score without draws": round((quick - draws) / score, 2),
    }


def main(dims: list[int]) -> None:
    with threadpool_limits(1):
        found = {str(dim): measure(dim) for dim in dims or (64, 2048)}
    print(json.dumps({"rows": N, "recordings": RECORDINGS, "resamples": COUNT, "seconds by dim": found}, indent=1))  # noqa: T201


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]])
