"""The commands of the bench: parse, call, print."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kce.cli.app import App
from kce.cli.console import present, print_line, print_problems, print_table, say
from kce.cli.options import AsJson
from kce.evaluation.formatting import format_interval, format_number
from kce.registry import defaults

if TYPE_CHECKING:
    from kce.api.bench_results import AlignerBench, BenchComparison, BenchResult, ClustererBench, TracerBench
    from kce.report.charts import ReportTable

SUITE = ["suite"]
NO_ALIGNER, NO_REDUCER = [defaults.NO_ALIGNER], [defaults.NO_REDUCER]
AMOUNTS = [0.0, 0.5, 1.0]

Truth = Annotated[
    Path | None, typer.Option(help="The truth of stored features: a TOML with [method].", show_default="their labels")
]
Seeds = Annotated[int, typer.Option(min=1, help="Number of seeds: 0, 1, ...")]
Limit = Annotated[
    float, typer.Option(min=1, help="Seconds for one cell; a higher limit tries cells again that were late.")
]
WorkerCount = Annotated[int, typer.Option(min=1, help="Number of processes, of one thread each.")]
ResultFolder = Annotated[
    Path | None, typer.Option(help="Folder for the results, as html and csv; one that is there is continued.")
]

bench = App(name="bench", no_args_is_help=True, rich_markup_mode=None)


@bench.callback()
def main() -> None:
    """Try components where the right answer is known."""


@bench.command(continues="to")
def clusterers(
    clusterer: Annotated[
        list[str] | None, typer.Option(help="One or more NAME or NAME:key=value.", show_default="every built-in one")
    ] = None,
    world: Annotated[
        list[str],
        typer.Option(help="One or more of suite, NAME, NAME:key=value, demo, FEATURES.h5:/TABLE."),
    ] = SUITE,
    aligner: Annotated[list[str], typer.Option(help="One or more aligners, applied before the reducer.")] = NO_ALIGNER,
    reducer: Annotated[
        list[str], typer.Option(help="One or more reducers, applied before the clusterer.")
    ] = NO_REDUCER,
    truth: Truth = None,
    seeds: Seeds = 3,
    limit: Limit = 300,
    workers: WorkerCount = 1,
    to: ResultFolder = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be clustered, and start nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Rank clusterers on worlds whose truth is known.

    Features of your own can take part. The world suite is every feature world except small; demo is the faces of kce
    demo through a trained network. A clusterer that fails, hangs or ends its process is one failed cell.
    """
    from kce.api.bench import clusterers as call

    present(
        lambda: call(
            clusterer=clusterer,
            world=world,
            aligner=aligner,
            reducer=reducer,
            truth=truth,
            seeds=seeds,
            limit=limit,
            workers=workers,
            to=to,
            dry_run=dry_run,
        ),
        lambda ranked: _print_planned(ranked) if dry_run else _print_ranking(ranked),
        as_json,
    )


@bench.command(continues=True)
def aligners(
    to: Annotated[Path, typer.Option(help="Folder for worlds, runs and results; one that is there is continued.")],
    world: Annotated[
        str | None, typer.Option(help="A synthetic dataset, NAME:key=value.", show_default="the recipe's")
    ] = None,
    aligner: Annotated[
        list[str] | None, typer.Option(help="One or more NAME or NAME:key=value.", show_default="the recipe's")
    ] = None,
    clusterer: Annotated[
        list[str] | None, typer.Option(help="One or more clusterers.", show_default="the recipe's")
    ] = None,
    training: Annotated[
        list[str] | None, typer.Option(help="One or more trainings of the recipe.", show_default="all")
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="One or more kinds of artefact, or mixed.", show_default="all, and mixed")
    ] = None,
    amount: Annotated[list[float], typer.Option(help="One or more amounts of the artefact, 0 to 1.")] = AMOUNTS,
    worlds: Annotated[int, typer.Option(min=1, help="Number of worlds.")] = 5,
    first: Annotated[int, typer.Option(min=1, help="Number of the first world.")] = 1,
    nets: Annotated[int, typer.Option(min=1, help="Networks per world, with seeds 0, 1, ...")] = 3,
    k: Annotated[list[str] | None, typer.Option(help="known or estimate.", show_default="both")] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="A recipe of the benchmark in TOML.", show_default="the shipped aligners.toml")
    ] = None,
    workers: WorkerCount = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and start nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure what keeps the storage of datasets out of a plan.

    Trainings and aligners are tried on synthetic faces whose truth is known. Each combination of world, kind, amount,
    training and network takes a few minutes of one core.
    """
    from kce.api.bench import aligners as call

    present(
        lambda: call(
            to=to,
            world=world,
            aligner=aligner,
            clusterer=clusterer,
            training=training,
            kind=kind,
            amount=amount,
            worlds=worlds,
            first=first,
            nets=nets,
            k=k,
            recipe=recipe,
            workers=workers,
            dry_run=dry_run,
        ),
        lambda tried: _print_planned(tried) if dry_run else _print_aligners(tried),
        as_json,
    )


@bench.command(continues="to")
def tracers(
    tracer: Annotated[
        list[str] | None, typer.Option(help="One or more NAME or NAME:key=value.", show_default="every built-in one")
    ] = None,
    world: Annotated[
        list[str],
        typer.Option(
            help="One or more of suite, NAME, NAME:key=value, FEATURES.h5:/TABLE, drawn:..., drawn-suite, DATASET:..."
        ),
    ] = SUITE,
    level: Annotated[float, typer.Option(help="Level of the sets of families.")] = 0.95,
    discover: Annotated[str, typer.Option(help="A clusterer that groups what no family explains.")] = "",
    truth: Truth = None,
    seeds: Seeds = 3,
    recipe: Annotated[
        Path | None,
        typer.Option(help="A recipe of drawn worlds in TOML.", show_default="the shipped drawn_worlds.toml"),
    ] = None,
    limit: Limit = 300,
    workers: WorkerCount = 1,
    to: ResultFolder = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be tried, and start nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure how well tracers know families, and what is of none.

    In each world a quarter of the methods is unseen. The suite is every feature world except small, with 400 rows of
    each category; features of your own can take part. In drawn worlds (drawn:number=1,kind=jpeg) a network is trained
    on drawn faces first, in some minutes of one core; a synthetic DATASET of another name takes the same parameters.
    """
    from kce.api.bench import tracers as call

    present(
        lambda: call(
            tracer=tracer,
            world=world,
            level=level,
            discover=discover,
            truth=truth,
            seeds=seeds,
            recipe=recipe,
            limit=limit,
            workers=workers,
            to=to,
            dry_run=dry_run,
        ),
        lambda tried: _print_planned(tried) if dry_run else _print_tracers(tried),
        as_json,
    )


