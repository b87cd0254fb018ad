"""Which figures a report has: every one from what is stored in the folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from kce import figures

if TYPE_CHECKING:
    from kce.charts import Chart, Exhibit, Lines, Points
    from kce.figures import Faces
    from kce.registry import Registry
    from kce.types import Features, Progress
    from kce.views import Folder, View


def of(folder: Folder, registry: Registry, faces: Faces, progress: Progress) -> list[Exhibit]:
    """All exhibits, in the order they are shown. Maps are those of the first seed: a second one looks alike."""
    first = min(view.seed for view in folder.views)
    views = [view for view in folder.views if view.seed == first]
    known = dict(_known(folder, views))
    unknown = {view: figures.components(figures.evaluated(view.folder, view.report), registry, first) for view in views}
    count = iter(range(1, len(known) + len(unknown) + 1))

    def drawn(rows: Features, seed: int) -> Points:
        points = figures.flat(rows, registry, faces, seed)
        progress("drawing", next(count), len(known) + len(unknown))
        return points

    by_name = {folder.label(view): view for view in views}
    flat = {name: drawn(unknown[view], first) for name, view in by_name.items()}
    deep: dict[str, Chart] = {name: figures.deep(unknown[view], faces) for name, view in by_name.items()}
    maps = {name: drawn(figures.components(rows, registry, first), first) for name, rows in known.items()}
    plans = {name: figures.plan_of(view.folder) for name, view in by_name.items()}
    flows = {name: figures.flow(plan) for name, plan in plans.items() if plan and len(set(plan.values())) < len(plan)}
    return [
        *figures.exhibit("bars", "Scores by plan and group", _BARS, _bars(folder)),
        *figures.exhibit("unknown", "Unknown categories", _UNKNOWN, flat),
        *figures.exhibit("unknown-3d", "Unknown categories in space", _SPACE, deep),
        *figures.exhibit("known", "Known categories", _KNOWN, maps),
        *figures.exhibit(
            "similarity", "How alike known categories are", _ALIKE,
            {name: figures.similarity(rows) for name, rows in known.items()},
        ),
        *figures.exhibit("plans", "From names to classes", _FLOW, flows),
        *figures.exhibit(
            "variance", "Explained variance", _VARIANCE, {"all": figures.explained(known)} if known else {}
        ),
        *figures.exhibit("elbow", "Number of clusters", _ELBOW, _elbows(views, unknown, registry, first)),
        *figures.exhibit("loss", "Loss while training", _LOSS, _curves(folder, views, figures.training)),
        *figures.exhibit("accuracy", "Accuracy while training", _ACCURACY, _curves(folder, views, figures.accuracy)),
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
        table = figures.known(view.folder, same)
        if table is not None and table.path not in seen:
            seen.add(table.path)
            yield f"group {view.group}" if view.group else "known", figures.sample(table, view.seed)


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
        chart = figures.bars(names, groups)
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
        found[_of_group(group)] = figures.elbow(rows, registry, seed)
    return found


def _curves(folder: Folder, views: list[View], drawn: Callable[[dict[str, Path]], Lines]) -> dict[str, Chart]:
    found: dict[str, Chart] = {}
    for group in dict.fromkeys(view.group for view in views):
        places = {_of_plan(folder, view): view.folder for view in views if view.group == group}
        chart = drawn(places)
        if chart.lines:
            found[_of_group(group)] = chart
    return found
