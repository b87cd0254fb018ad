"""Computes the data of each figure from stored features and reports; each function returns one of the ``charts``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.evaluation.scoring import read_evaluation_rows
from kce.features.streams import StoredRows
from kce.features.table import FeatureTable, find_table, open_table
from kce.merging.plan_file import read_plan
from kce.registry import defaults
from kce.report.charts import Bars, Flow, Lines, Matrix, Points
from kce.system.rng import hash_order
from kce.training.history import read_history

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.report.neighbours import Neighbours
    from kce.types import Features

MAX_POINTS = 5000  # of a map: more do not show more, and the page must stay small
MAP_COMPONENTS = 64
_KS = range(2, 11)


class ShownFaces:
    """The faces that a page shows, numbered in the order in which they first appear.

    Attributes:
        numbers: Key of a face -> its number.
        category: Category of each face, by number.
        group: Group of each face, by number; empty if unknown.
    """

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.category: list[str] = []
        self.group: list[str] = []

    def add(self, keys: Sequence[str], categories: Sequence[str], groups: Sequence[str]) -> NDArray[np.int32]:
        """Return the number of each face, (n,); new faces get the next numbers."""
        for key, category, group in zip(keys, categories, groups, strict=True):
            if self.numbers.setdefault(key, len(self.category)) == len(self.category):
                self.category.append(category)
                self.group.append(group)
        return np.array([self.numbers[key] for key in keys], np.int32)


def sample_rows(table: FeatureTable, seed: int) -> Features:
    """Sample at most ``MAX_POINTS`` rows of a table, the same share of each category, by hashes of the keys."""
    if len(table) <= MAX_POINTS:
        return table.read_all()
    rows = StoredRows.all_of(table)
    order = np.array(hash_order(seed, rows.key.tolist()), np.int64)
    sampled = []
    for category in rows.categories:
        shuffled = order[rows.label[order] == category]
        sampled.append(shuffled[: max(len(shuffled) * MAX_POINTS // len(table), 1)])
    return rows.take(np.sort(np.concatenate(sampled)))


def principal_components(rows: Features) -> Features:
    """Replace x by its first 64 principal components, which the maps and the elbow start from."""
    pca = defaults.build_default("reducer", defaults.PCA, n_components=MAP_COMPONENTS)
    return rows.with_x(pca.fit_transform(rows.x))


def tsne_map(rows: Features, faces: ShownFaces, seed: int, neighbours: Neighbours | None = None) -> Points:
    """Map principal components to two dimensions by t-SNE, as in the paper's figures of features."""
    xy = defaults.build_default("reducer", defaults.TSNE, n_components=2, seed=seed).fit_transform(rows.x)
    return _points(rows, xy, faces, ("t-SNE 1", "t-SNE 2"), neighbours)


def component_map(rows: Features, faces: ShownFaces, neighbours: Neighbours | None = None) -> Points:
    """Show the first three principal components."""
    xyz = np.zeros((len(rows), 3), np.float32)
    xyz[:, : min(rows.x.shape[1], 3)] = rows.x[:, :3]
    return _points(rows, xyz, faces, ("component 1", "component 2", "component 3"), neighbours)


def _points(
    rows: Features, xy: NDArray[Any], faces: ShownFaces, axes: tuple[str, ...], neighbours: Neighbours | None
) -> Points:
    numbers = faces.add(rows.key.tolist(), rows.label.tolist(), rows.group.tolist())
    return Points(np.asarray(xy, np.float32), rows.label, numbers, axes, neighbours)


