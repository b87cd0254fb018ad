"""How quick `kce list` is with 200 third-party packages installed: ``python tests/benchmarks/list_rate.py``.

Makes 200 small distributions (metadata, entry point and one module each) in a folder on the path, and calls the command
with and without it, in turn; bytecode is kept (in that folder), as Python does unless told not to. Prints JSON: medians
in seconds of wall time and of processor time, and ratios of one run.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COUNT, ROUNDS = 200, 9
MODULE = """from kce import hookimpl

KCE_API = "1.0"


class Halves{n}:
    \"\"\"Two clusters: below and above the mean of one axis.\"\"\"

    def __init__(self, axis: int = 0) -> None:
        self.axis = axis

    def fit_predict(self, x):
        return (x[:, self.axis] > x[:, self.axis].mean()).astype(int)


@hookimpl
def kce_clusterers():
    return {{"halves{n}": Halves{n}}}
"""


def install(folder: Path) -> None:
    """200 distributions, as pip would leave them."""
    for n in range(COUNT):
        (folder / f"kce_halves{n}.py").write_text(MODULE.format(n=n))
        about = folder / f"kce_halves{n}-0.1.{n}.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(
            f"Metadata-Version: 2.4\nName: kce-halves{n}\nVersion: 0.1.{n}\nAuthor: Somebody\nSummary: A clusterer\n"
            "Requires-Dist: kce-toolkit\n\n# A clusterer\n\n" + "It halves. " * 200
        )
        (about / "entry_points.txt").write_text(f"[kce]\nhalves{n} = kce_halves{n}\n")


def seconds(words: list[str], path: str, cache: str) -> tuple[float, float]:
    """(wall, processor) seconds of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [path, os.environ.get("PYTHONPATH")]))
    environment["PYTHONPYCACHEPREFIX"] = cache
    subprocess.run([sys.executable, *words], env=environment, stdout=subprocess.PIPE, check=True)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    commands = {
        "python": ["-c", "pass"],
        "help": ["-m", "kce", "--help"],
        "list": ["-m", "kce", "list"],
        "list --json": ["-m", "kce", "list", "--json"],
        "list --plugins": ["-m", "kce", "list", "--plugins"],
    }
    with tempfile.TemporaryDirectory() as made:
        install(Path(made))
        taken: dict[tuple[str, int], list[tuple[float, float]]] = {}
        for _ in range(ROUNDS + 1):
            for name, words in commands.items():
                for count, path in ((0, ""), (COUNT, made)):
                    taken.setdefault((name, count), []).append(seconds(words, path, f"{made}/cache"))
    median = {
        key: [statistics.median(times[n] for times in its[1:]) for n in (0, 1)] for key, its in taken.items()
    }  # the first round compiles
    found = {
        name: {
            "seconds": round(median[name, COUNT][0], 3),
            "processor": round(median[name, COUNT][1], 3),
            "seconds without plugins": round(median[name, 0][0], 3),
            "ratio": round(median[name, COUNT][0] / median[name, 0][0], 2),
        }
        for name in commands
    }
    print(json.dumps({"plugins": COUNT, "rounds": ROUNDS, **found}, indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
