"""How fast a scan is, against a bare walk of the same tree in the same run.

    python tests/benchmarks/scan_rate.py [FILES]

Makes a tree of FILES (100,000) empty frames of FaceForensics++, walks it with os.walk and scans it, three times each,
and prints the best of each as JSON: entries a second, their ratio, and the memory the scan took at its peak.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from kce import Registry
from kce.data.scan import scan


def make(root: Path, files: int) -> None:
    for number in range(files):
        folder = (
            root / "FF++" / "manipulated_sequences" / "Face2Face" / "c23" / "frames" / f"{number // 100 % 1000:03}_000"
        )
        if number % 100 == 0:
            folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number // 100_000 * 100 + number % 100:04}.png").touch()


def best(task: Callable[[], int], times: int) -> tuple[float, int]:
    seconds, count = float("inf"), 0
    for _ in range(times):
        start = time.perf_counter()
        count = task()
        seconds = min(seconds, time.perf_counter() - start)
    return seconds, count


def main(files: int) -> None:
    registry = Registry.load()
    with tempfile.TemporaryDirectory() as name:
        make(Path(name), files)

        def walk() -> int:
            return sum(len(names) for _, _, names in os.walk(name))

        def look() -> int:
            return int(scan(registry.build("dataset", "FaceForensics++", root=name), name).samples)

        def write() -> int:
            dataset = registry.build("dataset", "FaceForensics++", root=name)
            return int(scan(dataset, name, csv=Path(name) / "scan.csv").samples)

        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        walked, n = best(walk, 3)
        scanned, samples = best(look, 3)
        written, _ = best(write, 3)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    figures = {
        "files": n,
        "samples": samples,
        "walk_per_second": round(n / walked),
        "scan_per_second": round(samples / scanned),
        "scan_to_csv_per_second": round(samples / written),
        "scan_to_walk_time": round(scanned / walked, 2),
        "peak_memory_grown_mb": round((after - before) / 1024, 1),
    }
    print(json.dumps(figures, indent=2))  # noqa: T201 - it is what this script is for


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