def similarity_matrix(rows: Features) -> Matrix:
    """Cosine similarity between the mean features of the categories, ordered so that similar ones are neighbours.

    The mean of all categories is subtracted first: features after a ReLU are all positive, so without that every pair
    would look similar. The order is that of a dendrogram (average linkage of the cosine distance).
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
        distance = squareform(1 - cosine, checks=False)
        order = leaves_list(linkage(np.maximum(distance, 0), "average", optimal_ordering=True)).tolist()
    return Matrix(cosine[np.ix_(order, order)], [names[number] for number in order], "cosine similarity")


def explained_variance(tables: Mapping[str, Features]) -> Lines:
    """Cumulative share of the variance in the first principal components; the paper reports 95.2 % for 64."""
    lines = {}
    for name, rows in tables.items():
        variance = np.linalg.svd(rows.x - rows.x.mean(axis=0), compute_uv=False).astype(np.float64) ** 2
        share = np.cumsum(variance) / max(float(variance.sum()), 1e-300)
        lines[name] = (list(range(1, len(share) + 1)), share.tolist())
    return Lines(lines, "components", "share of variance", {str(MAP_COMPONENTS): MAP_COMPONENTS})


def elbow_curves(tables: Mapping[str, Features], seed: int) -> Lines:
    """Calinski-Harabasz index of K-means labels against the number of clusters, for rows after PCA to 64.

    Args:
        tables: Name of a line -> its rows, as ``principal_components`` returns them.
        seed: Random seed of K-means.

    Returns:
        The curves, with markers at the number of categories and at the median elbow.
    """
    evaluator = defaults.build_default("evaluator", defaults.INDEX)
    lines = {}
    for name, rows in tables.items():
        ks = [k for k in _KS if k < len(rows)]
        index = []
        for k in ks:
            kmeans = defaults.build_default("clusterer", defaults.KMEANS, n_clusters=k, n_init=3, seed=seed)
            clustered = type(rows)(rows.key, kmeans.fit_predict(rows.x).astype(np.str_), rows.group, rows.x)
            index.append(float(evaluator.score(clustered)[defaults.INDEX_SCORE]))
        lines[name] = ([float(k) for k in ks], index)
    counts = {len(rows.categories) for rows in tables.values()}
    markers = {"categories": float(counts.pop())} if len(counts) == 1 else {}
    elbows = [elbow_position(*line) for line in lines.values() if len(line[0]) > 2]
    return Lines(
        lines,
        "clusters",
        "Calinski-Harabasz of K-means labels",
        markers | ({"elbow": float(np.median(elbows))} if elbows else {}),
    )


def elbow_position(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the x at which a curve is farthest from the line between its ends, with both axes scaled to [0, 1]."""
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    a, b = ((v - v.min()) / max(float(np.ptp(v)), 1e-12) for v in (a, b))
    chord = b[0] + (b[-1] - b[0]) * (a - a[0]) / max(float(a[-1] - a[0]), 1e-12)
    return float(x[int(np.argmax(np.abs(b - chord)))])


def plan_flow(plan: Mapping[str, str]) -> Flow:
    """Show which categories a plan merges into which class."""
    ordered = sorted(plan, key=lambda category: (plan[category], category))
    return Flow([(category, plan[category]) for category in ordered])


def score_bars(
    names: Sequence[str],
    groups: Mapping[str, Sequence[Mapping[str, Any] | None]],
    evaluator: str,
    score: str,
) -> Bars:
    """A score with bootstrap intervals.

    Args:
        names: Names of the bars, such as plans.
        groups: Group -> the report of a run for each of `names`, or None.
        evaluator: The evaluator.
        score: Which of its scores.

    Returns:
        The chart; there is no bar for a run that was not scored by the evaluator.
    """

    def bar(report: Mapping[str, Any]) -> tuple[float, float, float] | None:
        value = report["scores"].get(evaluator, {}).get(score)
        if value is None:
            return None
        low, high = report["intervals"][evaluator][score] or (value, value)
        return value, low, high

    bars = {group: [bar(report) if report else None for report in reports] for group, reports in groups.items()}
    return Bars(names, bars, "Calinski-Harabasz" if evaluator == defaults.INDEX else score)


def loss_curves(folders: Mapping[str, Path]) -> Lines:
    """Training loss against the step; `folders` maps the name of a run to its folder."""
    lines = {}
    for name, folder in folders.items():
        for model in ("first", "final"):
            rows = _training_log(folder, model)
            if rows:
                steps = [float(row["step"]) for row in rows]
                lines[f"{name} {model}".strip()] = (steps, [float(row["loss"]) for row in rows])
    return Lines(lines, "step", "loss")


def accuracy_curves(folders: Mapping[str, Path]) -> Lines:
    """Accuracy against the step, on the training faces and, if some are held out, on those."""
    lines = {}
    for name, folder in folders.items():
        for model in ("first", "final"):
            rows = _training_log(folder, model)
            for column, label in (("accuracy", "training"), ("held_out_accuracy", "held out")):
                points = [(float(row["step"]), float(row[column])) for row in rows if row[column] not in ("", None)]
                if points:
                    steps, values = zip(*points, strict=True)
                    lines[f"{name} {model}, {label}".strip()] = (list(steps), list(values))
    return Lines(lines, "step", "accuracy")


def _training_log(folder: Path, model: str) -> list[dict[str, str]]:
    """The rows of a training; none for a first model that another run trained, since that run shows it."""
    rows = read_history(folder / "train.csv", model)
    return [] if model == "first" and rows and not rows[-1]["images_per_second"] else rows


def evaluated_rows(folder: Path, report: Mapping[str, Any]) -> Features:
    """Return the rows on which a run was scored."""
    table = open_table(folder / "features.h5", "unknown")
    return read_evaluation_rows(table, max(report["evaluated"].values()), report["seed"])


def find_known_features(folder: Path, others: Iterable[Path] = ()) -> FeatureTable | None:
    """Return the known features behind a run, its own or those of the run that extracted them; None if there are none.

    Args:
        folder: The run.
        others: Runs from which it may have taken features.
    """
    tables = (find_table(run / "features.h5", "known") for run in (folder, *others))
    return next((table for table in tables if table is not None), None)


def run_plan(folder: Path) -> dict[str, str] | None:
    """Return the plan of a run, category -> class; None if it has no plan file."""
    path = folder / "plan.toml"
    return dict(read_plan(path).classes) if path.is_file() else None
