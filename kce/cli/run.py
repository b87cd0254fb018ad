"""The commands of a run: parse, call, print."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from kce.cli.console import AsJson, Seed, print_json, print_line, print_scores, print_table, progress_bars
from kce.errors import KCEError


def run(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="The run's folder; a run that is there goes on.")],
    recipe_file: Annotated[
        Path | None, typer.Option("--recipe", help="A recipe in TOML, instead of the choices below.")
    ] = None,
    faces: Annotated[Path | None, typer.Option(help="The face folder.")] = None,
    unknown: Annotated[list[str] | None, typer.Option(help="Categories to hold back for the evaluation.")] = None,
    backbone: Annotated[str | None, typer.Option(help="Network; xception if left out.")] = None,
    extractor: Annotated[
        str | None, typer.Option(help="Network whose features make the plan; the backbone if left out.")
    ] = None,
    aligner: Annotated[
        str | None, typer.Option(help="Takes the dataset out of the features; none if left out.")
    ] = None,
    reducer: Annotated[str | None, typer.Option(help="Before clustering; pca:n_components=64 if left out.")] = None,
    clusterer: Annotated[str | None, typer.Option(help="Makes the plan; kmeans if left out.")] = None,
    plan: Annotated[
        str | None, typer.Option(help="none, name, random, clusters (if left out), or a plan.toml.")
    ] = None,
    k: Annotated[
        str | None, typer.Option(help="Classes of the plan; name (if left out) = as many as names; estimate.")
    ] = None,
    per_class: Annotated[
        int | None, typer.Option(help="Training faces of each class; as many as all have if left out.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="3 if left out, as in the paper.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Faces a step; 32 if left out.")] = None,
    lr: Annotated[float | None, typer.Option(help="Highest learning rate; 0.001 if left out.")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Of AdamW; 0.01 if left out.")] = None,
    augment: Annotated[
        str | None, typer.Option(help="Changes to training faces: none (if left out), or flip,codec or one of them.")
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(help="softmax (if left out), or within-dataset: each face among its dataset's classes."),
    ] = None,
    held_out: Annotated[
        float | None, typer.Option(help="Share of the known faces that only measures accuracy; 0.1 if left out.")
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option(help="Weights to keep: last (if left out), or best on the held-out faces.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything that is drawn by lot; 0 if left out.")] = None,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds a third party's component may take for an answer; 7200 if left out.")
    ] = None,
    devices: Annotated[int, typer.Option(help="GPUs, or processes without one; they share each batch.")] = 1,
    threads: Annotated[int | None, typer.Option(help="Of each process; one a core if left out.")] = None,
    until: Annotated[str, typer.Option(help="Stop after: first, known, plan, final, unknown, scores.")] = "scores",
    as_json: AsJson = False,
) -> None:
    """Run the method: train, cluster, merge, train again, and score the categories it has never seen."""
    if threads:
        os.environ["OMP_NUM_THREADS"] = str(threads)  # read when torch is loaded, here and in processes of ours
    from kce.pipeline.recipe import choose_recipe
    from kce.pipeline.run import run as run_all
    from kce.registry.registry import Registry
    from kce.report import report

    chosen = choose_recipe(
        folder,
        recipe_file,
        faces=str(faces) if faces else None,
        unknown=_with_more(context, unknown, "--unknown"),
        backbone=backbone,
        extractor=extractor,
        aligner=aligner,
        reducer=reducer,
        clusterer=clusterer,
        plan=plan,
        k=int(k) if k and k.isdigit() else k,
        seed=seed,
        timeout=timeout,
        train={
            "per_class": per_class,
            "epochs": epochs,
            "batch_size": batch_size,
            "lr": lr,
            "weight_decay": weight_decay,
            "augment": tuple(augment.split(",")) if augment else None,
            "loss": loss,
            "held_out": held_out,
            "checkpoint": checkpoint,
        },
    )
    registry = Registry.load()
    with progress_bars() as progress:
        found = run_all(folder, chosen, registry, until, devices=devices, progress=progress)
        if "scores" in found:
            report.write(folder, registry, progress=progress)
    if as_json:
        return print_json(found)
    if "plan" in found:
        print_table(["category", "class"], [[category, name] for category, name in sorted(found["plan"].items())])
    if "scores" in found:
        print_scores(found)
        print_line(f"report: {folder / 'report.html'}")
    return None


def score(
    context: typer.Context,
    table: Annotated[str, typer.Argument(help="FEATURES.h5:/TABLE")],
    reducer: Annotated[str, typer.Option(help="Before scoring.")] = "none",
    evaluator: Annotated[list[str] | None, typer.Option(help="calinski-harabasz if left out.")] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Score a feature table by its labels, with intervals."""
    from kce.evaluation.scoring import score_table
    from kce.registry.registry import Registry

    evaluators = _with_more(context, evaluator, "--evaluator") or ("calinski-harabasz",)
    found = score_table(table, reducer, evaluators, Registry.load(), seed)
    return print_json(found) if as_json else print_scores(found)


def _with_more(context: typer.Context, given: list[str] | None, option: str) -> tuple[str, ...] | None:
    if context.args and not given:
        raise KCEError(f"{context.args[0]!r} belongs to nothing", f"several values follow {option}")
    return (*given, *context.args) if given else None
