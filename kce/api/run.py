"""``kce.run``: the method on a face folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kce.api.arguments import optional_path, parse_size, require_numbers, several
from kce.api.progress import shown_progress
from kce.api.results import Result
from kce.api.score import describe_scores, score_records
from kce.api.threads import AUTO, limited_threads
from kce.system.text import counted

if TYPE_CHECKING:
    from kce.api.arguments import AnyPath
    from kce.types import Features, Progress


class RunResult(Result):
    """What a run has made so far. Before its last stage it has no scores; before the plan, nothing but its folder.

    Attributes:
        folder: The run's folder.
    """

    def __init__(self, document: Mapping[str, Any], folder: Path) -> None:
        super().__init__(document)
        self.folder = folder

    @property
    def plan(self) -> dict[str, str]:
        """Category -> class; empty before there is a plan."""
        return dict(self._document.get("plan", {}))

    @property
    def n(self) -> int:
        """Rows that were scored."""
        return int(self._document.get("n", 0))

    @property
    def scores(self) -> dict[str, dict[str, float]]:
        """Evaluator -> score -> value; empty before the last stage."""
        return {name: dict(values) for name, values in self._document.get("scores", {}).items()}

    @property
    def intervals(self) -> dict[str, dict[str, tuple[float, float] | None]]:
        """Evaluator -> score -> (low, high), 95 %; None where there is none."""
        return {
            name: {score: tuple(pair) if pair else None for score, pair in values.items()}
            for name, values in self._document.get("intervals", {}).items()
        }

    @property
    def remarks(self) -> list[str]:
        """What a reader of the scores must know."""
        return list(self._document.get("remarks", []))

    @property
    def report(self) -> Path | None:
        """The page with figures and tables; None before the last stage."""
        return self.folder / "report.html" if self.scores else None

    def load_features(self, table: str = "unknown") -> Features:
        """Read the run's features: of the table "unknown", or "known".

        Raises:
            KCEError: The run has no such table yet, or another run has its features of the known categories.
        """
        from kce.features.arrays import load_features

        return load_features(f"{self.folder / 'features.h5'}:/{table}")

    def _records(self) -> list[dict[str, Any]]:
        if self.scores:
            return score_records(self._document)
        return [{"category": category, "class": name} for category, name in sorted(self.plan.items())]

    def _summary(self) -> str:
        classes = counted(len(set(self.plan.values())), "class", "classes")
        plan = f"{counted(len(self.plan), 'category', 'categories')} in {classes}" if self.plan else "no plan yet"
        scores = f", {describe_scores(self._document)}, n {self.n:,}" if self.scores else ""
        return f"{self.folder}: {plan}{scores}"


def run(
    folder: AnyPath,
    *,
    recipe: AnyPath | None = None,
    faces: AnyPath | None = None,
    unknown: str | Iterable[str] | None = None,
    backbone: str | None = None,
    extractor: str | None = None,
    aligner: str | None = None,
    reducer: str | None = None,
    clusterer: str | None = None,
    plan: AnyPath | None = None,
    k: int | str | None = None,
    vote: str | None = None,
    layer: str | None = None,
    per_class: int | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    weight_decay: float | None = None,
    augment: str | Iterable[str] | None = None,
    loss: str | None = None,
    batches: str | None = None,
    held_out: float | None = None,
    checkpoint: str | None = None,
    precision: str | None = None,
    seed: int | None = None,
    timeout: float | None = None,
    evaluator: str | Iterable[str] | None = None,
    devices: int = 1,
    threads: int | str = AUTO,
    cache: str | int | None = None,
    until: str = "scores",
    progress: bool | Progress = True,
) -> RunResult:
    """Run the method on a face folder. Called again, it continues where it stopped, also after an interrupt.

    Train on the known categories, cluster them by their features, merge, retrain on the merged classes, and score the
    categories it has never seen. A choice that is None is the recipe's, which is that of the folder if it has one;
    ``kce docs training`` lists the defaults. Several threads may run it, in folders of their own: they train one after
    the other, since torch has one random state for the process.

    Args:
        folder: The run's folder; a run that is there already is continued.
        recipe: A recipe in TOML, instead of the choices below.
        faces: The face folder.
        unknown: One or more categories to hold out for evaluation.
        backbone: The network.
        extractor: The network whose features make the plan; by default the backbone.
        aligner: Removes what belongs to the dataset from the features before the reducer.
        reducer: Reduces the features before they are clustered.
        clusterer: Makes the plan.
        plan: none, name, random, clusters, or a plan.toml.
        k: Number of classes; "name": as many as there are names; "estimate": from the features.
        vote: What is clustered: means, distances (means as far apart as they are without chance), or rows.
        layer: What the plan is made of: the network's features, or the classifier's logits.
        per_class: Training faces per class; by default as many as every class has.
        epochs: Passes over the training faces; 0 = the network keeps the weights that it begins with.
        batch_size: Faces per step, over all devices.
        lr: Highest learning rate.
        weight_decay: Weight decay of AdamW.
        augment: Changes to training faces: none, or some of flip, crop, camera and codec.
        loss: softmax, or within-dataset: over the classes of a face's own dataset.
        batches: random; or paired: a real and the forgeries made of it together, and augmented alike.
        held_out: Share of the known faces that is not trained on and measures accuracy.
        checkpoint: The weights to keep: last, or best on the held-out faces.
        precision: auto, fast, 32, bf16 or 16; auto: 32 on the CPU, bf16 or 16 on a GPU; fast: bf16 also
            on a CPU that has it.
        seed: Seed of every random choice.
        timeout: Seconds a third party's component may take; 0: no limit.
        evaluator: One or more evaluators, instead of the recipe's.
        devices: GPUs, or processes where there is none; they share each batch.
        threads: Threads per process; "auto" = one for each core that no other program uses, and with OMP_NUM_THREADS as
            many as that says.
        cache: Disk space for decoded faces, such as "20GB" or a number of bytes, so that each is decoded once.
        until: Stop after this stage: first, known, plan, final, unknown, scores.
        progress: True shows bars, False nothing; or a function of what is done, how much of it, and the total or None.

    Returns:
        The plan and the scores. ``to_frame()``: evaluator, score, value, low, high, n, seed; before the last stage
        category, class.

    Raises:
        KCEError: Choices that cannot work, a folder with a run of other choices, or one in which another process or
            thread is at work.
        KeyboardInterrupt: What is done is saved first.

    Example:
        ``kce docs python`` has a whole one. What cannot work is said before anything is done:

        >>> run("runs/a", faces="no-such-folder", unknown=["One_Swap", "Two_Swap"], progress=False)
        Traceback (most recent call last):
        kce.errors.KCEError: there is no no-such-folder/faces.csv
        hint: `kce cut` makes a face folder
    """
    from kce.faces.pixel_cache import FOLDER, PixelCache
    from kce.pipeline.recipe import choose_recipe
    from kce.pipeline.run import run as run_all
    from kce.registry.registry import Registry
    from kce.report.report import write_report

    require_numbers(1, devices=devices)
    folder = Path(folder)
    categories, evaluators = several("unknown", unknown), several("evaluator", evaluator)
    chosen = choose_recipe(
        folder,
        optional_path(recipe),
        faces=None if faces is None else str(Path(faces)),
        unknown=None if categories is None else tuple(categories),
        backbone=backbone,
        extractor=extractor,
        aligner=aligner,
        reducer=reducer,
        clusterer=clusterer,
        plan=None if plan is None else str(plan),
        k=int(k) if isinstance(k, str) and k.isdigit() else k,
        vote=vote,
        layer=layer,
        seed=seed,
        timeout=timeout,
        train={
            "per_class": per_class,
            "epochs": epochs,
            "batch_size": batch_size,
            "lr": lr,
            "weight_decay": weight_decay,
            "augment": _augmentations(augment),
            "loss": loss,
            "batches": batches,
            "held_out": held_out,
            "checkpoint": checkpoint,
            "precision": precision,
        },
        evaluate={"evaluators": None if evaluators is None else tuple(evaluators)},
    )
    registry = Registry.load()
    pixels = None if cache is None else PixelCache(folder.absolute().parent / FOLDER, parse_size(cache))
    with limited_threads(threads), shown_progress(progress) as show:
        document = run_all(folder, chosen, registry, until, devices=devices, progress=show, cache=pixels)
        if "scores" in document:
            write_report(folder, progress=show)
    return RunResult(document, folder)


def _augmentations(augment: str | Iterable[str] | None) -> tuple[str, ...] | None:
    names = several("augment", augment.split(",") if isinstance(augment, str) else augment)
    return None if names is None else tuple(names)
