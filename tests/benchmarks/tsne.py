"""t-SNE by the size of the table, and what mapping a sample instead of all rows costs in quality.

    python tests/benchmarks/tsne.py [--rows N ...] [--dim D ...] [--quality N] [--sample N]

Prints JSON. For each size, in a process of its own: seconds, and the peak of resident memory in MiB beyond what the
process held before, of rows that are read from a feature file. With `--quality N`: of N rows, mapped together and by
a sample of them, the seconds, the trustworthiness (12 neighbours, of 3,000 rows at random), the share of rows whose
nearest neighbour on the map has their category, and the agreement (adjusted Rand index) of K-means labels, 19 clusters,
between the two maps, of each with the categories, and of the whole map with itself under another seed of K-means.

The rows are of 19 categories of unequal size, each with its own eight directions of large variance.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from kce import Registry
from kce.features.store import write_table
from kce.features.streams import StoredRows, collect
from kce.features.table import open_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

CATEGORIES = 19
BATCH = 4096


def write_rows(path: Path, n: int, dim: int) -> None:
    """Write n rows of overlapping categories, the largest about ten times as large as the smallest."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((CATEGORIES, dim))
    spread = 0.5 * rng.standard_normal((CATEGORIES, 8, dim))
    shares = np.geomspace(1, 10, CATEGORIES)
    with write_table(path, "known", {"by": "benchmark"}) as writer:
        for start in range(0, n, BATCH):
            size = min(BATCH, n - start)
            code = rng.choice(CATEGORIES, size, p=shares / shares.sum())
            x = centres[code] + 0.5 * rng.standard_normal((size, dim))
            for category in range(CATEGORIES):
                of_it = code == category
                x[of_it] += rng.standard_normal((int(of_it.sum()), 8)) @ spread[category]
            key = [f"{row:09d}" for row in range(start, start + size)]
            writer.append(key, [f"C_{number:02d}" for number in code], key, x.astype(np.float32))
        writer.publish()


def map_rows(rows: StoredRows, **parameters: Any) -> tuple[NDArray[np.float32], float]:
    start = time.perf_counter()
    result = Registry.shipped().build("reducer", "tsne", **parameters).fit_transform_rows(rows)
    return result, time.perf_counter() - start


def time_rows(path: Path, sample: int) -> dict[str, Any]:
    rows = StoredRows.all_of(open_table(path, "known"))
    before = psutil.Process().memory_info().rss
    seconds = map_rows(rows, sample=sample)[1]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "rows": len(rows),
        "dim": rows.dim,
        "seconds": round(seconds, 1),
        "mib": round((peak - before) / 2**20),
    }


def compare(path: Path, sample: int) -> dict[str, Any]:
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score
    from sklearn.neighbors import NearestNeighbors

    rows = StoredRows.all_of(open_table(path, "known"))
    x = collect(rows)
    result: dict[str, Any] = {"rows": len(rows), "dim": rows.dim, "sample": sample}
    plans = {}
    for name, size in (("whole", len(rows)), ("sampled", sample)):
        mapped, seconds = map_rows(rows, sample=size)
        nearest = NearestNeighbors(n_neighbors=1).fit(mapped).kneighbors(return_distance=False)[:, 0]
        plans[name] = KMeans(CATEGORIES, n_init=10, random_state=0).fit_predict(mapped)
        result[name] = {
            "seconds": round(seconds, 1),
            "trustworthiness": round(trustworthiness_of_some(x, mapped), 4),
            "same_category": round(float((rows.label[nearest] == rows.label).mean()), 4),
            "ari_categories": round(adjusted_rand_score(rows.label, plans[name]), 3),
        }
        if name == "whole":
            other = KMeans(CATEGORIES, n_init=10, random_state=1).fit_predict(mapped)
            result[name]["ari_other_seed"] = round(adjusted_rand_score(plans[name], other), 3)
    return result | {"ari_of_both": round(adjusted_rand_score(plans["whole"], plans["sampled"]), 3)}


def trustworthiness_of_some(x: NDArray[np.float32], mapped: NDArray[np.float32], k: int = 12) -> float:
    """Trustworthiness (Venna and Kaski 2001) of 3,000 rows at random, whose neighbours are sought among all rows."""
    from sklearn.metrics import pairwise_distances_chunked
    from sklearn.neighbors import NearestNeighbors

    some = np.sort(np.random.default_rng(0).permutation(len(x))[:3000])
    near = NearestNeighbors(n_neighbors=k + 1).fit(mapped).kneighbors(mapped[some], return_distance=False)
    penalty, done = 0, 0
    for distances in pairwise_distances_chunked(x[some], x, working_memory=256):
        rank = distances.argsort(axis=1).argsort(axis=1)
        for row in range(len(distances)):
            others = near[done + row][near[done + row] != some[done + row]][:k]
            penalty += int(np.maximum(rank[row, others] - k, 0).sum())
        done += len(distances)
    n = len(x)
    return 1 - penalty * 2 / (len(some) * k * (2 * n - 3 * k - 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="*", default=[20_000, 100_000, 540_000])
    parser.add_argument("--dim", type=int, nargs="*", default=[64])
    parser.add_argument("--quality", type=int, default=0)
    parser.add_argument("--sample", type=int, default=20_000)
    chosen = parser.parse_args()
    result: dict[str, Any] = {"sizes": []}
    # A fork would count the parent's peak of memory.
    processes = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "features.h5"

        def measure(work: Any, n: int, dim: int) -> Any:
            write_rows(path, n, dim)
            with ProcessPoolExecutor(1, processes) as pool:
                measured = pool.submit(work, path, chosen.sample).result()
            path.unlink()
            return measured

        for dim in chosen.dim:
            result["sizes"] += [measure(time_rows, n, dim) for n in chosen.rows]
        if chosen.quality:
            result["quality"] = measure(compare, chosen.quality, chosen.dim[0])
    print(json.dumps(result, indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
