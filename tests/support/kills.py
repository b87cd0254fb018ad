"""Kills KCE at random moments, starts it again, and compares with what a command gives that was never killed.

`python -m tests.support.kills FOLDER --rounds 100` prints a line per round and the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from kce.data.pictures import read_picture_file
from kce.faces.folder import read_faces
from kce.features.table import open_table
from tests.conftest import REPOSITORY
from tests.support.corpus import small_recipe, small_study

KINDS = ("cut", "cut packed", "bench", "run", "study", "trace")
MOST_KILLS = 3  # of one round
_VARIABLE = ("seconds", "peak_mib", "folder", "report", "estimate", "history", "provenance", "face_folder")


class Inputs:
    """What the commands read: pictures, their faces, a recipe and a study; and what each gives when it is not killed.

    Args:
        at: An empty folder.
    """

    def __init__(self, at: Path) -> None:
        self.at = at
        at.mkdir(parents=True, exist_ok=True)
        self._recipe = small_recipe(at, {"resamples": 10, "per_category": 12}, backbone="tiny:size=32,width=2")
        self._study = small_study(at, '[plan.kmeans]\nreducer = "pca:n_components=4"')
        self.seconds: dict[str, float] = {}
        self.expected: dict[str, Any] = {}

    def command(self, kind: str, to: Path) -> list[str]:
        """The words of the command."""
        cut = ["cut", "folder", "--root", self.at / "pictures", "--to", to, "--detector", "whole", "--workers", 2]
        words = {
            "cut": cut,
            "cut packed": [*cut, "--pack"],
            "bench": ["bench", "clusterers", "--clusterer", "kmeans", "dbscan", "hdbscan", "--world", "small:rows=10",
                      "--seeds", 1, "--workers", 2, "--to", to],
            "run": ["run", to, "--recipe", self._recipe, "--threads", 1],
            "study": ["study", self._study, "--faces", self.at / "faces", "--to", to, "--engine", "local:runs=2"],
            "trace": ["trace", self.at / "run-whole", self.at / "pictures", "--detector", "whole", "--to", to,
                      "--discover", "kmeans", "--threads", 1],
        }[kind]  # fmt: skip
        return [sys.executable, "-m", "kce", *map(str, words)]

    def start(self, kind: str, to: Path) -> subprocess.Popen[str]:
        """Start the command in a group of processes of its own."""
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            self.command(kind, to), cwd=self.at, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True,
        )  # fmt: skip

    def finish(self, kind: str, to: Path) -> tuple[int, str]:
        """Run the command to its end; returns its exit status and what it printed."""
        process = self.start(kind, to)
        said = process.communicate(timeout=300)[0]
        return process.returncode, said

    def prepare(self, kind: str) -> None:
        """Run the command once without a kill, and what it needs."""
        if kind == "trace" and "run" not in self.expected:
            self.prepare("run")
        began = time.monotonic()
        status, said = self.finish(kind, self.at / f"{kind}-whole")
        assert status == 0, said
        self.seconds[kind] = time.monotonic() - began
        self.expected[kind] = RESULTS[kind](self.at / f"{kind}-whole")


def kill_round(inputs: Inputs, kind: str, dice: random.Random, number: int, kills: int = 0) -> str:
    """Kill a command a few times (0: as the dice fall), then let it end; returns what is wrong, "" if nothing is."""
    to = inputs.at / f"{kind}-{number}"
    done = []
    for _ in range(kills or dice.randint(1, MOST_KILLS)):
        process = inputs.start(kind, to)
        time.sleep(dice.random() * inputs.seconds[kind])
        workers = _workers(process.pid) if process.poll() is None else []
        if workers and dice.random() < 0.3:
            dice.choice(workers).kill()
            said = process.communicate(timeout=300)[0]
            done.append(f"worker -> {process.returncode}")
            if process.returncode not in (0, 2) or "Traceback" in said:
                return f"{done}: {said[-2000:]}"
        else:
            os.killpg(process.pid, signal.SIGKILL) if process.poll() is None else None
            process.communicate()
            done.append("all")
    status, said = inputs.finish(kind, to)
    if status or "Traceback" in said:
        return f"{done}, then exit status {status}: {said[-2000:]}"
    return "" if RESULTS[kind](to) == inputs.expected[kind] else f"{done}: other results"


def _workers(pid: int) -> list[psutil.Process]:
    """The processes of a command, without Python's resource tracker: its successor knows nothing and says so."""
    workers = []
    with suppress(psutil.Error):
        for child in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.Error):
                if not any("resource_tracker" in word for word in child.cmdline()):
                    workers.append(child)
    return workers


def _cut_results(folder: Path) -> Any:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _packed_results(folder: Path) -> Any:
    """The tables and the faces; where a worker was killed, their order in the shards is another."""
    faces = read_faces(folder)
    tables = [(folder / name).read_bytes() for name in ("faces.csv", "problems.csv", "cut.toml")]
    return tables, [read_picture_file(folder / file) for file in faces.file.tolist()]


def _bench_results(folder: Path) -> Any:
    lines = (folder / "cells.jsonl").read_text(encoding="utf-8").splitlines()
    return {cell["id"]: _constant(cell) for cell in map(json.loads, lines)}


def _run_results(folder: Path) -> Any:
    tables = [open_table(folder / "features.h5", "unknown").read_all()]
    rows = [(table.key.tolist(), table.label.tolist(), table.group.tolist(), table.x.tobytes()) for table in tables]
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return rows, _constant(report), (folder / "plan.toml").read_text(encoding="utf-8")


def _study_results(folder: Path) -> Any:
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return {
        path.parent.name: _run_results(path.parent) for path in sorted((folder / "runs").rglob("features.h5"))
    }, _constant(report)


def _trace_results(folder: Path) -> Any:
    report = json.loads((folder / "trace.json").read_text(encoding="utf-8"))
    return [(folder / f"{name}.csv").read_bytes() for name in ("traces", "videos", "groups")], _constant(report)


def _constant(document: Any) -> Any:
    """A document without what depends on the clock or on its folder."""
    if isinstance(document, dict):
        return {name: _constant(value) for name, value in document.items() if name not in _VARIABLE}
    return [_constant(value) for value in document] if isinstance(document, list) else document


RESULTS: dict[str, Callable[[Path], Any]] = {
    "cut": _cut_results, "cut packed": _packed_results, "bench": _bench_results, "run": _run_results,
    "study": _study_results, "trace": _trace_results,
}  # fmt: skip


def main() -> None:
    """Print a line per round, and how many ended with the same results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", default=KINDS)
    options = parser.parse_args()
    inputs, dice, wrong = Inputs(options.folder), random.Random(options.seed), []
    for kind in options.kinds:
        inputs.prepare(kind)
    for number in range(options.rounds):
        kind = options.kinds[number % len(options.kinds)]
        problem = kill_round(inputs, kind, dice, number)
        wrong += [problem] if problem else []
        print(f"{number + 1} {kind}: {problem or 'the same'}", flush=True)  # noqa: T201 - a script
    print(f"{options.rounds - len(wrong)} of {options.rounds} ended with the same results")  # noqa: T201 - a script


if __name__ == "__main__":
    main()
