"""What the table of a large face folder costs before any work: prints JSON.

    python -m tests.benchmarks.tables [ROWS [RUN_ROWS]]

`read`: ``read_faces`` and the hash of all rows. `study`: planning ``sun2023``, without an estimate, on ROWS faces.
`run`: ``kce run --until plan`` of RUN_ROWS known faces, whose first model and features exist; features are narrow, so
that nearly all of it is the table, the checks and the texts. Seconds, and MiB of resident memory at the peak, each in a
process of its own, all libraries included; `python` is that of a process that does nothing.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROWS, RUN_ROWS = 800_000, 540_000
_GROUPS = 20_000
_DIM = 8

_PLAN = """import sys
from pathlib import Path
from kce.registry.registry import Registry
from kce.study.study import prepare_study
faces, per_class = Path(sys.argv[1]), int(sys.argv[2])
print(prepare_study("sun2023", Path(), Registry.load(), faces=faces, per_class=per_class).dry_run()["trainings"])
"""
_READ = """
import sys
from kce.faces.folder import read_faces
read_faces(sys.argv[1]).content_hash()
"""
FIRST_MODEL = """
import sys
from pathlib import Path
import numpy as np
from kce.faces.folder import read_faces
from kce.features.extract import features_provenance
from kce.features.store import write_table
from kce.merging.plans import unmerged_plan
from kce.registry.registry import Registry
from kce.training.device import resolve_precision
from kce.training.provenance import weights_provenance
from kce.training.sampling import choose_examples
from kce.training.settings import TrainSettings
from kce.training.weights import write_weights_file
faces, folder, dim = read_faces(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
known = faces.take(~faces.category.isin(sys.argv[5:]))
settings, registry = TrainSettings(precision=resolve_precision("auto")), Registry.load(Path("/"))
plan = unmerged_plan(sorted(known.category.counts()))
chosen = choose_examples(known, plan, settings)
provenance = weights_provenance(sys.argv[4], known, *chosen, settings, registry)
metadata = {"provenance": provenance, "backbone": provenance["backbone"], "size": 16, "dim": dim, "history": []}
folder.mkdir()
write_weights_file(folder / "first.safetensors", {}, metadata)
rng, codes = np.random.default_rng(0), known.category.codes
centres = rng.normal(size=(codes.max() + 1, dim))
made = features_provenance(known, folder / "first.safetensors", settings.precision)
with write_table(folder / "features.h5", "known", made) as writer:
    for start in range(0, len(known), 4096):
        rows = slice(start, start + 4096)
        x = centres[codes[rows]] + rng.normal(size=(len(codes[rows]), dim))
        writer.append(known.key[rows], known.category[rows], known.group[rows], x.astype(np.float32))
    writer.publish()
"""


def make_folder(root: Path, categories: Sequence[str], rows: int) -> Path:
    """Write the ``faces.csv`` of a folder with equally many faces of each category, without their pictures."""
    from kce.faces.tables import FaceRow

    root.mkdir()
    for category in categories:
        (root / category).mkdir()
    with (root / "faces.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(FaceRow._fields)
        for row in range(rows):
            category = categories[row * len(categories) // rows]
            dataset, _, method = category.partition("_")
            person, video = row * 7919 % _GROUPS, f"id{row % 997:03d}_id{row % 991:03d}_{row // 20:05d}.mp4"
            key, frame = f"{dataset}/{method}/videos/{video}#{row % 20 * 15}", str(row % 20 * 15)
            name = f"{category}/{video}_{frame}~{row:016x}.png"
            box, source = "10.50 20.50 130.25 160.75", f"/data/{dataset}/{method}/videos/{video}"
            what = (key, category, dataset, method, str(int(method == "real")))
            fields = (*what, f"{dataset}:{person:05d}", "", "train", frame, box, "0.9870")
            table.writerow((*fields, source, name, f"{row:016x}", "1"))
    return root


def measure(*arguments: str) -> dict[str, float]:
    """Run Python in a process of its own: its seconds, and the MiB of its peak."""
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"python {arguments} ended with {process.returncode}")
    return {"seconds": round(time.perf_counter() - begin, 1), "peak_mib": round(usage.ru_maxrss / 1024)}


def main(rows: int = ROWS, run_rows: int = RUN_ROWS) -> None:
    """Measure, and print JSON."""
    from kce.study.study_file import read_study

    categories = sorted(read_study("sun2023").categories)
    unknown = categories[::8]
    result: dict[str, object] = {"rows": rows, "run_rows": run_rows, "cores": os.cpu_count()}
    with tempfile.TemporaryDirectory() as at:
        reals = [f"{dataset}_real" for dataset in sorted({category.partition("_")[0] for category in categories})]
        faces = make_folder(Path(at) / "faces", [*categories, *reals], rows)
        result["python"] = measure("-c", "")
        result["read"] = measure("-c", _READ, str(faces))
        result["study"] = measure("-c", _PLAN, str(faces), str(rows // (len(categories) + len(reals))))
        known = make_folder(
            Path(at) / "known", categories, run_rows * len(categories) // (len(categories) - len(unknown))
        )
        run, backbone = Path(at) / "run", "tiny:size=16,width=1"
        measure("-c", FIRST_MODEL, str(known), str(run), str(_DIM), backbone, *unknown)
        held_out = [word for category in unknown for word in ("--unknown", category)]
        choices = ("--backbone", backbone, "--reducer", "none", "--until", "plan")
        result["run"] = measure("-m", "kce", "run", str(run), "--faces", str(known), *held_out, *choices)
    print(json.dumps(result, indent=1))  # noqa: T201


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