@bench.command()
def compare(
    first: Annotated[Path, typer.Argument(help="The folder of a benchmark of clusterers.")],
    second: Annotated[Path, typer.Argument(help="The folder of another one, for example of another version.")],
    clusterer: Annotated[
        list[str] | None,
        typer.Option(help="One or more clusterers of the first, compared with others.", show_default="all"),
    ] = None,
    against: Annotated[
        list[str] | None, typer.Option(help="One or more clusterers of the second.", show_default="the same")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two benchmarks of clusterers.

    What became better, what became worse, and how certain that is. With --clusterer or --against, clusterers of the one
    are compared with others of the other, over the worlds that both have.
    """
    from kce.api.bench import compare as call

    present(lambda: call(first, second, clusterer=clusterer, against=against), _print_comparison, as_json)


def _print_comparison(comparison: BenchComparison) -> None:
    print_table(
        ["clusterer", "aligner", "reducer", "k", "against", "worlds", "first", "second", "change", "95 % interval",
         "p (Holm)"],
        [
            [
                row["clusterer"], row["aligner"], row["reducer"], row["k"], _other_entry(row), str(row["n"]),
                f"{row['first']:.3f}",
                f"{row['second']:.3f}", f"{row['difference']:+.3f}", format_interval(row["interval"], "+.3f"),
                format_number(row["p_holm"], ".3g"),
            ]
            for row in comparison.compared
        ],
    )  # fmt: skip


def _other_entry(row: dict[str, Any]) -> str:
    """The entry of the second benchmark where it is not the same as that of the first."""
    other = row["against"]
    parts = ("clusterer", "aligner", "reducer", "k")
    return "the same" if all(other[key] == row[key] for key in parts) else ", ".join(other[key] for key in parts)


def _print_planned(planned: BenchResult) -> None:
    """Print one line per world: how many cells there are, and how many of them are done."""
    worlds: dict[str, list[bool]] = {}
    for cell in planned.cells:
        world = cell["world"] if "world" in cell else f"world {cell['setting']['world']}"
        worlds.setdefault(world, []).append(cell["done"])
    print_table(["world", "cells", "done"], [[name, str(len(own)), str(sum(own))] for name, own in worlds.items()])
    for line in planned.cost():
        print_line(line)


def _print_ranking(ranked: ClustererBench) -> None:
    _print_tables(ranked.tables())
    _print_failed(ranked, "{clusterer} on {world}, k {k}: {reason}")
    if ranked.folder:
        print_line(f"report: {ranked.folder / 'leaderboard.html'}")
    if late := [cell for cell in ranked.cells if cell["status"] == "timeout"]:
        say(f"note: {len(late)} cells took longer than --limit; a higher one tries them again")


def _print_aligners(tried: AlignerBench) -> None:
    _print_tables(tried.tables())
    for name, text in tried.verdicts.items():
        print_line(f"k {name}: {text}")
    _print_failed(
        tried, "{aligner}, {clusterer}, {training} {net}, on world {world}, {kind} {amount:g}, k {k}: {reason}"
    )
    print_line(f"report: {tried.folder / 'aligners.html'}" if tried.folder else "")


def _print_tracers(tried: TracerBench) -> None:
    _print_tables(tried.tables())
    for data, text in tried.verdicts.items():
        print_line(f"{data}: {text}")
    _print_failed(tried, "{tracer} on {world}, seed {seed}: {reason}")
    if tried.folder:
        print_line(f"report: {tried.folder / 'tracers.html'}")


def _print_failed(tried: BenchResult, form: str) -> None:
    print_problems("failed", [form.format_map(cell) for cell in tried.cells if cell["status"] != "ok"])


def _print_tables(tables: Sequence[ReportTable]) -> None:
    for table in tables:
        print_line(f"\n{table.title}: {table.note}")
        print_table(list(table.head), [list(row) for row in table.rows])
