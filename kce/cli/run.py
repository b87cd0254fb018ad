"""The commands of a run: parse, call, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kce.cli.console import present, print_line, print_scores, print_table
from kce.cli.options import AsJson, Cache, Seed, Threads
from kce.errors import KCEError
from kce.registry import defaults

if TYPE_CHECKING:
    from kce.api.run import RunResult

EVALUATORS = [defaults.INDEX]


def run(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="The run's folder; a run that is there already is continued.")],
    recipe_file: Annotated[
        Path | None, typer.Option("--recipe", help="A recipe in TOML, instead of the options below.")
    ] = None,
    faces: Annotated[Path | None, typer.Option(help="The face folder.")] = None,
    unknown: Annotated[
        list[str] | None, typer.Option(help="One or more categories to hold out for evaluation.")
    ] = None,
    backbone: Annotated[str | None, typer.Option(help="The network.")] = None,
    extractor: Annotated[
        str | None, typer.Option(help="The network whose features make the plan.", show_default="the backbone")
    ] = None,
    aligner: Annotated[
        str | None, typer.Option(help="Removes what belongs to the dataset from the features before the reducer.")
    ] = None,
    reducer: Annotated[str | None, typer.Option(help="Reduces the features before they are clustered.")] = None,
    clusterer: Annotated[str | None, typer.Option(help="Makes the plan.")] = None,
    plan: Annotated[str | None, typer.Option(help="none, name, random, clusters, or a plan.toml.")] = None,
    k: Annotated[
        str | None,
        typer.Option(help="Number of classes; name: as many as there are names; estimate: from the features."),
    ] = None,
    vote: Annotated[
        str | None,
        typer.Option(help="What is clustered: means; distances: means, less what chance adds; rows."),
    ] = None,
    layer: Annotated[
        str | None, typer.Option(help="What the plan is made of: the network's features, or the classifier's logits.")
    ] = None,
    per_class: Annotated[
        int | None, typer.Option(help="Training faces per class.", show_default="as many as every class has")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training faces; 0: train nothing.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Faces per step, over all devices.")] = None,
    lr: Annotated[float | None, typer.Option(help="Highest learning rate.")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Weight decay of AdamW.")] = None,
    augment: Annotated[
        str | None, typer.Option(help="Changes to training faces: none, or some of flip,crop,camera,codec.")
    ] = None,
    loss: Annotated[
        str | None, typer.Option(help="softmax, or within-dataset: over the classes of a face's own dataset.")
    ] = None,
    batches: Annotated[
        str | None,
        typer.Option(help="random; or paired: a real and the forgeries made of it together, and augmented alike."),
    ] = None,
    held_out: Annotated[
        float | None, typer.Option(help="Share of the known faces that is not trained on and measures accuracy.")
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option(help="The weights to keep: last, or best on the held-out faces.")
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            help="auto, fast, 32, bf16 or 16; auto: 32 on the CPU, bf16 or 16 on a GPU; "
            "fast: bf16 also on a CPU that has it."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every random choice.")] = None,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds a third party's component may take; 0: no limit.")
    ] = None,
    evaluator: Annotated[
        list[str] | None, typer.Option(help="One or more evaluators.", show_default="the recipe's")
    ] = None,
    devices: Annotated[int, typer.Option(help="GPUs, or processes where there is none; they share each batch.")] = 1,
    threads: Threads = "auto",
    cache: Cache = None,
    until: Annotated[str, typer.Option(help="Stop after: first, known, plan, final, unknown, scores.")] = "scores",
    as_json: AsJson = False,
) -> None:
    """Run the method on a face folder.

    Train on the known categories, cluster them by their features, merge, retrain on the merged classes, and score the
    categories it has never seen.
    """
    _require_no_more(context, "categories follow --unknown, and a run has one folder")
    from kce.api.run import run as call

    present(
        lambda: call(
            folder,
            recipe=recipe_file,
            faces=faces,
            unknown=unknown,
            backbone=backbone,
            extractor=extractor,
            aligner=aligner,
            reducer=reducer,
            clusterer=clusterer,
            plan=plan,
            k=k,
            vote=vote,
            layer=layer,
            per_class=per_class,
            epochs=epochs,
            batch_size=batch_size,
            lr=lr,
            weight_decay=weight_decay,
            augment=augment,
            loss=loss,
            batches=batches,
            held_out=held_out,
            checkpoint=checkpoint,
            precision=precision,
            seed=seed,
            timeout=timeout,
            evaluator=evaluator,
            devices=devices,
            threads=threads,
            cache=cache,
            until=until,
        ),
        _print_run,
        as_json,
    )


def _print_run(made: RunResult) -> None:
    if made.plan:
        print_table(["category", "class"], [[category, name] for category, name in sorted(made.plan.items())])
    if made.report:
        print_scores(made.to_dict())
        print_line(f"report: {made.report}")


def score(
    context: typer.Context,
    table: Annotated[str, typer.Argument(help="FEATURES.h5:/TABLE")],
    reducer: Annotated[str, typer.Option(help="Reduces the features before they are scored.")] = defaults.NO_REDUCER,
    evaluator: Annotated[list[str], typer.Option(help="One or more evaluators.")] = EVALUATORS,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Score a feature table by its labels, with intervals."""
    _require_no_more(context, "evaluators follow --evaluator, and one table is scored")
    from kce.api.score import score as call

    present(
        lambda: call(table, reducer=reducer, evaluator=evaluator, seed=seed),
        lambda scored: print_scores(scored.to_dict()),
        as_json,
    )


def run_defaults() -> dict[str, object]:
    """What `kce run` takes where an option is not given, for its help."""
    from kce.pipeline.recipe import Recipe

    recipe = Recipe()
    values = {**vars(recipe.train), **vars(recipe)}
    return {
        name: ",".join(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if value not in ((), "", None)
    }


def _require_no_more(context: typer.Context, hint: str) -> None:
    if context.args:
        raise KCEError(f"unexpected argument {context.args[0]!r}", hint)
