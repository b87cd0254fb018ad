"""Every figure of the manual's page on performance: ``python -m tests.benchmarks.all [NAME ...]``.

Runs the benchmarks, each in a process of its own, and prints one JSON document: for each its command, its seconds and
what it printed, with the machine and the date. Without names all are run, which takes hours; nothing else should run
on the machine meanwhile. A benchmark that fails is in the document with its error, and the exit status is 1.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

COMMANDS: dict[str, list[str]] = {
    "pca": ["tests.benchmarks.pca", "60000", "270000", "540000"],
    "stages": ["tests.benchmarks.stages"],
    "audit and aligners": ["tests.benchmarks.audit_memory", "2048", "30000", "60000", "270000"],
    "kmeans": ["tests.benchmarks.kmeans", "60000", "64", "3"],
    "intervals": ["tests.benchmarks.intervals", "64", "2048"],
    "tsne": ["tests.benchmarks.tsne", "--dim", "64", "2048", "--quality", "100000"],
    "tables": ["tests.benchmarks.tables"],
    "packed": ["tests.benchmarks.packed"],
    "decode once": ["tests.benchmarks.decode_once"],
    "networks": ["tests.benchmarks.network_rate"],
    "network memory": ["tests.benchmarks.network_memory"],
    "f3net": ["tests.benchmarks.f3net_cost"],
    "precision": ["tests.benchmarks.precision"],
    "report page": ["tests.benchmarks.report_page"],
}
"""Name -> module and arguments."""


def machine() -> dict[str, Any]:
    """What the figures depend on: processor, cores, memory, and the versions of what does the work."""
    from importlib.metadata import version

    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    libraries = ("numpy", "scipy", "scikit-learn", "h5py", "torch", "openTSNE")
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "python": platform.python_version(),
        **{name: version(name) for name in libraries},
    }


def run(command: list[str]) -> dict[str, Any]:
    """Run one benchmark."""
    begin = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
    result: dict[str, Any] = {"command": " ".join(["python", "-m", *command])}
    result["seconds"] = round(time.perf_counter() - begin)
    try:
        return {**result, "figures": json.loads(done.stdout)}
    except ValueError:
        return {**result, "error": done.stderr[-2000:]}


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all; return the exit status."""
    unknown = [name for name in names if name not in COMMANDS]
    if unknown:
        sys.stderr.write(f"no benchmark {', '.join(unknown)}; there are {', '.join(COMMANDS)}\n")
        return 2
    results = {}
    for name in names or COMMANDS:
        sys.stderr.write(f"{name} ...\n")
        results[name] = run(COMMANDS[name])
    document = {"date": dt.datetime.now(dt.UTC).date().isoformat(), "machine": machine(), **results}
    sys.stdout.write(json.dumps(document, indent=1) + "\n")
    return int(any("error" in result for result in results.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
