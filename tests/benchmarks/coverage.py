"""How often 95 % intervals contain what they estimate, in simulated data: prints JSON.

    python -m tests.benchmarks.coverage [sums | rows | means | auroc | two ...]

Each line has the settings and, of `sets` simulated data sets, the share without an interval, the share of the other
intervals that contain the truth in percent (`coverage`) with its own standard error (`error`), and the median of
upper over lower end (`ratio`) or of their distance (`width`). The truth is the mean of the score over other data sets.

`sums`, `rows`: labels whose means are `apart` standard deviations of a row from each other along each of `dim` axes;
recordings, `recordings` of each label, that move their rows by a standard deviation. All through ``score_features``:
`sums` from sums over recordings, 8 rows each or 1 to 15 ("unequal"), 200 resamples; `rows` row by row, 3 rows each, 50
resamples. `means`: over cells or worlds of a study or benchmark. `auroc`: of the audit, over recordings of both sides.
`two`: `sums` and `means` of two recordings, cells or worlds, for which there is no interval otherwise.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from unittest import mock

import numpy as np
from threadpoolctl import threadpool_limits

from kce.audit.auroc import clustered_auroc
from kce.evaluation import paired_tests, scoring
from kce.evaluation.paired_tests import mean_with_interval, relative_gain
from kce.evaluation.scoring import score_features
from kce.registry.registry import Registry
from kce.types import Features

Interval = tuple[float, float] | None
FRAMES = 8


def world(
    random: np.random.Generator,
    labels: int,
    recordings: int,
    dim: int,
    apart: float,
    unequal: bool = False,
    frames: int = FRAMES,
) -> Features:
    """Rows of recordings of labels whose means are the same in every world."""
    means = apart / np.sqrt(2) * np.random.default_rng(99).standard_normal((labels, dim))
    count = labels * recordings
    recording = np.repeat(np.arange(count), random.integers(1, 2 * frames, count) if unequal else frames)
    x = (means[np.arange(count) % labels] + random.standard_normal((count, dim)))[recording]
    x += random.standard_normal(x.shape)
    text = recording.astype(str)
    label = np.char.add("l", (recording % labels).astype(str))
    return Features(np.arange(len(x)).astype(str), label, text, x.astype(np.float32))


def summarize(intervals: Iterable[Interval], truth: float, positive: bool) -> dict[str, Any]:
    """Count how many intervals there are, how many contain the truth, and how wide they are."""
    made = list(intervals)
    ends = np.array([interval for interval in made if interval is not None]).reshape(-1, 2)
    if not len(ends):
        return {"sets": len(made), "none": 100.0}
    share = float(np.mean((ends[:, 0] <= truth) & (truth <= ends[:, 1])))
    wide = np.median(ends[:, 1] / ends[:, 0] if positive else ends[:, 1] - ends[:, 0])
    return {
        "sets": len(made),
        "none": round(100 * (1 - len(ends) / len(made)), 1),
        "coverage": round(100 * share, 1),
        "error": round(100 * float(np.sqrt(share * (1 - share) / len(ends))), 1),
        "ratio" if positive else "width": round(float(wide), 2),
    }


def simulate_scores(
    name: str, sets: int, references: int, resamples: int, grid: Iterable[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Score worlds of each setting, `sets` of them with intervals."""
    evaluator = Registry.shipped().build("evaluator", name)
    for setting in grid:
        random = np.random.default_rng(7)
        others = [evaluator.score(world(random, **setting)) for _ in range(references)]
        made = [
            score_features(world(random, **setting), {name: evaluator}, seed=number, resamples=resamples)
            for number in range(sets)
        ]
        for score in others[0]:
            truth = float(np.mean([one[score] for one in others]))
            found = summarize((one["intervals"][name][score] for one in made), truth, score in POSITIVE)
            yield {"figure": score, **setting, "truth": round(truth, 3), **found}


POSITIVE = ("calinski_harabasz", "davies_bouldin")


