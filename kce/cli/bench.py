"""The commands of the bench: parse, call, print."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kce.cli.app import App
from kce.cli.console import print_json, print_line, print_problems, print_table, progress_bars, say
from kce.cli.options import AsJson
from kce.errors import KCEError
from kce.evaluation.formatting import format_interval, format_number
from kce.registry import defaults

if TYPE_CHECKING:
    from kce.report.charts import ReportTable

SUITE = ["suite"]
NO_ALIGNER, NO_REDUCER = [defaults.NO_ALIGNER], [defaults.NO_REDUCER]
AMOUNTS = [0.0, 0.5, 1.0]

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
    truth: Annotated[
        Path | None,
        typer.Option(help="The truth of stored features: a TOML with [method].", show_default="their labels"),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds: 0, 1, ...")] = 3,
    limit: Annotated[
        float, typer.Option(min=1, help="Seconds for one cell; a higher limit tries cells again that were late.")
    ] = 300,
    workers: Annotated[int, typer.Option(min=1, help="Number of processes, of one thread each.")] = 1,
    to: Annotated[
        Path | None, typer.Option(help="Folder for the results, as html and csv; one that is there is continued.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be clustered, and start nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Rank clusterers on worlds whose truth is known.

    Features of your own can take part. The world suite is every feature world except small; demo is the faces of kce
    demo through a trained network. A clusterer that fails, hangs or ends its process is one failed cell.
    """
    import tempfile

    from kce.bench.bench_provenance import cluster_provenance
    from kce.bench.cell_store import finished_ids, raise_if_stopped
    from kce.bench.clusterers import list_cluster_cells, run_cluster_cells
    from kce.bench.leaderboard import make_leaderboards, write_leaderboards
    from kce.registry.registry import Registry
    from kce.system.documents import model_to_table
    from kce.system.lock import folder_lock

    registry = Registry.load()
    chosen = clusterer or [row["name"] for row in registry.list_components("clusterer") if row["source"] == "built-in"]
    cells = list_cluster_cells(
        registry, chosen, world, aligner, reducer, range(seeds),
        str(truth.absolute()) if truth else "",
    )  # fmt: skip
    if dry_run:
        return _print_planned([(cell.world, cell) for cell in cells], finished_ids(to, limit) if to else set(), as_json)
    with (
        tempfile.TemporaryDirectory() if to is None else nullcontext(str(to)) as folder,
        folder_lock(Path(folder), "bench"),
    ):
        with progress_bars() as progress:
            results = run_cluster_cells(Path(folder), cells, registry, limit, workers, progress)
        boards = make_leaderboards(Path(folder), results)
        provenance = cluster_provenance(registry, results, str(truth or ""))
        if to is not None:
            write_leaderboards(to, boards, results, provenance)
    if as_json:
        print_json(
            {
                "seeds": list(range(seeds)),
                "cells": results,
                "leaderboards": boards,
                "provenance": model_to_table(provenance),
            }
        )
    else:
        _print_boards(boards, results)
        if to is not None:
            print_line(f"report: {to / 'leaderboard.html'}")
    if late := [result for result in results if result["status"] == "timeout"]:
        say(f"note: {len(late)} cells took longer than --limit; a higher one tries them again")
    raise_if_stopped(results)
    return None


