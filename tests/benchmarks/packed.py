"""How fast faces come out of a packed folder, beside the same faces as single files, in one process.

    python tests/benchmarks/packed.py [FACES [SIDE [ROUNDS]]]

Prints JSON: faces a second, the median of rounds in which both folders take turns, and the rate of the packed folder in
units of the other's. "bytes" reads the PNG files, one after the other; "decoded" is ``load_pixels`` at 64 pixels, with
its threads. "cold" has the pages of all files dropped before each round (``posix_fadvise``); names and inodes of single
files stay in the memory of the system, which on a fresh machine they would not. Half of the faces are read when cold.
Seconds are those of a clock when cold, and of all processors when warm, which other programs disturb less.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from kce.data.pictures import encode_png
from kce.faces.face_store import face_reader
from kce.faces.file_names import content_hash, face_path
from kce.faces.folder import Faces, load_pixels, read_faces
from kce.faces.pack import pack_faces
from kce.faces.tables import FaceRow, write_csv_table

SIZE = 64  # pixels of decoded faces
BATCH = 64


def make_faces(root: Path, count: int, side: int) -> Faces:
    """Faces of 40 categories, as large as PNG files of real ones: smooth, with some grain."""
    import cv2

    random = np.random.default_rng(0)
    rows = []
    for number in range(count):
        coarse = random.integers(0, 256, (8, 8, 3), np.uint8)
        image = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
        png = encode_png(np.asarray(cv2.add(image, random.integers(0, 6, image.shape, np.uint8)), np.uint8))
        method = f"method{number * 40 // count:02}"
        key = f"D/{method}/videos/{number:06}.mp4#7"
        file = face_path(f"D_{method}", key)
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(png)
        texts = (key, f"D_{method}", "D", method, "0", key, "", "", "7", "", "", "", file, content_hash(png), "")
        rows.append(FaceRow(*texts))
    write_csv_table(root / "faces.csv", FaceRow._fields, rows)
    return read_faces(root)


def read_bytes(faces: Faces, rows: np.ndarray) -> None:
    read = face_reader(faces.root)
    for file in faces.file[rows].tolist():
        read(file)


def read_decoded(faces: Faces, rows: np.ndarray) -> None:
    for start in range(0, len(rows), BATCH):
        load_pixels(faces, rows[start : start + BATCH], SIZE)


def files_of(root: Path) -> Iterator[Path]:
    return (path for path in root.rglob("*") if path.suffix in (".png", ".tar"))


def drop_pages(root: Path) -> None:
    for path in files_of(root):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def seconds(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    start = clock()
    work()
    return clock() - start


def main(count: int = 2000, side: int = 256, rounds: int = 5) -> None:
    rates: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        single = make_faces(Path(folder) / "single", count, side)
        packing = seconds(lambda: pack_faces(single.root, Path(folder) / "packed"))
        both = {"single": single, "packed": read_faces(Path(folder) / "packed")}
        os.sync()
        size = sum(path.stat().st_size for path in files_of(single.root))
        orders = {"in order": np.arange(count), "at random": np.random.default_rng(1).permutation(count)}
        for turn in range(rounds):
            for order, rows in orders.items():
                for what, read in (("bytes", read_bytes), ("decoded", read_decoded)):
                    for cold in (True, False):
                        for name in sorted(both, reverse=bool(turn % 2)):
                            some = rows[: count // 2] if cold else rows
                            drop_pages(both[name].root) if cold else read_bytes(both[name], rows)
                            clock = time.perf_counter if cold else time.process_time
                            taken = seconds(lambda: read(both[name], some), clock)  # noqa: B023 - called at once
                            case = f"{what}, {order}, {'cold' if cold else 'warm'}"
                            rates.setdefault(case, {}).setdefault(name, []).append(len(some) / taken)
    medians = {case: {name: statistics.median(all_) for name, all_ in by.items()} for case, by in rates.items()}
    report = {
        "faces": count,
        "kilobytes_a_face": round(size / count / 1000, 1),
        "rounds": rounds,
        "packing_faces_per_second": round(count / packing),
        "faces_per_second": {case: {name: round(rate) for name, rate in by.items()} for case, by in medians.items()},
        "packed / single": {case: round(by["packed"] / by["single"], 2) for case, by in medians.items()},
    }
    print(json.dumps(report, indent=1))  # noqa: T201


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
