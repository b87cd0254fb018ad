"""How a report's page bears many points: prints JSON.

    python tests/benchmarks/report_page.py [POINTS ...]

For each number of points: the size of the page, the time a headless Chromium takes to draw the map, and the frames a
second while the map is dragged. WebGL runs in software here, so a machine with a graphics card is faster.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from kce.report import charts, plotly_charts, report, sources
from kce.report.figures import ShownFaces
from kce.report.neighbours import nearest_of_other_recordings
from kce.types import Features
from tests.support import browser

COUNTS = (1_000, 5_000, 20_000)
_FRAMES = """() => new Promise((done) => {
  const plot = document.getElementById('plot-known'), start = performance.now();
  let frames = 0;
  const move = async () => {
    frames += 1;
    await Plotly.relayout(plot, {'xaxis.range': [-4 + frames * 0.02, 4 + frames * 0.02]});
    performance.now() - start < 3000 ? requestAnimationFrame(move) : done(frames / (performance.now() - start) * 1000);
  };
  requestAnimationFrame(move);
})"""


def one(count: int, folder: Path) -> dict[str, float]:
    random = np.random.default_rng(0)
    rows = Features(
        np.array([f"A_X/face-{number}" for number in range(count)]),
        np.array([f"A_{number % 27}" for number in range(count)]),
        np.array([f"r{number // 100}" for number in range(count)]),
        random.normal(0, 1, (count, 2)).astype(np.float32),
    )
    shown = ShownFaces()
    numbers = shown.add(rows.key.tolist(), rows.label.tolist(), rows.group.tolist())
    points = charts.Points(rows.x, rows.label, numbers, ("a", "b"), nearest_of_other_recordings(rows))
    run = sources.RunSource(folder, {"known": {}, "unknown": {}})
    source = sources.ReportSource(folder, "run", {"provenance": None}, [run])
    figure = charts.ReportFigure("known", "Known", "", {"all": points})
    page = folder / f"{count}.html"
    page.write_text(report._render(source, [], [figure], shown), encoding="utf-8")
    with browser.opened(page) as seen:
        start = time.perf_counter()
        browser.drawn(seen.page, "known")
        drawn = time.perf_counter() - start
        frames = seen.page.evaluate(_FRAMES)
    return {"MB": round(page.stat().st_size / 2**20, 1), "drawn s": round(drawn, 2), "frames/s": round(frames, 1)}


def main(counts: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = {str(count): one(count, Path(folder)) for count in counts or COUNTS}
    print(json.dumps({"drawn without WebGL up to": plotly_charts._MAX_SVG_POINTS, "points": found}, indent=1))  # noqa: T201


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]])
