"""The figures of a run or a study, from the stored features and reports alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kce.evaluation.scoring import read_evaluation_rows
from kce.features.table import FeatureTable, find_table, open_table
from kce.merging.plan_file import read_plan
from kce.report.charts import Bars, Exhibit, Flow, Lines, Matrix, Points
from kce.system.rng import hash_order
from kce.training.history import read_history

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from kce.registry.registry import Registry
    from kce.report.charts import Chart
    from kce.report.sources import Folder, View
    from kce.types import Features, Progress

SHOWN = 5000  # points of a map; more of them say no more, and a page must stay light
_KS = range(2, 11)


class Faces:
    """Which faces the maps show, each once: key -> number. Thumbnails are made of these."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def of(self, keys: Iterable[str]) -> NDArray[np.int32]:
        return np.array([self.numbers.setdefault(key, len(self.numbers)) for key in keys], np.int32)


def sample(table: FeatureTable, seed: int) -> Features:
    """At most ``SHOWN`` rows of a table, the same share of each category, sampled at random by their keys."""
    if len(table) <= SHOWN:
        return table.read_all()
    parts = [(batch.label, batch.key) for batch in table.batches()]
    label, key = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.array(hash_order(seed, key.tolist()), np.int64)
    chosen = []
    for category in np.unique(label).tolist():
        its = order[label[order] == category]
        chosen.append(its[: max(len(its) * SHOWN // len(table), 1)])
    return table.read_rows(np.sort(np.concatenate(chosen)))


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
    rows = read_history(folder / "train.csv", model)
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
    table = open_table(folder / "features.h5", "unknown")
    return read_evaluation_rows(table, max(report["evaluated"].values()), report["seed"])


def known_table(folder: Path, places: Iterable[Path] = ()) -> FeatureTable | None:
    """The known features behind a run: its own, or those of the run that made them."""
    there = (find_table(place / "features.h5", "known") for place in (folder, *places))
    return next((table for table in there if table is not None), None)


def _points(rows: Features, place: NDArray[Any], faces: Faces, axes: tuple[str, ...]) -> Points:
    return Points(np.asarray(place, np.float32), rows.label, faces.of(rows.key.tolist()), axes)


def plan_of(folder: Path) -> dict[str, str] | None:
    """The plan of a run's folder, where there is one."""
    path = folder / "plan.toml"
    return dict(read_plan(path).classes) if path.is_file() else None


def exhibit(name: str, title: str, note: str, variants: Mapping[str, Any]) -> list[Exhibit]:
    """An exhibit with these variants; none where there is none."""
    return [Exhibit(name, title, note, variants)] if variants else []


def all_figures(folder: Folder, registry: Registry, faces: Faces, progress: Progress) -> list[Exhibit]:
    """All exhibits, in the order they are shown. Maps are those of the first seed: a second one looks alike."""
    first = min(view.seed for view in folder.views)
    views = [view for view in folder.views if view.seed == first]
    known_rows = dict(_known(folder, views))
    unknown = {view: components(evaluated(view.folder, view.report), registry, first) for view in views}
    count = iter(range(1, len(known_rows) + len(unknown) + 1))

    def drawn(rows: Features, seed: int) -> Points:
        points = flat(rows, registry, faces, seed)
        progress("drawing", next(count), len(known_rows) + len(unknown))
        return points

    by_name = {folder.label(view): view for view in views}
    maps_unknown = {name: drawn(unknown[view], first) for name, view in by_name.items()}
    spatial: dict[str, Chart] = {name: deep(unknown[view], faces) for name, view in by_name.items()}
    maps = {name: drawn(components(rows, registry, first), first) for name, rows in known_rows.items()}
    merged = {name: plan_of(view.folder) for name, view in by_name.items()}
    flows = {name: flow(plan) for name, plan in merged.items() if plan and len(set(plan.values())) < len(plan)}
    return [
        *exhibit("bars", "Scores by plan and group", _BARS, _bars(folder)),
        *exhibit("unknown", "Unknown categories", _UNKNOWN, maps_unknown),
        *exhibit("unknown-3d", "Unknown categories in space", _SPACE, spatial),
        *exhibit("known", "Known categories", _KNOWN, maps),
        *exhibit(
            "similarity", "How alike known categories are", _ALIKE,
            {name: similarity(rows) for name, rows in known_rows.items()},
        ),
        *exhibit("plans", "From names to classes", _FLOW, flows),
        *exhibit(
            "variance", "Explained variance", _VARIANCE, {"all": explained(known_rows)} if known_rows else {}
        ),
        *exhibit("elbow", "Number of clusters", _ELBOW, _elbows(views, unknown, registry, first)),
        *exhibit("loss", "Loss while training", _LOSS, _curves(folder, views, training)),
        *exhibit("accuracy", "Accuracy while training", _ACCURACY, _curves(folder, views, accuracy)),
    ]  # fmt: skip


_BARS = (
    "Calinski-Harabasz index of the unknown categories by their true labels, with 95 % intervals from resampled "
    "recordings. It grows with n: compare only bars of one n."
)
_UNKNOWN = "The rows plans are scored on: PCA to 64 components, then t-SNE. Distances between far islands mean little."
_SPACE = "The same rows on their first three principal components; here distances are what they are."
_KNOWN = "Features of the first model, which the plans by clusters are made from: PCA to 64 components, then t-SNE."
_ALIKE = (
    "Cosine between the mean features of categories, less the mean of all; like stands beside like "
    "(average linkage of the cosine distance)."
)
_FLOW = "Which categories each plan joins."
_VARIANCE = "Share of the variance of the known features that the first components of PCA keep."
_ELBOW = (
    "K-means on the evaluated rows after PCA to 64. The elbow is the median over plans of where the curve is farthest "
    "from the line between its ends; beside it the true number of categories."
)
_LOSS = "Cross-entropy on the training faces since the point before."
_ACCURACY = "On the training faces, and on the held-out ones the mean over classes, where there are any."


def _known(folder: Folder, views: list[View]) -> Iterator[tuple[str, Features]]:
    """Every table of known features once, under what its runs have in common."""
    seen: set[Path] = set()
    for view in views:
        same = [other.folder for other in folder.views if (other.group, other.seed) == (view.group, view.seed)]
        table = known_table(view.folder, same)
        if table is not None and table.path not in seen:
            seen.add(table.path)
            yield f"group {view.group}" if view.group else "known", sample(table, view.seed)


def _bars(folder: Folder) -> dict[str, Chart]:
    found: dict[str, Chart] = {}
    for seed in sorted({view.seed for view in folder.views}):
        views = [view for view in folder.views if view.seed == seed]
        names = list(dict.fromkeys(_of_plan(folder, view) for view in views))
        groups = {
            _of_group(group): [
                next((v.report for v in views if v.group == group and _of_plan(folder, v) == name), None)
                for name in names
            ]
            for group in dict.fromkeys(view.group for view in views)
        }
        chart = bars(names, groups)
        if any(bar for its in chart.groups.values() for bar in its):  # a run may be scored by other measures alone
            found[f"seed {seed}"] = chart
    return found


def _of_group(group: str) -> str:
    return f"group {group}" if group else "all"


def _of_plan(folder: Folder, view: View) -> str:
    several = len({other.backbone for other in folder.views}) > 1
    return f"{view.backbone} {view.plan}" if several else view.plan or "run"


def _elbows(views: list[View], unknown: dict[View, Features], registry: Registry, seed: int) -> dict[str, Chart]:
    found: dict[str, Chart] = {}
    for group in dict.fromkeys(view.group for view in views):
        rows = {f"{v.backbone} {v.plan}".strip() or "run": unknown[v] for v in views if v.group == group}
        found[_of_group(group)] = elbow(rows, registry, seed)
    return found


def _curves(folder: Folder, views: list[View], drawn: Callable[[dict[str, Path]], Lines]) -> dict[str, Chart]:
    found: dict[str, Chart] = {}
    for group in dict.fromkeys(view.group for view in views):
        places = {_of_plan(folder, view): view.folder for view in views if view.group == group}
        chart = drawn(places)
        if chart.lines:
            found[_of_group(group)] = chart
    return found
