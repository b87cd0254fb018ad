"""Principal components of a stored table, against the same sums in bare numpy and h5py.

``python -m tests.benchmarks.pca [ROWS ...]`` prints JSON. For each number of rows x 2048 a table is written once; then
processes take turns, each doing one side: `kce` reduces the table to 64 components, as a run does; `bare` sums the
covariance over batches of the same file and projects. Ratios are of the best of two turns each. Seconds leave out
imports; memory is the peak of the process, libraries included. `file` is the directory of the tables.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIM, COMPONENTS, BATCH = 2048, 64, 4096
CATEGORIES, FRAMES = 19, 10


def write_rows(path: Path, rows: int, table: str = "known") -> None:
    """Write a table whose variance falls over 200 directions, with noise, a mean and a shift of each category."""
    from kce.features.hdf5 import replace_feature_file
    from kce.features.table import provenance_attributes
    from kce.types import Features, batch_bounds

    rng = np.random.default_rng(0)
    axes = rng.standard_normal((200, DIM)).astype(np.float32) * np.geomspace(1, 0.05, 200, dtype=np.float32)[:, None]
    centres = rng.standard_normal((CATEGORIES, DIM)).astype(np.float32)
    with replace_feature_file(path, path.parent) as new:
        new.add_table(table, DIM, {"key": 64, "label": 32, "group": 16}, provenance_attributes({"rows": str(rows)}))
        for start, stop in batch_bounds(rows, BATCH):
            number = np.arange(start, stop)
            code = number * CATEGORIES // rows
            x = rng.standard_normal((len(number), 200), dtype=np.float32) @ axes + centres[code] + 0.5
            x += 0.1 * rng.standard_normal((len(number), DIM), dtype=np.float32)
            keys = np.array(
                [f"Set{c % 5}/videos/fake/{n // FRAMES:07}.mp4#{n % FRAMES}" for c, n in zip(code, number, strict=True)]
            )
            labels = np.array([f"Set{c % 5}_Method{c:02}" for c in code])
            new.append(table, Features(keys, labels, np.array([f"set:{n // FRAMES:07}" for n in number]), x))


def kce(path: Path) -> NDArray[Any]:
    """Reduce as a run does."""
    from kce.features.reduction import reduce_rows
    from kce.features.streams import StoredRows, in_memory
    from kce.features.table import open_table
    from kce.registry.registry import Registry

    reducer = Registry.load("/").build("reducer", "pca", n_components=COMPONENTS)
    return in_memory(reduce_rows(reducer, StoredRows.all_of(open_table(path, "known")))).x


def bare(path: Path) -> NDArray[Any]:
    """Sum the covariance over batches, take the eigenvectors, project."""
    from scipy.linalg import eigh

    with h5py.File(path) as file:
        x = file["known/x"]
        pilot = x[:BATCH].mean(axis=0)
        total, products = np.zeros(DIM), np.zeros((DIM, DIM))
        for start in range(0, len(x), BATCH):
            part = x[start : start + BATCH] - pilot
            total += part.sum(axis=0)
            products += part.T @ part
        products -= np.outer(total, total) / len(x)
        axes = eigh(products, subset_by_index=[DIM - COMPONENTS, DIM - 1])[1].astype(np.float32)
        mean = (pilot + total / len(x)).astype(np.float32)
        return np.concatenate([(x[start : start + BATCH] - mean) @ axes for start in range(0, len(x), BATCH)])


def measure(side: str, path: Path) -> dict[str, float]:
    """Do one side in a process of its own: seconds, and peak memory in MiB."""
    command = [sys.executable, "-m", __name__ if __name__ != "__main__" else "tests.benchmarks.pca", side, str(path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)  # type: ignore[no-any-return]


def main(sizes: list[int]) -> None:
    """Print the figures of all sizes."""
    figures = {}
    for rows in sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "features.h5"
            write_rows(path, rows)
            turns = [{side: measure(side, path) for side in ("bare", "kce")} for _ in range(2)]
        best = {side: min((turn[side] for turn in turns), key=lambda one: one["seconds"]) for side in turns[0]}
        ratio = best["kce"]["seconds"] / best["bare"]["seconds"]
        figures[f"{rows} x {DIM}"] = {"ratio": round(ratio, 2), **best}
    print(json.dumps(figures, indent=1))  # noqa: T201


if __name__ == "__main__":
    if sys.argv[1:2] in (["kce"], ["bare"]):
        work = {"kce": kce, "bare": bare}[sys.argv[1]]
        begin = time.perf_counter()
        work(Path(sys.argv[2]))
        seconds = time.perf_counter() - begin
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": round(seconds, 2), "mib": round(peak)}))  # noqa: T201
    else:
        main([int(text) for text in sys.argv[1:]] or [60_000])
