"""How fast rows go into the feature store and come out, beside bare h5py doing the same in one process.

    python tests/benchmarks/store_rate.py [ROWS [DIM]]

Prints JSON: rows a second, best of three rounds taken in turn, and the store's share of h5py's rate. "h5py" writes and
reads one dataset with the store's chunks and filters, and the same keys; "h5py plain" does so without the filters.
Nothing but the store syncs to the disk, checks rows, or survives a kill.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from kce.features.store import write_table
from kce.features.streams import StoredRows
from kce.features.table import open_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

BATCH = 64  # rows that a backbone hands over at a time
STRETCH = 4096


def write_store(path: Path, keys: list[str], x: NDArray[np.float32]) -> None:
    with write_table(path, "known", {"made": "here"}) as writer:
        for start in range(0, len(x), BATCH):
            part = slice(start, start + BATCH)
            writer.append(keys[part], keys[part], keys[part], x[part])
        writer.publish()


def write_h5py(path: Path, keys: list[str], x: NDArray[np.float32], packed: bool) -> None:
    filters = {"compression": "gzip", "compression_opts": 1, "shuffle": True, "fletcher32": True} if packed else {}
    chunk = min(max((1 << 18) // (4 * x.shape[1]), 1), 4096)
    with h5py.File(path, "w") as file:
        for column in ("key", "label", "group"):
            file.create_dataset(column, data=keys, dtype=h5py.string_dtype(), chunks=(1024,))
        data = file.create_dataset("x", x.shape, np.float32, chunks=(chunk, x.shape[1]), **filters)
        for start in range(0, len(x), STRETCH):
            data[start : start + STRETCH] = x[start : start + STRETCH]


def read_store(path: Path) -> int:
    return sum(len(batch) for batch in StoredRows.all_of(open_table(path, "known")).batches(STRETCH))


def read_h5py(path: Path) -> int:
    done = 0
    with h5py.File(path) as file:
        for start in range(0, len(file["x"]), STRETCH):
            for column in ("key", "label", "group"):
                file[column].asstr()[start : start + STRETCH]
            done += len(file["x"][start : start + STRETCH])
    return done


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main(rows: int = 20_000, dim: int = 512) -> None:
    # Features behind a rectifier: half of them 0.
    x = np.maximum(np.random.default_rng(0).standard_normal((rows, dim), np.float32), 0)
    keys = [f"manipulated_sequences/Deepfakes/c23/videos/{i:06d}.mp4#7" for i in range(rows)]
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(3):
            paths = {name: Path(folder) / f"{name}{turn}.h5" for name in ("store", "h5py", "plain")}
            for name, work in (
                ("write store", partial(write_store, paths["store"], keys, x)),
                ("write h5py", partial(write_h5py, paths["h5py"], keys, x, packed=True)),
                ("write h5py plain", partial(write_h5py, paths["plain"], keys, x, packed=False)),
                ("read store", partial(read_store, paths["store"])),
                ("read h5py", partial(read_h5py, paths["h5py"])),
                ("read h5py plain", partial(read_h5py, paths["plain"])),
            ):
                times.setdefault(name, []).append(seconds(work))
    rate = {name: round(rows / min(taken)) for name, taken in times.items()}
    ratio = {
        f"{way} store / {bare}": round(rate[f"{way} store"] / rate[f"{way} {bare}"], 3)
        for way in ("write", "read")
        for bare in ("h5py", "h5py plain")
    }
    print(json.dumps({"rows": rows, "dim": dim, "rows_per_second": rate, "ratio": ratio}, indent=1))  # noqa: T201


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
