"""Which figures a report shows, in which order, with their titles and notes; their data is made in ``figures``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kce.registry import defaults
from kce.report import figures
from kce.report.charts import ReportFigure
from kce.report.neighbours import nearest_of_other_recordings

if TYPE_CHECKING:
    from kce.report.charts import Chart, Lines, Points
    from kce.report.figures import ShownFaces
    from kce.report.neighbours import Neighbours
    from kce.report.sources import ReportSource, RunSource
    from kce.types import Features, Progress

_BARS = (
    "Calinski-Harabasz index, computed on the unknown categories with their true labels, with 95 % intervals from a "
    "bootstrap over recordings. The index grows with n: compare only bars with the same n."
)
_BY_INDEX = {"evaluator": defaults.INDEX, "score": defaults.INDEX_SCORE}
"""What is shown of runs outside a study, which says what its plans are compared by."""
_UNKNOWN = (
    "The rows on which plans are scored: PCA to 64 components, then t-SNE. Distances between well-separated "
    "clusters are not meaningful."
)
_COMPONENTS = "The same rows on their first three principal components; here distances are true to scale."
_KNOWN = "Features from the first model, from which the plans by clusters are made: PCA to 64 components, then t-SNE."
_SIMILARITY = (
    "Cosine similarity between the mean features of categories, after subtracting the mean of all; similar categories "
    "are neighbours (average linkage of the cosine distance)."
)
_FLOW = "Which categories each plan merges."
_VARIANCE = "Share of the variance of the known features in the first principal components."
_ELBOW = (
    "K-means on the evaluated rows after PCA to 64 components. The elbow is where the curve is farthest from the line "
    "between its ends (median over plans); the true number of categories is marked too."
)
_LOSS = "Cross-entropy on the training faces since the previous point."
_ACCURACY = (
    "Share of faces classified correctly: of the training faces since the previous point and, if faces are held out, "
    "of those. train.csv has the balanced accuracy of held-out faces beside it, the mean over classes."
)


def all_figures(source: ReportSource, faces: ShownFaces, progress: Progress) -> list[ReportFigure]:
    """Make every figure for which there is data.

    Maps are made for the first seed only, since those of another look alike.

    Args:
        source: The runs to show.
        faces: Collects the faces that the maps show.
        progress: Called for each map.
    """
    first = min(run.seed for run in source.runs)
    runs = [run for run in source.runs if run.seed == first]
    known = dict(_known_features(source, runs))
    unknown = {run: figures.principal_components(figures.evaluated_rows(run.folder, run.report)) for run in runs}
    near = {run: nearest_of_other_recordings(rows) for run, rows in unknown.items()}
    count = iter(range(1, len(known) + len(unknown) + 1))

    def tsne(rows: Features, near: Neighbours) -> Points:
        points = figures.tsne_map(rows, faces, first, near)
        progress("drawing", next(count), len(known) + len(unknown))
        return points

    components = {name: figures.principal_components(rows) for name, rows in known.items()}
    by_label = {source.label(run): run for run in runs}
    plans = {label: figures.run_plan(run.folder) for label, run in by_label.items()}
    charts: list[tuple[str, str, str, Mapping[str, Chart]]] = [
        ("bars", "Scores by plan and group", _bars_note(source), _score_bars(source)),
        (
            "unknown", "Unknown categories", _UNKNOWN,
            {label: tsne(unknown[run], near[run]) for label, run in by_label.items()},
        ),
        (
            "unknown-3d", "Unknown categories in 3D", _COMPONENTS,
            {label: figures.component_map(unknown[run], faces, near[run]) for label, run in by_label.items()},
        ),
        (
            "known", "Known categories", _KNOWN,
            {name: tsne(rows, nearest_of_other_recordings(rows)) for name, rows in components.items()},
        ),
        (
            "similarity", "Similarity of known categories", _SIMILARITY,
            {name: figures.similarity_matrix(rows) for name, rows in known.items()},
        ),
        (
            "plans", "From categories to classes", _FLOW,
            {name: figures.plan_flow(plan) for name, plan in plans.items() if plan and _merges(plan)},
        ),
        ("variance", "Explained variance", _VARIANCE, {"all": figures.explained_variance(known)} if known else {}),
        ("elbow", "Number of clusters", _ELBOW, _elbow_curves(runs, unknown, first)),
        ("loss", "Training loss", _LOSS, _training_curves(source, runs, figures.loss_curves)),
        ("accuracy", "Training accuracy", _ACCURACY, _training_curves(source, runs, figures.accuracy_curves)),
    ]  # fmt: skip
    return [ReportFigure(name, title, note, variants) for name, title, note, variants in charts if variants]


def _merges(plan: Mapping[str, str]) -> bool:
    return len(set(plan.values())) < len(plan)


def _known_features(source: ReportSource, runs: list[RunSource]) -> Iterator[tuple[str, Features]]:
    """Every table of known features once, under what its runs have in common."""
    seen: set[Path] = set()
    for run in runs:
        related = [other.folder for other in source.runs if (other.group, other.seed) == (run.group, run.seed)]
        table = figures.find_known_features(run.folder, related)
        if table is not None and table.path not in seen:
            seen.add(table.path)
            yield known_label(run.group), figures.sample_rows(table, run.seed)


def _bars_note(source: ReportSource) -> str:
    if source.document.get("ranked_by", _BY_INDEX)["evaluator"] == defaults.INDEX:
        return _BARS
    return f"{source.document['measure']}, with 95 % intervals from a bootstrap over recordings."


def _score_bars(source: ReportSource) -> dict[str, Chart]:
    variants: dict[str, Chart] = {}
    for seed in sorted({run.seed for run in source.runs}):
        runs = [run for run in source.runs if run.seed == seed]
        names = list(dict.fromkeys(plan_label(source, run) for run in runs))
        reports = {(run.group, plan_label(source, run)): run.report for run in runs}
        groups = {
            _group_label(group): [reports.get((group, name)) for name in names]
            for group in dict.fromkeys(run.group for run in runs)
        }
        ranked_by = source.document.get("ranked_by", _BY_INDEX)
        chart = figures.score_bars(names, groups, ranked_by["evaluator"], ranked_by["score"])
        if any(bar for bars in chart.groups.values() for bar in bars):  # a run may be scored by other evaluators only
            variants[f"seed {seed}"] = chart
    return variants


def _elbow_curves(runs: list[RunSource], unknown: Mapping[RunSource, Features], seed: int) -> dict[str, Chart]:
    variants: dict[str, Chart] = {}
    for group in dict.fromkeys(run.group for run in runs):
        tables = {
            f"{run.backbone} {run.plan}".strip() or "run": unknown[run] for run in runs if run.group == group
        }  # fmt: skip
        variants[_group_label(group)] = figures.elbow_curves(tables, seed)
    return variants


def _training_curves(
    source: ReportSource, runs: list[RunSource], curves: Callable[[dict[str, Path]], Lines]
) -> dict[str, Chart]:
    variants: dict[str, Chart] = {}
    for group in dict.fromkeys(run.group for run in runs):
        chart = curves({plan_label(source, run): run.folder for run in runs if run.group == group})
        if chart.lines:
            variants[_group_label(group)] = chart
    return variants


def known_label(group: str) -> str:
    """Return the label of the map of the known categories of a group of a study, or of all if there are no groups."""
    return f"group {group}" if group else "known"


def _group_label(group: str) -> str:
    return f"group {group}" if group else "all"


def plan_label(source: ReportSource, run: RunSource) -> str:
    """Return the name of a run's plan, with that of its backbone if there are several backbones."""
    several = len({other.backbone for other in source.runs}) > 1
    return f"{run.backbone} {run.plan}" if several else run.plan or "run"
