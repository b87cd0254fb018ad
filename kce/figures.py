"""The figures of a run or a study, from the stored features and reports alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from kce import curves, merge, store
from kce.charts import Bars, Exhibit, Flow, Lines, Matrix, Points
from kce.scoring import evaluation_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.registry import Registry
    from kce.types import Features

SHOWN = 5000  # points of a map; more of them say no more, and a page must stay light
_KS = range(2, 11)


class Faces:
    """Which faces the maps show, each once: key -> number. Thumbnails are made of these."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def of(self, keys: Iterable[str]) -> NDArray[np.int32]:
        return np.array([self.numbers.setdefault(key, len(self.numbers)) for key in keys], np.int32)


def sample(table: store.Table, seed: int) -> Features:
    """At most ``SHOWN`` rows of a table, the same share of each category, by lot from the keys."""
    if len(table) <= SHOWN:
        return table.load()
    parts = [(batch.label, batch.key) for batch in table.batches()]
    label, key = (np.concatenate(column) for column in zip(*parts, strict=True))
    lots = [xxhash.xxh3_64_intdigest(f"{seed}\0{one}".encode()) for one in key.tolist()]
    order = np.argsort(np.array(lots, np.uint64), kind="stable")
    chosen = []
    for category in np.unique(label).tolist():
        its = order[label[order] == category]
        chosen.append(its[: max(len(its) * SHOWN // len(table), 1)])
    return table.rows(np.sort(np.concatenate(chosen)))


def components(rows: Features, registry: Registry, seed: int) -> Features:
    """The rows on their first 64 principal components, which most figures start from."""
    return rows.with_x(registry.build("reducer", "pca", n_components=64, seed=seed).fit_transform(rows.x))


def flat(rows: Features, registry: Registry, faces: Faces, seed: int) -> Points:
    """Components in two dimensions: after PCA to 64 t-SNE, as the paper draws features."""
    place = registry.build("reducer", "tsne", n_components=2, seed=seed).fit_transform(rows.x)
    return _points(rows, place, faces, ("t-SNE 1", "t-SNE 2"))


def deep(rows: Features, faces: Faces) -> Points:
    """The first three of the components."""
    place = np.zeros((len(rows), 3), np.float32)
    place[:, : min(rows.x.shape[1], 3)] = rows.x[:, :3]
    return _points(rows, place, faces, ("component 1", "component 2", "component 3"))


def similarity(rows: Features) -> Matrix:
    """Cosine similarity between the mean features of the categories, ordered so that like stands beside like.

    Means are taken after the mean of all categories is taken away: features after a ReLU are all positive, and would
    all look alike. The order is that of a dendrogram (average linkage of the cosine distance).
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    names = rows.categories
    means = np.stack([rows.x[rows.label == name].mean(axis=0, dtype=np.float64) for name in names])
    means -= means.mean(axis=0)
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    cosine = np.clip(means @ means.T, -1, 1)
    order = list(range(len(names)))
    if len(names) > 2:
        apart = squareform(1 - cosine, checks=False)
        order = leaves_list(linkage(np.maximum(apart, 0), "average", optimal_ordering=True)).tolist()
    return Matrix(cosine[np.ix_(order, order)], [names[number] for number in order], "cosine similarity")


def explained(tables: Mapping[str, Features]) -> Lines:
    """The share of the variance that the first components of PCA keep; the paper says 95.2 % for 64."""
    lines = {}
    for name, rows in tables.items():
        scale = np.linalg.svd(rows.x - rows.x.mean(axis=0), compute_uv=False).astype(np.float64) ** 2
        share = np.cumsum(scale) / max(float(scale.sum()), 1e-300)
        lines[name] = (list(range(1, len(share) + 1)), share.tolist())
    return Lines(lines, "components", "share of variance", {"64": 64})


def elbow(rows: Mapping[str, Features], registry: Registry, seed: int) -> Lines:
    """Calinski-Harabasz of K-means labels against the number of clusters, of rows after PCA to 64."""
    judge = registry.build("evaluator", "calinski-harabasz")
    lines = {}
    for name, its in rows.items():
        ks = [k for k in _KS if k < len(its)]
        found = []
        for k in ks:
            labels = registry.build("clusterer", "kmeans", n_clusters=k, n_init=3, seed=seed).fit_predict(its.x)
            as_rows = type(its)(its.key, labels.astype(np.str_), its.group, its.x)
            found.append(float(judge.score(as_rows)["calinski_harabasz"]))
        lines[name] = ([float(k) for k in ks], found)
    categories = {len(its.categories) for its in rows.values()}
    marks = {"categories": float(categories.pop())} if len(categories) == 1 else {}
    knees = [knee(*line) for line in lines.values() if len(line[0]) > 2]
    return Lines(
        lines,
        "clusters",
        "Calinski-Harabasz of K-means labels",
        marks | ({"elbow": float(np.median(knees))} if knees else {}),
    )


def knee(x: Sequence[float], y: Sequence[float]) -> float:
    """Where a curve bends most: the point farthest from the line between its ends, both axes from 0 to 1."""
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    a, b = ((v - v.min()) / max(float(np.ptp(v)), 1e-12) for v in (a, b))
    chord = b[0] + (b[-1] - b[0]) * (a - a[0]) / max(float(a[-1] - a[0]), 1e-12)
    return float(x[int(np.argmax(np.abs(b - chord)))])


def flow(plan: Mapping[str, str]) -> Flow:
    """From category to class, so that what was joined, and under which names, is seen at once."""
    ordered = sorted(plan, key=lambda category: (plan[category], category))
    return Flow([(category, plan[category]) for category in ordered])


def bars(names: Sequence[str], groups: Mapping[str, Sequence[Mapping[str, Any] | None]]) -> Bars:
    """Calinski-Harabasz with the intervals of resampled recordings; `groups` has a report for each of the names."""
    found = {group: [_bar(report) if report else None for report in its] for group, its in groups.items()}
    return Bars(names, found, "Calinski-Harabasz")


def _bar(report: Mapping[str, Any]) -> tuple[float, float, float] | None:
    if "calinski-harabasz" not in report["scores"]:
        return None
    value = report["scores"]["calinski-harabasz"]["calinski_harabasz"]
    span = report["intervals"]["calinski-harabasz"]["calinski_harabasz"] or (value, value)
    return value, span[0], span[1]


def training(folders: Mapping[str, Path]) -> Lines:
    """The loss of every training, step by step."""
    lines = {}
    for name, folder in folders.items():
        for model in ("first", "final"):
            rows = _curve(folder, model)
            if rows:
                steps = [float(row["step"]) for row in rows]
                lines[f"{name} {model}".strip()] = (steps, [float(row["loss"]) for row in rows])
    return Lines(lines, "step", "loss")


def _curve(folder: Path, model: str) -> list[dict[str, str]]:
    """The rows of a training; none of a first model that was made in another run's folder, where it is shown."""
    rows = curves.read(folder / "train.csv", model)
    return [] if model == "first" and rows and not rows[-1]["images_per_second"] else rows


def accuracy(folders: Mapping[str, Path]) -> Lines:
    """Accuracy of every training, on the faces it trains on and, where some are held out, on those."""
    lines = {}
    for name, folder in folders.items():
        for model in ("first", "final"):
            rows = _curve(folder, model)
            for column, word in (("accuracy", "training"), ("held_out_accuracy", "held out")):
                told = [(float(row["step"]), float(row[column])) for row in rows if row[column] not in ("", None)]
                if told:
                    steps, values = zip(*told, strict=True)
                    lines[f"{name} {model}, {word}".strip()] = (list(steps), list(values))
    return Lines(lines, "step", "accuracy")


def evaluated(folder: Path, report: Mapping[str, Any]) -> Features:
    """The rows a run was scored on."""
    table = store.open_table(folder / "features.h5", "unknown")
    return evaluation_rows(table, max(report["evaluated"].values()), report["seed"])


def known(folder: Path, places: Iterable[Path] = ()) -> store.Table | None:
    """The known features behind a run: its own, or those of the run that made them."""
    there = (store.find(place / "features.h5", "known") for place in (folder, *places))
    return next((table for table in there if table is not None), None)


def _points(rows: Features, place: NDArray[Any], faces: Faces, axes: tuple[str, ...]) -> Points:
    return Points(np.asarray(place, np.float32), rows.label, faces.of(rows.key.tolist()), axes)


def plan_of(folder: Path) -> dict[str, str] | None:
    """The plan of a run's folder, where there is one."""
    path = folder / "plan.toml"
    return dict(merge.read(path).classes) if path.is_file() else None


def exhibit(name: str, title: str, note: str, variants: Mapping[str, Any]) -> list[Exhibit]:
    """An exhibit with these variants; none where there is none."""
    return [Exhibit(name, title, note, variants)] if variants else []