def sums(sets: int, counts: Sequence[int] = (3, 5, 10, 25)) -> Iterator[dict[str, Any]]:
    """Scores from sums over recordings."""
    settings = [
        {"labels": labels, "dim": dim, "apart": apart}
        for labels, dim, apart in ((2, 2, 1.0), (2, 32, 0.5), (4, 8, 0.0), (4, 8, 1.0), (8, 2, 1.0), (8, 32, 0.5))
    ]
    grid = [{**one, "recordings": count} for one in settings for count in counts]
    grid += [{**settings[3], "recordings": count, "unequal": True} for count in counts]
    return simulate_scores("calinski-harabasz", sets, 4 * sets, 200, grid)


def rows(sets: int) -> Iterator[dict[str, Any]]:
    """Scores row by row."""
    for name in ("davies-bouldin", "silhouette"):
        for dim, apart in ((2, 1.0), (8, 1.0)):
            grid = [{"labels": 4, "dim": dim, "apart": apart, "recordings": n, "frames": 3} for n in (3, 10)]
            yield from simulate_scores(name, sets, 10 * sets, 50, grid)


def means(sets: int, counts: Sequence[int] = (3, 4, 6, 12, 24)) -> Iterator[dict[str, Any]]:
    """Means over cells and worlds."""
    random = np.random.default_rng(3)

    def index(n: int) -> Any:  # of cells whose categories differ
        return 50 * np.exp(0.4 * random.standard_normal((sets, n)) - 0.08)

    def agreement(n: int) -> Any:  # of worlds, 0.5 to 1, a third of them without a mistake
        return np.where(random.random((sets, n)) < 0.33, 1.0, 1 - 0.5 * random.beta(1, 2, (sets, n)))

    def low_agreement(n: int) -> Any:  # of worlds about chance
        return 0.9 * random.beta(1, 5, (sets, n)) - 0.05

    figures: list[tuple[str, Callable[[int], Any], tuple[float, float], float, bool]] = [
        ("mean index over cells", index, (0, np.inf), 50.0, True),
        ("mean ARI over worlds, good", agreement, (-0.5, 1), 1 - 0.67 * 0.5 / 3, False),
        ("mean ARI over worlds, poor", low_agreement, (-0.5, 1), 0.9 / 6 - 0.05, False),
    ]
    for n in counts:
        for name, draw, bounds, truth, positive in figures:
            made = (mean_with_interval(values, bounds).interval for values in draw(n))
            yield {"figure": name, "n": n, "truth": round(truth, 3), **summarize(made, truth, positive)}
        gains = (relative_gain(1.2 * one, other).interval for one, other in zip(index(n), index(n), strict=True))
        yield {"figure": "gain over cells", "n": n, "truth": 0.2, **summarize(gains, 0.2, False)}


def auroc(sets: int) -> Iterator[dict[str, Any]]:
    """AUROC between recordings of two sides, 8 rows each."""
    from scipy.stats import norm

    random = np.random.default_rng(5)
    for apart in (0.5, 1.5, 3.0):
        truth = float(norm.cdf(apart / 2))
        for count in (5, 8, 10, 20, 50):
            side = np.repeat([False, True], count * FRAMES)
            group = np.repeat(np.arange(2 * count), FRAMES)
            made = []
            for _ in range(sets):
                x = random.standard_normal(2 * count)[group] + random.standard_normal(len(group)) + apart * side
                made.append(clustered_auroc(x[:, None], side, group)[0].interval)
            yield {"figure": "AUROC", "recordings": count, "truth": round(truth, 3), **summarize(made, truth, False)}


def two(sets: int) -> Iterator[dict[str, Any]]:
    """Two recordings, cells or worlds."""
    with (
        mock.patch.object(scoring, "LEAST_RECORDINGS", 2),
        mock.patch.object(paired_tests, "LEAST_VALUES", 2),
    ):
        yield from sums(sets, (2,))
        yield from means(KINDS["means"][1], (2,))


KINDS: dict[str, tuple[Callable[[int], Iterator[dict[str, Any]]], int]] = {
    "sums": (sums, 300),
    "rows": (rows, 100),
    "means": (means, 2000),
    "auroc": (auroc, 1000),
    "two": (two, 300),
}


def main(kinds: list[str]) -> None:
    """Print the lines of these kinds; all but `two` by default."""
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("error")
        found = {
            kind: list(KINDS[kind][0](KINDS[kind][1])) for kind in kinds or [kind for kind in KINDS if kind != "two"]
        }
    print(json.dumps(found, indent=1))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
