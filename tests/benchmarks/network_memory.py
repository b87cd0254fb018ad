"""How much memory training and extraction take as faces grow more than tenfold.

    python -m tests.benchmarks.network_memory

Prints JSON: for each number of faces the peak of memory that a process of its own reached in an epoch of training and
an extraction, and what each further face cost. Decoded faces are kept up to a budget (``kce.faces.loader.Pixels``);
here it
is 0, as for a folder far beyond it. The network and the pictures are tiny: the faces are what is measured.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from kce.faces.folder import read_faces
from kce.faces.loader import Pixels
from kce.features.extract import extract_features
from kce.merging.plans import unmerged_plan
from kce.registry.registry import Registry
from kce.training.settings import TrainSettings
from kce.training.train import train
from tests.benchmarks.network_rate import CATEGORIES, folder

COUNTS = (1_000, 4_000, 16_000)
SIDE = 32


def one(root: Path) -> None:
    registry = Registry.load(Path("/"))
    pixels = Pixels(read_faces(root), SIDE, budget=0)
    settings = TrainSettings(epochs=1, batch_size=64)
    to = root.parent / "a.safetensors"
    train(f"tiny:size={SIDE}", pixels, unmerged_plan(CATEGORIES), settings, registry, to)
    extract_features(pixels, to, registry, root.parent / "f.h5", "known", 64)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)  # noqa: T201


def main() -> None:
    peaks = {}
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as place:
            root = Path(place) / "faces"
            folder(root, count, SIDE)
            asked = [sys.executable, "-m", "tests.benchmarks.network_memory", str(root)]
            peaks[count] = int(subprocess.run(asked, capture_output=True, text=True, check=True).stdout)
    (few, least), *_, (many, most) = peaks.items()
    found = {
        "peak MB": {count: round(peak / 2**20) for count, peak in peaks.items()},
        "bytes a face": round((most - least) / (many - few)),
        "bytes of a decoded face": SIDE * SIDE * 3,
    }
    print(json.dumps(found, indent=1))  # noqa: T201


if __name__ == "__main__":
    if sys.argv[1:]:
        one(Path(sys.argv[1]))
    else:
        main()
