"""Clusterers on grounds whose truth is known: every cell in a process that may hang or die without harm to others."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from kce.bench import cell_store
from kce.bench import worlds as benchworlds
from kce.bench.worlds import check_drawn, drawn_features, is_drawn
from kce.errors import BadData, KCEError
from kce.evaluation.agreement import agreement_scores, partition_stability
from kce.pipeline.recipe import library_versions
from kce.registry import isolation
from kce.registry.registry import Registry
from kce.registry.specs import format_spec, parse_spec
from kce.system.rng import generator
from kce.system.worker_pool import TaskLost, Workers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.bench.worlds import Ground
    from kce.types import Features, Progress

LIMIT = 300.0
"""Seconds for a cell, with the drawing of its world."""
SHARE = 0.8  # of the rows, in the second clustering that tells stability
_MOST = 40  # clusters tried where the number is estimated
_ROWS = 2000  # rows of which the silhouette is taken then


@dataclass(frozen=True)
class Cell:
    """One clustering: what, by which parts, and whether the number of clusters is told.

    k  "known": the number of true classes; "unknown": estimated for those that want one; "own": it takes none
    """

    world: str
    aligner: str
    reducer: str
    clusterer: str
    k: str
    seed: int
    truth: str = ""

    @property
    def id(self) -> str:
        return xxhash.xxh3_64_hexdigest(json.dumps(asdict(self), sort_keys=True).encode())


def cells(
    registry: Registry,
    clusterers: Sequence[str],
    worlds: Sequence[str],
    aligners: Sequence[str] = ("none",),
    reducers: Sequence[str] = ("none",),
    seeds: Sequence[int] = (0, 1, 2),
    truth: str = "",
) -> list[Cell]:
    """Every combination, those of one world together. Raises UnknownName and KCEError for what cannot be, before work.

    A clusterer without a parameter `seed` is asked once, and so is one that takes no number of clusters (k "own").
    """
    grounds = list(dict.fromkeys(full for world in worlds for full in _grounds(world, registry)))
    found = []
    for kind, asked in (("aligner", aligners), ("reducer", reducers), ("clusterer", clusterers)):
        for spec in asked:
            registry.resolve(kind, spec)
    for world, aligner, reducer, clusterer in product(grounds, aligners, reducers, clusterers):
        lots = any(
            registry.takes(kind, spec, "seed")
            for kind, spec in (("aligner", aligner), ("reducer", reducer), ("clusterer", clusterer))
        )
        ways = ("known", "unknown") if registry.takes("clusterer", clusterer, "n_clusters") else ("own",)
        its = truth if ":/" in world else ""
        its_seeds = seeds if lots else seeds[:1]
        found += [Cell(world, aligner, reducer, clusterer, k, seed, its) for k in ways for seed in its_seeds]
    return list(dict.fromkeys(found))


def _grounds(world: str, registry: Registry) -> list[str]:
    if not is_drawn(world):
        return benchworlds.named(world)
    check_drawn(world, registry)
    return [format_spec(*parse_spec(world))]


def run(
    folder: Path,
    todo: Sequence[Cell],
    registry: Registry,
    limit: float = LIMIT,
    workers: int = 1,
    progress: Progress = lambda *_: None,
) -> list[dict[str, Any]]:
    """The results of all cells, in their order; those that `folder` holds already are not computed again.

    A result is the cell's own fields with {"status": "ok", "failed" or "timeout", "reason", "n", "classes", "asked",
    "clusters", "seconds", "peak_mib", "subsample", "scores": {truth: {measure: value}}}. `seconds` is the clusterer's
    own time with one thread, `peak_mib` what its process grew by at most (None where the system does not tell),
    `subsample` the ARI between its answer and that for 80 % of the rows. Raises Refused for a folder of other versions.
    """
    cell_store.settle(folder, {"versions": library_versions()})
    (folder / "labels").mkdir(exist_ok=True)
    done = cell_store.begin(folder)
    missing = [cell for cell in todo if cell.id not in done]
    progress("cells", len(todo) - len(missing), len(todo))
    if missing:
        made = {
            world: drawn_features(folder.absolute() / "worlds", world, registry, progress)
            for world in dict.fromkeys(cell.world for cell in missing)
            if is_drawn(world)
        }
        home = str(registry.folder.absolute())
        with Workers(workers, _at_work, (home, str(folder), made), limit=limit, tries=1) as crew:
            waiting: list[Cell] = []
            following = iter(missing)
            for number in range(len(missing)):
                while len(waiting) < crew.ahead and (cell := next(following, None)) is not None:
                    crew.submit(cell)
                    waiting.append(cell)
                cell, answer = waiting.pop(0), crew.take()
                done[cell.id] = _result(cell, answer)
                cell_store.add(folder, [done[cell.id]])
                progress("cells", len(todo) - len(missing) + number + 1, len(todo))
    return [done[cell.id] for cell in todo]


def answers(folder: Path, results: Sequence[Mapping[str, Any]]) -> list[NDArray[np.int_]]:
    """The clusters behind these results, each (n,), of those that have any."""
    return [
        np.load(_labels(folder, result["id"]), allow_pickle=False) for result in results if result["status"] == "ok"
    ]


def _result(cell: Cell, answer: Any) -> dict[str, Any]:
    if isinstance(answer, TaskLost):
        answer = {"status": "timeout" if answer.timed_out else "failed", "reason": answer.reason}
    return {"id": cell.id, **asdict(cell), **answer}


def _labels(folder: Path, name: str) -> Path:
    return folder / "labels" / f"{name}.npy"


# -------------------------------------------------------------------------------------------- in a process of its own


def _at_work(home: str, folder: str, made: Mapping[str, tuple[str, str]]) -> Callable[[Cell], dict[str, Any]]:
    """made  drawn world -> where its features and its truth lie"""
    registry = Registry.load(Path(home))
    kept: dict[tuple[str, ...], Any] = {}  # the ground and the rows of the cell before, which are mostly the next one's

    def work(cell: Cell) -> dict[str, Any]:
        try:
            return _cluster(cell, made.get(cell.world, (cell.world, cell.truth)), registry, kept, Path(folder))
        except KCEError as error:
            return {"status": "failed", "reason": error.message}
        except Exception as error:
            return {"status": "failed", "reason": f"{type(error).__name__}: {error}"}

    return work


def _cluster(
    cell: Cell, place: tuple[str, str], registry: Registry, kept: dict[tuple[str, ...], Any], folder: Path
) -> dict[str, Any]:
    ground, x = _rows(cell, place, registry, kept)
    truth = next(iter(ground.truths.values()))
    classes = len(np.unique(truth))
    asked = _number(cell, x, classes, kept)
    own = {} if asked is None else {"n_clusters": asked}
    part = registry.resolve_seeded("clusterer", cell.clusterer, cell.seed, **own)
    with isolation.component(part, registry, isolate=False) as clusterer:
        before = _peak(anew=True)
        start = time.perf_counter()
        found = np.asarray(clusterer.fit_predict(x))
        seconds = time.perf_counter() - start
        peak = _peak()
    some = np.sort(generator(cell.seed, "subsample").permutation(len(x))[: max(round(SHARE * len(x)), 2)])
    with isolation.component(part, registry, isolate=False) as clusterer:
        again = np.asarray(clusterer.fit_predict(x[some]))
    np.save(_labels(folder, cell.id), found.astype(np.int64), allow_pickle=False)
    clusters = len(np.unique(found[found >= 0]))
    return {
        "status": "ok",
        "reason": "" if clusters > 1 else f"{clusters} cluster for all rows: nothing is told apart",
        "n": len(x),
        "classes": classes,
        "asked": asked,
        "clusters": clusters,
        "seconds": seconds,
        "peak_mib": None if peak is None or before is None else (peak - before) / 2**20,
        "subsample": partition_stability([found[some], again]),
        "scores": {name: agreement_scores(values, found) for name, values in ground.truths.items()},
    }


def _rows(
    cell: Cell, place: tuple[str, str], registry: Registry, kept: dict[tuple[str, ...], Any]
) -> tuple[Ground, NDArray[np.float32]]:
    viewed = cell.aligner != "none"  # views are drawn where an aligner may want them
    called = ("ground", *place, str(viewed))
    if called not in kept:
        kept.clear()
        kept[called] = benchworlds.load(*place, viewed)
    ground: Ground = kept[called]
    seeds = [
        str(cell.seed) if registry.takes(kind, spec, "seed") else ""
        for kind, spec in (("aligner", cell.aligner), ("reducer", cell.reducer))
    ]
    made = ("rows", cell.aligner, cell.reducer, *seeds)
    if made not in kept:
        for other in [key for key in kept if key[0] != "ground"]:
            del kept[other]
        kept[made] = _prepared(cell, ground.rows, registry)
    return ground, kept[made]


def _number(cell: Cell, x: NDArray[np.float32], classes: int, kept: dict[tuple[str, ...], Any]) -> int | None:
    """How many clusters the clusterer is told to make."""
    if cell.k == "unknown" and ("number",) not in kept:
        kept["number",] = estimated(x)
    return {"known": classes, "unknown": kept.get(("number",)), "own": None}[cell.k]


def _prepared(cell: Cell, rows: Features, registry: Registry) -> NDArray[np.float32]:
    with isolation.component(
        registry.resolve_seeded("aligner", cell.aligner, cell.seed), registry, isolate=False
    ) as aligner:
        rows = rows.with_x(aligner.align(rows))
    with isolation.component(
        registry.resolve_seeded("reducer", cell.reducer, cell.seed), registry, isolate=False
    ) as reducer:
        return np.asarray(reducer.fit_transform(rows.x), np.float32)


def estimated(x: NDArray[np.float32]) -> int:
    """How many clusters there seem to be: where K-means has the highest mean silhouette, from 2 to 40 (Rousseeuw 1987).

    On 2,000 rows at most, by lot. It is the same for all clusterers that want a number and are told none.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    if len(x) > _ROWS:
        x = x[np.sort(generator(0, "estimate").permutation(len(x))[:_ROWS])]
    tried = range(2, min(_MOST, len(np.unique(x, axis=0)) - 1) + 1)
    if not tried:
        raise BadData("there are too few different rows to estimate a number of clusters", "tell it, or add rows")

    def fit(k: int) -> float:
        found = KMeans(k, n_init=3, random_state=0).fit_predict(x)
        return float(silhouette_score(x, found)) if len(np.unique(found)) > 1 else -1.0

    return max(tried, key=fit)


def _peak(*, anew: bool = False) -> int | None:
    """Bytes this process has held at most, since it was asked to count anew; None where the system does not tell."""
    try:
        if anew:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    except (OSError, IndexError, ValueError):
        return None