@bench.command(continues=True)
def aligners(
    to: Annotated[Path, typer.Option(help="Folder for worlds, runs and results; one that is there is continued.")],
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
    workers: Annotated[int, typer.Option(min=1, help="Number of processes, of one thread each.")] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and start nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure what keeps the storage of datasets out of a plan.

    Trainings and aligners are tried on synthetic faces whose truth is known. Each combination of world, kind, amount,
    training and network takes a few minutes of one core.
    """
    from kce.bench.aligner_report import aligner_tables, compare_aligners, summarize_aligners, write_aligner_report
    from kce.bench.aligners import (
        ALIGNER_RECIPE,
        KS,
        list_align_cells,
        read_aligner_bench,
        run_align_cells,
    )
    from kce.bench.bench_provenance import aligner_provenance
    from kce.bench.cell_store import finished_ids, raise_if_stopped
    from kce.faces import degrade
    from kce.registry.registry import Registry
    from kce.system.documents import model_to_table
    from kce.system.lock import folder_lock

    registry = Registry.load()
    chosen = read_aligner_bench(recipe or ALIGNER_RECIPE)
    cells = list_align_cells(
        registry, chosen, range(first, first + worlds), kind or [*degrade.ARTEFACT_KINDS, "mixed"], amount,
        range(nets), training or [], aligner or [], clusterer or [], k or KS,
    )  # fmt: skip
    if dry_run:
        return _print_planned([(f"world {cell.setting.world}", cell) for cell in cells], finished_ids(to), as_json)
    with folder_lock(to, "bench"):
        with progress_bars() as progress:
            results = run_align_cells(to, cells, chosen, registry, workers, progress)
        rows = summarize_aligners(results)
        differences, verdicts = compare_aligners(results)
        provenance = aligner_provenance(registry, chosen, results)
        write_aligner_report(to, rows, results, provenance)
    if as_json:
        print_json(
            {
                "cells": results,
                "aligners": rows,
                "differences": {k: [model_to_table(one) for one in own] for k, own in differences.items()},
                "verdicts": verdicts,
                "provenance": model_to_table(provenance),
            }
        )
    else:
        for table in aligner_tables(rows):
            _print_report_table(table)
        for name, text in verdicts.items():
            print_line(f"k {name}: {text}")
        _print_failed(
            results, "{aligner}, {clusterer}, {training} {net}, on world {world}, {kind} {amount:g}, k {k}: {reason}"
        )
        print_line(f"report: {to / 'aligners.html'}")
    raise_if_stopped(results)
    return None


@bench.command()
def compare(
    first: Annotated[Path, typer.Argument(help="The folder of a benchmark of clusterers.")],
    second: Annotated[Path, typer.Argument(help="The folder of another one, for example of another version.")],
    as_json: AsJson = False,
) -> None:
    """Compare two benchmarks of clusterers.

    What became better, what became worse, and how certain that is.
    """
    from kce.bench.cell_store import read_cells
    from kce.bench.clusterers import ClusterResult
    from kce.bench.leaderboard import compare_benches

    ours, theirs = (read_cells(folder, "clusterers", ClusterResult) for folder in (first, second))
    rows = compare_benches(ours, theirs)
    if not rows:
        raise KCEError(
            f"{first} and {second} have no combination of components on a common world",
            "run both with the same clusterers and worlds",
        )
    if as_json:
        return print_json(rows)
    print_table(
        ["clusterer", "aligner", "reducer", "k", "worlds", "first", "second", "change", "95 % interval", "p (Holm)"],
        [
            [
                row["clusterer"], row["aligner"], row["reducer"], row["k"], str(row["n"]), f"{row['first']:.3f}",
                f"{row['second']:.3f}", f"{row['difference']:+.3f}", format_interval(row["interval"], "+.3f"),
                format_number(row["p_holm"], ".3g"),
            ]
            for row in rows
        ],
    )  # fmt: skip
    return None


def _print_planned(cells: Sequence[tuple[str, Any]], done: set[str], as_json: bool) -> None:
    """Print one line per world: how many cells there are, and how many of them are done."""
    if as_json:
        return print_json({"cells": [{"id": cell.id, **asdict(cell), "done": cell.id in done} for _, cell in cells]})
    worlds: dict[str, list[bool]] = {}
    for world, cell in cells:
        worlds.setdefault(world, []).append(cell.id in done)
    print_table(["world", "cells", "done"], [[name, str(len(own)), str(sum(own))] for name, own in worlds.items()])
    return None


def _print_boards(boards: dict[str, Any], results: list[dict[str, Any]]) -> None:
    from kce.bench.leaderboard_tables import leaderboard_table

    for k, board in boards.items():
        if board["rows"]:
            _print_report_table(leaderboard_table(k, board))
    _print_failed(results, "{clusterer} on {world}, k {k}: {reason}")


def _print_failed(results: list[dict[str, Any]], form: str) -> None:
    print_problems("failed", [form.format_map(result) for result in results if result["status"] != "ok"])


def _print_report_table(table: ReportTable) -> None:
    print_line(f"\n{table.title}: {table.note}")
    print_table(list(table.head), [list(row) for row in table.rows])
