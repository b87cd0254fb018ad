"""K-means of KCE beside scikit-learn's on the same float32 rows: prints JSON.

    python -m tests.benchmarks.kmeans [ROWS [DIM [ROUNDS]]]

Both make 19 clusters with 10 initialisations, each in a process of its own, in turn; the ratio is that of the best
rounds. KCE's side is what a run calls: the component with its checks.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

K, STARTS = 19, 10


def one_round(side: str, rows: int, dim: int) -> None:
    """Cluster in this process, and print the seconds and the clusters as JSON."""
    random = np.random.default_rng(0)
    x = (
        random.standard_normal((rows, dim), np.float32)
        + 2 * random.standard_normal((K, dim), np.float32)[random.integers(K, size=rows)]
    )
    if side == "kce":
        from kce.registry import isolation
        from kce.registry.registry import Registry

        registry = Registry.shipped()
        part = registry.resolve("clusterer", f"kmeans:n_clusters={K},n_init={STARTS},seed=0")
        with isolation.component(part, registry) as clusterer:
            print(json.dumps(timed(clusterer.fit_predict, x)))  # noqa: T201
    else:
        from sklearn.cluster import KMeans

        print(json.dumps(timed(KMeans(K, n_init=STARTS, random_state=0).fit_predict, x)))  # noqa: T201


def timed(fit_predict: Callable[[Any], Any], x: Any) -> Any:
    fit_predict(x[:1000])  # loads libraries, starts threads
    start = time.perf_counter()
    clusters = fit_predict(x)
    return {"seconds": time.perf_counter() - start, "clusters": clusters.tolist()}


def main(rows: int = 60_000, dim: int = 64, rounds: int = 3) -> None:
    seconds: dict[str, list[float]] = {"kce": [], "scikit-learn": []}
    clusters = set()
    for _ in range(rounds):
        for side, taken in seconds.items():
            command = [sys.executable, "-m", "tests.benchmarks.kmeans", side, str(rows), str(dim)]
            answer = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            taken.append(answer["seconds"])
            clusters.add(tuple(answer["clusters"]))
    best = {side: min(taken) for side, taken in seconds.items()}
    print(  # noqa: T201
        json.dumps(
            {
                "rows": rows,
                "dim": dim,
                "clusters": K,
                "n_init": STARTS,
                "seconds": {side: [round(one, 3) for one in taken] for side, taken in seconds.items()},
                "ratio": round(best["kce"] / best["scikit-learn"], 3),
                "equal_labels": len(clusters) == 1,
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    if len(sys.argv) > 1 and not sys.argv[1].isdigit():
        one_round(sys.argv[1], *map(int, sys.argv[2:]))
    else:
        main(*map(int, sys.argv[1:]))
