"""How fast wanted frames come out of a video: `kce.data.videos` against OpenCV reading on and OpenCV seeking.

    python tests/benchmarks/decode.py        prints one JSON document; ratios above 1 mean that kce.data.videos is
    quicker

All with one thread, on H.264 clips made here: a short one (12 s) and a long one (2 minutes), few and many frames.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np

from kce.data.videos import video_frames

os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "threads;1"


def make(path: Path, frames: int) -> Path:
    texture = cv2.resize(np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8), (800, 600))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "veryfast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 640, 480, "yuv420p", 250
        for i in range(frames):
            view = np.ascontiguousarray(texture[i % 100 : i % 100 + 480, i % 150 : i % 150 + 640], np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(view, format="rgb24")))
        container.mux(stream.encode())
    return path


def reading_on(path: Path, n: int) -> int:
    capture = cv2.VideoCapture(str(path))
    total = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    wanted, got = {(2 * i + 1) * total // (2 * n) for i in range(n)}, 0
    for i in range(max(wanted) + 1):
        capture.grab()
        if i in wanted:
            got += cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB).shape[2] == 3
    return got


def seeking(path: Path, n: int) -> int:
    capture = cv2.VideoCapture(str(path))
    total, got = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0
    for i in range(n):
        capture.set(cv2.CAP_PROP_POS_FRAMES, (2 * i + 1) * total // (2 * n))
        got += cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB).shape[2] == 3
    return got


def best(work: Callable[[Path, int], int], path: Path, n: int) -> float:
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        assert work(path, n) == n
        times.append(time.perf_counter() - begin)
    return min(times)


def main() -> None:
    cv2.setNumThreads(1)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, frames in (("short", 300), ("long", 3000)):
            path = make(Path(folder) / f"{name}.mp4", frames)
            for n in (10, 32):
                ours = best(lambda p, k: sum(1 for _ in video_frames(p, k)), path, n)
                row = {"clip": name, "frames": frames, "wanted": n, "kce_ms": round(ours * 1000, 1)}
                row |= {f"{f.__name__}_ratio": round(best(f, path, n) / ours, 2) for f in (reading_on, seeking)}
                rows.append(row)
    json.dump(rows, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
