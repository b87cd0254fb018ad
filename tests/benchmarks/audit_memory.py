"""Time and memory of the audit and of each aligner that reads a stored table in batches.

    python -m tests.benchmarks.audit_memory [DIM [ROWS ...]]

Prints JSON: of each work, at each number of rows, seconds and the peak of resident memory in MiB, of a process of its
own; "none" only starts, and reads the texts. 95 % of the rows are forgeries of four datasets, the others their reals,
100 rows to a recording. The file is written first, so the system may hold it in memory.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from kce.audit.audit import audit_tables
from kce.features.store import write_table
from kce.features.streams import StoredRows
from kce.features.table import open_table
from kce.registry.defaults import build_default
from kce.types import Features

ALIGNERS = ("real-anchor", "real-anchor:unit=true", "whitened-anchor", "dataset-centre", 'codec-delta:views=["jpeg70"]')
WORKS = ("none", "audit", *ALIGNERS)
DATASETS, METHODS, RECORDING, VIEWED = 4, 3, 100, 500
BATCH = 4096


def make_rows(count: int, dim: int, real: bool) -> Iterator[Features]:
    rng = np.random.default_rng(int(real))
    shift, trace = 3 * np.random.default_rng(9).standard_normal((2, max(DATASETS, METHODS), dim), np.float32)
    for start in range(0, count, BATCH):
        number = np.arange(start, min(start + BATCH, count))
        dataset, method = number % DATASETS, number // DATASETS % METHODS
        x = rng.standard_normal((len(number), dim), np.float32) + shift[dataset]
        if not real:
            x += trace[method]
        names = [
            (f"set{d}", "real" if real else f"method{m}")
            for d, m in zip(dataset.tolist(), method.tolist(), strict=True)
        ]
        yield Features(
            np.array([f"{d}/{m}/{n:07}.png" for (d, m), n in zip(names, number.tolist(), strict=True)]),
            np.array([f"{d}_{m}" for d, m in names]),
            np.array([f"{d}:{n // (RECORDING * DATASETS)}" for (d, _), n in zip(names, number.tolist(), strict=True)]),
            x,
        )


def write(path: Path, table: str, batches: Iterator[Features]) -> None:
    with write_table(path, table, {"made": "here"}) as writer:
        for rows in batches:
            writer.append(rows.key, rows.label, rows.group, rows.x)
        writer.publish()


def write_tables(path: Path, count: int, dim: int) -> None:
    fakes = count * 95 // 100
    for real, rows in ((False, fakes), (True, count - fakes)):
        table = "reals" if real else "known"
        write(path, table, make_rows(rows, dim, real))
        seen = make_rows(min(rows, VIEWED * DATASETS * METHODS), dim, real)
        write(path, f"{table}+jpeg70", (part.with_x(part.x * np.float32(0.99)) for part in seen))


def work(name: str, path: Path) -> dict[str, float]:
    start = time.perf_counter()
    known, reals, *views = (
        StoredRows.all_of(open_table(path, table)) for table in ("known", "reals", "known+jpeg70", "reals+jpeg70")
    )
    if name == "audit":
        audit_tables([known, reals], 0)
    elif name != "none":
        aligner = build_default("aligner", name)
        rows = replace(known, reals=replace(reals, views={"jpeg70": views[1]}), views={"jpeg70": views[0]})
        aligner.fit(rows)
        for batch in rows.batches():
            aligner.transform(batch)
    # ru_maxrss would include what the parent held when it started this process.
    peak = int(Path("/proc/self/status").read_text(encoding="ascii").partition("VmHWM:")[2].split()[0]) / 2**10
    return {"seconds": round(time.perf_counter() - start, 1), "peak_mib": round(peak)}


def main(dim: int = 2048, *counts: int) -> None:
    results = []
    context = multiprocessing.get_context("spawn")
    for count in counts or (30_000, 60_000):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "features.h5"
            write_tables(path, count, dim)
            for name in WORKS:
                with context.Pool(1) as pool:
                    results.append({"work": name, "rows": count, "dim": dim, **pool.apply(work, (name, path))})
    sys.stdout.write(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
